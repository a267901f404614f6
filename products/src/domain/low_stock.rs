//! Products of which few pieces are available, for admins.

use serde::{Deserialize, Serialize};
use souk_types::input::{Fields, Input};
use souk_types::{CappedCount, Paging};

use super::catalogue_query::Words;
use super::product::Product;

/// The available quantity up to which a product is low in stock: 0 to [`StockThreshold::MAX`], by
/// default 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct StockThreshold(u32);

impl StockThreshold {
    /// A product with more is in no index of scarce products, so that sales of it change none.
    pub(crate) const MAX: u32 = 100;

    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

impl Default for StockThreshold {
    fn default() -> Self {
        Self(5)
    }
}

impl TryFrom<u32> for StockThreshold {
    type Error = &'static str;

    fn try_from(pieces: u32) -> Result<Self, Self::Error> {
        if pieces <= Self::MAX { Ok(Self(pieces)) } else { Err("must be between 0 and 100") }
    }
}

/// `?threshold`.
pub(crate) struct SummaryQuery(pub(crate) StockThreshold);

impl Input for SummaryQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self(fields.optional("threshold").unwrap_or_default()))
    }
}

/// `?threshold&q&after&limit`.
pub(crate) struct LowStockQuery {
    pub(crate) threshold: StockThreshold,
    pub(crate) words: Option<Words>,
    pub(crate) paging: Paging,
}

impl Input for LowStockQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let SummaryQuery(threshold) = SummaryQuery::read(fields)?;
        let words = fields.optional("q");
        Some(Self { threshold, words, paging: Paging::read(fields).unwrap_or_default() })
    }
}

/// Numbers for the overview of admins.
#[derive(Debug, Serialize)]
pub(crate) struct StockSummary {
    pub(crate) threshold: StockThreshold,
    pub(crate) low_stock: CappedCount,
}

impl Product {
    /// Returns the available quantity if the product is listed and can be low in stock.
    pub(crate) fn low_stock(&self) -> Option<u32> {
        self.listing.as_ref()?;
        Some(self.stock.available()).filter(|available| *available <= StockThreshold::MAX)
    }
}

#[cfg(test)]
mod tests {
    use souk_types::Precondition;

    use super::super::product::tests::tea;
    use super::*;

    #[test]
    fn listed_products_with_few_pieces_are_low_in_stock() {
        let mut product = tea();
        for (available, low_stock) in [(0, Some(0)), (100, Some(100)), (101, None), (7, Some(7))] {
            product.stock.set_available(available.try_into().unwrap());
            assert_eq!(product.low_stock(), low_stock);
        }
        product.discontinue(&Precondition::default()).unwrap();
        assert_eq!(product.low_stock(), None);
    }

    #[test]
    fn a_threshold_is_0_to_100() {
        assert!(StockThreshold::try_from(100).is_ok() && StockThreshold::try_from(101).is_err());
    }
}
