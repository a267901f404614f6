//! The state of the service.

use std::sync::Arc;

use souk_bus::Bus;
use souk_contract::customer::Keys;
use souk_http::auth::Verifier;
use souk_store::Database;
use tokio::sync::Notify;

use crate::domain::token_secret::MailKeys;
use crate::providers::attempts::Attempts;
use crate::providers::export_slots::ExportSlots;
use crate::providers::password_hasher::PasswordHasher;
use crate::providers::signing_key::SigningKey;
use crate::repositories::{Accounts, Erasures, Mails, Sessions};

/// The state of the service `customer`. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Sessions,
    pub(crate) erasures: Erasures,
    pub(crate) mails: Mails,
    pub(crate) mail_keys: Arc<MailKeys>,
    /// Notified when a receipt of an erasure changes in this process.
    pub(crate) erasure_progress: Arc<Notify>,
    pub(crate) hasher: PasswordHasher,
    pub(crate) attempts: Arc<Attempts>,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) exports: ExportSlots,
}

impl App {
    pub(crate) fn keys(&self) -> Keys {
        Keys { keys: self.key.public_keys() }
    }
}
