//! Carts.

use serde::Deserialize;
use serde_json::json;
use souk_contract::api::ApiMethod;
use souk_contract::products::ProductId;
use souk_contract::shopping::OrderId;
use souk_types::Money;

use super::{Api, Result, Service, Token};

/// A cart.
#[derive(Debug, Default, Clone, Deserialize)]
pub(crate) struct Cart {
    pub(crate) items: Vec<CartItem>,
    /// `None` when products have different currencies.
    pub(crate) total: Option<Money>,
    /// Whether `products` is down, so that names and prices are the last known ones.
    #[serde(default)]
    pub(crate) stale: bool,
    /// The order of this cart that is not decided yet.
    #[serde(default)]
    pub(crate) order_under_way: Option<OrderId>,
}

/// A line of a cart or a wishlist.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CartItem {
    pub(crate) product: CartProduct,
    pub(crate) quantity: u32,
    pub(crate) total: Money,
    pub(crate) status: LineStatus,
    /// The quantity in stock; `None` while `products` is down.
    pub(crate) available: Option<u32>,
}

/// A product in a cart.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CartProduct {
    pub(crate) id: ProductId,
    pub(crate) name: String,
    pub(crate) price: Money,
    pub(crate) image: Option<String>,
    /// Whether it is delivered without a parcel.
    #[serde(default)]
    pub(crate) digital: bool,
}

/// Whether a line can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LineStatus {
    Ok,
    Short,
    Discontinued,
    CurrencyMixed,
    Unknown,
}

/// A new guest cart.
#[derive(Deserialize)]
pub(crate) struct GuestCart {
    /// The guest token.
    pub(crate) token: String,
    /// Seconds until the cart expires when it is not used.
    pub(crate) expires_in: u64,
}

/// The cart of a customer after the cart of a guest was moved into it.
#[derive(Debug, Deserialize)]
pub(crate) struct MergedCart {
    pub(crate) cart: Cart,
    /// The pieces that exceed the limits of a cart.
    pub(crate) left_out: Vec<serde::de::IgnoredAny>,
}

impl Cart {
    /// Whether nothing in the cart is sent in a parcel.
    pub(crate) fn is_digital(&self) -> bool {
        self.items.iter().all(|item| item.product.digital)
    }

    /// Returns the products that are for sale in another currency than this one.
    pub(crate) fn in_other_currency(&self, currency: &str) -> impl Iterator<Item = &CartProduct> {
        let for_sale = self.items.iter().filter(|item| item.status != LineStatus::Discontinued);
        for_sale.map(|item| &item.product).filter(move |product| product.price.currency().code() != currency)
    }

    /// Returns the number of pieces.
    pub(crate) fn pieces(&self) -> u32 {
        self.items.iter().map(|item| item.quantity).sum()
    }
}

impl Api<'_> {
    /// Returns the cart of a customer or a guest.
    pub(crate) async fn cart(self, token: &Token) -> Result<Cart> {
        self.get(Service::Shopping, "/cart").token(token).send().await
    }

    /// Adds pieces to a line. Errors: 404 for an unknown product, 409 for a full cart.
    pub(crate) async fn add_to_cart(self, token: &Token, product: ProductId, quantity: u32) -> Result<Cart> {
        let body = json!({"product_id": product, "quantity": quantity});
        self.post(Service::Shopping, "/cart").token(token).json(&body).send().await
    }

    /// Sets the quantity of a line.
    pub(crate) async fn set_quantity(self, token: &Token, product: ProductId, quantity: u32) -> Result<Cart> {
        let call = self.call(Service::Shopping, ApiMethod::Put, format!("/cart/{product}"));
        call.token(token).json(&json!({"quantity": quantity})).send().await
    }

    /// Removes a line.
    pub(crate) async fn remove_from_cart(self, token: &Token, product: ProductId) -> Result<()> {
        let call = self.call(Service::Shopping, ApiMethod::Delete, format!("/cart/{product}"));
        call.token(token).send_without_reply().await
    }

    /// Creates a guest cart.
    pub(crate) async fn create_guest_cart(self) -> Result<GuestCart> {
        self.post(Service::Shopping, "/guest").send().await
    }

    /// Moves the cart of a guest into that of a customer. Errors: 409 `cart-merged` when it was
    /// moved into the cart of another customer; 422 when it has expired.
    pub(crate) async fn merge_cart(self, customer: &Token, guest: &Token) -> Result<MergedCart> {
        let call = self.post(Service::Shopping, "/cart/merge").token(customer).json(&json!({"guest": guest.0}));
        call.send().await
    }
}
