//! Typed input from a request: headers, JSON bodies, queries.

use std::borrow::Cow;

use rocket::data::{Data, FromData};
use rocket::http::{Method, RawStr};
use rocket::request::{FromRequest, Outcome, Request};
use souk_contract::api::MAX_REQUEST_BODY;
use souk_types::Error;
use souk_types::input::{self, Input};

use crate::{Body, Content, data_outcome, guard_outcome};

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
/// The types that `PATCH` takes, for `Accept-Patch`.
pub(crate) const PATCH_TYPES: &str = "application/json, application/merge-patch+json";

/// Returns the value of a header; fails when the header is given twice.
pub fn header<'r>(request: &'r Request<'_>, name: &'static str) -> souk_types::Result<Option<&'r str>> {
    let mut values = request.headers().get(name);
    let value = values.next();
    if values.next().is_some() {
        return Err(Error::malformed(format!("The header {name} is given twice.")));
    }
    Ok(value)
}

/// Data guard: a JSON body read as a `T`. A request without a body is malformed.
pub struct Json<T>(pub T);

#[rocket::async_trait]
impl<'r, T: Input> FromData<'r> for Json<T> {
    type Error = Error;

    async fn from_data(request: &'r Request<'_>, _data: Data<'r>) -> rocket::data::Outcome<'r, Self> {
        data_outcome(request, read_json(request, Body::of(request)).await.map(Self))
    }
}

async fn read_json<T: Input>(request: &Request<'_>, body: Body<'_>) -> souk_types::Result<T> {
    if body.is_empty() {
        return Err(Error::malformed("The body is missing; send a JSON object."));
    }
    // RFC 7396. Every PATCH route keeps fields that are left out and removes those that are null.
    let accepted = if request.method() == Method::Patch { &[JSON, MERGE_PATCH][..] } else { &[JSON] };
    let body = Content::of(request, accepted)?.decode(body.read(MAX_REQUEST_BODY).await?, MAX_REQUEST_BODY).await?;
    input::from_json(input::parse_json(&body)?)
}

/// Data guard of a route without input: no body, or the JSON `{}`.
pub struct NoInput;

#[rocket::async_trait]
impl<'r> FromData<'r> for NoInput {
    type Error = Error;

    async fn from_data(request: &'r Request<'_>, _data: Data<'r>) -> rocket::data::Outcome<'r, Self> {
        let body = Body::of(request);
        let read = if body.is_empty() { Ok(()) } else { read_json(request, body).await };
        data_outcome(request, read.map(|()| Self))
    }
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
