//! The page of one row of a document of the shop: its form, and a form that removes it.

use askama::Template;
use rocket::http::Status;

use super::edit::EditForm;
use super::{Admin, Nav, Section};
use crate::fields::Kind;
use crate::locale::Key;
use crate::page::{Frame, Page, PageResult};
use crate::visit::Visit;

/// What the page shows.
pub(super) struct RowPage {
    pub(super) section: Section,
    pub(super) title: String,
    /// The address and the name of the page that lists the row.
    pub(super) back: (String, String),
    /// Other forms of the row: name, address, whether it is shown.
    pub(super) views: Vec<(Key, String, bool)>,
    /// What the form is for.
    pub(super) lead: Option<Key>,
    /// The form. The one that removes the row is sent to the same address.
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
