//! Catalogue entries of the products in a cart or a wishlist, and their availability.

use std::collections::HashMap;

use serde::Serialize;
use souk_contract::products::{CatalogueEntry, ProductId, ProductSnapshot};

/// Catalogue entries of the requested products; `None` while `products` is down.
pub(crate) struct Catalogue(Option<HashMap<ProductId, CatalogueEntry>>);

impl Catalogue {
    pub(crate) fn new(entries: Vec<CatalogueEntry>) -> Self {
        Self(Some(entries.into_iter().map(|entry| (entry.product.id, entry)).collect()))
    }

    pub(crate) fn unavailable() -> Self {
        Self(None)
    }

    pub(crate) fn is_unavailable(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn get(&self, product: ProductId) -> Option<&CatalogueEntry> {
        self.0.as_ref()?.get(&product)
    }

    /// Returns the product in the catalogue, or the snapshot when it is not there.
    pub(crate) fn current<'p>(&'p self, snapshot: &'p ProductSnapshot) -> &'p ProductSnapshot {
        self.get(snapshot.id).map_or(snapshot, |entry| &entry.product)
    }

    /// Returns whether the quantity can be bought, and the available quantity if it is known.
    pub(crate) fn availability(&self, product: ProductId, quantity: u32) -> (Availability, Option<u32>) {
        if self.is_unavailable() {
            return (Availability::Unknown, None);
        }
        match self.get(product) {
            None => (Availability::Discontinued, Some(0)),
            Some(entry) if entry.available < quantity => (Availability::Short, Some(entry.available)),
            Some(entry) => (Availability::Ok, Some(entry.available)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Availability {
    Ok,
    /// Less than the quantity is in stock.
    Short,
    Discontinued,
    /// The currency of the product is no longer that of the cart.
    CurrencyMixed,
    /// `products` is down.
    Unknown,
}
