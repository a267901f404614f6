//! Use cases of carts, for customers and guests.

use std::sync::Arc;

use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductId, ProductSnapshot};
use souk_types::{Error, Quantity, Result};

use super::{catalogue, guest_cart};
use crate::App;
use crate::domain::cart::{Cart, CartView};
use crate::domain::guest_cart::Guest;

#[derive(Debug, Clone, Copy)]
pub(crate) enum CartOwner {
    Customer(CustomerId),
    Guest(Guest),
}

impl CartOwner {
    pub(crate) fn customer(self) -> Option<CustomerId> {
        match self {
            Self::Customer(customer) => Some(customer),
            Self::Guest(_) => None,
        }
    }
}

/// Returns the cart at current prices, or with snapshots while `products` is down.
pub(crate) async fn get(app: &App, owner: CartOwner) -> Result<CartView> {
    let cart = load(app, owner).await?;
    let catalogue = catalogue::get_if_up(app, cart.product_ids()).await?;
    Ok(CartView::new(&cart, &catalogue))
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
        return Ok(CartView::new(&cart, &catalogue::get(app, cart.product_ids()).await?));
    }
    Ok(CartView::new(&cart, &catalogue))
}

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
