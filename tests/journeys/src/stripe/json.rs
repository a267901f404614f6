//! What Stripe says of payments, charges and refunds.

use serde_json::{Value, json};

use super::Intent;

pub(super) fn intent_json(number: usize, intent: &Intent) -> Value {
    json!({
        "id": format!("pi_{number}"),
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_received": intent.received,
        "currency": intent.currency,
        "status": intent.status,
        "latest_charge": if intent.captures > 0 { charge_json(number, intent) } else { Value::Null },
        "client_secret": format!("pi_{number}_secret_Fh3k"),
        "next_action": intent.next_action,
        "last_payment_error": intent.last_payment_error,
        "metadata": {"order": intent.order},
    })
}

pub(super) fn charge_json(number: usize, intent: &Intent) -> Value {
    json!({
        "id": format!("ch_{number}"),
        "object": "charge",
        "payment_intent": format!("pi_{number}"),
        "amount": intent.amount,
        "amount_captured": intent.received,
        // Stripe counts what it releases of a partial capture as refunded.
        "amount_refunded": intent.amount - intent.received.min(intent.amount) + intent.refunded(),
        "refunded": intent.refunded() == intent.received,
        "captured": true,
        "currency": intent.currency,
        "metadata": {"order": intent.order},
    })
}

pub(super) fn charge_refunded(number: usize, intent: &Intent) -> Value {
    let id = format!("evt_charge_{number}_{}", intent.refunds.len());
    json!({"id": id, "object": "event", "type": "charge.refunded", "data": {"object": charge_json(number, intent)}})
}

pub(super) fn refund_json(number: usize, intent: &Intent, index: usize) -> Value {
    let refund = &intent.refunds[index];
    let failure = (refund.status == "failed").then_some("expired_or_canceled_card");
    json!({
        "id": format!("re_{number}_{index}"),
        "object": "refund",
        "payment_intent": format!("pi_{number}"),
        "amount": refund.amount,
        "currency": intent.currency,
        "status": refund.status,
        "failure_reason": failure,
        "metadata": {"order": intent.order, "refund": refund.shop_id},
    })
}
