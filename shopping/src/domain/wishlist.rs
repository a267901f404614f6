//! The wishlist of a customer: products without quantities, oldest first.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use souk_contract::products::{ProductId, ProductSnapshot};
use souk_types::{Error, Page, Result};

use super::catalogue::{Availability, Catalogue};

/// Maximum number of products, so that all fit into one call and one document.
const MAX_PRODUCTS: usize = 200;

/// A wishlist: at most [`MAX_PRODUCTS`] different products.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct Wishlist {
    products: Vec<ProductSnapshot>,
    /// Whether the account is deleted. The empty document stays, so that a concurrent request
    /// cannot create the wishlist again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    closed: bool,
}

#[derive(Deserialize)]
struct Unchecked {
    products: Vec<ProductSnapshot>,
    #[serde(default)]
    closed: bool,
}

impl TryFrom<Unchecked> for Wishlist {
    type Error = &'static str;

    fn try_from(Unchecked { products, closed }: Unchecked) -> Result<Self, Self::Error> {
        let ids: HashSet<_> = products.iter().map(|product| product.id).collect();
        if products.len() > MAX_PRODUCTS {
            return Err("a wishlist has too many products");
        }
        if ids.len() < products.len() {
            return Err("a wishlist has one product twice");
        }
        if closed && !products.is_empty() {
            return Err("a closed wishlist has products");
        }
        Ok(Self { products, closed })
    }
}

impl Wishlist {
    /// Returns the products as they were when they were added, oldest first.
    pub(crate) fn products(&self) -> &[ProductSnapshot] {
        &self.products
    }

    /// Adding again changes nothing. Errors: `conflict` at the limit, `unauthenticated` if closed.
    pub(crate) fn add(&mut self, product: ProductSnapshot) -> Result<()> {
        if self.closed {
            return Err(Error::unauthenticated("The account is deleted."));
        }
        if self.products.iter().any(|existing| existing.id == product.id) {
            return Ok(());
        }
        if self.products.len() >= MAX_PRODUCTS {
            return Err(Error::conflict("conflict", format!("A wishlist has at most {MAX_PRODUCTS} products.")));
        }
        self.products.push(product);
        Ok(())
    }

    pub(crate) fn remove(&mut self, product: ProductId) -> Result<()> {
        let before = self.products.len();
        self.products.retain(|existing| existing.id != product);
        if self.products.len() == before { Err(Error::not_found("product on the wishlist")) } else { Ok(()) }
    }

    pub(crate) fn close(&mut self) {
        (self.products, self.closed) = (Vec::new(), true);
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct WishlistView {
    #[serde(flatten)]
    items: Page<WishlistItem>,
    /// Whether the items are snapshots, because `products` is down.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

#[derive(Debug, Serialize)]
struct WishlistItem {
    product: ProductSnapshot,
    status: Availability,
    /// The quantity in stock; `None` while `products` is down.
    available: Option<u32>,
}

impl WishlistView {
    pub(crate) fn new(wishlist: &Wishlist, catalogue: &Catalogue) -> Self {
        let item = |product: &ProductSnapshot| {
            let (status, available) = catalogue.availability(product.id, 1);
            WishlistItem { product: catalogue.current(product).clone(), status, available }
        };
        let items = Page::single(wishlist.products.iter().map(item).collect());
        Self { items, stale: catalogue.is_unavailable() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use souk_types::{Currency, Price, TaxClass};

    use super::*;

    fn item() -> ProductSnapshot {
        ProductSnapshot {
            id: ProductId::new(),
            name: "Tea".to_owned(),
            price: Price::new(0, Currency::EUR).unwrap(),
            image: None,
            category: "tea".to_owned(),
            tax_class: TaxClass::Standard,
            weight_grams: 100,
            digital: false,
        }
    }

    #[test]
    fn a_product_is_added_once_and_can_be_removed() {
        let (mut wishlist, tea) = (Wishlist::default(), item());
        wishlist.add(tea.clone()).unwrap();
        wishlist.add(tea.clone()).unwrap();
        wishlist.add(item()).unwrap();
        assert_eq!(wishlist.products.len(), 2);
        wishlist.remove(tea.id).unwrap();
        assert!(wishlist.remove(tea.id).is_err());
        assert_eq!(wishlist.products.len(), 1);
    }

    #[test]
    fn a_stored_wishlist_that_breaks_a_rule_is_not_deserialised() {
        let tea = item();
        let products = |number: usize| -> Vec<ProductSnapshot> { (0..number).map(|_| item()).collect() };
        for (case, stored, is_valid) in [
            ("closed", json!({"products": [], "closed": true}), true),
            ("as many products as fit", json!({"products": products(MAX_PRODUCTS)}), true),
            ("too many products", json!({"products": products(MAX_PRODUCTS + 1)}), false),
            ("one product twice", json!({"products": [tea, tea]}), false),
            ("closed with products", json!({"products": [tea], "closed": true}), false),
        ] {
            assert_eq!(serde_json::from_value::<Wishlist>(stored).is_ok(), is_valid, "{case}");
        }
    }

    #[test]
    fn a_wishlist_is_bounded_and_can_be_closed() {
        let mut wishlist = Wishlist::default();
        for _ in 0..MAX_PRODUCTS {
            wishlist.add(item()).unwrap();
        }
        assert!(wishlist.add(item()).is_err());
        wishlist.close();
        assert!(wishlist.products.is_empty());
        assert!(wishlist.add(item()).is_err());
    }
}
