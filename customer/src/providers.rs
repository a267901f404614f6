//! Password hashing, limits of attempts, and token signing.

pub(crate) mod attempts;
pub(crate) mod password_hasher;
pub(crate) mod signing_key;
