//! The service's repositories, settings and background work.

use std::sync::Arc;

use souk_bus::Bus;
use souk_http::auth::{ClosedAccounts, Verifier};
use souk_store::{Database, outbox};
use souk_types::Result;

use crate::application::import_limits::ImportLimits;
use crate::application::imports::Importer;
use crate::repositories::{Products, Reservations};
use crate::{jobs, messages};

/// The state that routes, message handlers and jobs share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) database: Database,
    pub(crate) products: Products,
    pub(crate) reservations: Reservations,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) closed_accounts: ClosedAccounts,
    pub(crate) importer: Importer,
}

impl App {
    /// Opens the collections, serves the bus, and starts the outbox relay and the background jobs.
    pub fn start(database: Database, bus: &Bus, verifier: Verifier, limits: ImportLimits) -> Result<Self> {
        let products = Products::open(&database)?;
        let app = Self {
            importer: Importer::new(products.clone(), limits),
            products,
            reservations: Reservations::open(&database)?,
            verifier: Arc::new(verifier),
            closed_accounts: ClosedAccounts::open(&database)?,
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
        self.importer.clone()
    }
}
