//! Password hashing, limits of attempts and of exports, and token signing.

pub(crate) mod attempts;
pub(crate) mod export_slots;
pub(crate) mod fair_queue;
pub(crate) mod password_hasher;
pub(crate) mod signing_key;
