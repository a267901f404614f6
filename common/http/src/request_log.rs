//! The fairing that adds the request id to each response and logs each request.

use rocket::data::Data;
use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Header;
use rocket::{Request, Response};
use souk_bus::elapsed_ms;
use souk_types::FieldError;
use tokio::time::Instant;

use crate::problem::{PANICKED, ResponseError};
use crate::request_id;
use crate::stop::ShutdownFlag;
use crate::traffic::Traffic;

pub(crate) struct RequestFairing;

#[rocket::async_trait]
impl Fairing for RequestFairing {
    fn info(&self) -> Info {
        Info { name: "request ids and request log", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, _data: &mut Data<'_>) {
        request.local_cache(StartTime::default);
        if let Some(traffic) = request.rocket().state::<Traffic>() {
            traffic.begin();
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        response.set_header(Header::new("X-Request-Id", request_id(request).to_string()));
        if ShutdownFlag::is_set_for(request) {
            response.set_header(Header::new("Connection", "close"));
        }
        log(request, response.status().code);
        if let Some(traffic) = request.rocket().state::<Traffic>() {
            if is_health_check(request) {
                traffic.ignore();
            } else {
                traffic.end(request.local_cache(StartTime::default).0.elapsed(), response.status().code);
            }
        }
    }
}

fn is_health_check(request: &Request<'_>) -> bool {
    request.route().is_some_and(|route| route.uri.path().starts_with("/health/"))
}

struct StartTime(Instant);

impl Default for StartTime {
    fn default() -> Self {
        Self(Instant::now())
    }
}

/// Logs the route's template instead of the path, and the names of bad fields without values.
fn log(request: &Request<'_>, status: u16) {
    let (request_id, method) = (request_id(request).as_str(), request.method().as_str());
    let route = request.route().map_or("", |route| route.uri.path());
    let ms = elapsed_ms(request.local_cache(StartTime::default).0);
    let Some(error) = ResponseError::of(request) else {
        if is_health_check(request) {
            tracing::debug!(request_id, method, route, status, ms, "request");
        } else {
            tracing::info!(request_id, method, route, status, ms, "request");
        }
        return;
    };
    let code = error.code();
    match (error.cause(), status) {
        (Some(cause), 500) if cause != PANICKED => {
            tracing::error!(request_id, method, route, status, ms, code, cause, "request");
        }
        (cause, 500..) => tracing::warn!(request_id, method, route, status, ms, code, cause, "request"),
        _ => {
            // The name of an unknown field is the client's own text.
            let name = |bad: &FieldError| if bad.is_unknown() { "(unknown)" } else { &bad.field }.to_owned();
            let fields: Vec<String> = error.fields().iter().map(name).collect();
            let fields = (!fields.is_empty()).then(|| fields.join(","));
            tracing::info!(request_id, method, route, status, ms, code, fields, "request");
        }
    }
}
