//! The rules of the reconciliation: they hold after any crash. Each violation is one line. Pure.
//! One file holds the rules of one group.

mod events;
mod orders;
mod payments;
mod quotes;
mod refunds;
mod responses;
mod stock;

use std::collections::{HashMap, HashSet};

use customer::ledger::AccountLedger;
use products::ledger::{ReservationRecord, ReservationStatus, StockRecord};
use serde::Deserialize;
use shopping::ledger::{DiscountRecord, OrderRecord};
use shopping::{DemoPayment, OrderStatus, PaymentStatus};
use souk_bus::EventCounts;
use souk_contract::customer::CustomerId;
use souk_contract::products::ReservationId;
use souk_contract::shopping::OrderId;

/// A 2xx response to `POST /shopping/order`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ClientResponse {
    customer: CustomerId,
    key: String,
    order: OrderId,
    status: OrderStatus,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    pub(super) orders: Vec<OrderRecord>,
    pub(super) discounts: Vec<DiscountRecord>,
    pub(super) demo_payments: Vec<DemoPayment>,
    pub(super) stock: Vec<StockRecord>,
    pub(super) reservations: Vec<ReservationRecord>,
    pub(super) accounts: AccountLedger,
    /// For each order, the mails that confirm it, in any status. A mail that an admin sends again
    /// does not count.
    pub(super) confirmation_mails: HashMap<OrderId, usize>,
    /// The mails that the SMTP server has refused.
    pub(super) failed_mails: usize,
    pub(super) erased_in_mail: HashSet<CustomerId>,
    pub(super) erased_in_products: HashSet<CustomerId>,
    pub(super) erased_in_shopping: HashSet<CustomerId>,
    pub(super) customers_with_carts: HashSet<CustomerId>,
    /// The number of pending events for each service.
    pub(super) outboxes: Vec<(&'static str, usize)>,
    /// `None` for a one-process shop.
    pub(super) broker: Option<EventCounts>,
}

impl Records {
    pub(super) fn scope(&self, responses: usize) -> String {
        let Self { orders, demo_payments, stock, reservations, accounts, failed_mails, .. } = self;
        let dead_letters =
            self.broker.map_or(String::new(), |counts| format!(", {} dead letters", counts.dead_letters));
        let failed = |entry: &&OrderRecord| {
            entry.payment.as_ref().is_some_and(|payment| payment.status == PaymentStatus::RefundFailed)
        };
        let failed: Vec<String> = orders.iter().filter(failed).map(|entry| entry.order.to_string()).collect();
        let failed_refunds =
            if failed.is_empty() { String::new() } else { format!(", failed refunds: {}", failed.join(" ")) };
        format!(
            "{} orders ({responses} responses to clients{failed_refunds}), {} demo payments, {} products, {} reservations, {} deleted accounts, {failed_mails} failed mails{dead_letters}",
            orders.len(),
            demo_payments.len(),
            stock.len(),
            reservations.len(),
            accounts.erased.len()
        )
    }
}

pub(super) fn check(records: &Records, responses: &[ClientResponse]) -> Vec<String> {
    let mut findings = Vec::new();
    let reservations: Reservations<'_> =
        records.reservations.iter().map(|reservation| (reservation.reservation, reservation)).collect();
    orders::check(records, &reservations, &mut findings);
    responses::check(records, responses, &mut findings);
    stock::check(records, &reservations, &mut findings);
    quotes::check(records, &mut findings);
    payments::check(records, &mut findings);
    refunds::check(records, &reservations, &mut findings);
    events::check(records, &mut findings);
    findings
}

type Reservations<'r> = HashMap<ReservationId, &'r ReservationRecord>;

/// Returns the reservation of an order whose stock is sold.
fn sold<'r>(reservations: &Reservations<'r>, entry: &OrderRecord) -> Option<&'r ReservationRecord> {
    let reservation = reservations.get(&entry.reservation).copied();
    reservation.filter(|reservation| reservation.status == ReservationStatus::Sold)
}

#[cfg(test)]
mod tests;
