//! The fairing that gives every response its headers about caches, encodings and origins.

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Header;
use rocket::response::{self, Responder};
use rocket::shield::{Frame, NoSniff, Referrer, Shield};
use rocket::{Request, Response};

use crate::{compression, cors};

/// A response that is the same for every client. Caches may store it, and must ask with
/// `If-None-Match` before they use it again, because prices and stock change at any time.
pub struct Public<R>(pub R);

impl<'r, R: Responder<'r, 'static>> Responder<'r, 'static> for Public<R> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Ok(cached(self.0.respond_to(request)?, "public, no-cache"))
    }
}

/// A public response that hardly ever changes. Caches may use it for a day.
pub struct PublicForADay<R>(pub R);

impl<'r, R: Responder<'r, 'static>> Responder<'r, 'static> for PublicForADay<R> {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Ok(cached(self.0.respond_to(request)?, "public, max-age=86400"))
    }
}

fn cached(mut response: Response<'static>, directives: &'static str) -> Response<'static> {
    response.set_raw_header("Cache-Control", directives);
    response
}

/// Responses are private unless a route says otherwise with [`Public`]: caches must not store them.
const PRIVATE: &str = "no-store";

/// A response may be shown, with its own styles, and can run or load nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

pub(crate) struct ResponseHeaders;

#[rocket::async_trait]
impl Fairing for ResponseHeaders {
    fn info(&self) -> Info {
        Info { name: "headers about caches, encodings and origins", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        if !response.headers().contains("Cache-Control") {
            response.set_raw_header("Cache-Control", PRIVATE);
        }
        if !response.headers().contains("Content-Security-Policy") {
            response.set_raw_header("Content-Security-Policy", CONTENT_SECURITY_POLICY);
        }
        compression::compress(request, response).await;
        cors::allow_origin(request, response);
    }
}

/// Headers that protect a browser: `nginx/headers.conf` has the same.
pub(crate) fn shield() -> Shield {
    Shield::new().enable(NoSniff::Enable).enable(Frame::Deny).enable(Referrer::NoReferrer)
}

/// Adds a value to a header that is a list with commas.
pub(crate) fn add_to_list(response: &mut Response<'_>, name: &'static str, value: &str) {
    let list = match response.headers().get_one(name) {
        Some(present) => format!("{present}, {value}"),
        None => value.to_owned(),
    };
    response.set_header(Header::new(name, list));
}
