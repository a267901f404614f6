//! Numbers for the overview of admins: sales, orders, products.

use serde::Deserialize;
use souk_types::{CappedCount, Money};

use super::catalogue::Product;
use super::{Api, List, Result, Service, Token};
use crate::links::encode;

/// The sales of the last days, and numbers of orders.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SalesSummary {
    /// Oldest first, today last.
    pub(crate) days: Vec<SalesDay>,
    pub(crate) to_pack: CappedCount,
    pub(crate) partially_shipped: CappedCount,
    /// Orders whose payment an admin must act upon.
    pub(crate) attention: CappedCount,
}

/// The sales of one day.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SalesDay {
    /// In UTC: `2026-11-29`.
    pub(crate) date: String,
    /// One for each currency.
    pub(crate) sales: Vec<DaySales>,
}

/// The sales of one day in one currency.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct DaySales {
    pub(crate) orders: u64,
    pub(crate) total: Money,
}

/// Numbers of products.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct StockSummary {
    /// Products of which at most 5 pieces are available.
    pub(crate) low_stock: CappedCount,
}

impl Api<'_> {
    /// Returns the sales of the last days.
    pub(crate) async fn sales_summary(self, token: &Token) -> Result<SalesSummary> {
        self.get(Service::Shopping, "/admin/summary").token(token).send().await
    }

    /// Counts the products that are low in stock.
    pub(crate) async fn stock_summary(self, token: &Token) -> Result<StockSummary> {
        self.get(Service::Products, "/summary").token(token).send().await
    }

    /// Returns a page of the products that are low in stock, the scarcest first.
    pub(crate) async fn low_stock(self, token: &Token, limit: usize, after: Option<&str>) -> Result<List<Product>> {
        let after = after.map(|after| format!("&after={}", encode(after))).unwrap_or_default();
        self.get(Service::Products, format!("/low-stock?limit={limit}{after}")).token(token).send().await
    }
}
