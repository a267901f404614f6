//! A valid row of an import file, and its effect on a product.

use souk_contract::products::ProductId;
use souk_types::input::{Fields, Input};
use souk_types::{Error, Result};

use super::product::{ImportKey, ImportSource, Product};
use super::product_details::ProductDetails;
use super::stock_change::AvailableQuantity;

/// The code of the error when a product no longer has the key with which it was looked up.
pub(crate) const KEY_MOVED: &str = "import-key-moved";

/// The fields that a file may leave out, and that a known product then keeps.
const KEPT_FIELDS: [&str; 7] = ["description", "unit", "supplier", "image", "tax_class", "weight_grams", "digital"];

/// Which of [`KEPT_FIELDS`] a row does not have, as bits: a file has 200,000 rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AbsentFields(u8);

impl AbsentFields {
    pub(crate) fn of(is_absent: impl Fn(&'static str) -> bool) -> Self {
        let bit = |(index, field): (usize, &'static str)| u8::from(is_absent(field)) << index;
        Self(KEPT_FIELDS.into_iter().enumerate().map(bit).sum())
    }

    fn has(self, field: &str) -> bool {
        KEPT_FIELDS.iter().position(|known| *known == field).is_some_and(|index| self.0 >> index & 1 == 1)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ImportRow {
    pub(crate) key: ImportKey,
    pub(crate) details: ProductDetails,
    pub(crate) absent: AbsentFields,
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
        Some(Self { key: key?, details: details?, absent: AbsentFields::default(), available })
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

    fn update(&self, product: &mut Product) -> Result<ImportEffect> {
        let stored = &product.listing()?.details;
        let details = self.details_of_known(stored);
        let is_edited = *stored != details;
        if is_edited {
            product.edit(|_| details.clone())?;
        }
        let is_restocked = self.update_stock(product);
        Ok(if is_edited || is_restocked { ImportEffect::Updated } else { ImportEffect::Unchanged })
    }

    /// Returns the details of a known product: those of the row, and the stored ones that the row
    /// does not have.
    fn details_of_known(&self, stored: &ProductDetails) -> ProductDetails {
        let of = |field| if self.absent.has(field) { stored } else { &self.details };
        ProductDetails {
            description: of("description").description.clone(),
            unit: of("unit").unit.clone(),
            supplier: of("supplier").supplier.clone(),
            image: of("image").image.clone(),
            tax_class: of("tax_class").tax_class,
            weight_grams: of("weight_grams").weight_grams,
            digital: of("digital").digital,
            ..self.details.clone()
        }
    }

    /// Adds the difference between the file's number and that of the previous import. The stored
    /// number moves as far as the stock: a difference that would leave less than 0 stays due, and
    /// the next import takes it from restocked pieces.
    fn update_stock(&self, product: &mut Product) -> bool {
        let (Some(available), Some(imported)) = (self.available, &mut product.imported) else { return false };
        let Some(previous) = imported.available else {
            product.stock.set_available(available);
            imported.available = Some(available);
            return true;
        };
        let (new, previous) = (i64::from(u32::from(available)), i64::from(u32::from(previous)));
        let added = product.stock.add_up_to(new - previous);
        imported.available = AvailableQuantity::try_from(previous + added).ok();
        added != 0
    }

    fn source(&self) -> ImportSource {
        ImportSource { key: self.key.clone(), available: self.available }
    }
}

#[cfg(test)]
mod tests {
    use souk_contract::products::ReservationId;

    use super::*;
    use crate::domain::product::tests::tea;
    use crate::domain::stock::tests::hold_request;

    fn row(available: i64) -> ImportRow {
        ImportRow {
            key: "a".to_owned().try_into().unwrap(),
            details: tea().listing().unwrap().details.clone(),
            absent: AbsentFields::default(),
            available: Some(AvailableQuantity::try_from(available).unwrap()),
        }
    }

    fn sell(product: &mut Product, quantity: u64) {
        let reservation = ReservationId::new();
        product.stock.hold(reservation, &hold_request(quantity)).unwrap();
        let hold = product.stock.holds()[&reservation].id;
        product.stock.settle(reservation, Some(hold));
    }

    #[test]
    fn the_stock_follows_the_changes_of_the_file_and_keeps_sales() {
        use ImportEffect::{Unchanged, Updated};
        let (mut slot, id) = (None, ProductId::new());
        assert_eq!(row(10).apply(&mut slot, id).unwrap(), ImportEffect::Created);
        for (sold, number, effect, available) in [
            (2, 10, Unchanged, 8),
            (0, 15, Updated, 13),
            (0, 15, Unchanged, 13),
            (3, 12, Updated, 7),
            // 5 pieces are sold, and the file has 4: one piece too many is sold.
            (0, 4, Updated, 0),
            (0, 4, Unchanged, 0),
            (0, 6, Updated, 1),
            (1, 20, Updated, 14),
        ] {
            if sold > 0 {
                sell(slot.as_mut().unwrap(), sold);
            }
            assert_eq!(row(number).apply(&mut slot, id).unwrap(), effect, "{number}");
            assert_eq!(slot.as_ref().unwrap().stock.available(), available, "{number}");
        }
    }

    #[test]
    fn a_known_product_keeps_the_fields_that_the_file_does_not_have() {
        let (mut slot, id) = (None, ProductId::new());
        let mut first = row(1);
        first.details.supplier = Some("Ana".to_owned().try_into().unwrap());
        first.details.unit = "100 g".to_owned().try_into().unwrap();
        first.apply(&mut slot, id).unwrap();
        for (absent, supplier, unit) in [
            (&["supplier", "unit"][..], Some("Ana"), "100 g"),
            (&["supplier"], Some("Ana"), "piece"),
            (&[], None, "piece"),
        ] {
            let absent = AbsentFields::of(|field| absent.contains(&field));
            ImportRow { absent, ..row(1) }.apply(&mut slot, id).unwrap();
            let details = &slot.as_ref().unwrap().listing().unwrap().details;
            assert_eq!((details.supplier.as_deref(), &*details.unit), (supplier, unit), "{absent:?}");
        }
    }

    #[test]
    fn a_file_without_numbers_keeps_the_number_of_the_previous_one() {
        let (mut slot, id) = (None, ProductId::new());
        row(10).apply(&mut slot, id).unwrap();
        sell(slot.as_mut().unwrap(), 2);
        let without = ImportRow { available: None, ..row(0) };
        assert_eq!(without.apply(&mut slot, id).unwrap(), ImportEffect::Unchanged);
        assert_eq!(row(10).apply(&mut slot, id).unwrap(), ImportEffect::Unchanged);
        assert_eq!(slot.unwrap().stock.available(), 8);
    }

    #[test]
    fn the_first_number_of_a_product_sets_its_stock() {
        let (mut slot, id) = (None, ProductId::new());
        ImportRow { available: None, ..row(0) }.apply(&mut slot, id).unwrap();
        assert_eq!(row(5).apply(&mut slot, id).unwrap(), ImportEffect::Updated);
        assert_eq!(slot.unwrap().stock.available(), 5);
    }

    #[test]
    fn a_product_with_another_key_is_not_updated() {
        let mut slot = Some(tea());
        let id = slot.as_ref().unwrap().id;
        assert_eq!(row(1).apply(&mut slot, id).unwrap_err().code(), KEY_MOVED);
    }
}
