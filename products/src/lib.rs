//! The catalogue, its stock, and the reservations of orders.
//!
//! A product is one document: what is offered, and how many there are. Everything that happens to it is an update of that one
//! document; an order over several products is held together by a reservation, which decides (see `domain/reservation.rs`). This service
//! calls nobody, except for the keys that verify tokens.

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
pub use self::domain::import_mapping::{ImportMapping, OnError};
pub use self::domain::product::ProductView;
pub use self::domain::stock::StockLevels;
pub use self::http::routes;
