//! Discounts, for admins, and their uses by orders.

use serde::Serialize;
use souk_contract::customer::CustomerId;
use souk_contract::shopping::OrderId;
use souk_types::{Email, EntityTag, Error, Page, Paging, Precondition, Result};

use crate::App;
use crate::domain::discount::{Discount, DiscountId, Reason, Terms, TermsPatch};
use crate::domain::discount_use::{CustomerKey, UsesKey};
use crate::domain::order::Order;
use crate::domain::owner::Owner;
use crate::domain::quote::Quote;
use crate::domain::shop::ShopDocuments;

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

/// Errors: `code-used`; `too-many-discounts`.
pub(crate) async fn create(app: &App, terms: Terms) -> Result<DiscountView> {
    if app.shop().await?.discounts.len() >= MAX_DISCOUNTS {
        let detail = format!("A shop has at most {MAX_DISCOUNTS} discounts; delete one that is over.");
        return Err(Error::conflict("too-many-discounts", detail));
    }
    let discount = app.shop.change(app.shop.store.insert_discount(Discount::new(terms))).await.map_err(code_used)?;
    view(app, discount).await
}

/// Errors: `code-used`; those of [`Discount::patch`].
pub(crate) async fn patch(app: &App, id: DiscountId, patch: TermsPatch, on: Precondition) -> Result<DiscountView> {
    let change = |discount: Discount| discount.patch(&patch, &on).map(Some);
    let changed = app.shop.change(app.shop.store.change_discount(id, change)).await.map_err(code_used)?;
    view(app, changed.ok_or_else(|| Error::internal("a changed discount was deleted"))?).await
}

/// Orders keep what the discount took off.
pub(crate) async fn delete(app: &App, id: DiscountId, on: Precondition) -> Result<()> {
    let delete = |discount: Discount| discount.check(&on).map(|()| None);
    app.shop.change(app.shop.store.change_discount(id, delete)).await.map(drop)
}

fn code_used(error: Error) -> Error {
    if error.is_duplicate() {
        return Error::conflict("code-used", "Another discount has this code, in lower or upper case; choose another.");
    }
    error
}

/// The buyer whose uses of a discount are counted: an account, or the e-mail address of a guest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Buyer<'b> {
    pub(crate) customer: Option<CustomerId>,
    pub(crate) email: Option<&'b Email>,
    /// The order, once it is stored. It may have a use.
    pub(crate) order: Option<OrderId>,
}

impl<'b> Buyer<'b> {
    pub(crate) fn of(order: &'b Order) -> Self {
        let customer = order.placed_by().and_then(Owner::customer);
        Self { customer, email: order.buyer().email(), order: Some(order.id) }
    }
}

/// Returns the keys and limits of the uses of a discount by a buyer.
fn limits(discount: &Discount, buyer: Buyer<'_>) -> Vec<(UsesKey, crate::domain::discount::Limit, Reason)> {
    let customer = CustomerKey::of(buyer.customer, buyer.email);
    let of_customer =
        discount.terms.per_customer.zip(customer).map(|(limit, customer)| {
            (UsesKey::of_customer(discount.id, customer), limit, Reason::CustomerLimitReached)
        });
    let in_all = discount.terms.limit.map(|limit| (UsesKey::in_all(discount.id), limit, Reason::LimitReached));
    of_customer.into_iter().chain(in_all).collect()
}

/// Returns the discounts whose limit is reached, among those that `is_wanted`.
pub(super) async fn exhausted(
    app: &App,
    shop: &ShopDocuments,
    buyer: Buyer<'_>,
    is_wanted: impl Fn(&Discount) -> bool,
) -> Result<Vec<(DiscountId, Reason)>> {
    let mut exhausted = Vec::new();
    for discount in shop.discounts.iter().filter(|discount| discount.is_limited() && is_wanted(discount)) {
        for (key, limit, reason) in limits(discount, buyer) {
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
pub(crate) async fn claim(app: &App, order: OrderId, quote: &Quote, buyer: Buyer<'_>) -> Result<()> {
    let shop = app.shop().await?;
    for discount in quote.applied_discounts().filter_map(|id| shop.discount(id)) {
        for (key, limit, reason) in limits(discount, buyer) {
            if !app.store.discount_uses.claim(key, order, limit).await? {
                release(app, order, quote, buyer).await?;
                return Err(unavailable(discount, reason));
            }
        }
    }
    Ok(())
}

/// Makes the claims of a confirmed order final. Repeated, it changes nothing.
pub(crate) async fn confirm(app: &App, order: OrderId, quote: &Quote, buyer: Buyer<'_>) -> Result<()> {
    for key in keys(app, quote, buyer).await? {
        app.store.discount_uses.confirm(key, order).await?;
    }
    Ok(())
}

/// Gives up the claims of an order that ended unpaid. Repeated, it changes nothing.
pub(crate) async fn release(app: &App, order: OrderId, quote: &Quote, buyer: Buyer<'_>) -> Result<()> {
    for key in keys(app, quote, buyer).await? {
        app.store.discount_uses.release(key, order).await?;
    }
    Ok(())
}

async fn keys(app: &App, quote: &Quote, buyer: Buyer<'_>) -> Result<Vec<UsesKey>> {
    let shop = app.shop().await?;
    let discounts = quote.applied_discounts().filter_map(|id| shop.discount(id));
    Ok(discounts.flat_map(|discount| limits(discount, buyer)).map(|(key, _, _)| key).collect())
}

fn unavailable(discount: &Discount, reason: Reason) -> Error {
    let name = discount
        .terms
        .code
        .as_ref()
        .map_or_else(|| "an automatic discount".to_owned(), |code| format!("the code {code}"));
    let detail = format!("All uses of {name} are taken meanwhile. Ask for a new quote, and order at its total.");
    let error = Error::conflict("discount-unavailable", detail);
    match serde_json::to_value(reason) {
        Ok(reason) => error.with_member("reason", reason),
        Err(cause) => Error::internal(cause),
    }
}
