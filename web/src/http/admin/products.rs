//! The catalogue: its list; pages to create, edit and import products are below.

mod form;
mod image;
mod import;
mod one;
mod stock;

pub(super) use self::form::{price, tax_class, tax_classes, whole};

use askama::Template;
use rocket::http::Status;
use rocket::{FromForm, Route, get, routes};
use souk_contract::role::Permission;

use super::super::listing::sort_label;
use super::edit::done as done_text;
use super::{Admin, Nav, Section};
use crate::api::admin_overview::LowStockQuery;
use crate::api::catalogue::{Product, ProductQuery, Sort};
use crate::links::encode;
use crate::locale::Key;
use crate::page::{Frame, Page, PageResult};
use crate::visit::Visit;

const LIST: &str = "/admin/products";
/// The list of the products that are low in stock.
pub(super) const LOW_STOCK: &str = "/admin/products?stock=low";
/// Products on one page.
const PAGE_SIZE: usize = 50;
/// The longest search, in characters, as in the API.
const MAX_WORDS: usize = 100;

pub(super) fn routes() -> Vec<Route> {
    routes![
        list,
        import::show,
        one::show_new,
        one::create,
        one::show,
        one::edit,
        one::delete,
        image::upload,
        image::link,
        image::remove,
        stock::add,
        stock::count,
    ]
}

/// The routes whose work may take a minute.
pub(super) fn slow_routes() -> Vec<Route> {
    routes![import::import]
}

#[derive(Template)]
#[template(path = "admin/products.html")]
struct ProductsPage {
    page: Frame,
    nav: Nav,
    /// `None` while `products` is down.
    products: Option<Vec<Product>>,
    /// The views: name, URL, whether it is shown.
    views: [(Key, String, bool); 2],
    /// The threshold of the list of products that are low in stock; `None` for all products.
    below: Option<u32>,
    words: String,
    /// Values and labels of the orders, and whether they are chosen.
    sorts: Vec<(&'static str, Key, bool)>,
    /// The URL of the next page.
    next: Option<String>,
    /// The URL of the first page, when this is another one.
    first: Option<String>,
    done: Option<String>,
}

/// The parameters of the list.
#[derive(FromForm)]
struct Parameters {
    q: Option<String>,
    sort: Option<String>,
    /// `low` selects the products that are low in stock, the scarcest first.
    stock: Option<String>,
    /// The largest number of available pieces that is low.
    below: Option<String>,
    after: Option<String>,
    done: Option<String>,
}

#[get("/admin/products?<parameters..>")]
async fn list(visit: Visit<'_>, parameters: Parameters) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let sort = Sort::parse(parameters.sort.as_deref());
    let words: String = parameters.q.unwrap_or_default().trim().chars().take(MAX_WORDS).collect();
    let below = (parameters.stock.as_deref() == Some("low")).then(|| threshold(parameters.below.as_deref()));
    let after = parameters.after.as_deref();
    let products = async {
        if let Some(threshold) = below {
            let query = LowStockQuery { threshold, words: &words, limit: PAGE_SIZE, after };
            visit.api.low_stock(&admin.token, query).await
        } else {
            let words = Some(words.as_str()).filter(|words| !words.is_empty());
            visit.api.products(ProductQuery { words, sort, after, limit: PAGE_SIZE, category: None }).await
        }
    };
    let title = visit.text("admin-nav-products").to_string();
    let (frame, list) = tokio::join!(admin.frame(&visit, Section::Products, title), products);
    let (page, nav) = frame?;
    let (products, next, status) = match list {
        Ok(list) => (Some(list.items), list.next, Status::Ok),
        Err(problem) if problem.status() < 500 => return Err(problem.into()),
        Err(problem) => {
            tracing::warn!(%problem, "the list of products cannot be read");
            (None, None, Status::ServiceUnavailable)
        }
    };
    let address = |after: Option<&str>| {
        let after = after.map(|after| format!("&after={}", encode(after))).unwrap_or_default();
        match below {
            Some(below) => format!("{}&q={}&below={below}{after}", visit.url(LOW_STOCK), encode(&words)),
            None => format!("{}?q={}&sort={}{after}", visit.url(LIST), encode(&words), sort.as_str()),
        }
    };
    let sorts = Sort::ALL.map(|option| (option.as_str(), sort_label(option), option == sort)).into();
    let (next, first) = (next.map(|next| address(Some(&next))), after.map(|_| address(None)));
    let done = done_text(&visit, parameters.done.as_deref());
    let views = [
        (Key("products-view-all"), visit.url(LIST), below.is_none()),
        (Key("products-view-low-stock"), visit.url(LOW_STOCK), below.is_some()),
    ];
    let products_page = ProductsPage { page, nav, products, views, below, words, sorts, next, first, done };
    Ok(Page::personal(&products_page)?.status(status).into())
}

/// Returns the threshold of the list of products that are low in stock.
fn threshold(typed: Option<&str>) -> u32 {
    let typed = typed.and_then(|typed| typed.trim().parse::<u32>().ok());
    typed.map_or(LowStockQuery::DEFAULT_THRESHOLD, |pieces| pieces.min(LowStockQuery::MAX_THRESHOLD))
}
