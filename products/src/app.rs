//! The state of the service.

use std::sync::Arc;

use souk_http::auth::{TokenRevocations, Verifier};
use souk_store::Database;
use tokio::sync::{Mutex, Semaphore};

use crate::options::ImportLimits;
use crate::repositories::{Images, Products, Reservations};

/// The state that routes, message handlers and jobs share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) database: Database,
    pub(crate) products: Products,
    pub(crate) reservations: Reservations,
    pub(crate) images: Images,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) revocations: TokenRevocations,
    pub(crate) import_limits: ImportLimits,
    /// Serialises imports: the next one must find the products that this one creates.
    pub(crate) import_lock: Arc<Mutex<()>>,
    /// Serialises the decoding of images, which takes much memory.
    pub(crate) image_lock: Arc<Mutex<()>>,
    /// The uploads of images that arrive or wait for the decoding.
    pub(crate) image_uploads: Arc<Semaphore>,
}
