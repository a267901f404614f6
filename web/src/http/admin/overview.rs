//! The first page: orders whose payment an admin must act upon, orders to pack, new orders.

use askama::Template;
use rocket::get;

use super::orders::Row;
use super::{Admin, Nav, Section};
use crate::api::admin_orders::{OrderFilters, OrderSummary};
use crate::api::{List, Problem};
use crate::locale::Key;
use crate::page::{Frame, Page, PageError, PageResult};
use crate::visit::Visit;

/// Orders in one part.
const PART_SIZE: usize = 5;

/// The statuses of payments that an admin must act upon.
const URGENT: [&str; 5] = ["refund-failed", "disputed", "underpaid", "overpaid", "authorized"];

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    page: Frame,
    nav: Nav,
    parts: Vec<Part>,
}

/// Some orders, and the list that has all of them.
struct Part {
    id: &'static str,
    title: Key,
    empty: Key,
    /// `None` while `shopping` does not answer.
    rows: Option<Vec<Row>>,
    /// The list with all of them, if one list has them.
    all: Option<String>,
}

#[get("/admin")]
pub(super) async fn show(visit: Visit<'_>) -> PageResult {
    let admin = Admin::of(&visit).await?;
    // The order that has waited longest comes first.
    let oldest = "oldest".to_owned();
    let status =
        |status: &str| OrderFilters { status: status.to_owned(), sort: oldest.clone(), ..OrderFilters::default() };
    let [confirmed, partial, all] = [status("confirmed"), status("partially-shipped"), OrderFilters::default()];
    let (frame, urgent, confirmed, partial, newest) = tokio::join!(
        admin.frame(&visit, Section::Overview, visit.text("admin-overview-title").to_string()),
        urgent(&visit, &admin),
        orders(&visit, &admin, &confirmed),
        orders(&visit, &admin, &partial),
        orders(&visit, &admin, &all),
    );
    let (page, nav) = frame?;
    let rows = |orders: Option<Vec<OrderSummary>>| {
        orders.map(|orders| orders.iter().map(|order| Row::new(visit.language, order)).collect())
    };
    let part = |id, title, empty, orders, all: Option<&str>| Part {
        id,
        title,
        empty,
        rows: rows(orders),
        all: all.map(|path| visit.url(path)),
    };
    let pack = Some("/admin/orders?status=confirmed&sort=oldest");
    let rest = Some("/admin/orders?status=partially-shipped&sort=oldest");
    let parts = vec![
        part("urgent", Key("overview-urgent"), Key("overview-urgent-none"), urgent?, None),
        part("pack", Key("overview-pack"), Key("overview-pack-none"), confirmed?, pack),
        part("rest", Key("orders-view-partial"), Key("overview-rest-none"), partial?, rest),
        part("newest", Key("overview-newest"), Key("orders-none"), newest?, Some("/admin/orders")),
    ];
    Ok(Page::personal(&OverviewPage { page, nav, parts })?.into())
}

/// Returns the first orders; `None` while `shopping` does not answer.
async fn orders(
    visit: &Visit<'_>,
    admin: &Admin,
    filters: &OrderFilters,
) -> Result<Option<Vec<OrderSummary>>, PageError> {
    match visit.api.all_orders(&admin.token, filters, PART_SIZE, None).await {
        Ok(List { items, .. }) => Ok(Some(items)),
        Err(Problem::Unavailable) => Ok(None),
        Err(problem) => Err(problem.into()),
    }
}

/// Returns the first orders of each status that an admin must act upon.
async fn urgent(visit: &Visit<'_>, admin: &Admin) -> Result<Option<Vec<OrderSummary>>, PageError> {
    let filters = URGENT.map(|payment| OrderFilters { payment: payment.to_owned(), ..OrderFilters::default() });
    let [failed, disputed, underpaid, overpaid, authorized] = &filters;
    let lists = tokio::join!(
        orders(visit, admin, failed),
        orders(visit, admin, disputed),
        orders(visit, admin, underpaid),
        orders(visit, admin, overpaid),
        orders(visit, admin, authorized),
    );
    let mut all = Vec::new();
    for list in [lists.0, lists.1, lists.2, lists.3, lists.4] {
        match list? {
            Some(orders) => all.extend(orders),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}
