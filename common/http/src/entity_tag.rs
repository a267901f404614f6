//! Entity tags in requests and responses: `If-Match` against lost updates, `ETag` and
//! `If-None-Match` against repeated transfers (RFC 9110, sections 8.8.3 and 13).

use rocket::http::{Header, Method, Status};
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::{self, Responder, Response};
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
        let is_read = matches!(request.method(), Method::Get | Method::Head);
        // A malformed `If-None-Match` costs a transfer and nothing else.
        let known = tags(request, "If-None-Match").ok().flatten();
        let mut response = if is_read && known.is_some_and(|tags| tags.contain(&self.tag)) {
            Response::build().status(Status::NotModified).finalize()
        } else {
            self.response.respond_to(request)?
        };
        response.set_header(Header::new("ETag", self.tag.to_string()));
        Ok(response)
    }
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
