//! The first page of the account.

use askama::Template;
use rocket::get;

use super::super::order::status_key;
use crate::api::Problem;
use crate::api::account::Profile;
use crate::api::order::Order;
use crate::locale::Key;
use crate::page::{Frame, Page, PageResult, filters};
use crate::visit::Visit;

/// Orders on the first page of the account.
const LATEST_ORDERS: usize = 3;

#[derive(Template)]
#[template(path = "account/overview.html")]
struct Overview {
    page: Frame,
    /// `None` while `customer` is down.
    profile: Option<Profile>,
    /// `None` while `shopping` is down.
    orders: Option<Vec<Order>>,
    /// What has happened before: `(class, text)`.
    notice: Option<(&'static str, String)>,
}

#[get("/account?<done>")]
pub(super) async fn show(visit: Visit<'_>, done: Option<&str>) -> PageResult {
    let token = visit.require_customer().await?;
    let (frame, profile, orders) = tokio::join!(
        visit.frame(visit.text("account-title").to_string()),
        visit.api.profile(&token),
        visit.api.orders(&token, LATEST_ORDERS, None)
    );
    let orders = match orders {
        Ok(list) => Some(list.items),
        Err(problem) if problem.is_unauthenticated() => return Err(problem.into()),
        Err(problem) => {
            tracing::warn!(%problem, "the orders of an account cannot be read");
            None
        }
    };
    let profile = match profile {
        Ok(profile) => Some(profile),
        Err(Problem::Unavailable) => None,
        Err(problem) => return Err(problem.into()),
    };
    let notice = done.and_then(done_key).map(|(class, key)| (class, visit.text(key).to_string()));
    Ok(Page::personal(&Overview { page: frame?, profile, orders, notice })?.into())
}

fn done_key(done: &str) -> Option<(&'static str, Key)> {
    match done {
        "password" => Some(("success", Key("done-password-changed"))),
        "email" => Some(("success", Key("done-email"))),
        "phone" => Some(("success", Key("done-phone"))),
        "verified" => Some(("success", Key("done-verified"))),
        "mail" => Some(("success", Key("done-mail"))),
        "too-many-mails" => Some(("warning", Key("account-too-many"))),
        _ => None,
    }
}

impl Overview {
    fn is_admin(&self) -> bool {
        self.profile.as_ref().is_some_and(|profile| profile.role.is_staff())
    }

    fn status(order: &Order) -> Key {
        status_key(order.status)
    }
}
