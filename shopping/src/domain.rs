//! Types and pure rules: no I/O, no async; callers pass the current time.

pub(crate) mod cart;
mod cart_orders;
pub(crate) mod catalogue;
pub(crate) mod guest_cart;
pub(crate) mod idempotency;
pub(crate) mod order;
pub(crate) mod payment;
pub(crate) mod wishlist;
