//! Use cases.

pub(crate) mod admin_mails;
pub(crate) mod deliveries;
pub(crate) mod erasure;
pub mod ledger;
pub mod operator;
pub(crate) mod queue;
