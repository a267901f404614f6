//! The rules of the reconciliation: they hold after any crash. Each violation is one line. Pure.

use std::collections::{HashMap, HashSet};

use customer::ledger::AccountLedger;
use products::ledger::{HoldRecord, ReservationRecord, ReservationStatus, StockRecord};
use serde::Deserialize;
use shopping::ledger::{DiscountRecord, OrderRecord, PaymentRecord};
use shopping::{DemoPayment, OrderStatus, PaymentMethod, PaymentStatus};
use souk_bus::EventCounts;
use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductId, ReservationId};
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
    check_orders(records, &reservations, &mut findings);
    check_responses(records, responses, &mut findings);
    check_stock(records, &reservations, &mut findings);
    check_quotes(records, &mut findings);
    check_payments(records, &mut findings);
    check_refunds(records, &reservations, &mut findings);
    check_events(records, &mut findings);
    findings
}

type Reservations<'r> = HashMap<ReservationId, &'r ReservationRecord>;

/// Each idempotency key and each number has at most one order, each cart at most one order under
/// way, no order is stuck, and the stock of exactly the sold orders is sold.
fn check_orders(records: &Records, reservations: &Reservations<'_>, findings: &mut Vec<String>) {
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

/// Returns the reservation of an order whose stock is sold.
fn sold<'r>(reservations: &Reservations<'r>, entry: &OrderRecord) -> Option<&'r ReservationRecord> {
    let reservation = reservations.get(&entry.reservation).copied();
    reservation.filter(|reservation| reservation.status == ReservationStatus::Sold)
}

/// Each order in a response exists, belongs to the customer and the key, and has not lost its
/// status. A key always got the same order.
fn check_responses(records: &Records, responses: &[ClientResponse], findings: &mut Vec<String>) {
    let orders: HashMap<OrderId, &OrderRecord> = records.orders.iter().map(|entry| (entry.order, entry)).collect();
    for ClientResponse { customer, key, order, status } in responses {
        let Some(entry) = orders.get(order) else {
            findings.push(format!("order {order} of a response does not exist"));
            continue;
        };
        if entry.customer.is_some_and(|of| of != *customer) || entry.key.as_ref().is_some_and(|of| of != key) {
            findings.push(format!("order {order} belongs to another customer or key than in the response"));
        }
        let is_kept = match status {
            OrderStatus::Confirmed => {
                entry.status.is_sold() || matches!(entry.status, OrderStatus::Cancelled | OrderStatus::Refunded)
            }
            // A refund may fail later.
            OrderStatus::Refunded => matches!(entry.status, OrderStatus::Refunded | OrderStatus::Cancelled),
            OrderStatus::PartiallyShipped => entry.status.is_shipped(),
            OrderStatus::Shipped => matches!(entry.status, OrderStatus::Shipped | OrderStatus::Delivered),
            OrderStatus::Delivered => entry.status == *status,
            _ => true,
        };
        if !is_kept {
            findings.push(format!("order {order} was {status:?} in a response and is {:?}", entry.status));
        }
    }
    let mut first_orders: HashMap<(CustomerId, &str), OrderId> = HashMap::new();
    for response in responses {
        let first = *first_orders.entry((response.customer, &response.key)).or_insert(response.order);
        if first != response.order {
            findings.push(format!("one idempotency key got orders {first} and {}", response.order));
        }
    }
}

/// For each product `available + reserved + sold = stocked`, and `sold` is the sum of the confirmed
/// orders' lines without the returned pieces. Each hold belongs to a reservation, and each
/// reservation to an order.
fn check_stock(records: &Records, reservations: &Reservations<'_>, findings: &mut Vec<String>) {
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

/// The parts of each quote add up, no discount has more uses than its limit, and each confirmed
/// order has a use of the limited discounts in its quote.
fn check_quotes(records: &Records, findings: &mut Vec<String>) {
    let mut confirmed: HashMap<&str, u64> = HashMap::new();
    for entry in &records.orders {
        if let Some(problem) = entry.quote_problem {
            findings.push(format!("the quote of order {} is wrong: {problem}", entry.order));
        }
        for key in entry.counted_discounts.iter().filter(|_| entry.was_confirmed) {
            *confirmed.entry(key).or_default() += 1;
        }
    }
    let uses: HashMap<&str, u64> = records.discounts.iter().map(|record| (record.key.as_str(), record.uses)).collect();
    for DiscountRecord { key, uses, limit } in &records.discounts {
        if *uses > u64::from(*limit) {
            findings.push(format!("the discount {key} has {uses} uses and its limit is {limit}"));
        }
    }
    for (key, orders) in confirmed {
        let counted = uses.get(key).copied().unwrap_or(0);
        if orders > counted {
            findings.push(format!("{orders} confirmed orders have the discount {key}, which counts {counted} uses"));
        }
    }
}

/// Each payment belongs to one order, is captured at most once, and has the money that its order
/// requires. The demo bank's records agree.
fn check_payments(records: &Records, findings: &mut Vec<String>) {
    let mut references = HashSet::new();
    let demo_payments: HashMap<OrderId, &DemoPayment> =
        records.demo_payments.iter().map(|payment| (payment.order, payment)).collect();
    let orders: HashSet<OrderId> = records.orders.iter().map(|entry| entry.order).collect();
    for payment in &records.demo_payments {
        if !orders.contains(&payment.order) {
            findings.push(format!("the demo bank has a payment for order {}, which does not exist", payment.order));
        }
        if payment.captures > 1 {
            findings.push(format!("the payment of order {} was captured {} times", payment.order, payment.captures));
        }
    }
    for entry in &records.orders {
        let (order, status) = (entry.order, entry.status);
        let Some(payment) = &entry.payment else {
            let is_free = entry.total.is_zero();
            if !matches!(status, OrderStatus::Pending | OrderStatus::Rejected) && !is_free {
                findings.push(format!("order {order} is {status:?} and has no payment"));
            }
            continue;
        };
        if !references.insert((payment.method, payment.reference.as_str())) {
            findings.push(format!("payment {} belongs to several orders", payment.reference));
        }
        if entry.has_open_work {
            continue;
        }
        if !money_matches(entry, payment) {
            let PaymentRecord { status: paid, captured, refunded, .. } = payment;
            findings.push(format!(
                "order {order} is {status:?} and its payment is {paid:?}, {captured} captured and {refunded} refunded"
            ));
        }
        if payment.method == PaymentMethod::Demo {
            match demo_payments.get(&order) {
                None => findings.push(format!("the demo bank has no payment for order {order}")),
                Some(demo) if (demo.captured, demo.refunded()) != (payment.captured, payment.refunded) => {
                    findings.push(format!(
                        "order {order} has {} captured and {} refunded, and the demo bank {} and {}",
                        payment.captured,
                        payment.refunded,
                        demo.captured,
                        demo.refunded()
                    ));
                }
                Some(demo) if demo.amount != entry.total => {
                    findings.push(format!("order {order} costs {} and its payment is {}", entry.total, demo.amount));
                }
                Some(_) => {}
            }
        }
    }
}

/// Whether an order in this state may keep the captured money less the refunds.
fn money_matches(entry: &OrderRecord, payment: &PaymentRecord) -> bool {
    let (total, captured) = (entry.total, payment.captured);
    let is_paid = captured.currency() == total.currency() && captured.amount() >= total.amount();
    let keeps_nothing = payment.captured == payment.refunded;
    match entry.status {
        // The shop may refund all the money of an order that is not cancelled. The provider may
        // not.
        OrderStatus::Confirmed => is_paid && (!keeps_nothing || !entry.refunds.is_empty()),
        OrderStatus::PartiallyShipped | OrderStatus::Shipped | OrderStatus::Delivered => is_paid,
        OrderStatus::Refunded => keeps_nothing && payment.status == PaymentStatus::Refunded,
        OrderStatus::Cancelled | OrderStatus::Rejected => {
            // The bank has taken disputed money, or may give it back.
            let is_open = matches!(
                payment.status,
                PaymentStatus::RefundPending | PaymentStatus::RefundFailed | PaymentStatus::Disputed
            );
            (keeps_nothing || is_open) && payment.status != PaymentStatus::Authorized
        }
        OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Paid => true,
    }
}

/// No more pieces and no more money are refunded than were bought and captured. The refunds of all
/// the money return all the tax. The pieces that go back on sale are those of the refunds.
fn check_refunds(records: &Records, reservations: &Reservations<'_>, findings: &mut Vec<String>) {
    for entry in &records.orders {
        let order = entry.order;
        for line in &entry.lines {
            let of_line = |pieces: &&(ProductId, u32)| pieces.0 == line.product;
            let refunded: u32 =
                entry.refunds.iter().flat_map(|refund| &refund.pieces).filter(of_line).map(|it| it.1).sum();
            if refunded > line.quantity.get() {
                let bought = line.quantity.get();
                findings.push(format!("order {order}: {refunded} of {bought} pieces of {} are refunded", line.product));
            }
        }
        let succeeded = entry.refunds.iter().filter(|refund| refund.has_succeeded);
        let sum: u64 = succeeded.map(|refund| refund.amount.amount()).sum();
        let refunded = entry.payment.as_ref().map_or(0, |payment| payment.refunded.amount());
        if sum > refunded {
            findings.push(format!("order {order} has refunds of {sum}, and its payment refunded {refunded}"));
        }
        for refund in entry.refunds.iter().filter(|refund| refund.taxed > refund.amount.amount()) {
            let (taxed, amount) = (refund.taxed, refund.amount);
            findings.push(format!(
                "order {order}: net amounts and taxes of a refund are {taxed}, and the refund is {amount}"
            ));
        }
        let (tax, all): (u64, u64) = (
            entry.refunds.iter().map(|refund| refund.tax).sum(),
            entry.refunds.iter().map(|refund| refund.amount.amount()).sum(),
        );
        if tax > entry.tax || (all >= entry.total.amount() && tax != entry.tax) {
            findings.push(format!("order {order} has taxes of {}, and its refunds of {all} return {tax}", entry.tax));
        }
        if let Some(reservation) = sold(reservations, entry)
            && !entry.has_open_work
            && !is_same(&entry.returned, &reservation.returned)
        {
            findings.push(format!("order {order} returned other pieces than {:?}", reservation.returned));
        }
    }
}

/// Whether two lists have the same elements, each once.
fn is_same(one: &[(ProductId, u32)], other: &[(ProductId, u32)]) -> bool {
    one.len() == other.len() && one.iter().all(|element| other.contains(element))
}

/// All outboxes are empty, no event waits on the broker, every service has erased every deleted
/// account, every account has counted its confirmed orders, and each of these orders has a mail.
fn check_events(records: &Records, findings: &mut Vec<String>) {
    for (service, pending) in &records.outboxes {
        if *pending > 0 {
            findings.push(format!("{pending} events wait in the outbox of {service}"));
        }
    }
    if let Some(counts) = records.broker
        && counts.waiting > 0
    {
        findings.push(format!("{} events wait on the broker", counts.waiting));
    }
    for customer in &records.accounts.erased {
        for (service, erased) in [
            ("mail", &records.erased_in_mail),
            ("products", &records.erased_in_products),
            ("shopping", &records.erased_in_shopping),
        ] {
            if !erased.contains(customer) {
                findings.push(format!("{service} has not erased the deleted account {customer}"));
            }
        }
        if records.customers_with_carts.contains(customer) {
            findings.push(format!("the deleted account {customer} has a cart"));
        }
    }
    let deleted: HashSet<&CustomerId> = records.accounts.erased.iter().collect();
    for entry in
        records.orders.iter().filter(|entry| entry.customer.is_some_and(|customer| deleted.contains(&customer)))
    {
        findings.push(format!("order {} refers to a deleted account", entry.order));
    }
    let has_no_mail = |entry: &&OrderRecord| !records.confirmation_mails.contains_key(&entry.order);
    for entry in
        records.orders.iter().filter(|entry| entry.was_confirmed && entry.customer.is_some()).filter(has_no_mail)
    {
        findings.push(format!("order {} was confirmed and has no mail to its customer", entry.order));
    }
    for (order, mails) in records.confirmation_mails.iter().filter(|(_, mails)| **mails > 1) {
        findings.push(format!("order {order} has {mails} mails that confirm it"));
    }
}

#[cfg(test)]
mod tests;
