//! Wishlists.

use serde::Deserialize;
use serde_json::json;
use souk_contract::api::ApiMethod;
use souk_contract::products::ProductId;

use super::cart::{CartProduct, LineStatus};
use super::{Api, List, Result, Service, Token};

/// An item of a wishlist.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WishlistItem {
    pub(crate) product: CartProduct,
    pub(crate) status: LineStatus,
    /// The quantity in stock; `None` while `products` is down.
    pub(crate) available: Option<u32>,
}

impl Api<'_> {
    /// Returns the wishlist of a customer.
    pub(crate) async fn wishlist(self, token: &Token) -> Result<List<WishlistItem>> {
        self.get(Service::Shopping, "/wishlist").token(token).send().await
    }

    /// Adds a product. Adding it again changes nothing.
    pub(crate) async fn add_to_wishlist(self, token: &Token, product: ProductId) -> Result<()> {
        let call = self.post(Service::Shopping, "/wishlist").token(token).json(&json!({"product_id": product}));
        call.send_without_reply().await
    }

    /// Removes a product.
    pub(crate) async fn remove_from_wishlist(self, token: &Token, product: ProductId) -> Result<()> {
        let call = self.call(Service::Shopping, ApiMethod::Delete, format!("/wishlist/{product}"));
        call.token(token).send_without_reply().await
    }
}
