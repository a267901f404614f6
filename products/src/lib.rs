//! The catalogue, its stock, and the reservations of orders.
//!
//! A product is one document: its listing in the catalogue and its stock. Each change of a product
//! is an update of that document. While an order is in checkout, each product has a hold. The
//! decision to sell or release them is one document (`domain/reservation.rs`). This service calls
//! another service only for the keys that verify access tokens.

mod app;
mod application;
mod domain;
mod http;
mod jobs;
mod messages;
mod options;
mod repositories;

use std::sync::Arc;

use souk_bus::Bus;
use souk_http::auth::{TokenRevocations, Verifier};
use souk_store::{Database, outbox};
use souk_types::Result;
use tokio::sync::Semaphore;

pub use self::app::App;
pub use self::application::{catalogue, editing, imports, ledger, sample_catalogue};
pub use self::domain::catalogue_query::{CatalogueQuery, Sort};
pub use self::domain::product_view::ProductView;
pub use self::domain::stock::StockLevels;
pub use self::http::routes;
pub use self::options::Options;
pub use self::repositories::open_collections;

use self::application::images;
use self::imports::Importer;
use self::repositories::{Images, Products, Reservations};

impl App {
    /// Opens the collections, serves the bus, and starts the outbox relay and the background jobs.
    pub fn start(database: Database, bus: &Bus, verifier: Verifier, options: Options) -> Result<Self> {
        let app = Self {
            products: Products::open(&database)?,
            reservations: Reservations::open(&database)?,
            images: Images::open(&database)?,
            verifier: Arc::new(verifier),
            revocations: TokenRevocations::open(&database)?,
            import_limits: options.import_limits,
            import_lock: Arc::default(),
            image_lock: Arc::default(),
            image_uploads: Arc::new(Semaphore::new(images::MAX_UPLOADS)),
            database,
        };
        app.verifier.prefetch_keys();
        messages::serve(&app, bus);
        outbox::relay(app.database.clone(), bus.clone());
        jobs::start(&app);
        Ok(app)
    }

    /// Returns the importer of the catalogue.
    #[must_use]
    pub fn importer(&self) -> Importer {
        Importer::new(self)
    }
}
