//! Use cases of carts, for customers and guests.

use std::sync::Arc;

use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductId, ProductSnapshot};
use souk_contract::shopping::OrderId;
use souk_types::{Error, ErrorKind, Quantity, Result};

use super::{catalogue, guest_cart, quote};
use crate::App;
use crate::domain::cart::{Cart, CartView};
use crate::domain::cart_orders::CartClaim;
use crate::domain::catalogue::Catalogue;
use crate::domain::guest_cart::Guest;
use crate::domain::owner::Owner;
use crate::domain::quote::QuoteRequest;

#[derive(Debug, Clone, Copy)]
pub(crate) enum CartOwner {
    Customer(CustomerId),
    Guest(Guest),
}

impl CartOwner {
    pub(super) fn customer(self) -> Option<CustomerId> {
        match self {
            Self::Customer(customer) => Some(customer),
            Self::Guest(_) => None,
        }
    }
}

impl From<CartOwner> for Owner {
    fn from(owner: CartOwner) -> Self {
        match owner {
            CartOwner::Customer(customer) => Self::Customer(customer),
            CartOwner::Guest(guest) => Self::Guest(guest.id),
        }
    }
}

/// Returns the cart at current prices, or with snapshots while `products` is down.
pub(crate) async fn get(app: &App, owner: CartOwner) -> Result<CartView> {
    let cart = load(app, owner).await?;
    let (catalogue, order) =
        tokio::join!(catalogue::get_if_up(app, cart.product_ids()), order_under_way(app, owner, &cart));
    Ok(view(app, owner, &cart, &catalogue?).await?.with_order_under_way(order?))
}

/// Returns the order that has claimed the contents of the cart and is not decided yet.
async fn order_under_way(app: &App, owner: CartOwner, cart: &Cart) -> Result<Option<OrderId>> {
    if cart.is_empty() {
        return Ok(None);
    }
    let claiming = app.store.orders.by_claim(&CartClaim::new(owner.into(), cart.orders.revision())).await?;
    Ok(claiming.filter(|order| order.status().is_in_checkout()).map(|order| order.id))
}

/// Returns the view of a cart, with its price in the home country if it has one. A cart that cannot
/// be ordered is shown without discounts and taxes, so that the customer can change it.
pub(super) async fn view(app: &App, owner: CartOwner, cart: &Cart, catalogue: &Catalogue) -> Result<CartView> {
    let items = cart.items_for_sale(catalogue);
    if items.is_empty() {
        return Ok(CartView::new(cart, catalogue, None));
    }
    let quote = match quote::of_items(app, owner.customer(), QuoteRequest::default(), items).await {
        Ok(quote) => Some(quote),
        Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid) => None,
        Err(error) => return Err(error),
    };
    Ok(CartView::new(cart, catalogue, quote))
}

pub(crate) async fn add(app: &App, owner: CartOwner, product: ProductId, quantity: Quantity) -> Result<CartView> {
    put(app, owner, product, move |cart, product| cart.add(product, quantity)).await
}

pub(crate) async fn set(app: &App, owner: CartOwner, product: ProductId, quantity: Quantity) -> Result<CartView> {
    put(app, owner, product, move |cart, product| cart.set(product, quantity)).await
}

pub(crate) async fn remove(app: &App, owner: CartOwner, product: ProductId) -> Result<()> {
    update(app, owner, move |cart| cart.remove(product)).await
}

pub(crate) async fn clear(app: &App, owner: CartOwner) -> Result<()> {
    let clear = |cart: &mut Cart| {
        cart.clear();
        Ok(())
    };
    update(app, owner, clear).await
}

async fn put(
    app: &App,
    owner: CartOwner,
    product: ProductId,
    rule: impl Fn(&mut Cart, ProductSnapshot) -> Result<()> + Send + 'static,
) -> Result<CartView> {
    // One call fetches the new product and the other products of the response.
    let mut ids = load(app, owner).await?.product_ids();
    ids.push(product);
    let catalogue = catalogue::get(app, ids.clone()).await?;
    let entry = catalogue.get(product).ok_or_else(|| Error::not_found("product"))?;
    let product = entry.product.clone();
    let catalogue = Arc::new(catalogue);
    let current = Arc::clone(&catalogue);
    let put = move |cart: &mut Cart| {
        cart.refresh(&current);
        rule(cart, product.clone())?;
        Ok(cart.clone())
    };
    let cart = update(app, owner, put).await?;
    // A concurrent request may have added products.
    if cart.product_ids().iter().any(|id| !ids.contains(id)) {
        return view(app, owner, &cart, &catalogue::get(app, cart.product_ids()).await?).await;
    }
    view(app, owner, &cart, &catalogue).await
}

/// Returns the cart as it is stored.
pub(super) async fn load(app: &App, owner: CartOwner) -> Result<Cart> {
    match owner {
        CartOwner::Customer(customer) => app.store.carts.get(customer).await,
        CartOwner::Guest(guest) => guest_cart::get(app, guest).await,
    }
}

async fn update<R: Send + 'static>(
    app: &App,
    owner: CartOwner,
    rule: impl Fn(&mut Cart) -> Result<R> + Send + 'static,
) -> Result<R> {
    match owner {
        CartOwner::Customer(customer) => app.store.carts.update(customer, rule).await,
        CartOwner::Guest(guest) => guest_cart::update(app, guest, rule).await,
    }
}
