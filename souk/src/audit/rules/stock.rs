//! Rules of stock and reservations.

use std::collections::HashMap;

use products::ledger::{HoldRecord, ReservationStatus};
use shopping::OrderStatus;
use shopping::ledger::OrderRecord;
use souk_contract::products::ProductId;
use souk_contract::shopping::OrderId;

use super::{Records, Reservations, sold};

/// For each product `available + reserved + sold = stocked`, and `sold` is the sum of the confirmed
/// orders' lines without the returned pieces. Each hold belongs to a reservation, and each
/// reservation to an order.
pub(super) fn check(records: &Records, reservations: &Reservations<'_>, findings: &mut Vec<String>) {
    let mut bought: HashMap<ProductId, u64> = HashMap::new();
    for entry in &records.orders {
        let Some(reservation) = sold(reservations, entry) else { continue };
        for line in &entry.lines {
            *bought.entry(line.product).or_default() += u64::from(line.quantity.get());
        }
        for (product, pieces) in &reservation.returned {
            let bought = bought.entry(*product).or_default();
            *bought = bought.saturating_sub(u64::from(*pieces));
        }
    }
    let orders: HashMap<OrderId, &OrderRecord> = records.orders.iter().map(|entry| (entry.order, entry)).collect();
    for record in &records.stock {
        let (product, levels) = (record.product, record.levels);
        let all = u64::from(levels.available) + levels.reserved + levels.sold;
        if all != record.stocked {
            findings.push(format!("product {product}: {levels:?} are {all} of {} stocked", record.stocked));
        }
        let bought = bought.remove(&product).unwrap_or_default();
        if levels.sold != bought {
            findings.push(format!("product {product}: {} sold, {bought} in confirmed orders", levels.sold));
        }
        for HoldRecord { reservation, order } in &record.holds {
            let holds =
                |entry: &&OrderRecord| entry.reservation == *reservation && entry.status == OrderStatus::Reserved;
            if reservations.contains_key(reservation) || orders.get(order).copied().as_ref().is_none_or(|x| !holds(x)) {
                findings.push(format!("product {product}: stock is held for order {order}, which is not reserved"));
            }
        }
    }
    for (product, quantity) in bought {
        findings.push(format!("product {product} does not exist and {quantity} of it are sold"));
    }
    for record in &records.reservations {
        let (order, reservation) = (record.order, record.reservation);
        let is_current = orders.get(&order).is_some_and(|entry| entry.reservation == reservation);
        if record.status == ReservationStatus::Sold && !is_current {
            findings.push(format!("reservation {reservation} is sold and belongs to no order"));
        }
    }
}
