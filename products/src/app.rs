//! The service's repositories, settings and background work.

use std::sync::Arc;

use souk_bus::Bus;
use souk_http::auth::{ClosedAccounts, Verifier};
use souk_store::{Database, outbox};
use souk_types::Result;

use crate::application::import_limits::ImportLimits;
use crate::application::imports::Importer;
use crate::jobs;
use crate::messages;
use crate::repositories::{Products, Reservations};

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
    pub fn start(database: Database, bus: &Bus, verifier: Verifier, limits: ImportLimits) -> Result<Self> {
        let products = Products::open(&database)?;
        let app = Self {
            importer: Importer::of(products.clone(), limits),
            products,
            reservations: Reservations::open(&database)?,
            verifier: Arc::new(verifier),
            closed: ClosedAccounts::open(&database)?,
            database,
        };
        app.verifier.prefetch_keys();
        messages::serve(&app, bus);
        outbox::relay(app.database.clone(), bus.clone());
        jobs::start(&app);
        Ok(app)
    }

    /// The way in for whole catalogues.
    #[must_use]
    pub fn importer(&self) -> Importer {
        self.importer.clone()
    }
}
