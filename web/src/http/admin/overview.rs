//! The first page: sales, numbers of what needs an admin, and the orders and products behind them.

mod sales;
mod todo;

use askama::Template;
use futures_util::future::BoxFuture;
use rocket::get;
use souk_bus::CALL_TIMEOUT;
use souk_contract::role::Permission;
use souk_types::CappedCount;
use tokio::time::timeout;

use self::sales::SalesPart;
use self::todo::Todo;
use super::orders::Row;
use super::products::LOW_STOCK;
use super::{Admin, Nav, Section, count_text};
use crate::api::admin_mails::MailSummary;
use crate::api::admin_orders::{OrderFilters, OrderSummary};
use crate::api::admin_overview::{LowStockQuery, SalesSummary, StockSummary};
use crate::api::catalogue::Product;
use crate::api::{List, Problem, Result as ApiResult};
use crate::locale::Key;
use crate::monitor::Queues;
use crate::page::{Frame, Page, PageError, PageResult};
use crate::visit::Visit;

/// Orders or products in one part.
const PART_SIZE: usize = 5;

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
    /// What is to do in a shop without an order.
    todo: Vec<Todo>,
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
    is_zero: bool,
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

/// The responses of the services and the broker. A response is `None` while its service does not
/// answer, and for a role that may not see it.
struct OverviewData {
    sales: Option<SalesSummary>,
    stock: Option<StockSummary>,
    mails: Option<MailSummary>,
    /// `Queues::None` for a role that may not see them.
    queues: Queues,
    urgent: Option<Vec<OrderSummary>>,
    confirmed: Option<Vec<OrderSummary>>,
    partial: Option<Vec<OrderSummary>>,
    newest: Option<Vec<OrderSummary>>,
    low_stock: Option<Vec<Product>>,
}

impl OverviewData {
    /// Whether the shop has no order yet.
    fn is_new(&self) -> bool {
        self.newest.as_ref().is_some_and(Vec::is_empty)
    }
}

#[get("/admin")]
pub(super) async fn show(visit: Visit<'_>) -> PageResult {
    let admin = Admin::of_any_role(&visit).await?;
    let (frame, data) = tokio::join!(
        admin.frame(&visit, Section::Overview, visit.text("admin-overview-title").to_string()),
        load(&visit, &admin),
    );
    let (page, nav) = frame?;
    let data = data?;
    let mut numbers = numbers(&visit, &admin, &data);
    let todo = if data.is_new() { todo::list(&visit, &admin, &page.shop) } else { Vec::new() };
    if !todo.is_empty() {
        numbers.retain(|number| !number.is_zero);
    }
    let sales = data.sales.as_ref();
    let template = OverviewPage {
        sees_orders: admin.may(Permission::ViewOrders),
        sees_stock: admin.may(Permission::ManageCatalogue),
        sales: sales.map(|sales| sales::parts(visit.language, &sales.days, &page.shop.currency)),
        page,
        nav,
        todo,
        numbers,
        bar_width: sales::BAR_WIDTH,
        parts: order_parts(&visit, &admin, &data),
        low_stock: data.low_stock,
        low_stock_url: visit.url(LOW_STOCK),
    };
    Ok(Page::personal(&template)?.into())
}

/// Reads what the role may see, all at once.
async fn load(visit: &Visit<'_>, admin: &Admin) -> Result<OverviewData, PageError> {
    // The order that has waited longest comes first.
    let oldest = || OrderFilters { sort: "oldest".to_owned(), ..OrderFilters::default() };
    let status = |status: &str| OrderFilters { status: status.to_owned(), ..oldest() };
    let urgent = OrderFilters { payment: "attention".to_owned(), ..oldest() };
    let [confirmed, partial, all] = [status("confirmed"), status("partially-shipped"), OrderFilters::default()];
    let sees_orders = admin.may(Permission::ViewOrders);
    let sees_stock = admin.may(Permission::ManageCatalogue);
    let threshold = LowStockQuery::DEFAULT_THRESHOLD;
    let scarce = LowStockQuery { threshold, words: "", limit: PART_SIZE, after: None };
    let (sales, stock, mails, queues, urgent, confirmed, partial, newest, scarce) = tokio::join!(
        ask_if(sees_orders, visit.api.sales_summary(&admin.token)),
        ask_if(sees_stock, visit.api.stock_summary(&admin.token)),
        ask_if(admin.may(Permission::AssistCustomers), visit.api.mail_summary(&admin.token)),
        Box::pin(queues(visit, admin.may(Permission::OperateSystem))),
        ask_if(sees_orders, orders(visit, admin, &urgent)),
        ask_if(sees_orders, orders(visit, admin, &confirmed)),
        ask_if(sees_orders, orders(visit, admin, &partial)),
        ask_if(sees_orders, orders(visit, admin, &all)),
        ask_if(sees_stock, visit.api.low_stock(&admin.token, scarce)),
    );
    Ok(OverviewData {
        sales: sales?,
        stock: stock?,
        mails: mails?,
        queues,
        urgent: urgent?,
        confirmed: confirmed?,
        partial: partial?,
        newest: newest?,
        low_stock: scarce?.map(|list| list.items),
    })
}

/// Returns the numbers that the role may see, each with its list.
fn numbers(visit: &Visit<'_>, admin: &Admin, data: &OverviewData) -> Vec<Number> {
    let number = |label, count: Option<CappedCount>, path: &str, is_urgent| Number {
        label,
        count: count.map(|count| count_text(visit.language, count)),
        url: visit.url(path),
        is_zero: count.is_some_and(|count| count.count == 0),
        is_urgent: is_urgent && count.is_some_and(|count| count.count > 0),
    };
    let orders_number = |count: fn(&SalesSummary) -> CappedCount| data.sales.as_ref().map(count);
    let mut numbers = Vec::new();
    if admin.may(Permission::ViewOrders) {
        numbers.extend([
            number(Key("overview-urgent-count"), orders_number(|sales| sales.attention), URGENT, true),
            number(Key("overview-pack"), orders_number(|sales| sales.to_pack), TO_PACK, false),
            number(Key("orders-view-partial"), orders_number(|sales| sales.partially_shipped), PARTLY_SENT, false),
        ]);
    }
    if admin.may(Permission::ManageCatalogue) {
        numbers.push(number(Key("overview-low-stock"), data.stock.map(|stock| stock.low_stock), LOW_STOCK, true));
    }
    if admin.may(Permission::AssistCustomers) {
        numbers.push(number(Key("overview-mails-failed"), data.mails.map(|mails| mails.failed), MAILS_FAILED, true));
    }
    let letters = match &data.queues {
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
    numbers
}

/// Returns the parts with orders, for a role that may see orders.
fn order_parts(visit: &Visit<'_>, admin: &Admin, data: &OverviewData) -> Vec<Part> {
    if !admin.may(Permission::ViewOrders) {
        return Vec::new();
    }
    let part = |id, title, empty, orders: Option<&[OrderSummary]>, all: &str| Part {
        id,
        title,
        empty,
        rows: orders.map(|orders| orders.iter().map(|order| Row::new(visit.language, order)).collect()),
        all: visit.url(all),
    };
    vec![
        part("urgent", Key("overview-urgent"), Key("overview-urgent-none"), data.urgent.as_deref(), URGENT),
        part("pack", Key("overview-pack"), Key("overview-pack-none"), data.confirmed.as_deref(), TO_PACK),
        part("rest", Key("orders-view-partial"), Key("overview-rest-none"), data.partial.as_deref(), PARTLY_SENT),
        part("newest", Key("overview-newest"), Key("orders-none"), data.newest.as_deref(), "/admin/orders"),
    ]
}

/// Returns the queues of the broker, which have the dead letters, for who may see them. Boxed by
/// its caller: it is large.
async fn queues(visit: &Visit<'_>, is_allowed: bool) -> Queues {
    if !is_allowed {
        return Queues::None;
    }
    timeout(CALL_TIMEOUT, visit.app.monitor.queues()).await.unwrap_or(Queues::Unknown)
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
