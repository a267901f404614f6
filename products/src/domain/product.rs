//! A product: its listing in the catalogue and its stock. The rules of the stock are in `stock.rs`.

use serde::{Deserialize, Serialize};
use souk_contract::products::{CatalogueEntry, ProductId, ProductSnapshot};
use souk_types::{Error, Result, Text, Timestamp};

use super::product_details::ProductDetails;
use super::product_view::ProductView;
use super::stock::{AvailableQuantity, Stock};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    /// The import that created or last updated the product.
    pub(crate) imported: Option<ImportSource>,
    /// `None` when the product is discontinued. Its stock remains, because orders may hold it.
    pub(crate) listing: Option<Listing>,
    pub(crate) stock: Stock,
    /// Counts edits, from 1. Changes of stock do not count.
    pub(crate) version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportSource {
    pub(crate) key: ImportKey,
    /// The available quantity in the row. An import with the same number leaves the stock alone, so
    /// that it does not undo sales.
    pub(crate) available: Option<AvailableQuantity>,
}

pub(crate) type ImportKey = Text<1, 100>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) details: ProductDetails,
    pub(crate) listed_at: Timestamp,
    /// The name in lower case, because lists by name ignore case.
    sort_name: String,
}

impl Product {
    pub(crate) fn new(details: ProductDetails, available: AvailableQuantity, imported: Option<ImportSource>) -> Self {
        let listing = Some(Listing::new(details, Timestamp::now()));
        Self { id: ProductId::new(), imported, listing, stock: Stock::new(available), version: 1 }
    }

    /// Returns the listing. Errors: `NotFound` when the product is discontinued.
    pub(crate) fn listing(&self) -> Result<&Listing> {
        self.listing.as_ref().ok_or_else(|| Error::not_found("product"))
    }

    /// Errors: `NotFound` when discontinued, `conflict` when `expected_version` is not current.
    pub(crate) fn edit(
        &mut self,
        expected_version: Option<u64>,
        change: impl FnOnce(ProductDetails) -> ProductDetails,
    ) -> Result<()> {
        let listing = self.listing()?;
        if let Some(expected) = expected_version.filter(|expected| *expected != self.version) {
            let detail = format!("The product is at version {}, not {expected}; read it again.", self.version);
            return Err(Error::conflict("conflict", detail));
        }
        self.listing = Some(Listing::new(change(listing.details.clone()), listing.listed_at));
        self.version += 1;
        Ok(())
    }

    pub(crate) fn discontinue(&mut self) -> Result<()> {
        self.listing()?;
        (self.listing, self.imported) = (None, None);
        self.version += 1;
        Ok(())
    }

    pub(crate) fn catalogue_entry(&self) -> Result<CatalogueEntry> {
        let details = &self.listing()?.details;
        let product = ProductSnapshot {
            id: self.id,
            name: details.name.to_string(),
            price: details.price,
            image: details.image.clone().map(String::from),
        };
        Ok(CatalogueEntry { product, available: self.stock.available() })
    }

    pub(crate) fn into_view(self) -> Result<ProductView> {
        let listing = self.listing.ok_or_else(|| Error::not_found("product"))?;
        Ok(ProductView {
            id: self.id,
            details: listing.details,
            available: self.stock.available(),
            version: self.version,
        })
    }
}

impl Listing {
    fn new(details: ProductDetails, listed_at: Timestamp) -> Self {
        let sort_name = details.name.to_lowercase();
        Self { details, listed_at, sort_name }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;
    use souk_types::input::from_json;

    use super::*;

    /// A listed product without stock.
    pub(crate) fn tea() -> Product {
        let body =
            json!({"name": "Tea", "description": "", "category": "tea", "price": {"amount": 499, "currency": "EUR"}});
        Product::new(from_json(body).unwrap(), AvailableQuantity::default(), None)
    }

    #[test]
    fn a_discontinued_product_keeps_its_stock() {
        let mut product = tea();
        product.stock.set_available(AvailableQuantity::try_from(7).unwrap());
        product.discontinue().unwrap();
        assert_eq!(product.stock.available(), 7);
        assert!(product.catalogue_entry().is_err());
        assert!(product.discontinue().is_err());
    }

    #[test]
    fn an_edit_of_another_version_is_refused() {
        let mut product = tea();
        product.edit(Some(1), |details| details).unwrap();
        assert_eq!(product.version, 2);
        assert_eq!(product.edit(Some(1), |details| details).unwrap_err().code(), "conflict");
        product.edit(None, |details| details).unwrap();
        assert_eq!(product.version, 3);
    }
}
