//! The page that asks whether several orders are to be marked as sent.

use askama::Template;

use super::bulk::{CONFIRMED, Selected};
use super::{Admin, Nav, Section, list};
use crate::fields::FormState;
use crate::page::{Frame, Page, PageResult};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "admin/orders/confirm.html")]
struct ConfirmPage {
    page: Frame,
    nav: Nav,
    /// The URL of the list that the orders are from.
    back: String,
    orders: Vec<Selected>,
    bulk_url: String,
    bulk_key: String,
    /// The query of the list.
    query: String,
    /// The cursor of its page; empty for the first.
    after: String,
    confirmed: &'static str,
}

/// Renders the page. `filters` are those of the list, `after` is the cursor of its page, `bulk_key`
/// is the key of its form.
pub(super) async fn page(
    visit: &Visit<'_>,
    admin: &Admin,
    filters: &FormState,
    after: Option<&str>,
    orders: Vec<Selected>,
    bulk_key: String,
) -> PageResult {
    let title = visit.text("orders-bulk-confirm-title").arg("orders", orders.len()).to_string();
    let (mut page, nav) = admin.frame(visit, Section::Orders, title).await?;
    let query = list::address(filters);
    // The form that was sent has a URL of its own, which no other language has.
    let here = list::page_of(&query, after);
    (page.path, page.query) = (list::LIST.to_owned(), list::mark(&here));
    let template = ConfirmPage {
        page,
        nav,
        back: list::url(visit, &here),
        orders,
        bulk_url: visit.url("/admin/orders/bulk"),
        bulk_key,
        query,
        after: after.unwrap_or_default().to_owned(),
        confirmed: CONFIRMED,
    };
    Ok(Page::personal(&template)?.into())
}
