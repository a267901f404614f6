//! The cart: quantities, discount codes, and what it costs.

use askama::Template;
use rocket::http::Status;
use rocket::{get, post};
use serde_json::json;
use souk_contract::products::ProductId;
use souk_contract::shopping::MAX_CODE;
use souk_http::Param;
use souk_types::Quantity;

use super::order::order_url;
use super::product;
use crate::api::cart::{Cart, CartItem, CartProduct, LineStatus};
use crate::api::quote::Quote;
use crate::api::shop::Shop;
use crate::api::{Problem, Token};
use crate::form::Form;
use crate::links::{encode, local};
use crate::locale::Language;
use crate::page::{Answer, Frame, Page, PageError, PageResult, filters};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "cart.html")]
struct CartPage {
    page: Frame,
    /// `None` while `shopping` is down.
    cart: Option<Cart>,
    /// `None` for an empty cart, or one that has no price now.
    quote: Option<Quote>,
    /// Which products the shop cannot sell, because it sells in another currency.
    other_currency: Vec<String>,
    /// The URL of an order of this cart that waits for its payment or confirmation.
    waiting_order: Option<String>,
    /// The codes that do not apply, with the reason.
    refused_codes: Vec<RefusedCode>,
    /// What went wrong with the last form.
    problem: Option<String>,
    can_be_ordered: bool,
}

struct RefusedCode {
    code: String,
    reason: String,
}

impl CartPage {
    /// Whether a line must be changed or removed before an order.
    fn has_problem_line(&self) -> bool {
        self.cart.as_ref().is_some_and(|cart| !cart.items.iter().all(is_orderable))
    }

    /// Whether shipping costs something. It is not in the total, because the address is unknown.
    fn excludes_shipping(&self) -> bool {
        self.quote.as_ref().and_then(Quote::cheapest_shipping).is_some_and(|price| !price.is_zero())
    }
}

#[get("/cart?<problem>")]
pub(super) async fn show(visit: Visit<'_>, problem: Option<&str>) -> PageResult {
    let title = visit.text("cart-title").to_string();
    let (frame, contents) = tokio::join!(visit.frame(title), read(&visit));
    let mut page = frame?;
    let (cart, quote, status) = match contents {
        Ok(Some((cart, quote))) => (Some(cart), quote, Status::Ok),
        Ok(None) => (Some(Cart::default()), None, Status::Ok),
        Err(problem) if problem.is_unauthenticated() => return Err(problem.into()),
        Err(problem) => {
            tracing::warn!(%problem, "the cart cannot be read");
            (None, None, Status::ServiceUnavailable)
        }
    };
    if let Some(cart) = &cart {
        visit.session.set_cart_count(cart.pieces());
        page.cart_count = cart.pieces();
    }
    let refused_codes = quote.as_ref().map(|quote| refused_codes(&visit, quote)).unwrap_or_default();
    let can_be_ordered = quote.is_some() && cart.as_ref().is_some_and(can_be_ordered);
    let problem = problem.map(|code| problem_text(&visit, code));
    let waiting_order = cart.as_ref().and_then(|cart| waiting_order(&visit, cart));
    let unpriced = cart.as_ref().filter(|_| quote.is_none());
    let other_currency = unpriced.map(|cart| currency_texts(visit.language, cart, &page.shop)).unwrap_or_default();
    let template =
        CartPage { page, cart, quote, other_currency, waiting_order, refused_codes, problem, can_be_ordered };
    Ok(Page::personal(&template)?.status(status).into())
}

#[post("/cart/add", data = "<form>")]
pub(super) async fn add(visit: Visit<'_>, form: Form) -> PageResult {
    let product: ProductId = form.get("product").parse().map_err(|_| PageError::not_found())?;
    let Some(quantity) = quantity(form.get("quantity")).filter(|quantity| *quantity > 0) else {
        return product::refuse_quantity(&visit, product, form.get("quantity")).await;
    };
    let added = match add_once(&visit, product, quantity).await {
        // The guest's cart has expired, or was merged into that of an account.
        Err(problem) if is_lost_guest(&visit, &problem) => {
            visit.session.drop_guest();
            add_once(&visit, product, quantity).await
        }
        outcome => outcome,
    };
    finish(&visit, added)
}

async fn add_once(visit: &Visit<'_>, product: ProductId, quantity: u32) -> Result<Cart, Problem> {
    let token = visit.session.cart_token_or_new(visit.api).await?;
    visit.api.add_to_cart(&token, product, quantity).await
}

#[post("/cart/lines/<product>", data = "<form>")]
pub(super) async fn set_line(visit: Visit<'_>, product: Param<ProductId>, form: Form) -> PageResult {
    let Some(token) = visit.session.cart_token(visit.api).await? else {
        return Ok(Answer::SeeOther(visit.url("/cart")));
    };
    let wanted = if form.get("action") == "remove" { Some(0) } else { quantity(form.get("quantity")) };
    let Some(wanted) = wanted else { return Ok(back(&visit, "quantity")) };
    if wanted > 0 {
        return finish(&visit, visit.api.set_quantity(&token, product.0, wanted).await);
    }
    match visit.api.remove_from_cart(&token, product.0).await {
        // Another tab has removed the line.
        Err(problem) if problem.status() != 404 => finish(&visit, Err(problem)),
        _ => Ok(Answer::SeeOther(visit.url("/cart"))),
    }
}

#[post("/cart/codes", data = "<form>")]
pub(super) fn set_codes(visit: Visit<'_>, form: Form) -> Answer {
    if let Some(removed) = form.optional("remove") {
        visit.session.remove_code(removed);
    } else if let Some(code) = form.optional("code") {
        visit.session.add_code(code);
    }
    let next = local(form.get("next")).map_or_else(|| visit.url("/cart"), ToOwned::to_owned);
    Answer::SeeOther(next)
}

/// Returns the cart and what it costs; `None` when the visitor has no cart.
async fn read(visit: &Visit<'_>) -> Result<Option<(Cart, Option<Quote>)>, Problem> {
    let Some(token) = visit.session.cart_token(visit.api).await? else { return Ok(None) };
    let (cart, quote) = tokio::join!(visit.api.cart(&token), quote(visit, &token));
    let cart = match cart {
        Err(problem) if is_lost_guest(visit, &problem) => {
            visit.session.drop_guest();
            return Ok(None);
        }
        cart => cart?,
    };
    let quote = quote.inspect_err(|problem| tracing::info!(%problem, "the cart has no price")).ok();
    let quote = quote.filter(|_| !cart.items.is_empty());
    Ok(Some((cart, quote)))
}

/// Returns the URL of the order of this cart that is not decided yet: until then no other is
/// placed. `None` also when the browser of a guest has no key of it.
fn waiting_order(visit: &Visit<'_>, cart: &Cart) -> Option<String> {
    order_url(visit, &cart.order_under_way?.to_string())
}

/// Says of each product that it is not for sale in the currency of the shop.
pub(super) fn currency_texts(language: Language, cart: &Cart, shop: &Shop) -> Vec<String> {
    let text = |product: &CartProduct| {
        let text = language.text("cart-other-currency").arg("product", product.name.clone());
        text.arg("currency", product.price.currency().code().to_owned()).arg("shop", shop.currency.clone()).to_string()
    };
    // The currency is unknown until `shopping` has answered once.
    let is_known = !shop.currency.is_empty();
    cart.in_other_currency(&shop.currency).filter(|_| is_known).map(text).collect()
}

async fn quote(visit: &Visit<'_>, token: &Token) -> Result<Quote, Problem> {
    visit.api.quote(token, &json!({"codes": visit.session.codes()})).await
}

/// Whether a guest token no longer gives access to a cart.
fn is_lost_guest(visit: &Visit<'_>, problem: &Problem) -> bool {
    let is_refused = problem.is_unauthenticated() || problem.code() == "cart-merged";
    is_refused && !visit.session.is_signed_in() && visit.session.guest_token().is_some()
}

fn finish(visit: &Visit<'_>, changed: Result<Cart, Problem>) -> PageResult {
    match changed {
        Ok(cart) => {
            visit.session.set_cart_count(cart.pieces());
            Ok(Answer::SeeOther(visit.url("/cart")))
        }
        Err(problem) if matches!(problem.status(), 404 | 409 | 422) => Ok(back(visit, problem.code())),
        Err(Problem::Unavailable) => Ok(back(visit, "unavailable")),
        Err(problem) => Err(problem.into()),
    }
}

/// Leads to the cart, which says what went wrong.
fn back(visit: &Visit<'_>, code: &str) -> Answer {
    Answer::SeeOther(visit.url(&format!("/cart?problem={}", encode(code))))
}

fn problem_text(visit: &Visit<'_>, code: &str) -> String {
    visit.language.text_of_code("problem-", code).unwrap_or_else(|| visit.text("cart-problem").to_string())
}

fn refused_codes(visit: &Visit<'_>, quote: &Quote) -> Vec<RefusedCode> {
    let reason = |reason: &str| {
        visit.language.text_of_code("code-", reason).unwrap_or_else(|| visit.text("cart-code-refused").to_string())
    };
    let refused = quote.discounts.iter().filter_map(|discount| {
        Some(RefusedCode { code: discount.code.clone()?, reason: reason(discount.reason.as_deref()?) })
    });
    refused.collect()
}

fn can_be_ordered(cart: &Cart) -> bool {
    !cart.items.is_empty() && cart.items.iter().all(is_orderable)
}

fn is_orderable(item: &CartItem) -> bool {
    matches!(item.status, LineStatus::Ok | LineStatus::Unknown)
}

/// Reads a quantity; `None` when it is no whole number up to [`Quantity::MAX`].
fn quantity(text: &str) -> Option<u32> {
    text.parse().ok().filter(|quantity| *quantity <= Quantity::MAX)
}
