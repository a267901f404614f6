//! The service `customer`: accounts, sessions, addresses and erasure. An account is one document;
//! an erasure replaces it by a tombstone. A sign-in opens a session, whose refresh tokens renew
//! access tokens. This service alone signs access tokens; the others verify them with its public
//! keys. It calls only `shopping`, for an export of personal data.
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
#[cfg(test)]
mod testing;

use std::sync::Arc;

use souk_bus::Bus;
use souk_http::auth::Verifier;
use souk_http::rate_limit::shared::SharedLimits;
use souk_store::{Database, outbox};
use souk_types::Result;

pub use self::app::App;
pub use self::application::{ledger, operator};
pub use self::domain::password::Password;
pub use self::http::routes;
pub use self::options::Options;
pub use self::providers::signing_key::{KeyError, NotAKey, RotationStep, SigningKey};
pub use self::repositories::open_collections;

use self::providers::attempts::Attempts;
use self::providers::export_slots::ExportSlots;
use self::providers::password_hasher::PasswordHasher;
use self::repositories::{Accounts, Challenges, Erasures, Mails, Sessions};

impl App {
    /// Opens the collections, serves the bus, and starts the background jobs.
    pub fn start(
        database: Database,
        bus: &Bus,
        limits: &SharedLimits,
        key: SigningKey,
        options: Options,
    ) -> Result<Self> {
        let app = Self {
            accounts: Accounts::open(&database)?,
            sessions: Sessions::open(&database, key.session_roots())?,
            challenges: Challenges::open(&database)?,
            erasures: Erasures::open(&database)?,
            mails: Mails::open(&database)?,
            mail_keys: Arc::new(key.mail_keys()),
            challenge_keys: Arc::new(key.challenge_keys()),
            erasure_progress: Arc::default(),
            hasher: PasswordHasher::new(),
            attempts: Arc::new(Attempts::new(limits, &options)),
            staff_second_factor: options.staff_second_factor,
            relying_party: options.relying_party.map(Arc::new),
            verifier: Arc::new(Verifier::from_keys(&key.public_keys())?),
            key: Arc::new(key),
            exports: ExportSlots::default(),
            bus: bus.clone(),
            database,
        };
        messages::serve(&app, bus);
        outbox::relay(app.database.clone(), bus.clone());
        jobs::start(&app);
        Ok(app)
    }
}
