//! The checkout: one page with a form, which is priced as often as the visitor likes and ordered
//! once.

mod buyer;
mod draft;
mod pricing;
mod refusal;
mod view;

use rocket::http::Status;
use rocket::{Route, get, post, routes};

use self::buyer::Buyer;
use self::draft::CheckoutDraft;
use self::pricing::Priced;
use self::refusal::Alert;
use super::order::order_path;
use crate::api::Problem;
use crate::api::order::Order;
use crate::form::Form;
use crate::page::{Answer, Page, PageResult};
use crate::visit::Visit;

pub(super) fn routes() -> Vec<Route> {
    routes![show, submit]
}

#[get("/checkout")]
async fn show(visit: Visit<'_>) -> PageResult {
    let Some(buyer) = Buyer::of(&visit).await? else { return Ok(to_cart(&visit)) };
    if buyer.cart.items.is_empty() {
        return Ok(to_cart(&visit));
    }
    visit.session.set_cart_count(buyer.cart.pieces());
    // The form begins with the country of the shop.
    visit.app.shop.refresh(visit.api).await;
    let draft = CheckoutDraft::first(&visit, &buyer)?;
    answer(&visit, buyer, draft, Outcome::default()).await
}

/// Prices the order again, or places it. What was typed stays in either case.
#[post("/checkout", data = "<form>")]
async fn submit(visit: Visit<'_>, form: Form) -> PageResult {
    let Some(buyer) = Buyer::of(&visit).await? else { return Ok(to_cart(&visit)) };
    let mut draft = CheckoutDraft::sent(&visit, &form, &buyer)?;
    if form.get("action") == "order" {
        return place(&visit, buyer, draft).await;
    }
    draft.change_codes(&visit, &form);
    if buyer.cart.items.is_empty() {
        return Ok(to_cart(&visit));
    }
    answer(&visit, buyer, draft, Outcome::default()).await
}

/// What the page says about an order that was refused.
#[derive(Default)]
struct Outcome {
    alert: Option<Alert>,
    /// The status of the page.
    status: Option<Status>,
    /// Whether the fields that are still empty are shown as errors too.
    is_refused: bool,
}

/// Places the order. A repeated request has the same key, and gets the same order.
async fn place(visit: &Visit<'_>, buyer: Buyer, mut draft: CheckoutDraft) -> PageResult {
    // The visitor must have seen the total. Without one, the page shows it first.
    let Some(request) = draft.order(&buyer) else {
        return answer(visit, buyer, draft, Outcome::default()).await;
    };
    let problem = match visit.api.place_order(&buyer.token, &draft.key, &request).await {
        Ok(order) => return Ok(placed(visit, &buyer, &order).await),
        Err(problem) if problem.is_unauthenticated() => return Err(problem.into()),
        Err(problem) if problem.code() == "cart-empty" => return Ok(to_cart(visit)),
        Err(problem) => problem,
    };
    tracing::info!(%problem, "an order was refused");
    draft.require_email(visit, &buyer);
    let alert = refusal::explain(visit, &mut draft, &buyer.cart, &problem);
    match &problem {
        // The order may exist. A further request under the same key finds out.
        Problem::Unavailable => {}
        Problem::Refused(_) => draft.renew_key()?,
    }
    let outcome = Outcome { alert, status: Some(Status::new(problem.status())), is_refused: true };
    answer(visit, buyer, draft, outcome).await
}

/// Leads to the page of the order, or to the payment if the customer must act.
async fn placed(visit: &Visit<'_>, buyer: &Buyer, order: &Order) -> Answer {
    if let Some(key) = order.key() {
        visit.session.set_last_order(&order.id.to_string(), key);
    }
    if !order.is_in_checkout() {
        visit.session.set_codes(&[]);
    }
    // A confirmed order has left the cart; what was added meanwhile is still there.
    match visit.api.cart(&buyer.token).await {
        Ok(cart) => visit.session.set_cart_count(cart.pieces()),
        Err(problem) => tracing::info!(%problem, "the cart cannot be counted after an order"),
    }
    let must_act = order.payment.as_ref().is_some_and(|payment| payment.client_secret.is_some());
    let step = if must_act { "/pay" } else { "" };
    let query = if must_act { "" } else { "placed=true" };
    Answer::SeeOther(visit.url(&order_path(&order.id, step, order.key(), query)))
}

async fn answer(visit: &Visit<'_>, buyer: Buyer, mut draft: CheckoutDraft, outcome: Outcome) -> PageResult {
    let (shop, _) = visit.app.shop.cached();
    let terms = draft.quote_terms(&buyer, shop.home_country.as_ref());
    let (frame, priced) = tokio::join!(
        visit.frame(visit.text("checkout-title").to_string()),
        pricing::price(visit.api, &buyer.token, terms)
    );
    let mut page = frame?;
    page.cart_count = visit.session.cart_count();
    let (priced, alert) = match priced {
        Ok(priced) => (priced, outcome.alert),
        Err(problem) if problem.is_unauthenticated() => return Err(problem.into()),
        Err(problem) => {
            tracing::info!(%problem, "a checkout has no price");
            let alert = outcome.alert.or_else(|| match &problem {
                Problem::Unavailable => Some(refusal::no_price(visit)),
                Problem::Refused(_) => refusal::explain(visit, &mut draft, &buyer.cart, &problem),
            });
            (Priced { is_refused: matches!(problem, Problem::Refused(_)), ..Priced::default() }, alert)
        }
    };
    draft.take_price(visit, &priced, outcome.is_refused);
    let template = view::build(visit, page, buyer, &draft, priced, alert);
    Ok(Page::personal(&template)?.status(outcome.status.unwrap_or(Status::Ok)).into())
}

fn to_cart(visit: &Visit<'_>) -> Answer {
    Answer::SeeOther(visit.url("/cart"))
}
