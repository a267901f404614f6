//! What every Souk process does with HTTP before and after a route: configuration of Rocket, request ids, JSON bodies and
//! queries that become typed input. Errors are `problem`'s.

use std::io::ErrorKind as Io;
use std::net::IpAddr;

use rocket::config::{LogLevel, Shutdown};
use rocket::data::{Data, FromData, ToByteUnit};
use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::{Header, Method};
use rocket::request::{FromRequest, Outcome, Request};
use rocket::{Build, Config, Response, Rocket};

use crate::error::{Error, Result};
use crate::input::{self, Input};
use crate::problem;
use crate::request_id::request_id;

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
        // The longest request, an order, takes far less than a second; only idle connections use this up.
        shutdown: Shutdown { grace: 2, mercy: 2, ..Shutdown::default() },
        ..Config::release_default()
    };
    rocket::custom(config).attach(Always).register("/", problem::catchers())
}

/// What happens to every request, whatever its route.
struct Always;

#[rocket::async_trait]
impl Fairing for Always {
    fn info(&self) -> Info {
        Info { name: "request ids, and no method but the request's own", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, data: &mut Data<'_>) {
        // Rocket lets a form choose another method by a first field `_method`. That is a POST again.
        let is_form = request.content_type().is_some_and(|given| given.is_form());
        if is_form && data.peek(METHOD_FIELD.len()).await == METHOD_FIELD {
            request.set_method(Method::Post);
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        response.set_header(Header::new("X-Request-Id", request_id(request).to_string()));
    }
}

/// The one value of a header, when it is there.
pub fn header<'r>(request: &'r Request<'_>, name: &'static str) -> Result<Option<&'r str>> {
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
        match read_json(request, data).await {
            Ok(input) => rocket::data::Outcome::Success(Self(input)),
            Err(error) => refuse_data(request, error),
        }
    }
}

async fn read_json<T: Input>(request: &Request<'_>, data: Data<'_>) -> Result<T> {
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
pub async fn read_body(data: Data<'_>, limit: u64) -> Result<Vec<u8>> {
    use rocket::tokio::io::{AsyncReadExt, copy, sink};
    let mut stream = data.open((limit + MAX_DRAIN).bytes());
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

/// As `problem::refuse`, for a data guard.
pub fn refuse_data<'r, T>(request: &Request<'_>, error: Error) -> rocket::data::Outcome<'r, T, Error> {
    match problem::refuse::<()>(request, error.clone()) {
        Outcome::Error(refusal) => rocket::data::Outcome::Error(refusal),
        _ => rocket::data::Outcome::Error((error.kind().status(), error)),
    }
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
        match input::from_query(pairs) {
            Ok(query) => Outcome::Success(Self(query)),
            Err(error) => problem::refuse(request, error),
        }
    }
}
