//! The state of the service.

use std::sync::Arc;

use souk_bus::Bus;
use souk_http::auth::{TokenRevocations, Verifier};
use souk_store::Database;
use tokio::sync::Semaphore;

use crate::domain::message::Sender;
use crate::providers::templates::Templates;
use crate::providers::transport::MailTransport;
use crate::repositories::{ErasedCustomers, Mails};

/// The state of the service `mail`. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) mails: Mails,
    pub(crate) erased: ErasedCustomers,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) revocations: TokenRevocations,
    pub(crate) templates: Arc<Templates>,
    pub(crate) transport: MailTransport,
    pub(crate) sender: Arc<Sender>,
    /// Limits the first attempts that are in progress.
    pub(crate) first_attempts: Arc<Semaphore>,
}
