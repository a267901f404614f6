//! The rules that the books of a shop keep, whatever dies: each breach is a line. Pure: it is given what was read.

use std::collections::{HashMap, HashSet};

use customer::ledger::AccountLedger;
use products::ledger::{ReservationRecord, ReservationStatus, StockRecord};
use serde::Deserialize;
use shopping::demo::DemoPayment;
use shopping::ledger::Entry;
use shopping::order::Status;
use shopping::payment::{self, Method};
use souk_bus::EventCounts;
use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductId, ReservationId};
use souk_contract::shopping::OrderId;

/// What a client was told of an order, by an answer in the two hundreds.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Told {
    customer: CustomerId,
    key: String,
    order: OrderId,
    status: Status,
}

/// All that is in the books.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    pub(super) orders: Vec<Entry>,
    pub(super) bank: Vec<DemoPayment>,
    pub(super) stock: Vec<StockRecord>,
    pub(super) reservations: Vec<ReservationRecord>,
    pub(super) accounts: AccountLedger,
    pub(super) erased_in_products: HashSet<CustomerId>,
    pub(super) erased_in_shopping: HashSet<CustomerId>,
    /// Whose carts are not empty.
    pub(super) with_carts: HashSet<CustomerId>,
    /// Events that wait in each service's outbox.
    pub(super) outboxes: Vec<(&'static str, usize)>,
    /// In one process there is none.
    pub(super) broker: Option<EventCounts>,
}

impl Read {
    /// What was looked at, in a line.
    pub(super) fn summary(&self, told: usize) -> String {
        let Self { orders, bank, stock, reservations, accounts, .. } = self;
        let dead = self.broker.map_or(String::new(), |counted| format!(", {} dead letters", counted.dead_letters));
        format!(
            "{} orders ({told} told to clients), {} payments of the demo bank, {} products, {} reservations, {} deleted accounts{dead}",
            orders.len(),
            bank.len(),
            stock.len(),
            reservations.len(),
            accounts.erased.len()
        )
    }
}

/// Every breach, in words.
pub(super) fn check(read: &Read, told: &[Told]) -> Vec<String> {
    let mut breaches = Vec::new();
    let reservations: HashMap<ReservationId, &ReservationRecord> =
        read.reservations.iter().map(|record| (record.reservation, record)).collect();
    orders(read, told, &reservations, &mut breaches);
    stock(read, &reservations, &mut breaches);
    payments(read, &mut breaches);
    events(read, &mut breaches);
    breaches
}

/// Every order that a client was told of exists once, each key has at most one, and none is stuck.
fn orders(
    read: &Read,
    told: &[Told],
    reservations: &HashMap<ReservationId, &ReservationRecord>,
    breaches: &mut Vec<String>,
) {
    let mut orders = HashMap::new();
    let mut keys = HashMap::new();
    for entry in &read.orders {
        let Entry { order, status, .. } = entry;
        orders.insert(*order, entry);
        if let (Some(customer), Some(key)) = (entry.customer, &entry.key)
            && let Some(another) = keys.insert((customer, key.as_str()), *order)
        {
            breaches.push(format!("orders {another} and {order} have one key"));
        }
        if *status != Status::Reserved && entry.is_under_way {
            breaches.push(format!("order {order} is {status:?} and not at its end"));
        }
        let is_sold =
            reservations.get(&entry.reservation).is_some_and(|record| record.status == ReservationStatus::Sold);
        if matches!(status, Status::Confirmed | Status::Shipped) != is_sold && !entry.is_under_way {
            let goods = if is_sold { "are sold" } else { "are not sold" };
            breaches.push(format!("order {order} is {status:?} and its goods {goods}"));
        }
    }
    for Told { customer, key, order, status } in told {
        let Some(entry) = orders.get(order) else {
            breaches.push(format!("order {order}, which a client was told of, does not exist"));
            continue;
        };
        if entry.customer.is_some_and(|of| of != *customer) || entry.key.as_ref().is_some_and(|of| of != key) {
            breaches.push(format!("order {order} is another customer's, or has another key, than the client was told"));
        }
        let kept = match status {
            Status::Confirmed => {
                matches!(entry.status, Status::Confirmed | Status::Shipped | Status::Cancelled | Status::Refunded)
            }
            Status::Refunded | Status::Shipped => entry.status == *status,
            _ => true,
        };
        if !kept {
            breaches.push(format!("order {order} was {status:?} when a client was told, and is {:?}", entry.status));
        }
    }
    let mut answers: HashMap<(CustomerId, &str), OrderId> = HashMap::new();
    for told in told {
        let first = *answers.entry((told.customer, &told.key)).or_insert(told.order);
        if first != told.order {
            breaches.push(format!("one key got orders {first} and {}", told.order));
        }
    }
}

/// Per product `available + reserved + sold = stocked`; what is sold is what confirmed orders bought; what is held, somebody claims.
fn stock(read: &Read, reservations: &HashMap<ReservationId, &ReservationRecord>, breaches: &mut Vec<String>) {
    let mut bought: HashMap<ProductId, u64> = HashMap::new();
    for entry in &read.orders {
        if reservations.get(&entry.reservation).is_some_and(|record| record.status == ReservationStatus::Sold) {
            for line in &entry.lines {
                *bought.entry(line.product).or_default() += u64::from(line.quantity.get());
            }
        }
    }
    for record in &read.stock {
        let (product, levels) = (record.product, record.levels);
        let all = u64::from(levels.available) + levels.reserved + levels.sold;
        if all != record.stocked {
            breaches.push(format!("product {product}: {levels:?} are {all} of {} stocked", record.stocked));
        }
        let bought = bought.remove(&product).unwrap_or_default();
        if levels.sold != bought {
            breaches.push(format!("product {product}: {} sold, {bought} in confirmed orders", levels.sold));
        }
        for hold in &record.holds {
            if reservations.get(hold).is_none_or(|record| record.status != ReservationStatus::Held) {
                breaches.push(format!("product {product}: pieces are held for {hold}, which claims none"));
            }
        }
    }
    for (product, pieces) in bought {
        breaches.push(format!("product {product} does not exist and was bought {pieces} times"));
    }
    let orders: HashMap<OrderId, &Entry> = read.orders.iter().map(|entry| (entry.order, entry)).collect();
    for record in &read.reservations {
        let (order, reservation) = (record.order, record.reservation);
        let entry = orders.get(&order);
        let current = entry.is_some_and(|entry| entry.reservation == reservation);
        match record.status {
            ReservationStatus::Sold if !current => {
                breaches.push(format!("reservation {reservation} is sold for no order"))
            }
            ReservationStatus::Held if !entry.is_some_and(|entry| current && entry.status == Status::Reserved) => {
                breaches.push(format!("reservation {reservation} holds goods for an order that does not want them"));
            }
            _ => {}
        }
    }
}

/// Every payment belongs to one order, none is captured twice, and what is kept was paid.
fn payments(read: &Read, breaches: &mut Vec<String>) {
    let mut references = HashSet::new();
    let bank: HashMap<OrderId, &DemoPayment> = read.bank.iter().map(|payment| (payment.order, payment)).collect();
    let orders: HashSet<OrderId> = read.orders.iter().map(|entry| entry.order).collect();
    for payment in &read.bank {
        if !orders.contains(&payment.order) {
            breaches.push(format!("the bank has a payment of order {}, which does not exist", payment.order));
        }
        if payment.captures > 1 {
            breaches.push(format!("order {} was paid {} times", payment.order, payment.captures));
        }
    }
    for entry in &read.orders {
        let (order, status) = (entry.order, entry.status);
        let Some((method, paid, reference)) = &entry.payment else {
            if !matches!(status, Status::Pending | Status::Rejected) {
                breaches.push(format!("order {order} is {status:?} and has no payment"));
            }
            continue;
        };
        if !references.insert((*method, reference.as_str())) {
            breaches.push(format!("payment {reference} belongs to several orders"));
        }
        let right = |where_: payment::Status| match status {
            Status::Confirmed | Status::Shipped => where_ == payment::Status::Captured,
            Status::Refunded => where_ == payment::Status::Refunded,
            Status::Cancelled | Status::Rejected => {
                !matches!(where_, payment::Status::Captured | payment::Status::Review)
            }
            Status::Pending | Status::Reserved | Status::Paid => true,
        };
        if entry.is_under_way {
            continue;
        }
        if !right(*paid) {
            breaches.push(format!("order {order} is {status:?} and its payment {paid:?}"));
        }
        if *method == Method::Demo {
            match bank.get(&order) {
                None => breaches.push(format!("the bank knows nothing of order {order}")),
                Some(payment) if !right(payment.status) => {
                    breaches.push(format!(
                        "order {order} is {status:?}, and for the bank its payment is {:?}",
                        payment.status
                    ));
                }
                Some(payment) if Some(payment.amount) != entry.total => {
                    breaches.push(format!(
                        "order {order} costs {:?}, and {:?} were asked for",
                        entry.total, payment.amount
                    ));
                }
                Some(_) => {}
            }
        }
    }
}

/// Outboxes are empty, and every event has had its effect at every listener.
fn events(read: &Read, breaches: &mut Vec<String>) {
    for (service, waiting) in &read.outboxes {
        if *waiting > 0 {
            breaches.push(format!("{waiting} events wait in the outbox of {service}"));
        }
    }
    if let Some(counted) = read.broker
        && counted.waiting > 0
    {
        breaches.push(format!("{} events wait for their listeners", counted.waiting));
    }
    for customer in &read.accounts.erased {
        for (service, erased) in [("products", &read.erased_in_products), ("shopping", &read.erased_in_shopping)] {
            if !erased.contains(customer) {
                breaches.push(format!("{service} has not erased the deleted account {customer}"));
            }
        }
        if read.with_carts.contains(customer) {
            breaches.push(format!("the deleted account {customer} has a cart"));
        }
    }
    let deleted: HashSet<&CustomerId> = read.accounts.erased.iter().collect();
    for entry in read.orders.iter().filter(|entry| entry.customer.is_some_and(|customer| deleted.contains(&customer))) {
        breaches.push(format!("order {} leads to an account that is deleted", entry.order));
    }
    let mut confirmed: HashMap<CustomerId, u64> = HashMap::new();
    for customer in read.orders.iter().filter(|entry| entry.was_confirmed).filter_map(|entry| entry.customer) {
        *confirmed.entry(customer).or_default() += 1;
    }
    for (customer, counted) in &read.accounts.confirmed_orders {
        let confirmed = confirmed.remove(customer).unwrap_or_default();
        if *counted != confirmed {
            breaches.push(format!("account {customer} has counted {counted} orders, {confirmed} were confirmed"));
        }
    }
}

#[cfg(test)]
mod tests;
