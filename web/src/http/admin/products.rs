//! The catalogue: its list; pages to create, edit and import products are below.

mod form;
mod import;
mod one;
mod stock;

pub(super) use self::form::{price, tax_class, tax_classes, whole};

use askama::Template;
use rocket::http::Status;
use rocket::{Route, get, routes};

use souk_contract::role::Permission;

use super::super::listing::sort_label;
use super::edit::done as done_text;
use super::{Admin, Nav, Section};
use crate::api::catalogue::{ListQuery, Product, Sort};
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
        import::import,
        one::show_new,
        one::create,
        one::show,
        one::replace,
        one::delete,
        stock::add,
        stock::count,
    ]
}

#[derive(Template)]
#[template(path = "admin/products.html")]
struct ProductsPage {
    page: Frame,
    nav: Nav,
    /// `None` while `products` is down.
    products: Option<Vec<Product>>,
    /// The views: name, address, whether it is shown.
    views: [(Key, String, bool); 2],
    /// Whether the list has only products that are low in stock, which it cannot search.
    is_low_stock: bool,
    words: String,
    /// Values and labels of the orders, and whether they are chosen.
    sorts: Vec<(&'static str, Key, bool)>,
    /// The address of the next page.
    next: Option<String>,
    /// The address of the first page, when this is another one.
    first: Option<String>,
    done: Option<String>,
}

#[get("/admin/products?<q>&<sort>&<stock>&<after>&<done>")]
async fn list(
    visit: Visit<'_>,
    q: Option<&str>,
    sort: Option<&str>,
    stock: Option<&str>,
    after: Option<&str>,
    done: Option<&str>,
) -> PageResult {
    let admin = Admin::of(&visit, Permission::ManageCatalogue).await?;
    let sort = Sort::parse(sort);
    let words: String = q.unwrap_or_default().trim().chars().take(MAX_WORDS).collect();
    let query = ListQuery {
        words: Some(words.as_str()).filter(|words| !words.is_empty()),
        sort,
        after,
        limit: PAGE_SIZE,
        category: None,
    };
    let title = visit.text("admin-nav-products").to_string();
    let is_low_stock = stock == Some("low");
    let products = async {
        if is_low_stock {
            visit.api.low_stock(&admin.token, PAGE_SIZE, after).await
        } else {
            visit.api.products(query).await
        }
    };
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
        if is_low_stock {
            return format!("{}{after}", visit.url(LOW_STOCK));
        }
        format!("{}?q={}&sort={}{after}", visit.url(LIST), encode(&words), sort.as_str())
    };
    let sorts = Sort::ALL.map(|option| (option.as_str(), sort_label(option), option == sort)).into();
    let (next, first) = (next.map(|next| address(Some(&next))), after.map(|_| address(None)));
    let done = done_text(&visit, done);
    let views = [
        (Key("products-view-all"), visit.url(LIST), !is_low_stock),
        (Key("products-view-low-stock"), visit.url(LOW_STOCK), is_low_stock),
    ];
    let products_page = ProductsPage { page, nav, products, views, is_low_stock, words, sorts, next, first, done };
    Ok(Page::personal(&products_page)?.status(status).into())
}
