//! Use cases, one file per noun.

pub(crate) mod checkout;
pub(crate) mod erasure;
pub(crate) mod export;
pub mod ledger;
pub(crate) mod timeline;
