//! Password hashing and token signing.

pub(crate) mod password_hasher;
pub(crate) mod signing_key;
