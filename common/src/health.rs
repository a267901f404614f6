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
    // Nobody outside reads this, so it may say what has no secrets in it.
    let because = |unresolved: Option<String>| unresolved.map(|why| format!(" {why}.")).unwrap_or_default();
    if !health.bus.is_connected() {
        return Err(Error::busy(format!("The broker does not answer.{}", because(health.bus.unresolved()))));
    }
    for database in &health.databases {
        if let Err(error) = database.ping().await {
            let (name, why) = (database.name(), because(database.unresolved()));
            return Err(Error::busy(format!("The store {name} does not answer.{why}")).caused_by(error));
        }
    }
    Ok(Json(json!({"status": "ready"})))
}
