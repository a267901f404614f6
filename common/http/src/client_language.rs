//! The language that a client prefers.

use rocket::Request;
use rocket::request::{FromRequest, Outcome};
use souk_types::Language;

/// Request guard: the language of mails about what the request does, by its `Accept-Language`.
/// `None` when that names none of the shop's.
pub struct ClientLanguage(pub Option<Language>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for ClientLanguage {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        Outcome::Success(Self::of(request))
    }
}

impl ClientLanguage {
    /// Returns the language of the client.
    #[must_use]
    pub fn of(request: &Request<'_>) -> Self {
        Self(Language::preferred(request.headers().get("Accept-Language")))
    }
}
