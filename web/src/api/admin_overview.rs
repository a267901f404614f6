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

/// Which products are low in stock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LowStockQuery<'a> {
    /// Products of which at most so many pieces are available: 0 to 100.
    pub(crate) threshold: u32,
    /// Words that the products have; empty for all products.
    pub(crate) words: &'a str,
    pub(crate) limit: usize,
    /// The cursor of the page before.
    pub(crate) after: Option<&'a str>,
}

impl LowStockQuery<'_> {
    /// The threshold of [`StockSummary`].
    pub(crate) const DEFAULT_THRESHOLD: u32 = 5;
    pub(crate) const MAX_THRESHOLD: u32 = 100;
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
    pub(crate) async fn low_stock(self, token: &Token, query: LowStockQuery<'_>) -> Result<List<Product>> {
        let LowStockQuery { threshold, words, limit, after } = query;
        let after = after.map(|after| format!("&after={}", encode(after))).unwrap_or_default();
        let target = format!("/low-stock?threshold={threshold}&q={}&limit={limit}{after}", encode(words));
        self.get(Service::Products, target).token(token).send().await
    }
}
