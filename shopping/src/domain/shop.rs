//! The documents of the shop that prices depend on.

use souk_types::Result;

use super::discount::{Code, Discount, DiscountId};
use super::settings::Settings;
use super::shipping::Shipping;
use super::tax_rates::TaxRates;

/// The documents of the shop, as they were at one moment.
#[derive(Debug, Clone)]
pub(crate) struct ShopConfig {
    pub(crate) settings: Settings,
    pub(crate) taxes: TaxRates,
    pub(crate) shipping: Shipping,
    /// Oldest first.
    pub(crate) discounts: Vec<Discount>,
}

impl ShopConfig {
    /// Returns the documents of a shop that has not been set up.
    pub(crate) fn sample() -> Result<Self> {
        let (settings, taxes, shipping) = (Settings::sample()?, TaxRates::sample()?, Shipping::sample()?);
        Ok(Self { settings, taxes, shipping, discounts: Vec::new() })
    }

    pub(crate) fn discount_by_code(&self, code: &Code) -> Option<&Discount> {
        let folded = code.folded();
        self.discounts.iter().find(|discount| discount.folded_code.as_deref() == Some(&folded))
    }

    pub(crate) fn discount(&self, id: DiscountId) -> Option<&Discount> {
        self.discounts.iter().find(|discount| discount.id == id)
    }
}
