//! The catalogue, its stock, and the reservations of orders.
//!
//! A product is one document: its listing in the catalogue and its stock. Each change of a product is an update of that
//! document. An order over several products has a reservation, a document whose state decides (`domain/reservation.rs`).
//! This service calls no other service, except for the keys that verify access tokens.

mod app;
mod application;
mod domain;
mod http;
mod jobs;
mod messages;
mod repositories;

pub use self::app::App;
pub use self::application::import_limits::ImportLimits;
pub use self::application::{catalogue, demo, editing, imports, ledger};
pub use self::domain::catalogue_query::{CatalogueQuery, Sort};
pub use self::domain::product_view::ProductView;
pub use self::domain::stock::StockLevels;
pub use self::http::routes;
