//! Typed input from a request: headers, JSON bodies, queries.

use std::borrow::Cow;
use std::io::ErrorKind as Io;

use rocket::data::{Data, FromData, ToByteUnit};
use rocket::http::{Method, RawStr};
use rocket::request::{FromRequest, Outcome, Request};
use souk_types::Error;
use souk_types::input::{self, Input};

use crate::{Content, data_outcome, guard_outcome};

/// Size limit of a JSON body, in bytes. The largest ones hold 20 addresses or 100 ids.
pub const MAX_JSON: u64 = 64 * 1024;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
/// The types that `PATCH` takes, for `Accept-Patch`.
pub(crate) const PATCH_TYPES: &str = "application/json, application/merge-patch+json";

/// Bytes beyond the limit that are read and discarded before the response, so that a client which
/// sends everything before it reads gets its 413 instead of a broken connection.
const MAX_DRAIN: u64 = 8 * 1024 * 1024;

/// Returns the value of a header; fails when the header is given twice.
pub fn header<'r>(request: &'r Request<'_>, name: &'static str) -> souk_types::Result<Option<&'r str>> {
    let mut values = request.headers().get(name);
    let value = values.next();
    if values.next().is_some() {
        return Err(Error::malformed(format!("The header {name} is given twice.")));
    }
    Ok(value)
}

/// Data guard: a JSON body read as a `T`. An empty body is read as `{}`.
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
    // RFC 7396. Every PATCH route keeps fields that are left out and removes those that are null.
    let accepted = if request.method() == Method::Patch { &[JSON, MERGE_PATCH][..] } else { &[JSON] };
    let body = Content::of(request, accepted)?.decode(body, MAX_JSON).await?;
    input::from_json(input::parse_json(&body)?)
}

/// Returns the body; fails when it is larger than `limit` bytes.
pub async fn read_body(data: Data<'_>, limit: u64) -> souk_types::Result<Vec<u8>> {
    read_body_draining(data, limit, limit).await
}

/// Like [`read_body`], but reads a body of up to `drain` bytes to its end before it is refused.
pub async fn read_body_draining(data: Data<'_>, limit: u64, drain: u64) -> souk_types::Result<Vec<u8>> {
    use rocket::tokio::io::{AsyncReadExt, copy, sink};
    let mut stream = data.open((limit.max(drain) + MAX_DRAIN).bytes());
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

/// Discards a body of up to `limit` bytes, so that the client reads the response.
pub async fn drain(data: Data<'_>, limit: u64) {
    // An error means that the client has disconnected.
    let _ = data.open((limit + MAX_DRAIN).bytes()).stream_to(rocket::tokio::io::sink()).await;
}

/// Request guard: the query string read as a `T`.
pub struct Query<T>(pub T);

#[rocket::async_trait]
impl<'r, T: Input> FromRequest<'r> for Query<T> {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let raw = request.uri().query().map(|query| query.as_str()).unwrap_or_default();
        let pairs: souk_types::Result<Vec<_>> = raw.split('&').filter(|pair| !pair.is_empty()).map(parameter).collect();
        guard_outcome(request, pairs.and_then(|pairs| input::from_query(pairs.into_iter()).map(Self)))
    }
}

fn parameter(pair: &str) -> souk_types::Result<(String, String)> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let decode = |text: &str| RawStr::new(&text.replace('+', " ")).percent_decode().map(Cow::into_owned);
    match (decode(name), decode(value)) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(Error::invalid_field(name, "is not UTF-8")),
    }
}
