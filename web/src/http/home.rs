//! The home page, and that of all categories.

use std::sync::Arc;

use askama::Template;
use rocket::get;

use super::structured_data::organization;
use crate::api::List;
use crate::api::catalogue::{Product, ProductQuery, Sort};
use crate::page::{Frame, Page, PageResult, filters};
use crate::visit::Visit;

/// New products on the home page.
const NEWEST: usize = 12;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    page: Frame,
    /// `None` while `products` is down.
    newest: Option<Arc<List<Product>>>,
}

#[get("/")]
pub(super) async fn show(visit: Visit<'_>) -> PageResult {
    let query = ProductQuery { sort: Sort::Newest, limit: NEWEST, ..ProductQuery::default() };
    let (frame, newest) = tokio::join!(visit.frame(""), visit.app.lists.list(visit.api, query));
    let mut page = frame?;
    let name = page.shop.name.clone();
    page.index(visit.text("home-description").arg("shop", name).to_string());
    page.json_ld.push(organization(&page));
    let newest = newest.ok();
    Ok(Page::browsing(&Home { page, newest })?.into())
}

#[derive(Template)]
#[template(path = "categories.html")]
struct AllCategories {
    page: Frame,
}

#[get("/categories")]
pub(super) async fn show_categories(visit: Visit<'_>) -> PageResult {
    let title = visit.text("nav-all-categories").to_string();
    let mut page = visit.frame(title.clone()).await?;
    page.index(title);
    Ok(Page::browsing(&AllCategories { page })?.into())
}
