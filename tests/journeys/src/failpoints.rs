//! The failpoints (`common/types/src/failpoint.rs`) on the path of an order and of an erasure. The
//! journeys `failpoints.rs` crash a service at each of them, in one process and in a fleet. Add a
//! line here for each new step of an order or an erasure.

pub(crate) const FAILPOINT: &str = "SOUK_FAILPOINT";

/// Services and the failpoints at which they die. `@2` is the second time that the process passes
/// the failpoint. Concurrent orders pass most failpoints many times, so the interrupted step is
/// random.
pub const ALL: &[(&str, &str)] = &[
    // The cart is filled, and emptied by the order.
    ("shopping", "commit.carts.before"),
    ("shopping", "commit.carts.after"),
    ("shopping", "commit.carts.before@2"),
    ("shopping", "commit.carts.after@3"),
    // The order is created as pending, then moves through its states.
    ("shopping", "commit.orders.before"),
    ("shopping", "commit.orders.after"),
    ("shopping", "commit.orders.before@2"),
    ("shopping", "commit.orders.after@3"),
    ("shopping", "commit.orders.before@5"),
    ("shopping", "commit.orders.after@8"),
    // The order gets its number.
    ("shopping", "commit.counters.before"),
    ("shopping", "commit.counters.after@2"),
    ("shopping", "call.products.reserve.before"),
    ("shopping", "call.products.reserve.after"),
    ("shopping", "call.products.confirm.before"),
    ("shopping", "call.products.confirm.after"),
    ("shopping", "publish.shopping.order-confirmed.before"),
    ("shopping", "publish.shopping.order-confirmed.after"),
    ("shopping", "outbox.delete.before"),
    ("shopping", "outbox.delete.after"),
    // The demo payment is created and paid.
    ("shopping", "commit.demo_payments.before"),
    ("shopping", "commit.demo_payments.after"),
    ("shopping", "commit.demo_payments.before@2"),
    ("shopping", "commit.demo_payments.after@2"),
    // The decision on a reservation is stored.
    ("products", "commit.reservations.before"),
    ("products", "commit.reservations.after"),
    ("products", "commit.reservations.before@2"),
    ("products", "commit.reservations.after@2"),
    // The stock is held; after the decision, it is sold.
    ("products", "commit.products.before"),
    ("products", "commit.products.after"),
    ("products", "commit.products.before@2"),
    ("products", "commit.products.after@2"),
    ("products", "commit.products.before@3"),
    ("products", "commit.products.after@3"),
    ("products", "reply.products.reserve.before"),
    ("products", "reply.products.reserve.after"),
    ("products", "reply.products.confirm.before"),
    ("products", "reply.products.confirm.after"),
    ("products", "ack.call.before"),
    ("products", "ack.call.after"),
    // A mail is queued, claimed and sent.
    ("mail", "commit.mails.before"),
    ("mail", "commit.mails.after"),
    ("mail", "commit.mails.after@2"),
    ("mail", "mail.delivered"),
    ("mail", "commit.mails.before@3"),
    ("mail", "ack.shopping.order-confirmed.before"),
    ("mail", "ack.shopping.order-confirmed.after"),
    // An account is deleted, and the other services handle the event.
    ("customer", "commit.accounts.after@2"),
    ("customer", "publish.customer.deleted.before"),
    ("customer", "publish.customer.deleted.after"),
    ("customer", "outbox.delete.before"),
    ("shopping", "ack.customer.deleted.before"),
    ("shopping", "ack.customer.deleted.after"),
    ("products", "ack.customer.deleted.before"),
    ("products", "ack.customer.deleted.after"),
    ("mail", "commit.erased_customers.before"),
    ("mail", "commit.erased_customers.after"),
    ("mail", "ack.customer.deleted.before"),
    ("mail", "publish.mail.customer-erased.before"),
];

/// Returns whether a one-process shop passes the failpoint too. Only a broker acknowledges calls.
pub fn is_in_one_process(failpoint: &str) -> bool {
    !failpoint.starts_with("ack.call.")
}

/// Expects the log of a dead process to name this failpoint.
#[track_caller]
pub(crate) fn assert_died_at(failpoint: &str, log: &str) {
    let (name, _) = failpoint.split_once('@').unwrap_or((failpoint, ""));
    assert!(log.contains(&format!("failpoint {name}:")), "the process did not die at {failpoint}:\n{log}");
}
