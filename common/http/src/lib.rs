//! What every Souk process does with HTTP before and after a route: configuration of Rocket, request ids, the line that is
//! logged of each request, a graceful stop, JSON bodies and queries that become typed input. Errors are `problem`'s.

pub mod auth;
mod concurrency_limit;
pub mod config;
pub mod health;
mod param;
mod problem;
mod request_id;
pub mod service;
pub mod signal;
mod stop;
pub mod telemetry;

use std::collections::HashSet;
use std::io::ErrorKind as Io;
use std::net::IpAddr;
use std::time::Duration;

use rocket::config::{LogLevel, Shutdown};
use rocket::data::{Data, FromData, ToByteUnit};
use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::{Header, Method};
use rocket::request::{FromRequest, Outcome, Request};
use rocket::route::{self, Handler};
use rocket::{Build, Config, Response, Rocket, Route};
use souk_bus::{elapsed_ms, request_context};
use souk_types::input::{self, Input};
use souk_types::{Error, FieldError};
use tokio::time::Instant;

use self::concurrency_limit::ConcurrencyLimiter;
pub use self::param::Param;
use self::problem::{PANICKED, ResponseError};
pub use self::problem::{Problem, Result, data_outcome, guard_outcome};
pub use self::request_id::request_id;
use self::stop::Stopping;
pub use self::stop::{DRAIN_PERIOD, run};

/// No JSON body of the API is larger than a few KiB: 20 addresses, 100 ids.
pub const MAX_JSON: u64 = 64 * 1024;

/// Beyond the limit this much is read and thrown away before the answer, so that a client which sends first and reads
/// later sees its 413 instead of a broken connection.
const MAX_DRAIN: u64 = 8 * 1024 * 1024;

const METHOD_FIELD: &[u8] = b"_method=";

/// A Rocket that answers as Souk does: no banner, request ids, problem+json. The
/// caller mounts the services.
#[must_use]
pub fn rocket(address: IpAddr, port: u16) -> Rocket<Build> {
    let config = Config {
        address,
        port,
        log_level: LogLevel::Off,
        cli_colors: false,
        // Nobody between us and the client may name the client's address unless the operator says so.
        ip_header: None,
        // `run` listens to signals. With the drain before it, this leaves a request the 5 s that it may take; as a rule only
        // idle connections use it up.
        shutdown: Shutdown { ctrlc: false, signals: HashSet::new(), grace: 2, mercy: 2, ..Shutdown::default() },
        ..Config::release_default()
    };
    let rocket = rocket::custom(config)
        .attach(RequestFairing)
        .manage(Stopping::default())
        .manage(ConcurrencyLimiter::new(MAX_CONCURRENT_REQUESTS));
    rocket.register("/", problem::catchers())
}

/// The routes of a service, as they are to be mounted: what they do is done in the name of their request (see
/// [`request_context::current`]), and not while this instance stops, if another one can do it.
#[must_use]
pub fn with_limits(routes: Vec<Route>) -> Vec<Route> {
    wrap_routes(Limit::ConcurrencyAndTime, routes)
}

/// As [`with_limits`], for routes that cost nothing and must be answered however much there is to do: whether somebody is well.
#[must_use]
pub(crate) fn with_timeout(routes: Vec<Route>) -> Vec<Route> {
    wrap_routes(Limit::Time, routes)
}

/// As [`with_limits`], for routes that take as long as they take: a whole catalogue comes in.
#[must_use]
pub fn without_limits(routes: Vec<Route>) -> Vec<Route> {
    wrap_routes(Limit::None, routes)
}

/// What a request waits for, and may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// One of [`MAX_CONCURRENT_REQUESTS`], and then [`REQUEST_TIMEOUT`].
    ConcurrencyAndTime,
    /// [`REQUEST_TIMEOUT`].
    Time,
    None,
}

fn wrap_routes(limit: Limit, routes: Vec<Route>) -> Vec<Route> {
    let wrap = |mut route: Route| {
        route.handler = Box::new(LimitedHandler { handler: route.handler, limit });
        route
    };
    routes.into_iter().map(wrap).collect()
}

/// A request has its answer within this, or is told that there is none: the proxy waits 10 s, and takes an instance that does not
/// answer for a dead one.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests that one process works on at the same time; the next waits for its turn. With a thousand at once each would get so little of the
/// machine and the database that all of them end too late, and none is served.
const MAX_CONCURRENT_REQUESTS: usize = 64;
/// Who has waited so long for a turn is told to come again: there must be time left to be served in.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct LimitedHandler {
    handler: Box<dyn Handler>,
    limit: Limit,
}

#[rocket::async_trait]
impl Handler for LimitedHandler {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> route::Outcome<'r> {
        // The methods that RFC 9110, section 9.2.2 calls idempotent, of those that have routes.
        let elsewhere = matches!(request.method(), Method::Get | Method::Head | Method::Put | Method::Delete);
        if elsewhere && Stopping::has_begun(request) {
            return route::Outcome::from(request, Problem(Error::stopping()));
        }
        let work = request_context::scope(Some(request_id(request).clone()), self.handler.handle(request, data));
        if self.limit == Limit::None {
            return work.await;
        }
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let _turn =
            match request.rocket().state::<ConcurrencyLimiter>().filter(|_| self.limit == Limit::ConcurrencyAndTime) {
                Some(turns) => match turns.take(PERMIT_TIMEOUT).await {
                    Some(turn) => Some(turn),
                    None => {
                        return route::Outcome::from(
                            request,
                            Problem(Error::busy("Too many are being served; try again.")),
                        );
                    }
                },
                None => None,
            };
        // What has been written stays written; whoever carries on with it is in the files of its noun.
        tokio::time::timeout_at(deadline, work)
            .await
            .unwrap_or_else(|_| route::Outcome::from(request, Problem(Error::busy("This took too long; try again."))))
    }
}

/// What happens to every request, whatever its route.
struct RequestFairing;

#[rocket::async_trait]
impl Fairing for RequestFairing {
    fn info(&self) -> Info {
        Info { name: "request ids, and no method but the request's own", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, data: &mut Data<'_>) {
        request.local_cache(StartTime::default);
        // Rocket lets a form choose another method by a first field `_method`. That is a POST again.
        let is_form = request.content_type().is_some_and(|given| given.is_form());
        if is_form && data.peek(METHOD_FIELD.len()).await == METHOD_FIELD {
            request.set_method(Method::Post);
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        response.set_header(Header::new("X-Request-Id", request_id(request).to_string()));
        if Stopping::has_begun(request) {
            response.set_header(Header::new("Connection", "close"));
        }
        log(request, response.status().code);
    }
}

/// When a request began.
struct StartTime(Instant);

impl Default for StartTime {
    fn default() -> Self {
        Self(Instant::now())
    }
}

/// One request is one line. Of its path only what we wrote is shown; of what was wrong with it, the names of fields.
fn log(request: &Request<'_>, status: u16) {
    let (request_id, method) = (request_id(request).as_str(), request.method().as_str());
    let route = request.route().map_or("", |route| route.uri.path());
    let ms = elapsed_ms(request.local_cache(StartTime::default).0);
    let Some(error) = ResponseError::of(request) else {
        if route.starts_with("/health/") {
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
            // The name of a field that we do not know is the client's own word.
            let own = |bad: &FieldError| if bad.is_unknown() { "(unknown)" } else { &bad.field }.to_owned();
            let fields: Vec<String> = error.fields().iter().map(own).collect();
            let fields = (!fields.is_empty()).then(|| fields.join(","));
            tracing::info!(request_id, method, route, status, ms, code, fields, "request");
        }
    }
}

/// The one value of a header, when it is there.
pub fn header<'r>(request: &'r Request<'_>, name: &'static str) -> souk_types::Result<Option<&'r str>> {
    let mut values = request.headers().get(name);
    let value = values.next();
    if values.next().is_some() {
        return Err(Error::malformed(format!("The header {name} is given twice.")));
    }
    Ok(value)
}

/// A JSON body read as a `T`. No body at all is read as `{}`.
pub struct Json<T>(pub T);

#[rocket::async_trait]
impl<'r, T: Input> FromData<'r> for Json<T> {
    type Error = Error;

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> rocket::data::Outcome<'r, Self> {
        data_outcome(request, read_json(request, data).await.map(Self))
    }
}

async fn read_json<T: Input>(request: &Request<'_>, data: Data<'_>) -> souk_types::Result<T> {
    let body = read_body(data, MAX_JSON).await?;
    if body.is_empty() {
        return input::from_json(serde_json::json!({}));
    }
    if !request.content_type().is_some_and(|given| given.is_json()) {
        return Err(Error::unsupported_media_type("application/json"));
    }
    match serde_json::from_slice(&body) {
        Ok(value) => input::from_json(value),
        Err(error) => Err(Error::malformed(format!("The body is not JSON: {error}."))),
    }
}

/// The whole body, if it is no larger than `limit` bytes.
pub async fn read_body(data: Data<'_>, limit: u64) -> souk_types::Result<Vec<u8>> {
    read_body_draining(data, limit, limit).await
}

/// As [`read_body`], where what is larger and no more than `usual` is read to its end, too, before it is refused.
pub async fn read_body_draining(data: Data<'_>, limit: u64, usual: u64) -> souk_types::Result<Vec<u8>> {
    use rocket::tokio::io::{AsyncReadExt, copy, sink};
    let mut stream = data.open((limit.max(usual) + MAX_DRAIN).bytes());
    let mut body = Vec::new();
    let unreadable = |error: std::io::Error| match error.kind() {
        Io::UnexpectedEof | Io::ConnectionReset | Io::BrokenPipe => Error::malformed("The body ends too early."),
        _ => Error::malformed("The body cannot be read.").caused_by(error),
    };
    (&mut stream).take(limit + 1).read_to_end(&mut body).await.map_err(unreadable)?;
    if body.len() as u64 > limit {
        copy(&mut stream, &mut sink()).await.map_err(unreadable)?;
        return Err(Error::too_large(limit));
    }
    Ok(body)
}

/// Reads a body of up to `limit` bytes and throws it away, so that whoever sends it gets to read why it is refused.
pub async fn drain(data: Data<'_>, limit: u64) {
    // Whoever goes away meanwhile reads nothing anyway.
    let _ = data.open((limit + MAX_DRAIN).bytes()).stream_to(rocket::tokio::io::sink()).await;
}

/// A query string read as a `T`.
pub struct Query<T>(pub T);

#[rocket::async_trait]
impl<'r, T: Input> FromRequest<'r> for Query<T> {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let decode =
            |text: &str| rocket::http::RawStr::new(&text.replace('+', " ")).percent_decode_lossy().into_owned();
        let raw = request.uri().query().map(|query| query.as_str()).unwrap_or_default();
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        guard_outcome(request, input::from_query(pairs).map(Self))
    }
}

#[cfg(test)]
mod tests {
    use rocket::http::Status;
    use rocket::local::asynchronous::Client;
    use rocket::{get, post, routes};

    use super::*;

    #[get("/thing")]
    fn see() -> &'static str {
        "seen"
    }

    #[post("/thing")]
    fn make() -> String {
        request_context::current().map(|id| id.to_string()).unwrap_or_default()
    }

    async fn shop() -> Client {
        let shop = rocket(IpAddr::from([127, 0, 0, 1]), 0).mount("/", with_limits(routes![see, make]));
        Client::untracked(shop).await.unwrap()
    }

    #[rocket::async_test]
    async fn a_route_works_in_the_name_of_its_request() {
        let shop = shop().await;
        let answer = shop.post("/thing").header(Header::new("X-Request-Id", "r-1")).dispatch().await;
        assert_eq!(answer.headers().get_one("X-Request-Id"), Some("r-1"));
        assert_eq!(answer.into_string().await.as_deref(), Some("r-1"));
    }

    #[rocket::async_test]
    async fn who_waits_too_long_for_a_turn_is_told_to_come_again() {
        let shop = shop().await;
        let turns = shop.rocket().state::<ConcurrencyLimiter>().unwrap();
        let mut all_but_one = Vec::new();
        for _ in 1..MAX_CONCURRENT_REQUESTS {
            all_but_one.push(turns.take(Duration::ZERO).await.unwrap());
        }
        assert_eq!(shop.get("/thing").dispatch().await.status(), Status::Ok);
        let last = turns.take(Duration::ZERO).await.unwrap();
        let told = shop.get("/thing").dispatch().await;
        assert_eq!((told.status(), told.headers().get_one("Retry-After")), (Status::ServiceUnavailable, Some("2")));
        assert!(told.into_string().await.unwrap().contains("urn:souk:problem:busy"));
        drop((all_but_one, last));
        assert_eq!(shop.get("/thing").dispatch().await.status(), Status::Ok);
    }

    #[rocket::async_test]
    async fn an_instance_that_stops_does_what_cannot_be_asked_elsewhere() {
        let shop = shop().await;
        assert_eq!(shop.get("/thing").dispatch().await.headers().get_one("Connection"), None);
        shop.rocket().state::<Stopping>().unwrap().begin();
        let seen = shop.get("/thing").dispatch().await;
        assert_eq!((seen.status(), seen.headers().get_one("Connection")), (Status::BadGateway, Some("close")));
        assert!(seen.into_string().await.unwrap().contains("urn:souk:problem:stopping"));
        let made = shop.post("/thing").dispatch().await;
        assert_eq!((made.status(), made.headers().get_one("Connection")), (Status::Ok, Some("close")));
    }
}
