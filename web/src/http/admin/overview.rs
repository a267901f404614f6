//! The first page: sales, numbers of what needs an admin, and the orders and products behind them.

mod sales;

use std::time::Duration;

use askama::Template;
use futures_util::future::BoxFuture;
use rocket::get;
use souk_contract::role::Permission;
use souk_types::CappedCount;
use tokio::time::timeout;

use self::sales::SalesPart;
use super::orders::Row;
use super::products::LOW_STOCK;
use super::{Admin, Nav, Section, count_text};
use crate::api::admin_orders::{OrderFilters, OrderSummary};
use crate::api::admin_overview::LowStockQuery;
use crate::api::catalogue::Product;
use crate::api::{List, Problem, Result as ApiResult};
use crate::locale::Key;
use crate::monitor::Queues;
use crate::page::{Frame, Page, PageError, PageResult};
use crate::visit::Visit;

/// Orders or products in one part.
const PART_SIZE: usize = 5;

/// Time for the broker, as for a call to a service. A page must answer within 5 s.
const BROKER_TIMEOUT: Duration = Duration::from_secs(2);

const TO_PACK: &str = "/admin/orders?status=confirmed&sort=oldest";
const PARTLY_SENT: &str = "/admin/orders?status=partially-shipped&sort=oldest";
const MAILS_FAILED: &str = "/admin/mails?status=failed";
const DEAD_LETTERS: &str = "/admin/dead-letters";
const URGENT: &str = "/admin/orders?payment=attention&sort=oldest";

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    page: Frame,
    nav: Nav,
    numbers: Vec<Number>,
    /// Whether the role sees orders: then also the sales.
    sees_orders: bool,
    /// `None` while `shopping` does not answer.
    sales: Option<Vec<SalesPart>>,
    bar_width: u64,
    parts: Vec<Part>,
    /// Whether the role manages the stock.
    sees_stock: bool,
    /// The scarcest products; `None` while `products` does not answer.
    low_stock: Option<Vec<Product>>,
    low_stock_url: String,
}

/// A number that leads to its list.
struct Number {
    label: Key,
    /// `None` while the service does not answer.
    count: Option<String>,
    url: String,
    /// Whether an admin must act.
    is_urgent: bool,
}

/// Some orders, and the list that has all of them.
struct Part {
    id: &'static str,
    title: Key,
    empty: Key,
    /// `None` while `shopping` does not answer.
    rows: Option<Vec<Row>>,
    /// The list with all of them.
    all: String,
}

#[get("/admin")]
pub(super) async fn show(visit: Visit<'_>) -> PageResult {
    let admin = Admin::of_any_role(&visit).await?;
    // The order that has waited longest comes first.
    let oldest = || OrderFilters { sort: "oldest".to_owned(), ..OrderFilters::default() };
    let status = |status: &str| OrderFilters { status: status.to_owned(), ..oldest() };
    let urgent = OrderFilters { payment: "attention".to_owned(), ..oldest() };
    let [confirmed, partial, all] = [status("confirmed"), status("partially-shipped"), OrderFilters::default()];
    let sees_orders = admin.may(Permission::ViewOrders);
    let sees_mails = admin.may(Permission::AssistCustomers);
    let sees_stock = admin.may(Permission::ManageCatalogue);
    let sees_system = admin.may(Permission::OperateSystem);
    let threshold = LowStockQuery::DEFAULT_THRESHOLD;
    let scarce = LowStockQuery { threshold, words: "", limit: PART_SIZE, after: None };
    let (frame, sales, stock, mails, queues, urgent, confirmed, partial, newest, scarce) = tokio::join!(
        admin.frame(&visit, Section::Overview, visit.text("admin-overview-title").to_string()),
        ask_if(sees_orders, visit.api.sales_summary(&admin.token)),
        ask_if(sees_stock, visit.api.stock_summary(&admin.token)),
        ask_if(sees_mails, visit.api.mail_summary(&admin.token)),
        Box::pin(queues(&visit, sees_system)),
        ask_if(sees_orders, orders(&visit, &admin, &urgent)),
        ask_if(sees_orders, orders(&visit, &admin, &confirmed)),
        ask_if(sees_orders, orders(&visit, &admin, &partial)),
        ask_if(sees_orders, orders(&visit, &admin, &all)),
        ask_if(sees_stock, visit.api.low_stock(&admin.token, scarce)),
    );
    let (page, nav) = frame?;
    let (sales, stock, mails) = (sales?, stock?, mails?);
    let number = |label, count: Option<CappedCount>, path: &str, is_urgent| Number {
        label,
        count: count.map(|count| count_text(visit.language, count)),
        url: visit.url(path),
        is_urgent: is_urgent && count.is_some_and(|count| count.count > 0),
    };
    let orders_number = |count: fn(&_) -> CappedCount| sales.as_ref().map(count);
    let mut numbers = Vec::new();
    if sees_orders {
        numbers.extend([
            number(Key("overview-urgent-count"), orders_number(|sales| sales.attention), URGENT, true),
            number(Key("overview-pack"), orders_number(|sales| sales.to_pack), TO_PACK, false),
            number(Key("orders-view-partial"), orders_number(|sales| sales.partially_shipped), PARTLY_SENT, false),
        ]);
    }
    if sees_stock {
        numbers.push(number(Key("overview-low-stock"), stock.map(|stock| stock.low_stock), LOW_STOCK, true));
    }
    if sees_mails {
        numbers.push(number(Key("overview-mails-failed"), mails.map(|mails| mails.failed), MAILS_FAILED, true));
    }
    let letters = match queues {
        // A shop in one process has no dead letters, and other roles do not see them.
        Queues::None => None,
        Queues::Unknown => Some(number(Key("overview-dead-letters"), None, DEAD_LETTERS, true)),
        Queues::Known(queues) => {
            let letters: u32 = queues.iter().filter_map(|queue| queue.dead_letters).sum();
            let count = CappedCount { count: usize::try_from(letters).unwrap_or(usize::MAX), more: false };
            Some(number(Key("overview-dead-letters"), Some(count), DEAD_LETTERS, true))
        }
    };
    numbers.extend(letters);
    let part = |id, title, empty, orders: Option<Vec<OrderSummary>>, all: &str| Part {
        id,
        title,
        empty,
        rows: orders.map(|orders| orders.iter().map(|order| Row::new(visit.language, order)).collect()),
        all: visit.url(all),
    };
    let parts = if sees_orders {
        vec![
            part("urgent", Key("overview-urgent"), Key("overview-urgent-none"), urgent?, URGENT),
            part("pack", Key("overview-pack"), Key("overview-pack-none"), confirmed?, TO_PACK),
            part("rest", Key("orders-view-partial"), Key("overview-rest-none"), partial?, PARTLY_SENT),
            part("newest", Key("overview-newest"), Key("orders-none"), newest?, "/admin/orders"),
        ]
    } else {
        Vec::new()
    };
    let template = OverviewPage {
        sees_orders,
        sees_stock,
        sales: sales.map(|sales| sales::parts(visit.language, &sales.days, &page.shop.currency)),
        page,
        nav,
        numbers,
        bar_width: sales::BAR_WIDTH,
        parts,
        low_stock: scarce?.map(|list| list.items),
        low_stock_url: visit.url(LOW_STOCK),
    };
    Ok(Page::personal(&template)?.into())
}

/// Returns the queues of the broker, which have the dead letters, for who may see them. Boxed by
/// its caller: it is large.
async fn queues(visit: &Visit<'_>, is_allowed: bool) -> Queues {
    if !is_allowed {
        return Queues::None;
    }
    timeout(BROKER_TIMEOUT, visit.app.monitor.queues()).await.unwrap_or(Queues::Unknown)
}

/// Returns the first orders.
async fn orders(visit: &Visit<'_>, admin: &Admin, filters: &OrderFilters) -> ApiResult<Vec<OrderSummary>> {
    visit.api.all_orders(&admin.token, filters, PART_SIZE, None).await.map(|List { items, .. }| items)
}

/// Asks a service for what the role may see. Returns `None` while it does not answer, and for what
/// the role may not see.
///
/// Boxed, because many questions together are large.
fn ask_if<'a, T>(
    is_allowed: bool,
    question: impl Future<Output = ApiResult<T>> + Send + 'a,
) -> BoxFuture<'a, Result<Option<T>, PageError>> {
    Box::pin(async move {
        if !is_allowed {
            return Ok(None);
        }
        match question.await {
            Ok(value) => Ok(Some(value)),
            Err(Problem::Unavailable) => Ok(None),
            Err(problem) => Err(problem.into()),
        }
    })
}
