//! A valid row of an import file, and its effect on a product.

use souk_contract::products::ProductId;
use souk_types::input::{Fields, Input};
use souk_types::{Error, Result};

use super::product::{ImportKey, ImportSource, Product};
use super::product_details::ProductDetails;
use super::stock::AvailableQuantity;

/// The code of the error when a product no longer has the key with which it was looked up.
pub(crate) const KEY_MOVED: &str = "import-key-moved";

#[derive(Debug, Clone)]
pub(crate) struct ImportRow {
    pub(crate) key: ImportKey,
    pub(crate) details: ProductDetails,
    /// `None`: a new product has no stock, and an existing product keeps its stock.
    pub(crate) available: Option<AvailableQuantity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImportEffect {
    Created,
    Updated,
    Unchanged,
}

impl Input for ImportRow {
    fn read(fields: &mut Fields) -> Option<Self> {
        let key = fields.required("key");
        let available = fields.optional("available");
        let details = ProductDetails::read(fields);
        Some(Self { key: key?, details: details?, available })
    }
}

impl ImportRow {
    /// Errors: [`KEY_MOVED`] when the product in the slot has another key.
    pub(crate) fn apply(&self, slot: &mut Option<Product>, id: ProductId) -> Result<ImportEffect> {
        let Some(product) = slot else {
            let available = self.available.unwrap_or_default();
            *slot = Some(Product { id, ..Product::new(self.details.clone(), available, Some(self.source())) });
            return Ok(ImportEffect::Created);
        };
        if product.imported.as_ref().is_none_or(|imported| imported.key != self.key) {
            return Err(Error::conflict(KEY_MOVED, "The product no longer has this import key."));
        }
        self.update(product)
    }

    /// The stock follows the file only when the file's number has changed: see `ImportSource`.
    fn update(&self, product: &mut Product) -> Result<ImportEffect> {
        let is_edited = product.listing()?.details != self.details;
        let previous = product.imported.as_ref().and_then(|imported| imported.available);
        let new_available = self.available.filter(|available| previous != Some(*available));
        if !is_edited && new_available.is_none() {
            return Ok(ImportEffect::Unchanged);
        }
        product.imported = Some(self.source());
        if is_edited {
            product.edit(None, |_| self.details.clone())?;
        }
        if let Some(available) = new_available {
            product.stock.set_available(available);
        }
        Ok(ImportEffect::Updated)
    }

    fn source(&self) -> ImportSource {
        ImportSource { key: self.key.clone(), available: self.available }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::product::tests::tea;

    fn row(available: u64) -> ImportRow {
        ImportRow {
            key: "a".to_owned().try_into().unwrap(),
            details: tea().listing().unwrap().details.clone(),
            available: Some(AvailableQuantity::try_from(available).unwrap()),
        }
    }

    #[test]
    fn the_same_file_does_not_undo_sales() {
        let (mut slot, id) = (None, ProductId::new());
        assert_eq!(row(1).apply(&mut slot, id).unwrap(), ImportEffect::Created);
        slot.as_mut().unwrap().stock.set_available(AvailableQuantity::default());
        assert_eq!(row(1).apply(&mut slot, id).unwrap(), ImportEffect::Unchanged);
        assert_eq!(slot.as_ref().unwrap().stock.available(), 0);
        assert_eq!(row(5).apply(&mut slot, id).unwrap(), ImportEffect::Updated);
        assert_eq!(slot.as_ref().unwrap().stock.available(), 5);
        assert_eq!(row(5).apply(&mut slot, id).unwrap(), ImportEffect::Unchanged);
    }

    #[test]
    fn a_product_with_another_key_is_not_updated() {
        let mut slot = Some(tea());
        let id = slot.as_ref().unwrap().id;
        assert_eq!(row(1).apply(&mut slot, id).unwrap_err().code(), KEY_MOVED);
    }
}
