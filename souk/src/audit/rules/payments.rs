//! Rules of payments.

use std::collections::{HashMap, HashSet};

use shopping::ledger::{OrderRecord, PaymentRecord};
use shopping::{DemoPayment, OrderStatus, PaymentMethod, PaymentStatus};
use souk_contract::shopping::OrderId;

use super::Records;

/// Each payment belongs to one order, is captured at most once, and has the money that its order
/// requires. The demo bank's records agree.
pub(super) fn check(records: &Records, findings: &mut Vec<String>) {
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
