//! The failpoints (`common/types/src/failpoint.rs`) that an order passes, and an erasure: where each service is made to die by the
//! journeys `failpoints.rs`, in one process and in a fleet. A new step takes a line here.

/// The variable that names one.
pub(crate) const FAILPOINT: &str = "SOUK_FAILPOINT";

/// A place, with `@2` its second passing, and the service that passes it. Most are passed many times by one order, and by several at
/// once: which step it is that dies at a later passing is left to chance, as with a power cut.
pub const ALL: &[(&str, &str)] = &[
    // The cart is filled; with the order, it is emptied.
    ("shopping", "commit.carts.before"),
    ("shopping", "commit.carts.after"),
    ("shopping", "commit.carts.before@2"),
    ("shopping", "commit.carts.after@3"),
    // The order is pending, and what it becomes.
    ("shopping", "commit.orders.before"),
    ("shopping", "commit.orders.after"),
    ("shopping", "commit.orders.before@2"),
    ("shopping", "commit.orders.after@3"),
    ("shopping", "commit.orders.before@5"),
    ("shopping", "commit.orders.after@8"),
    ("shopping", "call.products.reserve.before"),
    ("shopping", "call.products.reserve.after"),
    ("shopping", "call.products.confirm.before"),
    ("shopping", "call.products.confirm.after"),
    ("shopping", "publish.shopping.order-confirmed.before"),
    ("shopping", "publish.shopping.order-confirmed.after"),
    ("shopping", "outbox.taken.before"),
    ("shopping", "outbox.taken.after"),
    // The bank: a payment is opened, and made.
    ("shopping", "commit.demo_payments.before"),
    ("shopping", "commit.demo_payments.after"),
    ("shopping", "commit.demo_payments.before@2"),
    ("shopping", "commit.demo_payments.after@2"),
    // A reservation: holding, held, confirmed, settled.
    ("products", "commit.reservations.before"),
    ("products", "commit.reservations.after"),
    ("products", "commit.reservations.before@2"),
    ("products", "commit.reservations.after@2"),
    ("products", "commit.reservations.before@3"),
    ("products", "commit.reservations.after@3"),
    ("products", "commit.reservations.before@4"),
    ("products", "commit.reservations.after@4"),
    // The stock: a hold, a sale.
    ("products", "commit.products.before"),
    ("products", "commit.products.after"),
    ("products", "commit.products.before@2"),
    ("products", "commit.products.after@2"),
    ("products", "reply.products.reserve.before"),
    ("products", "reply.products.reserve.after"),
    ("products", "reply.products.confirm.before"),
    ("products", "reply.products.confirm.after"),
    ("products", "ack.call.before"),
    ("products", "ack.call.after"),
    // The order is counted with the account.
    ("customer", "commit.accounts.before"),
    ("customer", "ack.shopping.order-confirmed.before"),
    ("customer", "ack.shopping.order-confirmed.after"),
    // An account is deleted, and everybody hears of it.
    ("customer", "commit.accounts.after@2"),
    ("customer", "publish.customer.deleted.before"),
    ("customer", "publish.customer.deleted.after"),
    ("customer", "outbox.taken.before"),
    ("shopping", "ack.customer.deleted.before"),
    ("shopping", "ack.customer.deleted.after"),
    ("products", "ack.customer.deleted.before"),
    ("products", "ack.customer.deleted.after"),
];

/// Whether a shop in one process passes it too: calls are acknowledged to a broker only.
#[must_use]
pub fn is_in_one_process(at: &str) -> bool {
    !at.starts_with("ack.call.")
}

/// The end was this one, and not some mishap.
#[track_caller]
pub(crate) fn died_at(at: &str, log: &str) {
    let (place, _) = at.split_once('@').unwrap_or((at, ""));
    assert!(log.contains(&format!("failpoint {place}:")), "it did not die at {at}:\n{log}");
}
