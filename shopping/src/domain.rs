//! Types and rules. Nothing here does I/O, waits, or reads the clock.

pub(crate) mod cart;
pub(crate) mod catalogue;
pub(crate) mod guest_cart;
pub(crate) mod idempotency;
pub(crate) mod order;
pub(crate) mod payment;
pub(crate) mod wishlist;
