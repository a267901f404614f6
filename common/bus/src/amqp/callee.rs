//! A service that is called: where, and how the calls to it have ended lately. What is decided from that is the `breaker`'s.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::breaker::{Breaker, Outcome};
use super::lock;
use super::names::Names;

pub(super) struct Callee {
    pub(super) name: &'static str,
    pub(super) queue: Arc<str>,
    breaker: Mutex<Breaker>,
}

impl Callee {
    pub(super) fn new(service: &'static str, names: &Names) -> Arc<Self> {
        Arc::new(Self { name: service, queue: names.calls(service).into(), breaker: Mutex::default() })
    }

    /// Lets a call through, unless the service has not answered lately.
    pub(super) fn attempt(self: &Arc<Self>) -> Option<Attempt> {
        let admitted = lock(&self.breaker).admits(Instant::now());
        admitted.then(|| Attempt { callee: Arc::clone(self), outcome: Outcome::Unknown })
    }
}

/// A call that was let through: tells the breaker how it ended, also when its caller goes away.
pub(super) struct Attempt {
    callee: Arc<Callee>,
    pub(super) outcome: Outcome,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if lock(&self.callee.breaker).ended(self.outcome, Instant::now()) {
            tracing::warn!(service = self.callee.name, "answers nothing: calls fail at once for now");
        }
    }
}
