//! Use cases, one file per noun: each loads, applies a rule, saves, and calls or publishes.

pub(crate) mod accounts;
pub(crate) mod addresses;
pub(crate) mod credentials;
pub(crate) mod erasures;
pub(crate) mod exports;
pub mod ledger;
pub(crate) mod mails;
pub mod operator;
pub(crate) mod passkeys;
pub(crate) mod password_reset;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod staff;
pub(crate) mod totp;
pub(crate) mod verification;
