//! What the page says about an order that was refused: what happened, and what to do.

use souk_types::Timestamp;

use super::super::cart::currency_texts;
use super::super::order::order_url;
use super::draft::CheckoutDraft;
use crate::api::cart::Cart;
use crate::api::{Problem, Refusal};
use crate::locale::Key;
use crate::visit::Visit;

/// A message at the top of the page.
#[derive(Debug, Default)]
pub(super) struct Alert {
    pub(super) text: String,
    /// What it is about, such as products that are out of stock.
    pub(super) items: Vec<String>,
    /// The URL of the page where the visitor can act, and its name.
    pub(super) link: Option<(String, String)>,
}

/// Explains a problem. `None` when messages beside the fields say everything.
pub(super) fn explain(
    visit: &Visit<'_>,
    draft: &mut CheckoutDraft,
    in_cart: &Cart,
    problem: &Problem,
) -> Option<Alert> {
    let text = |key: Key| Alert { text: visit.text(key).to_string(), ..Alert::default() };
    let Problem::Refused(refusal) = problem else { return Some(text(Key("checkout-unknown"))) };
    let cart = || Some((visit.url("/cart"), visit.text("checkout-change-cart").to_string()));
    Some(match refusal.code() {
        "validation" => {
            if draft.refuse(visit, &refusal.fields) {
                return None;
            }
            text(Key("checkout-refused"))
        }
        "quote-changed" => text(Key("checkout-quote-changed")),
        "out-of-stock" => {
            Alert { items: missing_products(visit, refusal), link: cart(), ..text(Key("checkout-out-of-stock")) }
        }
        "discount-unavailable" => text(Key("checkout-discount-unavailable")),
        "order-under-way" => under_way(visit, refusal),
        "too-many-pieces" | "hold-limit" => {
            let most = refusal.members.get("most").and_then(serde_json::Value::as_u64).unwrap_or_default();
            let text = visit.text("checkout-too-many-pieces").arg("count", most).to_string();
            Alert { text, link: cart(), ..Alert::default() }
        }
        "unverified-limit" => {
            // The address may have been verified on another device: the next token says it.
            visit.session.drop_access_token();
            let most = refusal.members.get("most").and_then(serde_json::Value::as_u64).unwrap_or_default();
            // An order that is too large by itself does not become smaller by waiting.
            let is_too_large = problem.status() == 409;
            let key = if is_too_large { Key("checkout-unverified-size") } else { Key("checkout-unverified-limit") };
            let link = if is_too_large { cart() } else { None };
            Alert { text: visit.text(key).arg("count", most).to_string(), link, ..Alert::default() }
        }
        "currency-mixed" => other_currency(visit, in_cart),
        "tax-rate-missing" => text(Key("checkout-country-not-served")),
        "total-too-large" => Alert { link: cart(), ..text(Key("checkout-total-too-large")) },
        "payment-declined" => text(Key("checkout-payment-declined")),
        "payment-refused" => text(Key("checkout-payment-refused")),
        "key-reused" => text(Key("checkout-sent-before")),
        "order-state" => text(Key("checkout-interrupted")),
        "too-many-orders" => text(Key("checkout-too-many-orders")),
        "too-many-requests" | "too-many-vat-numbers" => text(Key("checkout-too-many-requests")),
        "too-many-unpaid-orders" => text(Key("checkout-too-many-unpaid-orders")),
        _ => text(Key("checkout-refused")),
    })
}

/// Says that nothing can be ordered now, because `shopping` or `products` does not answer.
pub(super) fn no_price(visit: &Visit<'_>) -> Alert {
    Alert { text: visit.text("checkout-no-price").to_string(), ..Alert::default() }
}

/// Names the products that the shop cannot sell, because it sells in another currency.
fn other_currency(visit: &Visit<'_>, cart: &Cart) -> Alert {
    let (shop, _) = visit.app.shop.cached();
    let named = currency_texts(visit.language, cart, &shop).join(" ");
    let text = if named.is_empty() { visit.text("checkout-currency-mixed").to_string() } else { named };
    let link = Some((visit.url("/cart"), visit.text("checkout-change-cart").to_string()));
    Alert { text, link, ..Alert::default() }
}

fn missing_products(visit: &Visit<'_>, refusal: &Refusal) -> Vec<String> {
    let items = refusal.members.get("items").and_then(serde_json::Value::as_array);
    let line = |item: &serde_json::Value| {
        let Some(name) = item["name"].as_str() else { return visit.text("checkout-discontinued").to_string() };
        let available = item["available"].as_u64().unwrap_or_default();
        visit.text("checkout-available").arg("name", name.to_owned()).arg("count", available).to_string()
    };
    items.into_iter().flatten().map(line).collect()
}

/// Another order of the same cart waits for its payment.
fn under_way(visit: &Visit<'_>, refusal: &Refusal) -> Alert {
    let member = |name: &str| refusal.members.get(name).cloned().unwrap_or_default();
    let until: Option<Timestamp> = serde_json::from_value(member("reserved_until")).ok();
    let minutes = until.map_or(0, |until| until.since(Timestamp::now()).as_secs().div_ceil(60));
    let text = visit.text("checkout-under-way").arg("minutes", minutes).to_string();
    let order = member("order");
    let url = order_url(visit, order.as_str().unwrap_or_default());
    let link = url.map(|url| (url, visit.text("checkout-open-order").to_string()));
    Alert { text, link, ..Alert::default() }
}
