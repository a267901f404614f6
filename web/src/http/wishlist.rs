//! The wishlist of a customer.

use askama::Template;
use rocket::http::Status;
use rocket::{get, post};
use souk_contract::products::ProductId;

use crate::api::cart::LineStatus;
use crate::api::wishlist::WishlistItem;
use crate::form::Form;
use crate::page::{Answer, Frame, Page, PageError, PageResult, filters};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "wishlist.html")]
struct WishlistPage {
    page: Frame,
    /// `None` while `shopping` is down.
    items: Option<Vec<WishlistItem>>,
}

#[get("/wishlist")]
pub(super) async fn show(visit: Visit<'_>) -> PageResult {
    let token = visit.require_customer().await?;
    let title = visit.text("wishlist-title").to_string();
    let (frame, list) = tokio::join!(visit.frame(title), visit.api.wishlist(&token));
    let (items, status) = match list {
        Ok(list) => (Some(list.items), Status::Ok),
        Err(problem) if problem.is_unauthenticated() => return Err(problem.into()),
        Err(problem) => {
            tracing::warn!(%problem, "the wishlist cannot be read");
            (None, Status::ServiceUnavailable)
        }
    };
    Ok(Page::personal(&WishlistPage { page: frame?, items })?.status(status).into())
}

#[post("/wishlist/add", data = "<form>")]
pub(super) async fn add(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    visit.api.add_to_wishlist(&token, product(&form)?).await?;
    Ok(Answer::SeeOther(visit.url("/wishlist")))
}

#[post("/wishlist/remove", data = "<form>")]
pub(super) async fn remove(visit: Visit<'_>, form: Form) -> PageResult {
    let token = visit.require_customer().await?;
    match visit.api.remove_from_wishlist(&token, product(&form)?).await {
        // Another tab has removed it.
        Err(problem) if problem.status() != 404 => Err(problem.into()),
        _ => Ok(Answer::SeeOther(visit.url("/wishlist"))),
    }
}

fn product(form: &Form) -> Result<ProductId, PageError> {
    form.get("product").parse().map_err(|_| PageError::not_found())
}
