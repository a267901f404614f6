//! Types and rules: no I/O.

pub mod cart;
pub(crate) mod guest_cart;
pub(crate) mod idempotency;
pub mod order;
pub mod payment;
pub mod wishlist;
