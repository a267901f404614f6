//! A product: its listing in the catalogue and its stock. The rules of the stock are in `stock.rs`.

use serde::{Deserialize, Serialize};
use souk_contract::products::{CatalogueEntry, HeldLine, ProductId, ProductSnapshot, ReservationId, Shortage};
use souk_types::{Error, KeyedRequest, Precondition, Result, Text, Timestamp, sort_key};

use super::hold::HoldRequest;
use super::product_details::ProductDetails;
use super::product_edit::ProductPatch;
use super::product_view::ProductView;
use super::stock::{InsufficientStock, Stock};
use super::stock_change::AvailableQuantity;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    /// The import that created or last updated the product.
    pub(crate) imported: Option<ImportSource>,
    /// The request that created the product, if it had an idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<KeyedRequest>,
    /// `None` when the product is discontinued. Its stock remains, because orders may hold it.
    pub(crate) listing: Option<Listing>,
    pub(crate) stock: Stock,
    /// Counts edits, from 1. Changes of stock do not count.
    pub(crate) version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportSource {
    pub(crate) key: ImportKey,
    /// The number in the file that the stock follows. The next import adds the difference between
    /// its number and this one, so that it does not undo sales.
    pub(crate) available: Option<AvailableQuantity>,
}

pub(crate) type ImportKey = Text<1, 100>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) details: ProductDetails,
    pub(crate) listed_at: Timestamp,
    /// The place of the name in lists by name, see [`sort_key`].
    sort_key: String,
}

impl Product {
    pub(crate) fn new(details: ProductDetails, available: AvailableQuantity, imported: Option<ImportSource>) -> Self {
        let listing = Some(Listing::new(details, Timestamp::now()));
        Self { id: ProductId::new(), imported, request: None, listing, stock: Stock::new(available), version: 1 }
    }

    /// Returns the listing. Errors: `NotFound` when the product is discontinued.
    pub(crate) fn listing(&self) -> Result<&Listing> {
        self.listing.as_ref().ok_or_else(|| Error::not_found("product"))
    }

    /// Replaces all details of a listed product: the admin must have seen the current ones.
    pub(crate) fn replace(&mut self, details: ProductDetails, precondition: &Precondition) -> Result<()> {
        self.listing()?;
        self.check(|is_current| precondition.require(is_current))?;
        self.edit(|_| details)
    }

    /// Changes some details of a listed product.
    pub(crate) fn patch(&mut self, patch: ProductPatch, precondition: &Precondition) -> Result<()> {
        self.listing()?;
        self.check(|is_current| precondition.check(is_current))?;
        self.edit(|details| patch.apply(details))
    }

    /// Errors: `NotFound` when the product is discontinued.
    pub(crate) fn edit(&mut self, change: impl FnOnce(ProductDetails) -> ProductDetails) -> Result<()> {
        self.keep_in_holds()?;
        let listing = self.listing()?;
        self.listing = Some(Listing::new(change(listing.details.clone()), listing.listed_at));
        self.version += 1;
        Ok(())
    }

    /// Evaluates a precondition of an edit. The version of the details decides, because an edit
    /// does not overwrite a change of the stock. The error has the current version.
    fn check(&self, evaluate: impl FnOnce(&dyn Fn(&str) -> bool) -> Result<()>) -> Result<()> {
        let is_current = |tag: &str| tag.split('-').next() == Some(self.version.to_string().as_str());
        evaluate(&is_current).map_err(|error| error.with_member("version", self.version))
    }

    pub(crate) fn discontinue(&mut self, precondition: &Precondition) -> Result<()> {
        self.listing()?;
        self.check(|is_current| precondition.check(is_current))?;
        self.keep_in_holds()?;
        (self.listing, self.imported) = (None, None);
        self.version += 1;
        Ok(())
    }

    fn keep_in_holds(&mut self) -> Result<()> {
        if !self.stock.holds().is_empty() {
            self.stock.keep_in_holds(&self.snapshot()?);
        }
        Ok(())
    }

    /// Holds pieces for an order. A repetition gets the product and the time of the first hold.
    pub(crate) fn hold(
        &mut self,
        reservation: ReservationId,
        request: &HoldRequest,
    ) -> std::result::Result<(HeldLine, Timestamp), Shortage> {
        let snapshot = self.snapshot().ok();
        if let Some(hold) = self.stock.holds().get(&reservation)
            && let Some(product) = hold.product.as_deref().cloned().or_else(|| snapshot.clone())
        {
            return Ok((HeldLine { product, quantity: hold.quantity, hold: Some(hold.id) }, hold.expires_at));
        }
        let requested = request.quantity.get();
        let Some(product) = snapshot else {
            return Err(Shortage { product_id: self.id, name: None, requested, available: 0 });
        };
        match self.stock.hold(reservation, request) {
            Ok((hold, expires_at)) => {
                Ok((HeldLine { product, quantity: request.quantity, hold: Some(hold) }, expires_at))
            }
            Err(InsufficientStock { available }) => {
                Err(Shortage { product_id: self.id, name: Some(product.name), requested, available })
            }
        }
    }

    fn snapshot(&self) -> Result<ProductSnapshot> {
        let details = &self.listing()?.details;
        Ok(ProductSnapshot {
            id: self.id,
            name: details.name.to_string(),
            price: details.price,
            image: details.image.clone().map(String::from),
            category: details.category.to_string(),
            tax_class: details.tax_class,
            weight_grams: details.weight_grams.grams(),
            digital: details.digital,
        })
    }

    pub(crate) fn catalogue_entry(&self) -> Result<CatalogueEntry> {
        Ok(CatalogueEntry { product: self.snapshot()?, available: self.stock.available() })
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
        let sort_key = sort_key(&details.name);
        Self { details, listed_at, sort_key }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;
    use souk_types::EntityTags;
    use souk_types::input::from_json;

    use super::*;
    use crate::domain::stock::tests::hold_request;

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
        product.discontinue(&Precondition::default()).unwrap();
        assert_eq!(product.stock.available(), 7);
        assert!(product.catalogue_entry().is_err());
        assert!(product.discontinue(&Precondition::default()).is_err());
    }

    #[test]
    fn a_repeated_hold_gets_the_product_as_it_was() {
        let (mut product, reservation) = (tea(), ReservationId::new());
        product.stock.set_available(AvailableQuantity::try_from(7).unwrap());
        let first = product.hold(reservation, &hold_request(2)).unwrap();
        for dearer in [500, 600] {
            let price = json!({"price": {"amount": dearer, "currency": "EUR"}});
            product.patch(from_json(price).unwrap(), &Precondition::default()).unwrap();
            assert_eq!(product.hold(reservation, &hold_request(2)).unwrap(), first);
        }
        let other = product.hold(ReservationId::new(), &hold_request(2)).unwrap().0.product.price.amount();
        assert_eq!((first.0.product.price.amount(), other), (499, 600));
        product.discontinue(&Precondition::default()).unwrap();
        assert_eq!(product.hold(reservation, &hold_request(2)).unwrap(), first);
        let shortage = Shortage { product_id: product.id, name: None, requested: 1, available: 0 };
        assert_eq!(product.hold(ReservationId::new(), &hold_request(1)), Err(shortage));
    }

    #[test]
    fn an_edit_of_another_version_is_refused() {
        let details = tea().listing().unwrap().details.clone();
        let patch = || from_json::<ProductPatch>(json!({"name": "Tea"})).unwrap();
        for (if_match, replaced, patched) in [
            (None, Err("precondition-required"), Ok(())),
            (Some("*"), Ok(()), Ok(())),
            (Some("\"1\""), Ok(()), Ok(())),
            (Some("\"1-0\""), Ok(()), Ok(())),
            // The stock has changed meanwhile, which is no reason against an edit.
            (Some("\"1-7\""), Ok(()), Ok(())),
            (Some("\"2\""), Err("precondition-failed"), Err("precondition-failed")),
            (Some("\"11-0\""), Err("precondition-failed"), Err("precondition-failed")),
            (Some("W/\"1-0\""), Err("precondition-failed"), Err("precondition-failed")),
        ] {
            let precondition = Precondition::new(if_match.and_then(EntityTags::parse));
            let code = |outcome: Result<()>| outcome.map_err(|error| error.code().to_owned());
            let expected = |outcome: std::result::Result<(), &str>| outcome.map_err(str::to_owned);
            let (mut one, mut other, mut third) = (tea(), tea(), tea());
            assert_eq!(code(one.replace(details.clone(), &precondition)), expected(replaced), "{if_match:?}");
            assert_eq!(code(other.patch(patch(), &precondition)), expected(patched), "{if_match:?}");
            assert_eq!(code(third.discontinue(&precondition)), expected(patched), "{if_match:?}");
            assert_eq!((one.version, other.version), (1 + u64::from(replaced.is_ok()), 1 + u64::from(patched.is_ok())));
        }
    }
}
