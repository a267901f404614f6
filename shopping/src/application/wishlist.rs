//! Use cases of wishlists.

use souk_contract::customer::CustomerId;
use souk_contract::products::ProductId;
use souk_types::{Error, Result};

use super::catalogue;
use crate::App;
use crate::domain::wishlist::WishlistView;

/// Returns the wishlist at current prices, or with snapshots while `products` is down.
pub(crate) async fn get(app: &App, customer: CustomerId) -> Result<WishlistView> {
    let wishlist = app.store.wishlists.get(customer).await?;
    let ids = wishlist.products().iter().map(|product| product.id).collect();
    Ok(WishlistView::new(&wishlist, &catalogue::get_if_up(app, ids).await?))
}

pub(crate) async fn add(app: &App, customer: CustomerId, product: ProductId) -> Result<WishlistView> {
    let catalogue = catalogue::get(app, vec![product]).await?;
    let product = catalogue.get(product).ok_or_else(|| Error::not_found("product"))?.product.clone();
    app.store.wishlists.update(customer, move |wishlist| wishlist.add(product.clone())).await?;
    get(app, customer).await
}

pub(crate) async fn remove(app: &App, customer: CustomerId, product: ProductId) -> Result<()> {
    app.store.wishlists.update(customer, move |wishlist| wishlist.remove(product)).await
}
