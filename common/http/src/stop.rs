//! Graceful shutdown: running requests finish, new ones go to another instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rocket::Request;

/// Time for which a stopping instance still answers. Longer than the 1 s after which nginx closes
/// its idle connections, so that nginx sends nothing more when the socket closes.
pub const DRAIN_PERIOD: Duration = Duration::from_millis(1_500);

/// Whether this instance is shutting down. Managed by every Rocket of [`crate::rocket`].
#[derive(Clone, Default)]
pub struct ShutdownFlag(Arc<AtomicBool>);

impl ShutdownFlag {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether this instance is shutting down. A response without an end must end then.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn is_set_for(request: &Request<'_>) -> bool {
        request.rocket().state::<Self>().is_some_and(Self::is_set)
    }
}
