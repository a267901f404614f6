//! Lists of products: a category, search, all products. Sorting and paging are plain links.

use std::sync::Arc;

use askama::Template;
use rocket::get;
use rocket::http::Status;

use super::structured_data::breadcrumbs;
use crate::api::List;
use crate::api::catalogue::{Product, ProductQuery, Sort};
use crate::links::encode;
use crate::locale::Key;
use crate::page::{Frame, Page, PageError, PageResult, filters};
use crate::visit::Visit;

/// Products on one page.
const PAGE_SIZE: usize = 24;
/// The longest search, in characters, as in the API.
const MAX_WORDS: usize = 100;

#[derive(Template)]
#[template(path = "listing.html")]
struct Listing {
    page: Frame,
    /// `None` while `products` is down.
    list: Option<Arc<List<Product>>>,
    sorts: Vec<SortOption>,
    /// The URL of the next page.
    next: Option<String>,
    /// The URL of the first page, when this is another one.
    first: Option<String>,
    /// The path of the form that sorts.
    action: String,
    /// The words of a search, which the form repeats.
    words: String,
}

struct SortOption {
    value: &'static str,
    label: Key,
    is_selected: bool,
}

#[get("/c/<category>?<sort>&<after>")]
pub(super) async fn show_category(
    visit: Visit<'_>,
    category: &str,
    sort: Option<&str>,
    after: Option<&str>,
) -> PageResult {
    let sort = Sort::parse(sort);
    let query = ProductQuery { category: Some(category), sort, after, limit: PAGE_SIZE, words: None };
    let title = filters::capitalise(category);
    let (frame, list) = tokio::join!(visit.frame(title.clone()), visit.app.lists.list(visit.api, query));
    let mut page = frame?;
    if list.as_ref().is_ok_and(|list| list.items.is_empty()) && after.is_none() {
        return Err(PageError::not_found());
    }
    let shop = page.shop.name.clone();
    page.index(visit.text("category-description").arg("category", title.clone()).arg("shop", shop).to_string());
    page.path = format!("/c/{}", encode(category));
    page.canonical_query = canonical_query(sort, after);
    page.json_ld.push(breadcrumbs(&page, &[(title, page.path.clone())]));
    answer(page, list, sort, after, String::new())
}

#[get("/search?<q>&<sort>&<after>")]
pub(super) async fn search(visit: Visit<'_>, q: Option<&str>, sort: Option<&str>, after: Option<&str>) -> PageResult {
    let sort = Sort::parse(sort);
    let words: String = q.unwrap_or_default().trim().chars().take(MAX_WORDS).collect();
    let query = ProductQuery {
        words: Some(words.as_str()).filter(|words| !words.is_empty()),
        sort,
        after,
        limit: PAGE_SIZE,
        category: None,
    };
    let title = if words.is_empty() {
        visit.text("search-all-title").to_string()
    } else {
        visit.text("search-title").arg("words", words.clone()).to_string()
    };
    let (frame, list) = tokio::join!(visit.frame(title), visit.app.lists.list(visit.api, query));
    let mut page = frame?;
    if words.is_empty() {
        let shop = page.shop.name.clone();
        page.index(visit.text("search-all-description").arg("shop", shop).to_string());
        page.canonical_query = canonical_query(sort, after);
    }
    page.search.clone_from(&words);
    answer(page, list, sort, after, words)
}

/// Returns the query of the page that search engines show: the same products in the usual order. A
/// cursor belongs to one order, so further pages of another order have the first page.
fn canonical_query(sort: Sort, after: Option<&str>) -> String {
    let after = after.filter(|_| sort == Sort::default());
    after.map(|after| format!("?after={}", encode(after))).unwrap_or_default()
}

fn answer(
    page: Frame,
    list: crate::api::Result<Arc<List<Product>>>,
    sort: Sort,
    after: Option<&str>,
    words: String,
) -> PageResult {
    let action = page.url(&page.path);
    let address = |after: Option<&str>| {
        let mut parameters = Vec::new();
        if !words.is_empty() {
            parameters.push(format!("q={}", encode(&words)));
        }
        if sort != Sort::default() {
            parameters.push(format!("sort={}", sort.as_str()));
        }
        parameters.extend(after.map(|after| format!("after={}", encode(after))));
        if parameters.is_empty() { action.clone() } else { format!("{action}?{}", parameters.join("&")) }
    };
    let (list, status) = match list {
        Ok(list) => (Some(list), Status::Ok),
        // A cursor of another list, or an over-long word.
        Err(problem) if problem.status() == 422 => return Err(PageError::not_found()),
        Err(problem) => {
            tracing::warn!(%problem, "a list of products cannot be read");
            (None, Status::ServiceUnavailable)
        }
    };
    let sorts = Sort::ALL.map(|option| SortOption {
        value: option.as_str(),
        label: sort_label(option),
        is_selected: option == sort,
    });
    let next = list.as_ref().and_then(|list| list.next.as_deref());
    let (next, first) = (next.map(|next| address(Some(next))), after.map(|_| address(None)));
    let listing = Listing { page, list, sorts: sorts.into(), next, first, action, words };
    Ok(Page::browsing(&listing)?.status(status).into())
}

/// Returns the name of an order of a list.
pub(super) const fn sort_label(sort: Sort) -> Key {
    match sort {
        Sort::Newest => Key("sort-newest"),
        Sort::PriceAscending => Key("sort-price-ascending"),
        Sort::PriceDescending => Key("sort-price-descending"),
        Sort::Name => Key("sort-name"),
    }
}
