//! Rules of orders.

use std::collections::HashMap;

use shopping::OrderStatus;
use shopping::ledger::OrderRecord;

use super::{Records, Reservations, sold};

/// Each idempotency key and each number has at most one order, each cart at most one order under
/// way, no order is stuck, and the stock of exactly the sold orders is sold.
pub(super) fn check(records: &Records, reservations: &Reservations<'_>, findings: &mut Vec<String>) {
    let (mut keys, mut claims, mut numbers) = (HashMap::new(), HashMap::new(), HashMap::new());
    for entry in &records.orders {
        let OrderRecord { order, status, .. } = entry;
        if let (Some(owner), Some(key)) = (&entry.placed_by, &entry.key)
            && let Some(another) = keys.insert((owner.as_str(), key.as_str()), *order)
        {
            findings.push(format!("orders {another} and {order} have the same idempotency key"));
        }
        if let Some(number) = &entry.number
            && let Some(another) = numbers.insert(number.as_str(), *order)
        {
            findings.push(format!("orders {another} and {order} have the number {number}"));
        }
        if *status != OrderStatus::Reserved && entry.has_open_work && !entry.waits_for_provider {
            findings.push(format!("order {order} is {status:?} and was not continued"));
        }
        if let Some(owner) = &entry.placed_by
            && entry.claims_cart
            && let Some(another) = claims.insert(owner.as_str(), *order)
        {
            findings.push(format!("orders {another} and {order} of one cart are under way"));
        }
        let is_sold = sold(reservations, entry).is_some();
        if !entry.are_pieces_consistent {
            findings.push(format!(
                "order {order} has more pieces shipped or refunded than ordered, or a state that does not follow from them"
            ));
        }
        // A cancelled order keeps the stock that an earlier refund did not put back on sale.
        let may_be_sold = !entry.returned.is_empty() || !entry.refunds.is_empty();
        let is_expected = if status.is_sold() { is_sold } else { !is_sold || may_be_sold };
        if !is_expected && !entry.has_open_work {
            let stock = if is_sold { "is sold" } else { "is not sold" };
            findings.push(format!("order {order} is {status:?} and its stock {stock}"));
        }
    }
}
