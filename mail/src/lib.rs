//! The service `mail`: one mail to a customer for each event that asks for one. A mail begins as a
//! document without personal data. Each attempt asks the owner of the data for recipient and
//! content, renders the mail, and sends it through SMTP or writes it to a file. The instance that
//! received the event makes the first attempt, a background job all others.
//!
//! A mail is sent at least once: after a crash between the server's acceptance and the write of
//! this service, the same mail leaves again, with the same `Message-ID`.
//!
//! Types of personal or secret data have no `Debug`, so that no log line can show them.

mod app;
mod application;
mod domain;
mod http;
mod jobs;
mod messages;
mod options;
mod providers;
mod repositories;

use std::sync::Arc;

use souk_bus::Bus;
use souk_http::auth::{TokenRevocations, Verifier};
use souk_store::{Database, outbox};
use souk_types::Result;
use tokio::sync::Semaphore;

pub use self::app::App;
pub use self::application::{ledger, operator};
pub use self::domain::mail::Status;
pub use self::http::routes;
pub use self::options::{Defaults, Options};
pub use self::repositories::open_collections;

use self::repositories::{ErasedCustomers, Mails};

/// First attempts that an instance makes at a time.
const FIRST_ATTEMPTS: usize = 4;

impl App {
    /// Opens the collections, subscribes to events, and starts to send.
    pub fn start(database: Database, bus: &Bus, verifier: Verifier, options: Options) -> Result<Self> {
        let app = Self {
            mails: Mails::open(&database)?,
            erased: ErasedCustomers::open(&database)?,
            verifier: Arc::new(verifier),
            revocations: TokenRevocations::open(&database)?,
            templates: Arc::new(options.templates),
            transport: options.transport.open()?,
            sender: Arc::new(options.sender),
            first_attempts: Arc::new(Semaphore::new(FIRST_ATTEMPTS)),
            bus: bus.clone(),
            database,
        };
        app.verifier.prefetch_keys();
        messages::subscribe(&app, bus);
        outbox::relay(app.database.clone(), bus.clone());
        jobs::start(&app);
        Ok(app)
    }
}
