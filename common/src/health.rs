//! `/health/live` is this process, `/health/ready` its own databases (and, in a fleet, its broker); never another
//! service, so that one that is down does not take its neighbours out of the load balancer.

use rocket::serde::json::Json;
use rocket::{Route, State, get, routes};
use serde_json::{Value, json};

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::http::in_short_requests;
use crate::store::Database;

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
    in_short_requests(routes![live, ready])
}

#[get("/live")]
fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

#[get("/ready")]
async fn ready(health: &State<Health>) -> Result<Json<Value>> {
    if !health.bus.is_connected() {
        return Err(Error::busy("The broker does not answer."));
    }
    for database in &health.databases {
        database
            .ping()
            .await
            .map_err(|error| Error::busy(format!("The store {} does not answer.", database.name())).caused_by(error))?;
    }
    Ok(Json(json!({"status": "ready"})))
}
