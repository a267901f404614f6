//! Errors outside of routes: unknown URLs, refused forms, panics.

use std::path::PathBuf;

use rocket::http::{Accept, MediaType, Status};
use rocket::response::{self, Responder};
use rocket::{Request, catch, get};

use crate::page::render_error;

/// The paths of the API, whose errors are problem+json for every client.
const API: [&str; 5] = ["customer", "mail", "products", "shopping", "health"];

/// An error page.
pub(super) struct ErrorPage(Status);

impl<'r> Responder<'r, 'static> for ErrorPage {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let mut page = render_error(request, self.0)?;
        if let Some(seconds) = souk_http::retry_after_refusal(request) {
            page.set_raw_header("Retry-After", seconds.to_string());
        }
        Ok(page)
    }
}

/// The catcher of all errors below the prefix of a language. A URL whose id is malformed is
/// one that does not exist (422).
#[catch(default)]
pub(super) fn everything(status: Status, _: &Request<'_>) -> ErrorPage {
    ErrorPage(if status == Status::UnprocessableEntity { Status::NotFound } else { status })
}

/// The page of a URL without a language that leads nowhere. Clients other than browsers get
/// the problem of the API instead.
#[get("/<path..>", rank = 100)]
pub(super) fn no_page(path: PathBuf, accept: Option<&Accept>) -> Option<ErrorPage> {
    let is_api = path.iter().next().is_some_and(|first| API.iter().any(|service| first == *service));
    let is_browser = accept.is_some_and(|accept| accept.media_types().any(MediaType::is_html));
    (is_browser && !is_api).then_some(ErrorPage(Status::NotFound))
}
