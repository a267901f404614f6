//! The page of one row of a document of the shop: its form, and a form that removes it.

use askama::Template;
use rocket::http::Status;
use serde_json::Value;

use super::edit::{EditForm, Refused};
use super::{Admin, Nav, Section};
use crate::api::Problem;
use crate::api::admin_shop::Document;
use crate::fields::{FormState, Kind};
use crate::locale::Key;
use crate::page::{Frame, Page, PageError, PageResult};
use crate::visit::Visit;

/// What the page shows.
pub(super) struct RowPage {
    pub(super) section: Section,
    pub(super) title: String,
    /// The URL and the name of the page that lists the row.
    pub(super) back: (String, String),
    /// Other forms of the row: name, URL, whether it is shown.
    pub(super) views: Vec<(Key, String, bool)>,
    /// What the form is for.
    pub(super) lead: Option<Key>,
    /// The form. The one that removes the row is sent to the same URL.
    pub(super) form: EditForm,
    /// What the form that removes the row says; `None` for a new row.
    pub(super) remove: Option<(Key, Key)>,
}

#[derive(Template)]
#[template(path = "admin/row.html")]
struct RowTemplate {
    page: Frame,
    nav: Nav,
    back: (String, String),
    views: Vec<(Key, String, bool)>,
    lead: Option<Key>,
    form: EditForm,
    remove: Option<(Key, Key)>,
}

impl RowPage {
    /// Renders the page.
    pub(super) async fn answer(self, visit: &Visit<'_>, admin: &Admin, status: Status) -> PageResult {
        let Self { section, title, back, views, lead, form, remove } = self;
        let (page, nav) = admin.frame(visit, section, title).await?;
        Ok(Page::personal(&RowTemplate { page, nav, back, views, lead, form, remove })?.status(status).into())
    }
}

/// Returns the notice about a row that was not moved or removed, because another admin has changed
/// it.
pub(super) fn stale(visit: &Visit<'_>) -> (&'static str, String) {
    ("error", visit.text("admin-row-changed").to_string())
}

/// Returns the notice about a row that cannot be removed, because no stored row has its key.
pub(super) fn missing(visit: &Visit<'_>) -> (&'static str, String) {
    ("", visit.text("admin-row-missing").to_string())
}

/// What the list shows after the service has refused to move or to remove a row.
pub(super) struct RefusedMove {
    pub(super) stored: Value,
    pub(super) notice: (&'static str, String),
    pub(super) status: Status,
}

impl RefusedMove {
    /// Reads what is stored, and explains the problem. Errors: the service does not answer.
    pub(super) async fn read(
        visit: &Visit<'_>,
        admin: &Admin,
        document: Document,
        problem: Problem,
    ) -> Result<Self, PageError> {
        if matches!(problem, Problem::Unavailable) {
            return Err(problem.into());
        }
        let Refused { status, text } = Refused::of(visit, &mut FormState::default(), problem, |_| None)?;
        let stored = visit.api.document(&admin.token, document).await?.value;
        let text = text.unwrap_or_else(|| visit.text("admin-refused").to_string());
        Ok(Self { stored, notice: ("error", text), status })
    }
}
