//! Use cases, one file per noun.

pub(crate) mod accounts;
pub mod admin;
pub(crate) mod erasures;
pub(crate) mod exports;
pub mod ledger;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod sign_up;
