//! The catalogue, its stock, and the reservations of orders.
//!
//! A product is one document: what is offered, and how many there are. Everything that happens to it is an update of that one
//! document; an order over several products is held together by a reservation, which decides (see [`reservation`]). This service
//! calls nobody, except for the keys that verify tokens.

pub mod books;
pub mod catalogue;
pub mod demo;
pub mod edit;
pub mod import;
mod messages;
pub mod product;
pub mod reservation;
mod routes;
pub mod stock;
mod store;

use std::sync::Arc;

use souk_bus::Bus;
use souk_http::auth::{ClosedAccounts, Verifier};
use souk_store::{Database, outbox};
use souk_types::Result;

use self::import::Importer;
pub use self::routes::routes;
use self::store::{Products, Reservations};

/// What the routes and the message handlers of this service work with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) database: Database,
    pub(crate) products: Products,
    pub(crate) reservations: Reservations,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) closed: ClosedAccounts,
    pub(crate) importer: Importer,
}

impl App {
    /// Opens the collections, answers the bus, and starts what runs beside the requests.
    pub fn start(database: Database, bus: &Bus, verifier: Verifier, import: import::Limits) -> Result<Self> {
        let products = Products::open(&database)?;
        let app = Self {
            importer: Importer::of(products.clone(), import),
            products,
            reservations: Reservations::open(&database)?,
            verifier: Arc::new(verifier),
            closed: ClosedAccounts::open(&database)?,
            database,
        };
        app.verifier.prefetch_keys();
        messages::serve(&app, bus);
        outbox::relay(app.database.clone(), bus.clone());
        reservation::sweep(app.clone());
        Ok(app)
    }

    /// The way in for whole catalogues.
    #[must_use]
    pub fn importer(&self) -> Importer {
        self.importer.clone()
    }
}
