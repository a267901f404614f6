//! Pages as responses: the frame that all of them have, and the errors of routes.

mod error;
pub(crate) mod filters;
mod frame;
mod placeholder;

use std::io::Cursor;

use askama::Template;
use rocket::http::{ContentType, Header, Status};
use rocket::response::{self, Responder, Response};
use rocket::{Request, response::Redirect};
use souk_types::Error;

pub(crate) use self::error::{PageError, render_error};
pub(crate) use self::frame::{Frame, product_path};

/// The result of a route.
pub(crate) type PageResult = std::result::Result<Answer, PageError>;

/// A page loads styles, scripts and data of this shop only, and pictures from any URL, because
/// the catalogue names pictures by URL.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src * data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A browser may show the page again with "back", and asks before it uses the page for another
/// visit.
const BROWSING: &str = "private, no-cache";

/// What a route answers.
pub(crate) enum Answer {
    Page(Page),
    /// After a form: the browser gets another page, and a reload sends nothing again (303).
    SeeOther(String),
    /// The page has another URL now (301).
    Moved(String),
}

/// A rendered page.
pub(crate) struct Page {
    html: String,
    status: Status,
    content_security_policy: String,
    is_browsing: bool,
}

impl Page {
    /// Renders a personal page: no cache stores it.
    pub(crate) fn personal(template: &impl Template) -> Result<Self, PageError> {
        let html = template.render().map_err(Error::internal)?;
        let content_security_policy = CONTENT_SECURITY_POLICY.to_owned();
        Ok(Self { html, status: Status::Ok, content_security_policy, is_browsing: false })
    }

    /// Renders a page that shows nothing of its visitor but the number of pieces in the cart.
    pub(crate) fn browsing(template: &impl Template) -> Result<Self, PageError> {
        Ok(Self { is_browsing: true, ..Self::personal(template)? })
    }

    /// Sets the status.
    pub(crate) fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// Adds sources to the content security policy: `script-src https://js.stripe.com`.
    pub(crate) fn allow(mut self, directive: &str, source: &str) -> Self {
        let names_it = |part: &str| part.trim_start().starts_with(directive);
        let parts = self.content_security_policy.split(';');
        let mut parts: Vec<String> =
            parts.map(|part| if names_it(part) { format!("{part} {source}") } else { part.to_owned() }).collect();
        if !parts.iter().any(|part| names_it(part)) {
            parts.push(format!(" {directive} {source}"));
        }
        self.content_security_policy = parts.join(";");
        self
    }
}

impl From<Page> for Answer {
    fn from(page: Page) -> Self {
        Self::Page(page)
    }
}

impl<'r> Responder<'r, 'static> for Answer {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        match self {
            Self::Page(page) => page.respond_to(request),
            Self::SeeOther(address) => Redirect::to(address).respond_to(request),
            Self::Moved(address) => Redirect::moved(address).respond_to(request),
        }
    }
}

impl<'r> Responder<'r, 'static> for Page {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let mut response = Response::build();
        response.status(self.status).header(ContentType::HTML);
        response.header(Header::new("Content-Security-Policy", self.content_security_policy));
        // Other sites learn no URL. Without any referrer, the origin of a form would be `null`.
        response.raw_header("Referrer-Policy", "same-origin");
        if self.is_browsing {
            response.raw_header("Cache-Control", BROWSING);
        }
        response.sized_body(self.html.len(), Cursor::new(self.html)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_allows_a_source_where_it_needs_one() {
        let page = || Page {
            html: String::new(),
            status: Status::Ok,
            content_security_policy: CONTENT_SECURITY_POLICY.to_owned(),
            is_browsing: false,
        };
        let policy = page().allow("script-src", "https://js.example").content_security_policy;
        assert!(policy.contains("script-src 'self' https://js.example;"), "{policy}");
        let policy = page().allow("frame-src", "https://js.example").content_security_policy;
        assert!(policy.ends_with("; frame-src https://js.example"), "{policy}");
    }
}
