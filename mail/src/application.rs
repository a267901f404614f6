//! Use cases.

pub(crate) mod deliveries;
pub(crate) mod erasure;
pub mod ledger;
pub(crate) mod list;
pub(crate) mod queue;
