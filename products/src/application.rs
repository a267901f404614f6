//! Use cases, one file per noun.

pub mod catalogue;
pub mod editing;
pub(crate) mod images;
pub mod imports;
pub mod ledger;
pub(crate) mod reservations;
pub mod sample_catalogue;
pub(crate) mod settlement;
pub(crate) mod stock;
