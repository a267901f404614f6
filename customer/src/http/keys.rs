//! The public keys, and the version of the service.

use rocket::serde::json::{Json as JsonResponse, Value};
use rocket::{Route, State, get, routes};
use souk_contract::customer::Keys;
use souk_http::{Public, telemetry};

use crate::app::App;

pub(super) fn routes() -> Vec<Route> {
    routes![keys, whoami]
}

/// A JSON Web Key Set (RFC 7517). It changes when an operator rotates the key.
#[get("/.well-known/jwks.json")]
fn keys(app: &State<App>) -> Public<JsonResponse<Keys>> {
    Public(JsonResponse(app.keys()))
}

#[get("/whoami")]
fn whoami() -> JsonResponse<Value> {
    JsonResponse(telemetry::whoami("customer"))
}
