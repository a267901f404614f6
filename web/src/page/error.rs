//! Error pages: what happened, and where the visitor can go.

use askama::Template;
use rocket::Request;
use rocket::http::{Method, Status};
use rocket::response::{self, Redirect, Responder};
use souk_contract::role::Role;
use souk_types::Error;

use super::{Frame, Page, filters};
use crate::admin_section::Section;
use crate::api::Problem;
use crate::form::IsForged;
use crate::locale::Key;
use crate::visit::Visit;

/// Why a route has no page.
#[derive(Debug)]
pub(crate) enum PageError {
    /// A service has refused a request, or does not answer.
    Problem(Problem),
    /// The page is for customers: the URL of the sign-in page.
    SignIn(String),
}

impl PageError {
    /// Returns the error of a page that does not exist.
    pub(crate) fn not_found() -> Self {
        Self::Problem(Problem::refused(404))
    }

    /// Returns the error of a page that the visitor's role does not include.
    pub(crate) fn forbidden() -> Self {
        Self::Problem(Problem::refused(403))
    }
}

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        Self::Problem(error.into())
    }
}

impl<'r> Responder<'r, 'static> for PageError {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let problem = match self {
            Self::SignIn(address) => return Redirect::to(address).respond_to(request),
            Self::Problem(problem) => problem,
        };
        if problem.is_unauthenticated()
            && let Some(visit) = Visit::of(request)
        {
            return visit.renew_session().respond_to(request);
        }
        if problem.status() >= 500 {
            tracing::warn!(%problem, "a page cannot be shown");
        }
        render_error(request, Status::new(problem.status()))
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    page: Frame,
    status: u16,
    text: String,
    /// Whether the page offers the overview of the admin pages, in place of the cart.
    offers_overview: bool,
    request_id: String,
}

/// Renders the error page of a status.
pub(crate) fn render_error(request: &Request<'_>, status: Status) -> response::Result<'static> {
    let visit = Visit::of(request).ok_or(Status::InternalServerError)?;
    let (title, default_text) = texts(status, request);
    let request_id = souk_http::request_id(request).to_string();
    let page = visit.frame_from_cache(visit.text(title).to_string()).and_then(|page| {
        let section = Section::of_path(&page.path);
        let text = section.and_then(|section| admin_text(&visit, status, request, section));
        let text = text.unwrap_or_else(|| visit.text(default_text).to_string());
        // A visitor who may not open the overview is not sent there again.
        let offers_overview =
            section.is_some_and(|section| status != Status::Forbidden || section != Section::Overview);
        Page::personal(&ErrorPage { page, status: status.code, text, offers_overview, request_id })
    });
    match page {
        Ok(page) => page.status(status).respond_to(request),
        // Only without random numbers, or by a bug in the template.
        Err(error) => {
            tracing::error!(?error, "the error page cannot be rendered");
            Err(Status::InternalServerError)
        }
    }
}

/// Returns what the admin pages say in place of the text for visitors of the shop.
fn admin_text(visit: &Visit<'_>, status: Status, request: &Request<'_>, section: Section) -> Option<String> {
    match status.code {
        404 => Some(visit.text("error-admin-not-found-text").to_string()),
        403 if !is_forged(request) => {
            // What a form needs is not known from its URL.
            let permission = section.permission().filter(|_| request.method() != Method::Post);
            let Some(permission) = permission else {
                return Some(visit.text("error-admin-forbidden-text").to_string());
            };
            let roles = Role::STAFF.into_iter().filter(|role| role.may(permission));
            let names = roles.filter_map(|role| visit.language.text_of_code("role-", role.as_str()));
            let names = names.collect::<Vec<_>>().join(", ");
            Some(visit.text("error-admin-forbidden-roles").arg("roles", names).to_string())
        }
        _ => None,
    }
}

fn is_forged(request: &Request<'_>) -> bool {
    request.local_cache(IsForged::default).0
}

fn texts(status: Status, request: &Request<'_>) -> (Key, Key) {
    match status.code {
        403 if is_forged(request) => (Key("error-form-title"), Key("error-form-text")),
        403 => (Key("error-forbidden-title"), Key("error-forbidden-text")),
        404 => (Key("error-not-found-title"), Key("error-not-found-text")),
        429 => (Key("error-too-many-title"), Key("error-too-many-text")),
        502..=504 => (Key("error-unavailable-title"), Key("error-unavailable-text")),
        400..=499 => (Key("error-refused-title"), Key("error-refused-text")),
        _ => (Key("error-internal-title"), Key("error-internal-text")),
    }
}
