//! Entity tags in requests and responses: `If-Match` against lost updates, `ETag` and
//! `If-None-Match` against repeated transfers (RFC 9110, sections 8.8.3 and 13).

use std::io::Cursor;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rocket::http::{Header, Method, Status};
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::{self, Body, Responder, Response};
use sha2::{Digest, Sha256};
use souk_types::{EntityTag, EntityTags, Error, Precondition};

use crate::guard_outcome;

/// Request guard: the value of `If-Match`.
pub struct IfMatch(pub Precondition);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for IfMatch {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        guard_outcome(request, tags(request, "If-Match").map(|tags| Self(Precondition::new(tags))))
    }
}

/// A response with an `ETag`. The response to a `GET` becomes `304` when `If-None-Match` has the
/// tag.
pub struct Tagged<R> {
    /// The tag of the representation.
    pub tag: EntityTag,
    /// The response.
    pub response: R,
}

impl<'r, R: Responder<'r, 'static>> Responder<'r, 'static> for Tagged<R> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let mut response = if is_known(request, &self.tag) {
            Response::build().status(Status::NotModified).finalize()
        } else {
            self.response.respond_to(request)?
        };
        response.set_header(Header::new("ETag", self.tag.to_string()));
        Ok(response)
    }
}

/// Tags a successful read by the hash of its body, unless its route has tagged it, and answers
/// `304` to a client that has it already. The tag is weak, because the body may be compressed
/// later.
pub(crate) async fn tag_by_content(request: &Request<'_>, response: &mut Response<'_>) {
    if response.status() != Status::Ok || response.headers().contains("ETag") {
        return;
    }
    let body = match response.body_mut().to_bytes().await {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "a response cannot be read");
            return response.set_status(Status::InternalServerError);
        }
    };
    // 128 bits are enough against accidents.
    let tag = EntityTag::weak(BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(&body)[..16]));
    response.set_header(Header::new("ETag", tag.to_string()));
    response.set_sized_body(body.len(), Cursor::new(body));
    if is_known(request, &tag) {
        response.set_status(Status::NotModified);
    }
}

/// Removes the body of a 304, which has the other headers of its 200 (RFC 9110, section 15.4.5).
pub(crate) fn remove_known_body(response: &mut Response<'_>) {
    response.remove_header("Content-Type");
    *response.body_mut() = Body::default();
}

/// Whether the client has the representation with this tag. A malformed `If-None-Match` matches no
/// tag, so that the client gets the whole representation.
fn is_known(request: &Request<'_>, tag: &EntityTag) -> bool {
    let is_read = matches!(request.method(), Method::Get | Method::Head);
    is_read && tags(request, "If-None-Match").ok().flatten().is_some_and(|tags| tags.contain(tag))
}

/// Returns the tags in all lines of a header, which form one list (RFC 9110, section 5.3).
fn tags(request: &Request<'_>, name: &str) -> souk_types::Result<Option<EntityTags>> {
    let lines: Vec<&str> = request.headers().get(name).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let malformed = || Error::malformed(format!("The header {name} must be * or ETags in quotes, such as \"3\"."));
    EntityTags::parse(&lines.join(",")).map(Some).ok_or_else(malformed)
}
