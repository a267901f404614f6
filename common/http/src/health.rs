//! `/health/live` is this process, `/health/ready` its own databases (and, in a fleet, its broker); never another
//! service, so that one that is down does not take its neighbours out of the load balancer. [`ask`] is for a container's health check,
//! whose image has nothing that speaks HTTP but the service's own program.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rocket::serde::json::Json;
use rocket::{Route, State, get, routes};
use serde_json::{Value, json};

use crate::limits::with_timeout;
use souk_bus::Bus;
use souk_store::Database;
use souk_types::Error;

/// What this process needs to do its work.
pub struct Health {
    /// Its own databases.
    pub databases: Vec<Database>,
    /// Its way to the broker.
    pub bus: Bus,
}

/// The two routes, to be mounted at `/health`; needs a managed [`Health`].
#[must_use]
pub fn routes() -> Vec<Route> {
    with_timeout(routes![live, ready])
}

/// How long the one who asks waits, for the connection and then for each part of the answer; a check of `/ready` takes less than 2 s.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Asks the instance that listens at `address` whether it is ready. Errors: what it says instead, or that it does not answer.
pub fn probe(address: SocketAddr) -> std::result::Result<(), String> {
    let silent = |error: std::io::Error| format!("{address} does not answer: {error}");
    let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT).map_err(silent)?;
    stream
        .set_read_timeout(Some(PROBE_TIMEOUT))
        .and_then(|()| stream.set_write_timeout(Some(PROBE_TIMEOUT)))
        .map_err(silent)?;
    let request = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(silent)?;
    let mut answer = Vec::new();
    stream.take(MAX_RESPONSE_SIZE).read_to_end(&mut answer).map_err(silent)?;
    let answer = String::from_utf8_lossy(&answer);
    match answer.split_ascii_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(answer.split("\r\n\r\n").last().unwrap_or_default().trim().to_owned()),
    }
}

/// More than any answer to it has.
const MAX_RESPONSE_SIZE: u64 = 64 * 1024;

#[get("/live")]
fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

#[get("/ready")]
async fn ready(health: &State<Health>) -> crate::Result<Json<Value>> {
    // Nobody outside reads this, so it may say what has no secrets in it.
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
