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
    confirmed: &'static str,
}

/// Renders the page. `filters` are those of the list, `bulk_key` is the key of its form.
pub(super) async fn page(
    visit: &Visit<'_>,
    admin: &Admin,
    filters: &FormState,
    orders: Vec<Selected>,
    bulk_key: String,
) -> PageResult {
    let title = visit.text("orders-bulk-confirm-title").arg("orders", orders.len()).to_string();
    let (mut page, nav) = admin.frame(visit, Section::Orders, title).await?;
    let query = list::address(filters);
    // The form that was sent has a URL of its own, which no other language has.
    (page.path, page.query) = (list::LIST.to_owned(), list::mark(&query));
    let template = ConfirmPage {
        page,
        nav,
        back: list::url(visit, &query),
        orders,
        bulk_url: visit.url("/admin/orders/bulk"),
        bulk_key,
        query,
        confirmed: CONFIRMED,
    };
    Ok(Page::personal(&template)?.into())
}
