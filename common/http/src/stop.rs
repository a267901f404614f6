//! How a process stops without anybody noticing: what is in hand is finished, and what would come is sent to another
//! instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rocket::error::ErrorKind;
use rocket::{Build, Request, Rocket};

use crate::signal::shutdown_signal;
use souk_bus::Bus;

/// How long an instance that is to stop goes on answering, so that the proxy in front of it has closed its idle connections
/// (after 1 s, see `nginx/`) and sends it nothing more when its socket closes.
pub const DRAIN_PERIOD: Duration = Duration::from_millis(1_500);

/// Runs a Rocket until SIGTERM or SIGINT, then stops it gracefully: nothing new is taken from the bus, requests are answered on
/// connections that close, for `drain`, then the socket closes, what is in hand is finished (4 s at most), and
/// the bus is closed.
///
/// While it drains, it refuses what a proxy may ask elsewhere (idempotent methods) with [`souk_types::Error::stopping`]; so the proxy
/// learns that this instance is going before its socket does.
pub async fn run(shop: Rocket<Build>, bus: &Bus, drain: Duration) -> std::result::Result<(), rocket::Error> {
    let shop = shop.ignite().await?;
    let stopping = shop.state::<Stopping>().cloned().unwrap_or_default();
    let shutdown = shop.shutdown();
    let (leaving, mut told) =
        (bus.clone(), shutdown_signal().map_err(|error| rocket::Error::from(ErrorKind::Io(error)))?);
    let leave = tokio::spawn(async move {
        told.recv().await;
        tracing::info!("stopping");
        leaving.stop_consuming();
        stopping.begin();
        tokio::time::sleep(drain).await;
        shutdown.notify();
    });
    let outcome = shop.launch().await;
    leave.abort();
    bus.close().await;
    outcome.map(drop)
}

/// Whether this instance is being stopped.
#[derive(Clone, Default)]
pub(super) struct Stopping(Arc<AtomicBool>);

impl Stopping {
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_begun(request: &Request<'_>) -> bool {
        request.rocket().state::<Self>().is_some_and(|stopping| stopping.0.load(Ordering::Relaxed))
    }
}
