//! Broadcasts between the instances of all services: each sends its state once a second, and one
//! can be asked to stop.

use serde::{Deserialize, Serialize};
use souk_types::Timestamp;
use souk_types::format::Format;

use crate::Broadcast;

/// The state of an instance, which it sends once a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceState {
    /// The service: `products`; `souk` for a shop in one process.
    pub service: String,
    /// The name of the instance, unique within the shop.
    pub instance: String,
    /// The version of the program.
    pub version: String,
    /// The newest format of documents and messages that it reads.
    #[serde(default)]
    pub newest_format: Format,
    /// The format of documents and messages that it writes.
    #[serde(default)]
    pub written_format: Format,
    /// When the process started.
    pub started_at: Timestamp,
    /// Whether the instance takes no more requests, and ends.
    pub is_stopping: bool,
    /// Its requests over HTTP, and those of pages over the bus.
    pub traffic: Traffic,
    /// Its databases.
    pub databases: Vec<DatabaseState>,
    /// Services that stopped answering this instance: its calls to them fail at once.
    pub unanswered_services: Vec<String>,
}

impl Broadcast for InstanceState {
    const NAME: &'static str = "souk.instance-state";

    fn service(&self) -> Option<&str> {
        Some(&self.service)
    }
}

/// The requests of an instance within the last ten seconds. Health checks do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Responses per second.
    pub requests_per_second: f64,
    /// Responses with a status of 500 or above, per second.
    pub errors_per_second: f64,
    /// The time within which 99 % of the responses began, in milliseconds; `None` without any.
    pub p99_ms: Option<f64>,
    /// Requests that are being served now.
    pub in_flight: u32,
}

/// A database of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseState {
    /// The service that owns it.
    pub name: String,
    /// The time of its last answer, in milliseconds; `None` while it does not answer.
    pub answer_ms: Option<f64>,
    /// Events in its outbox that the broker does not have yet, up to
    /// [`DatabaseState::MAX_PENDING`]; `None` while it does not answer.
    pub pending_events: Option<u32>,
}

impl DatabaseState {
    /// Pending events are counted up to this number.
    pub const MAX_PENDING: usize = 1_000;
}

/// Asks one instance to stop as SIGTERM does. Every instance receives it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StopInstance {
    /// The service of the instance.
    pub service: String,
    /// The name of the instance.
    pub instance: String,
}

impl Broadcast for StopInstance {
    const NAME: &'static str = "souk.stop-instance";
}
