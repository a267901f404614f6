//! Types and rules of accounts, sessions and erasures. Pure: no I/O, no async, no other layer.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod country;
pub(crate) mod email;
pub(crate) mod erasure;
pub(crate) mod password;
pub(crate) mod phone;
mod redacted;
pub(crate) mod session;
pub(crate) mod token_secret;
