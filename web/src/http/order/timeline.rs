//! What happened with an order, in words for its customer.

use souk_types::Timestamp;

use crate::api::order::{Order, OrderStatus, Shipment, StatusChange};
use crate::locale::Key;
use crate::visit::Visit;

/// One line of the timeline.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) at: Timestamp,
    pub(super) text: String,
}

/// Returns the timeline, oldest first.
pub(super) fn events(visit: &Visit<'_>, order: &Order) -> Vec<Event> {
    let mut events = vec![Event { at: order.created_at, text: visit.text("event-placed").to_string() }];
    let changes = order.history.iter().filter_map(|change| {
        let text = visit.text(change_key(order, change)?).to_string();
        Some(Event { at: change.at, text })
    });
    events.extend(changes);
    events.extend(order.shipments.iter().map(|parcel| sent(visit, parcel)));
    let arrived = order.shipments.iter().filter_map(|parcel| parcel.delivered_at);
    events.extend(arrived.map(|at| Event { at, text: visit.text("event-delivered").to_string() }));
    let refunds = order.refunds.iter().filter(|refund| refund.status != "failed");
    events.extend(refunds.map(|refund| {
        let key = if refund.status == "pending" { Key("event-refund-pending") } else { Key("event-refunded") };
        let text = visit.text(key).arg("amount", visit.language.money(refund.amount)).to_string();
        Event { at: refund.created_at, text }
    }));
    events.sort_by_key(|event| event.at.unix_millis());
    events
}

/// Returns the text of a change of the state; `None` where parcels or refunds say more.
fn change_key(order: &Order, change: &StatusChange) -> Option<Key> {
    match change.status {
        OrderStatus::Paid => Some(Key("event-paid")),
        OrderStatus::Confirmed => Some(Key("event-confirmed")),
        // Digital goods have no parcel.
        OrderStatus::Delivered if order.shipments.is_empty() => Some(Key("event-delivered-digital")),
        OrderStatus::Rejected => Some(rejected_key(change.reason.as_deref())),
        // The customer has not paid, or the shop has not captured an authorized payment.
        OrderStatus::Cancelled if is_expired(change) && !order.has_captured() => {
            Some(Key("event-cancelled-unconfirmed"))
        }
        OrderStatus::Cancelled => Some(cancelled_key(change.reason.as_deref())),
        OrderStatus::Pending
        | OrderStatus::Reserved
        | OrderStatus::PartiallyShipped
        | OrderStatus::Shipped
        | OrderStatus::Delivered
        | OrderStatus::Refunded => None,
    }
}

fn sent(visit: &Visit<'_>, parcel: &Shipment) -> Event {
    let text = match &parcel.carrier {
        Some(carrier) => visit.text("event-sent-with").arg("carrier", carrier.clone()).to_string(),
        None => visit.text("event-sent").to_string(),
    };
    Event { at: parcel.shipped_at, text }
}

/// Says why an order failed, and that nothing was charged.
pub(super) fn rejected_key(reason: Option<&str>) -> Key {
    match reason {
        Some("out-of-stock") => Key("event-rejected-stock"),
        Some("payment-declined") => Key("event-rejected-declined"),
        Some("payment-refused" | "payment-cancelled") => Key("event-rejected-payment"),
        Some("quote-changed") => Key("event-rejected-price"),
        _ => Key("event-rejected"),
    }
}

fn is_expired(change: &StatusChange) -> bool {
    change.reason.as_deref() == Some("reservation-expired")
}

fn cancelled_key(reason: Option<&str>) -> Key {
    reason.and_then(known_reason).unwrap_or(Key("event-cancelled"))
}

/// Returns the text about the reason of a cancellation.
pub(super) fn known_reason(reason: &str) -> Option<Key> {
    match reason {
        "by-customer" => Some(Key("event-cancelled-by-customer")),
        "by-shop" => Some(Key("event-cancelled-by-shop")),
        "reservation-expired" => Some(Key("event-cancelled-expired")),
        "out-of-stock" => Some(Key("event-cancelled-stock")),
        "ordered-again" => Some(Key("event-cancelled-again")),
        _ => None,
    }
}
