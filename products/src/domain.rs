//! Types and rules: no I/O.

pub(crate) mod import_mapping;
pub(crate) mod import_rows;
pub(crate) mod product;
pub(crate) mod reservation;
pub(crate) mod stock;
