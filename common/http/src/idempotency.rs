//! Idempotency keys in requests, and the mark of a response that repeats an earlier one.

use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::{self, Responder};
use souk_types::{Error, IdempotencyKey, Result};

use crate::{guard_outcome, header};

/// The header with the key.
const HEADER: &str = "Idempotency-Key";

/// Request guard: the key of the request. A request without one gets `400`.
pub struct RequestKey(pub IdempotencyKey);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for RequestKey {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let missing =
            || Error::malformed("Send the header Idempotency-Key: a unique key of your own for this request.");
        guard_outcome(request, key(request).and_then(|key| key.ok_or_else(missing)).map(Self))
    }
}

/// Request guard: the key of the request, which may be missing.
pub struct OptionalKey(pub Option<IdempotencyKey>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for OptionalKey {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        guard_outcome(request, key(request).map(Self))
    }
}

fn key(request: &Request<'_>) -> Result<Option<IdempotencyKey>> {
    header(request, HEADER).and_then(|key| key.map(str::parse).transpose())
}

/// A response to a request that may have been carried out before. Then it has the header
/// `Idempotent-Replayed: true`.
pub struct Replayable<R> {
    /// Whether an earlier request has done the work.
    pub replayed: bool,
    /// The response, which is the same for the first request.
    pub response: R,
}

impl<'r, R: Responder<'r, 'static>> Responder<'r, 'static> for Replayable<R> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let mut response = self.response.respond_to(request)?;
        if self.replayed {
            response.set_raw_header("Idempotent-Replayed", "true");
        }
        Ok(response)
    }
}
