//! Errors as clients see them: `application/problem+json` (RFC 9457) on every path, with a request
//! id that is also in the log. This is the one place where an [`Error`] becomes an HTTP status.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rocket::http::{ContentType, Header, Method, Status};
use rocket::request::{Outcome, Request};
use rocket::response::{self, Responder, Response};
use rocket::route::Route;
use rocket::{Catcher, catch, catchers};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::input::PATCH_TYPES;
use crate::request_id;
use souk_types::{Error, ErrorKind, FieldError, Timestamp};

/// The cause of the error after a panic, which is logged separately.
pub(crate) const PANICKED: &str = "the route panicked";

/// `Retry-After`, in seconds. Most causes of a 503 pass within seconds.
const RETRY_AFTER: u64 = 2;

/// The error of a route; `?` converts an [`Error`].
#[derive(Debug)]
pub struct Problem(pub Error);

/// The result of a route.
pub type Result<T> = std::result::Result<T, Problem>;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// Returns the status of a response with an error of this kind.
#[must_use]
pub fn status(kind: ErrorKind) -> Status {
    match kind {
        ErrorKind::Malformed => Status::BadRequest,
        ErrorKind::Unauthenticated => Status::Unauthorized,
        ErrorKind::PaymentDeclined => Status::PaymentRequired,
        ErrorKind::Forbidden => Status::Forbidden,
        ErrorKind::NotFound => Status::NotFound,
        ErrorKind::MethodNotAllowed => Status::MethodNotAllowed,
        ErrorKind::TooSlow => Status::RequestTimeout,
        ErrorKind::Conflict => Status::Conflict,
        ErrorKind::PreconditionFailed => Status::PreconditionFailed,
        ErrorKind::TooLarge => Status::PayloadTooLarge,
        ErrorKind::UnsupportedMediaType => Status::UnsupportedMediaType,
        ErrorKind::Invalid => Status::UnprocessableEntity,
        ErrorKind::TooManyRequests => Status::TooManyRequests,
        ErrorKind::PreconditionRequired => Status::PreconditionRequired,
        ErrorKind::Busy | ErrorKind::Unavailable => Status::ServiceUnavailable,
        ErrorKind::Internal => Status::InternalServerError,
        ErrorKind::Stopping => Status::BadGateway,
    }
}

fn title(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Malformed => "The request cannot be read",
        ErrorKind::Unauthenticated => "Not signed in",
        ErrorKind::PaymentDeclined => "The payment was declined",
        ErrorKind::Forbidden => "Not allowed",
        ErrorKind::NotFound => "Not found",
        ErrorKind::MethodNotAllowed => "Method not allowed",
        ErrorKind::TooSlow => "Too slow",
        ErrorKind::Conflict => "Conflict with the current state",
        ErrorKind::PreconditionFailed => "Changed meanwhile",
        ErrorKind::TooLarge => "Too large",
        ErrorKind::UnsupportedMediaType => "Wrong content type",
        ErrorKind::Invalid => "The request cannot be accepted",
        ErrorKind::TooManyRequests => "Too many requests",
        ErrorKind::PreconditionRequired => "If-Match is required",
        ErrorKind::Busy => "Busy",
        ErrorKind::Unavailable => "MicroService connection is down",
        ErrorKind::Internal => "Internal error",
        ErrorKind::Stopping => "This instance is stopping",
    }
}

/// The body of an error response (RFC 9457, section 3.1), extended by `request_id`, `errors`, and,
/// for a client that must wait, `retry_at`.
#[derive(Serialize)]
struct ProblemBody<'e> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'e str,
    request_id: &'e str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'e [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Timestamp>,
    #[serde(flatten)]
    members: &'e Map<String, Value>,
}

impl<'r> Responder<'r, 'static> for Problem {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let Self(error) = self;
        let (id, status) = (request_id(request).as_str(), status(error.kind()));
        let wait = retry_after(&error);
        let limit = wait.filter(|_| error.kind() == ErrorKind::TooManyRequests);
        let problem = ProblemBody {
            r#type: format!("urn:souk:problem:{}", error.code()),
            title: title(error.kind()),
            status: status.code,
            detail: error.detail(),
            request_id: id,
            errors: error.fields(),
            retry_at: limit.map(|seconds| Timestamp::now().after(Duration::from_secs(seconds))),
            members: error.members(),
        };
        ResponseError::record(request, &error);
        let body = serde_json::to_string(&problem).map_err(|_| Status::InternalServerError)?;
        let mut answer = Response::build();
        answer.status(status).header(ContentType::new("application", "problem+json"));
        answer.sized_body(body.len(), std::io::Cursor::new(body));
        wait.map(|seconds| answer.raw_header("Retry-After", seconds.to_string()));
        let member = |name| error.members().get(name).and_then(Value::as_str).map(str::to_owned);
        match error.kind() {
            ErrorKind::Unauthenticated => answer.raw_header("WWW-Authenticate", "Bearer"),
            ErrorKind::MethodNotAllowed => answer.header(Header::new("Allow", member("allow").unwrap_or_default())),
            ErrorKind::UnsupportedMediaType => {
                // RFC 9110, section 15.5.16; RFC 5789, section 2.2; RFC 7694, section 3.
                for (name, header) in [("accept", "Accept"), ("accept_encoding", "Accept-Encoding")] {
                    member(name).map(|value| answer.header(Header::new(header, value)));
                }
                if request.method() == Method::Patch {
                    member("accept").map(|types| answer.header(Header::new("Accept-Patch", types)));
                }
                &mut answer
            }
            _ => &mut answer,
        };
        answer.ok()
    }
}

/// Returns `Retry-After`, in seconds, for the response to an error.
fn retry_after(error: &Error) -> Option<u64> {
    match error.kind() {
        ErrorKind::Busy | ErrorKind::Unavailable | ErrorKind::Stopping => Some(RETRY_AFTER),
        ErrorKind::TooManyRequests => Some(error.members().get("retry_after").and_then(Value::as_u64).unwrap_or(1)),
        _ => None,
    }
}

/// Returns `Retry-After`, in seconds, for a catcher with responses of its own; `None` when the
/// request was not refused, or may not be repeated.
#[must_use]
pub fn retry_after_refusal(request: &Request<'_>) -> Option<u64> {
    let Refusal(error) = request.local_cache(|| Refusal(Mutex::new(None)));
    error.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(retry_after)
}

/// The error in the response of a request, for the request log.
#[derive(Default)]
pub(crate) struct ResponseError(OnceLock<Error>);

impl ResponseError {
    fn record(request: &Request<'_>, error: &Error) {
        // A request has at most one error response.
        let _ = request.local_cache(Self::default).0.set(error.clone());
    }

    pub(crate) fn of<'r>(request: &'r Request<'_>) -> Option<&'r Error> {
        request.local_cache(Self::default).0.get()
    }
}

/// The error of a guard, for the catcher: Rocket passes on only the status of a failed guard.
struct Refusal(Mutex<Option<Error>>);

/// Converts a result into a request guard's outcome. The client gets an error as a problem.
pub fn guard_outcome<T>(request: &Request<'_>, result: souk_types::Result<T>) -> Outcome<T, Error> {
    match result {
        Ok(value) => Outcome::Success(value),
        Err(error) => Outcome::Error(note_refusal(request, error)),
    }
}

/// Converts a result into a data guard's outcome. The client gets an error as a problem.
pub fn data_outcome<'r, T>(
    request: &Request<'_>,
    result: souk_types::Result<T>,
) -> rocket::data::Outcome<'r, T, Error> {
    match result {
        Ok(value) => rocket::data::Outcome::Success(value),
        Err(error) => rocket::data::Outcome::Error(note_refusal(request, error)),
    }
}

/// Ends a request with an error, outside of a guard. Returns the status for the catcher.
pub(crate) fn refuse(request: &Request<'_>, error: Error) -> Status {
    ResponseError::record(request, &error);
    note_refusal(request, error).0
}

fn note_refusal(request: &Request<'_>, error: Error) -> (Status, Error) {
    let refusal = request.local_cache(|| Refusal(Mutex::new(None)));
    *refusal.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
    (status(error.kind()), error)
}

#[must_use]
pub(crate) fn catchers() -> Vec<Catcher> {
    catchers![everything]
}

#[catch(default)]
fn everything(status: Status, request: &Request<'_>) -> std::result::Result<Allowed, Problem> {
    let is_unrouted = matches!(status.code, 404 | 422) && request.method() == Method::Options;
    match Allowed::of(request).filter(|_| is_unrouted) {
        Some(allowed) => Ok(allowed),
        None => Err(Problem(explain(status, request))),
    }
}

/// The response to `OPTIONS`: the methods of the route (RFC 9110, section 9.3.7). The headers of
/// CORS are added to every response.
struct Allowed(String);

impl Allowed {
    fn of(request: &Request<'_>) -> Option<Self> {
        let routes = closest_routes(request);
        (!routes.is_empty()).then(|| Self(methods(&routes)))
    }
}

impl<'r> Responder<'r, 'static> for Allowed {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let mut answer = Response::build();
        answer.status(Status::NoContent);
        if self.0.contains("PATCH") {
            // RFC 5789, section 3.1.
            answer.raw_header("Accept-Patch", PATCH_TYPES);
        }
        answer.header(Header::new("Allow", self.0)).ok()
    }
}

fn explain(status: Status, request: &Request<'_>) -> Error {
    let refusal = request.local_cache(|| Refusal(Mutex::new(None)));
    if let Some(error) = refusal.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return error;
    }
    match status.code {
        // No route matched, or a path parameter did not parse.
        404 | 422 => unrouted(request),
        500 => Error::internal(PANICKED),
        _ => Error::internal(format!("unexpected status {status}")),
    }
}

/// Why no route matched: other methods (405), a malformed parameter (422), no route (404).
fn unrouted(request: &Request<'_>) -> Error {
    let routes = closest_routes(request);
    if routes.is_empty() {
        return Error::not_found("route");
    }
    match routes.iter().find(|route| serves(route, request)) {
        Some(route) => {
            let is_text = request.uri().path().percent_decode().is_ok();
            Error::invalid_field(first_parameter(route), if is_text { "is not a UUID" } else { "is not UTF-8" })
        }
        None => Error::method_not_allowed(&methods(&routes)),
    }
}

/// Returns the routes of the path, for any method. `/products/ids` is the literal route, not a
/// malformed `/products/<id>`.
fn closest_routes<'r>(request: &'r Request<'_>) -> Vec<&'r Route> {
    let path: Vec<&str> = request.uri().path().segments().collect();
    let matching: Vec<(&Route, usize)> =
        request.rocket().routes().filter_map(|route| Some((route, parameters(route, &path)?))).collect();
    let fewest = matching.iter().map(|(_, count)| *count).min();
    matching.into_iter().filter(|(_, count)| Some(*count) == fewest).map(|(route, _)| route).collect()
}

/// Returns the value of `Allow`. Every route has `OPTIONS`, and `HEAD` when it has `GET`.
fn methods(routes: &[&Route]) -> String {
    let mut methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    methods.push("OPTIONS");
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.dedup();
    methods.join(", ")
}

fn serves(route: &Route, request: &Request<'_>) -> bool {
    use rocket::http::Method::{Get, Head};
    route.method == request.method() || (route.method == Get && request.method() == Head)
}

fn template(route: &Route) -> impl Iterator<Item = &str> {
    route.uri.path().split('/').filter(|segment| !segment.is_empty())
}

/// Returns the number of parameters of `route` in `path`; `None` when it does not match.
fn parameters(route: &Route, path: &[&str]) -> Option<usize> {
    let template: Vec<&str> = template(route).collect();
    (template.len() == path.len()).then_some(())?;
    // A route for all other paths names no resource.
    template.iter().all(|segment| !segment.ends_with("..>")).then_some(())?;
    template.iter().zip(path).try_fold(0, |count, (wanted, given)| {
        if wanted.starts_with('<') { Some(count + 1) } else { (wanted == given).then_some(count) }
    })
}

fn first_parameter(route: &Route) -> String {
    let name = template(route).find(|segment| segment.starts_with('<')).unwrap_or("<id>");
    name.trim_matches(['<', '>']).to_owned()
}
