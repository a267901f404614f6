//! Carts, wishlists, checkout, orders and payments.
//!
//! An order is one document, and so is a cart; no transaction covers both. Unique indexes make sure
//! that a cart is ordered once (`application/checkout/placing.rs`). The service reads products only
//! through requests to `products` (`products.get`, `products.reserve`, ...); carts and orders keep
//! snapshots of them.

mod app;
mod application;
mod domain;
mod http;
mod jobs;
mod messages;
mod options;
mod providers;
mod repositories;

use souk_bus::Bus;
use souk_http::auth::Verifier;
use souk_http::rate_limit::shared::SharedLimits;
use souk_store::{Database, outbox};
use souk_types::Result;

pub use self::app::App;
pub use self::application::ledger;
pub use self::domain::order::OrderStatus;
pub use self::domain::payment::PaymentMethod;
pub use self::domain::payment::report::ProviderPaymentStatus;
pub use self::domain::payment::state::PaymentStatus;
pub use self::http::routes;
pub use self::options::Options;
pub use self::providers::demo::DemoPayment;
pub use self::repositories::open_collections;

impl App {
    /// Opens the collections, serves the bus, and starts the outbox relay and the background jobs.
    pub fn start(
        database: Database,
        bus: &Bus,
        limits: &SharedLimits,
        verifier: Verifier,
        options: Options,
    ) -> Result<Self> {
        let app = Self::open(database, bus, limits, verifier, options)?;
        app.verifier.prefetch_keys();
        messages::serve(&app);
        outbox::relay(app.database.clone(), bus.clone());
        jobs::start(&app);
        Ok(app)
    }
}
