//! Graceful shutdown: running requests finish, new ones go to another instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rocket::error::ErrorKind;
use rocket::{Build, Request, Rocket};
use souk_bus::Bus;

use crate::signal::shutdown_signal;

/// Time for which a stopping instance still answers. Longer than the 1 s after which nginx closes
/// its idle connections, so that nginx sends nothing more when the socket closes.
pub const DRAIN_PERIOD: Duration = Duration::from_millis(1_500);

/// Runs a Rocket until SIGTERM or SIGINT, then shuts it down gracefully: the bus delivers nothing
/// new, connections close after their response, after `drain` the socket closes, running requests
/// get 4 s to finish, and the bus is closed.
///
/// During `drain`, idempotent requests are refused with [`souk_types::Error::stopping`]: the proxy
/// then sends them to another instance.
pub async fn run(rocket: Rocket<Build>, bus: &Bus, drain: Duration) -> std::result::Result<(), rocket::Error> {
    let rocket = rocket.ignite().await?;
    let flag = rocket.state::<ShutdownFlag>().cloned().unwrap_or_default();
    let shutdown = rocket.shutdown();
    let mut signal = shutdown_signal().map_err(|error| rocket::Error::from(ErrorKind::Io(error)))?;
    let stopping_bus = bus.clone();
    let stop = tokio::spawn(async move {
        signal.recv().await;
        tracing::info!("stopping");
        stopping_bus.stop_consuming();
        flag.set();
        tokio::time::sleep(drain).await;
        shutdown.notify();
    });
    let outcome = rocket.launch().await;
    stop.abort();
    bus.close().await;
    outcome.map(drop)
}

/// Whether this instance is shutting down.
#[derive(Clone, Default)]
pub(super) struct ShutdownFlag(Arc<AtomicBool>);

impl ShutdownFlag {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(request: &Request<'_>) -> bool {
        request.rocket().state::<Self>().is_some_and(|flag| flag.0.load(Ordering::Relaxed))
    }
}
