//! Accounts: who a customer is, how they prove it, and how they are forgotten.
//!
//! An account is one document; erasing it leaves a tombstone without a person in it. A sign-in opens a session, which
//! renews access tokens until it ends; this service alone signs them, the others verify them with the keys that it
//! hands out. It calls nobody, but for an export: then it asks `shopping` what it has.
//!
//! Types that hold something personal or secret have no `Debug`, or one that says nothing: no log line can show them.

mod application;
mod domain;
mod http;
mod messages;
mod providers;
mod repositories;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use souk_bus::Bus;
use souk_contract::customer::Keys;
use souk_http::auth::Verifier;
use souk_store::{Database, outbox};
use souk_types::Result;
use tokio::sync::Notify;

pub use self::application::{admin, ledger};
pub use self::domain::email::Email;
pub use self::http::routes;
pub use self::providers::password_hasher::Password;
pub use self::providers::signing_key::{KeyError, SigningKey};

use self::application::erasures;
use self::providers::password_hasher::Hasher;
use self::repositories::{Accounts, Erasures, Sessions};

/// What the routes and the message handlers of this service work with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Sessions,
    pub(crate) erasures: Erasures,
    /// A service has said here that it has erased somebody.
    pub(crate) acknowledged: Arc<Notify>,
    pub(crate) hasher: Hasher,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) verifier: Arc<Verifier>,
}

impl App {
    /// Opens the collections, answers the bus, and starts what runs beside the requests.
    pub fn start(database: Database, bus: &Bus, key: SigningKey) -> Result<Self> {
        let app = Self {
            accounts: Accounts::open(&database)?,
            sessions: Sessions::open(&database)?,
            erasures: Erasures::open(&database)?,
            acknowledged: Arc::default(),
            hasher: Hasher::new(),
            verifier: Arc::new(Verifier::from_keys(&key.publics())?),
            key: Arc::new(key),
            bus: bus.clone(),
            database,
        };
        messages::serve(&app, bus);
        outbox::relay(app.database.clone(), bus.clone());
        erasures::sweep(app.clone());
        Ok(app)
    }

    /// What verifies this service's tokens.
    pub(crate) fn keys(&self) -> Keys {
        Keys { keys: self.key.publics() }
    }
}
