//! Discounts, for admins, and their uses by orders.

use serde::Serialize;
use souk_contract::customer::CustomerId;
use souk_contract::shopping::OrderId;
use souk_types::{Email, EntityTag, Error, Page, Paging, Precondition, Result};

use crate::App;
use crate::domain::discount::{Discount, DiscountId, DiscountRefusal, Limit, Terms, TermsPatch};
use crate::domain::discount_use::{CustomerKey, UsesKey};
use crate::domain::order::Order;
use crate::domain::owner::Owner;
use crate::domain::quote::{Quote, QuoteDiscount};
use crate::domain::shop::ShopConfig;

/// Maximum number of discounts. Each process keeps all of them in memory.
const MAX_DISCOUNTS: usize = 1_000;

/// A discount, as an admin sees it.
#[derive(Debug, Serialize)]
pub(crate) struct DiscountView {
    id: DiscountId,
    #[serde(flatten)]
    terms: Terms,
    /// The uses by orders that are confirmed or under way. `None` when uses are not counted.
    used: Option<u64>,
    #[serde(skip)]
    tag: EntityTag,
}

impl DiscountView {
    fn new(discount: Discount, used: Option<u64>) -> Self {
        Self { id: discount.id, tag: discount.tag(), terms: discount.terms, used }
    }

    pub(crate) fn id(&self) -> DiscountId {
        self.id
    }

    pub(crate) fn tag(&self) -> EntityTag {
        self.tag.clone()
    }
}

/// Returns a page of discounts, oldest first.
pub(crate) async fn list(app: &App, paging: Paging) -> Result<Page<DiscountView>> {
    let Page { items, next } = app.shop.store.discount_page(paging).await?;
    let mut views = Vec::with_capacity(items.len());
    for discount in items {
        views.push(view(app, discount).await?);
    }
    Ok(Page { items: views, next })
}

pub(crate) async fn get(app: &App, id: DiscountId) -> Result<DiscountView> {
    let discount = app.shop.store.discount(id).await?;
    view(app, discount).await
}

async fn view(app: &App, discount: Discount) -> Result<DiscountView> {
    let used = match discount.terms.limit {
        Some(_) => Some(app.store.discount_uses.count(UsesKey::in_all(discount.id)).await?),
        None => None,
    };
    Ok(DiscountView::new(discount, used))
}

/// Errors: `code-taken`; `too-many-discounts`; those of [`Terms::require_usable`].
pub(crate) async fn create(app: &App, terms: Terms) -> Result<DiscountView> {
    let shop = app.shop().await?;
    terms.require_usable(None, shop.settings.currency)?;
    if shop.discounts.len() >= MAX_DISCOUNTS {
        let detail = format!("A shop has at most {MAX_DISCOUNTS} discounts; delete an expired one.");
        return Err(Error::conflict("too-many-discounts", detail));
    }
    let discount = app.shop.change(app.shop.store.insert_discount(Discount::new(terms))).await.map_err(code_taken)?;
    view(app, discount).await
}

/// Errors: `code-taken`; those of [`Discount::patch`].
pub(crate) async fn patch(app: &App, id: DiscountId, patch: TermsPatch, on: Precondition) -> Result<DiscountView> {
    let currency = app.shop().await?.settings.currency;
    let change = |discount: Discount| discount.patch(&patch, &on, currency).map(Some);
    let changed = app.shop.change(app.shop.store.change_discount(id, change)).await.map_err(code_taken)?;
    view(app, changed.ok_or_else(|| Error::internal("a changed discount was deleted"))?).await
}

/// Orders keep what the discount took off.
pub(crate) async fn delete(app: &App, id: DiscountId, on: Precondition) -> Result<()> {
    let delete = |discount: Discount| discount.check(&on).map(|()| None);
    app.shop.change(app.shop.store.change_discount(id, delete)).await.map(drop)
}

fn code_taken(error: Error) -> Error {
    if error.is_duplicate() {
        return Error::conflict(
            "code-taken",
            "Another discount has this code, in lower or upper case; choose another.",
        );
    }
    error
}

/// The buyer whose uses of a discount are counted: an account, or the e-mail address of a guest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiscountUser<'b> {
    pub(crate) customer: Option<CustomerId>,
    pub(crate) email: Option<&'b Email>,
    /// The order, once it is stored. It may have a use.
    pub(crate) order: Option<OrderId>,
}

impl<'b> DiscountUser<'b> {
    pub(crate) fn of(order: &'b Order) -> Self {
        let customer = order.placed_by().and_then(Owner::customer);
        Self { customer, email: order.buyer().email(), order: Some(order.id) }
    }
}

/// A counter of uses, and the reason for which a discount does not apply when none is left.
type Counter = (UsesKey, Limit, DiscountRefusal);

/// Returns the counters of a discount: of this buyer, and of all.
fn counters(
    id: DiscountId,
    of_customer: Option<Limit>,
    in_all: Option<Limit>,
    buyer: DiscountUser<'_>,
) -> Vec<Counter> {
    let customer = CustomerKey::of(buyer.customer, buyer.email);
    let of_customer = of_customer
        .zip(customer)
        .map(|(limit, customer)| (UsesKey::of_customer(id, customer), limit, DiscountRefusal::CustomerLimitReached));
    let in_all = in_all.map(|limit| (UsesKey::in_all(id), limit, DiscountRefusal::LimitReached));
    of_customer.into_iter().chain(in_all).collect()
}

/// Returns the counters of which an order takes a use: those that its quote names, and those that
/// the discount has now. An admin may remove a limit, or the discount, while an order is under way.
fn counters_of_quote(shop: &ShopConfig, quote: &Quote, buyer: DiscountUser<'_>) -> Vec<Counter> {
    let counters = |(id, quoted): (DiscountId, &QuoteDiscount)| {
        let terms = shop.discount(id).map(|discount| &discount.terms);
        let limit = |now: Option<Limit>, is_quoted: bool| now.or(is_quoted.then_some(Limit::LARGEST));
        let of_customer = limit(terms.and_then(|terms| terms.per_customer), quoted.is_counted_for_customer);
        let in_all = limit(terms.and_then(|terms| terms.limit), quoted.is_counted);
        counters(id, of_customer, in_all, buyer)
    };
    quote.used_discounts().flat_map(counters).collect()
}

/// Returns the discounts whose limit is reached, among those that `is_wanted`.
pub(super) async fn exhausted(
    app: &App,
    shop: &ShopConfig,
    buyer: DiscountUser<'_>,
    is_wanted: impl Fn(&Discount) -> bool,
) -> Result<Vec<(DiscountId, DiscountRefusal)>> {
    let mut exhausted = Vec::new();
    for discount in shop.discounts.iter().filter(|discount| discount.is_limited() && is_wanted(discount)) {
        let Terms { per_customer, limit, .. } = discount.terms;
        for (key, limit, reason) in counters(discount.id, per_customer, limit, buyer) {
            if app.store.discount_uses.is_exhausted(key, limit, buyer.order).await? {
                exhausted.push((discount.id, reason));
                break;
            }
        }
    }
    Ok(exhausted)
}

/// Claims a use of each limited discount of a quote for an order. Repeated, it changes nothing. An
/// order that ends unpaid must [`release`] its claims.
///
/// Errors: `discount-unavailable` when all uses are taken. Then the order has no claim.
pub(crate) async fn claim(app: &App, order: OrderId, quote: &Quote, buyer: DiscountUser<'_>) -> Result<()> {
    let shop = app.shop().await?;
    for (key, limit, reason) in counters_of_quote(&shop, quote, buyer) {
        if !app.store.discount_uses.claim(key, order, limit).await? {
            release(app, order, quote, buyer).await?;
            return Err(unavailable(shop.discount(key.discount()), reason));
        }
    }
    Ok(())
}

/// Makes the claims of a confirmed order final. Repeated, it changes nothing.
pub(crate) async fn confirm(app: &App, order: OrderId, quote: &Quote, buyer: DiscountUser<'_>) -> Result<()> {
    for key in keys(app, quote, buyer).await? {
        app.store.discount_uses.confirm(key, order).await?;
    }
    Ok(())
}

/// Gives up the claims of an order that ended unpaid. Repeated, it changes nothing.
pub(crate) async fn release(app: &App, order: OrderId, quote: &Quote, buyer: DiscountUser<'_>) -> Result<()> {
    for key in keys(app, quote, buyer).await? {
        app.store.discount_uses.release(key, order).await?;
    }
    Ok(())
}

async fn keys(app: &App, quote: &Quote, buyer: DiscountUser<'_>) -> Result<Vec<UsesKey>> {
    let shop = app.shop().await?;
    Ok(counters_of_quote(&shop, quote, buyer).into_iter().map(|(key, _, _)| key).collect())
}

fn unavailable(discount: Option<&Discount>, reason: DiscountRefusal) -> Error {
    let code = discount.and_then(|discount| discount.terms.code.as_ref());
    let name = code.map_or_else(|| "An automatic discount".to_owned(), |code| format!("The code {code}"));
    let why = reason.text();
    let detail = format!("{name} cannot be used any more: {why}. Ask for a new quote, and order at its total.");
    let error = Error::conflict("discount-unavailable", detail);
    match serde_json::to_value(reason) {
        Ok(reason) => error.with_member("reason", reason),
        Err(cause) => Error::internal(cause),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use souk_types::{Currency, Money};

    use super::*;
    use crate::domain::order::fixtures::quote_of;
    use crate::domain::settings::Settings;
    use crate::domain::shipping::Shipping;
    use crate::domain::tax_rates::TaxRates;

    fn discount(terms: Value) -> Discount {
        let mut all = json!({"kind": "percent", "value": 1_000, "code": "TEA"});
        all.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        Discount::new(serde_json::from_value(all).unwrap())
    }

    fn shop(discounts: Vec<Discount>) -> ShopConfig {
        let (settings, taxes) = (Settings::sample().unwrap(), TaxRates::sample().unwrap());
        ShopConfig { settings, taxes, shipping: Shipping::sample().unwrap(), discounts }
    }

    /// An order finds the uses that it has claimed, whatever an admin has changed since.
    #[test]
    fn an_order_gives_back_the_uses_of_its_quote() {
        let original = discount(json!({"limit": 5, "per_customer": 1}));
        let id = original.id;
        let changed = |terms: Value| Discount { id, ..discount(terms) };
        let money = |amount| Money::new(amount, Currency::EUR).unwrap();
        let quoted = |amount, is_counted, is_counted_for_customer| QuoteDiscount {
            id: Some(id),
            code: Some("TEA".to_owned()),
            amount: money(amount),
            is_counted,
            is_counted_for_customer,
            reason: None,
        };
        for (case, shop, quoted, limits) in [
            ("unchanged", shop(vec![original]), quoted(1, true, true), vec![1, 5]),
            ("without limits", shop(vec![changed(json!({}))]), quoted(1, true, true), vec![1_000_000, 1_000_000]),
            ("deleted", shop(vec![]), quoted(1, true, false), vec![1_000_000]),
            ("a limit since", shop(vec![changed(json!({"limit": 3}))]), quoted(1, false, false), vec![3]),
            ("never limited", shop(vec![changed(json!({}))]), quoted(1, false, false), vec![]),
            ("nothing taken off", shop(vec![changed(json!({"limit": 3}))]), quoted(0, false, false), vec![]),
        ] {
            let quote = Quote { discounts: vec![quoted], ..quote_of(money(0)) };
            let email = "ana@example.com".parse().unwrap();
            let buyer = DiscountUser { customer: None, email: Some(&email), order: None };
            let counters = counters_of_quote(&shop, &quote, buyer);
            assert!(counters.iter().all(|(key, _, _)| key.discount() == id), "{case}");
            let found: Vec<u32> = counters.iter().map(|(_, limit, _)| limit.get()).collect();
            assert_eq!(found, limits, "{case}");
        }
    }
}
