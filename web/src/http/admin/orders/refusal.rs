//! What the page says about a form that was refused: what happened, and what to do.

use serde_json::Value;
use souk_types::Money;

use super::draft::{OrderAction, OrderForms, SHIP};
use crate::api::{Problem, Refusal};
use crate::locale::Key;
use crate::page::PageError;
use crate::visit::Visit;

/// Explains a problem. `None` when messages beside the fields say everything. Errors: the session
/// has ended, the account runs no shop any more, or the order does not exist.
pub(super) fn explain(
    visit: &Visit<'_>,
    forms: &mut OrderForms,
    action: OrderAction,
    problem: Problem,
) -> Result<Option<String>, PageError> {
    let refusal = match &problem {
        Problem::Unavailable => return Ok(Some(visit.text("orders-problem-unavailable").to_string())),
        Problem::Refused(refusal) if matches!(refusal.status, 409 | 422) => refusal,
        Problem::Refused(_) => return Err(problem.into()),
    };
    let key = match refusal.code() {
        "validation" if forms.refuse(visit, action, &refusal.fields) => return Ok(None),
        "key-reused" => {
            forms.renew_keys()?;
            Key("orders-problem-key-reused")
        }
        "not-left" => {
            refuse_pieces(visit, forms, refusal);
            Key("orders-problem-not-left")
        }
        "refund-limit" => return Ok(Some(refund_limit(visit, refusal))),
        "order-state" => Key("orders-problem-state"),
        "payment-refused" => Key("orders-problem-payment-refused"),
        "too-many-shipments" | "too-many-notes" => Key("orders-problem-too-many"),
        _ => Key("orders-problem-refused"),
    };
    Ok(Some(visit.text(key).to_string()))
}

/// Says beside each product how many pieces are left.
fn refuse_pieces(visit: &Visit<'_>, forms: &mut OrderForms, refusal: &Refusal) {
    let items = refusal.members.get("items").and_then(Value::as_array);
    for item in items.into_iter().flatten() {
        let left = item["left"].as_u64().unwrap_or_default();
        let product = item["product_id"].as_str().unwrap_or_default();
        forms
            .state
            .refuse(&format!("{SHIP}{product}"), visit.text("orders-pieces-left").arg("count", left).to_string());
    }
}

fn refund_limit(visit: &Visit<'_>, refusal: &Refusal) -> String {
    let Some(left) = refusal.members.get("left") else {
        return visit.text("orders-problem-too-many").to_string();
    };
    if let Some(pieces) = left.as_u64() {
        return visit.text("orders-problem-refund-pieces").arg("count", pieces).to_string();
    }
    match serde_json::from_value::<Money>(left.clone()) {
        Ok(left) => visit.text("orders-problem-refund-limit").arg("amount", visit.language.money(left)).to_string(),
        Err(_) => visit.text("orders-problem-refused").to_string(),
    }
}
