//! The presence of this process among the instances of the shop: it broadcasts its state once a
//! second, and stops when another process asks it to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rocket::{Orbit, Rocket};
use souk_bus::{Bus, elapsed_ms};
use souk_contract::instance::{DatabaseState, InstanceState, StopInstance};
use souk_store::Database;
use souk_types::Timestamp;
use souk_types::format::Format;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::health::Health;
use crate::stop::ShutdownFlag;
use crate::traffic::Traffic;

/// Pause between two broadcasts.
const INTERVAL: Duration = Duration::from_secs(1);
/// Broadcasts between two questions to the databases.
const DATABASE_TICKS: u32 = 5;
/// Time for a database to answer.
const DATABASE_TIMEOUT: Duration = Duration::from_millis(800);

/// The name of this process, managed by its Rocket. A process without it broadcasts no state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The service: `products`; `souk` for a shop in one process.
    pub service: String,
    /// The name of the instance, unique within the shop.
    pub name: String,
    /// The version of the program.
    pub version: String,
}

impl Instance {
    /// Returns the instance of a service.
    #[must_use]
    pub fn new(service: &str, name: impl Into<String>) -> Self {
        Self { service: service.to_owned(), name: name.into(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// Listens for a request to stop this process. The result resolves when one arrives.
pub(crate) fn stop_request(rocket: &Rocket<Orbit>, bus: &Bus) -> Arc<Notify> {
    let requested = Arc::new(Notify::new());
    if let Some(instance) = rocket.state::<Instance>().cloned() {
        let requested = Arc::clone(&requested);
        bus.on_broadcast(move |stop: StopInstance| {
            if (&stop.service, &stop.instance) == (&instance.service, &instance.name) {
                tracing::info!("another process asked this instance to stop");
                requested.notify_one();
            }
        });
    }
    requested
}

/// Broadcasts the state of this process once a second, for as long as the result is polled.
pub(crate) async fn broadcast_state(rocket: &Rocket<Orbit>, bus: &Bus) {
    let (Some(instance), Some(traffic)) = (rocket.state::<Instance>(), rocket.state::<Traffic>()) else {
        return std::future::pending().await;
    };
    let databases = rocket.state::<Health>().map_or(&[][..], |health| &health.databases);
    let stopping = rocket.state::<ShutdownFlag>().cloned().unwrap_or_default();
    let started_at = Timestamp::now();
    let mut due = interval(INTERVAL);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut states = Vec::new();
    let format_of_others = if databases.is_empty() { newest_format_of_others(bus) } else { Arc::default() };
    for tick in (0..DATABASE_TICKS).cycle() {
        due.tick().await;
        if tick == 0 {
            states = database_states(databases).await;
        }
        bus.write_format(*format_of_others.lock().unwrap_or_else(PoisonError::into_inner));
        let state = InstanceState {
            service: instance.service.clone(),
            instance: instance.name.clone(),
            version: instance.version.clone(),
            newest_format: Format::CURRENT,
            written_format: bus.format(),
            started_at,
            is_stopping: stopping.is_set(),
            traffic: traffic.figures(),
            databases: states.clone(),
            unanswered_services: bus.unanswered_services().into_iter().map(str::to_owned).collect(),
        };
        if let Err(error) = bus.broadcast(&state).await {
            tracing::debug!(%error, "the state of this instance cannot be sent");
        }
    }
}

/// Listens for the newest format that other instances write. A service without a database learns it
/// from them.
fn newest_format_of_others(bus: &Bus) -> Arc<Mutex<Format>> {
    let newest = Arc::new(Mutex::new(Format::default()));
    let listener = Arc::clone(&newest);
    bus.on_broadcast(move |state: InstanceState| {
        let mut newest = listener.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = state.written_format.max(*newest);
    });
    newest
}

async fn database_states(databases: &[Database]) -> Vec<DatabaseState> {
    let mut states = Vec::with_capacity(databases.len());
    for database in databases {
        let start = Instant::now();
        let answered = timeout(DATABASE_TIMEOUT, database.ping()).await.is_ok_and(|answer| answer.is_ok());
        let answer_ms = answered.then(|| elapsed_ms(start));
        let pending = async { database.count_pending_events(DatabaseState::MAX_PENDING).await.ok() };
        let pending = if answered { timeout(DATABASE_TIMEOUT, pending).await.ok().flatten() } else { None };
        states.push(DatabaseState {
            name: database.name().to_owned(),
            answer_ms,
            pending_events: pending.and_then(|events| u32::try_from(events).ok()),
        });
    }
    states
}
