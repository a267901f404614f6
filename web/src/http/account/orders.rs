//! The orders of a customer, newest first.

use askama::Template;
use rocket::get;
use rocket::http::Status;

use super::super::order::status_key;
use crate::api::order::Order;
use crate::links::encode;
use crate::locale::Key;
use crate::page::{Frame, Page, PageError, PageResult, filters};
use crate::visit::Visit;

/// Orders on one page.
const PAGE_SIZE: usize = 20;

#[derive(Template)]
#[template(path = "account/orders.html")]
struct OrdersPage {
    page: Frame,
    /// `None` while `shopping` is down.
    orders: Option<Vec<Order>>,
    /// The URL of the next page.
    next: Option<String>,
    /// Whether this is the first page.
    is_first: bool,
}

#[get("/account/orders?<after>")]
pub(super) async fn list(visit: Visit<'_>, after: Option<&str>) -> PageResult {
    let token = visit.require_customer().await?;
    let (frame, list) =
        tokio::join!(visit.frame(visit.text("orders-title").to_string()), visit.api.orders(&token, PAGE_SIZE, after));
    let (orders, next, status) = match list {
        Ok(list) => (Some(list.items), list.next, Status::Ok),
        Err(problem) if problem.is_unauthenticated() => return Err(problem.into()),
        // A cursor of another list.
        Err(problem) if problem.status() == 422 => return Err(PageError::not_found()),
        Err(problem) => {
            tracing::warn!(%problem, "the orders of an account cannot be read");
            (None, None, Status::ServiceUnavailable)
        }
    };
    let next = next.map(|next| visit.url(&format!("/account/orders?after={}", encode(&next))));
    let template = OrdersPage { page: frame?, orders, next, is_first: after.is_none() };
    Ok(Page::personal(&template)?.status(status).into())
}

impl OrdersPage {
    fn status(order: &Order) -> Key {
        status_key(order.status)
    }
}
