//! Health checks: `/health/live` for the process, `/health/ready` for its databases and, in a
//! fleet, its broker. Neither depends on other services: a service that is down must not remove
//! others from the load balancer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rocket::serde::json::Json;
use rocket::{Route, State, get, routes};
use serde_json::{Value, json};
use souk_bus::Bus;
use souk_store::Database;
use souk_types::Error;

use crate::limits::with_timeout;

/// The dependencies that decide whether this process is ready.
pub struct Health {
    /// Its databases.
    pub databases: Vec<Database>,
    /// Its connection to the broker.
    pub bus: Bus,
}

impl Health {
    /// Waits until this process can serve: its broker and its databases have answered once. Returns
    /// after [`START_PERIOD`] in any case, because some routes work without them.
    pub(crate) async fn wait_for_start(&self) {
        let ready = async {
            self.bus.ready().await;
            for database in &self.databases {
                while let Err(error) = database.ping().await {
                    tracing::debug!(%error, database = database.name(), "a database does not answer yet");
                    tokio::time::sleep(START_RETRY_DELAY).await;
                }
            }
        };
        if tokio::time::timeout(START_PERIOD, ready).await.is_err() {
            tracing::warn!("listening although the broker or a database does not answer yet");
        }
    }
}

/// Returns the routes, to be mounted at `/health`. They need a managed [`Health`].
#[must_use]
pub fn routes() -> Vec<Route> {
    with_timeout(routes![live, ready])
}

/// Pause before a starting process asks a database again.
const START_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Time for which a starting process waits for its broker and its databases before it listens.
const START_PERIOD: Duration = Duration::from_secs(5);
/// Timeout of a probe's connection and of each read. `/health/ready` responds within 2 s.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of a response that a probe reads at most.
const MAX_RESPONSE_SIZE: u64 = 64 * 1024;

/// Checks that the instance at `address` is ready. For the health check of a container, because its
/// image contains no HTTP client.
///
/// # Errors
/// The body of a response other than 200, or the reason why there is no response.
pub fn probe(address: SocketAddr) -> std::result::Result<(), String> {
    let no_response = |error: std::io::Error| format!("{address} does not answer: {error}");
    let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT).map_err(no_response)?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT)).map_err(no_response)?;
    stream.set_write_timeout(Some(PROBE_TIMEOUT)).map_err(no_response)?;
    let request = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(no_response)?;
    let mut response = Vec::new();
    stream.take(MAX_RESPONSE_SIZE).read_to_end(&mut response).map_err(no_response)?;
    let response = String::from_utf8_lossy(&response);
    match response.split_ascii_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(response.split("\r\n\r\n").last().unwrap_or_default().trim().to_owned()),
    }
}

#[get("/live")]
fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

#[get("/ready")]
async fn ready(health: &State<Health>) -> crate::Result<Json<Value>> {
    // nginx does not expose this route, so it may name the cause.
    let because = |unresolved: Option<String>| unresolved.map(|why| format!(" {why}.")).unwrap_or_default();
    if !health.bus.is_connected() {
        return Err(Error::busy(format!("The broker does not answer.{}", because(health.bus.dns_error()))).into());
    }
    for database in &health.databases {
        if let Err(error) = database.ping().await {
            let (name, why) = (database.name(), because(database.dns_error()));
            return Err(Error::busy(format!("The store {name} does not answer.{why}")).caused_by(error).into());
        }
    }
    Ok(Json(json!({"status": "ready"})))
}

#[cfg(test)]
mod tests {
    use souk_bus::AmqpOptions;
    use tokio::time::Instant;

    use super::*;

    async fn time_to_start(bus: Bus) -> Duration {
        let begun = Instant::now();
        Health { databases: Vec::new(), bus }.wait_for_start().await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_waits_for_its_broker_but_not_for_ever() {
        assert_eq!(time_to_start(Bus::local()).await, Duration::ZERO);
        // Nothing listens on port 1.
        let url = "amqp://127.0.0.1:1".to_owned();
        let options =
            AmqpOptions { url, name: "waiting".to_owned(), service: "test".to_owned(), prefix: String::new() };
        let waited = time_to_start(Bus::amqp(options).unwrap()).await;
        assert!(waited >= START_PERIOD && waited < 2 * START_PERIOD, "{waited:?}");
    }
}
