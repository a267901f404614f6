//! A query for a page of the catalogue.

use serde::Deserialize;
use souk_types::input::{Fields, Input};
use souk_types::{Paging, Text};

use super::product_details::Category;

/// Words that are searched for.
pub(crate) type Words = Text<0, 100>;

/// `?category&q&sort&after&limit`.
#[derive(Debug)]
pub struct CatalogueQuery {
    /// Only products of this category.
    pub category: Option<Category>,
    /// Only products that contain these words.
    pub words: Option<Words>,
    /// The order.
    pub sort: Sort,
    /// The page.
    pub paging: Paging,
}

impl Input for CatalogueQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (category, words) = (fields.optional("category"), fields.optional("q"));
        let CategoryQuery { sort, paging } = CategoryQuery::read(fields)?;
        Some(Self { category, words, sort, paging })
    }
}

/// `?sort&after&limit`, of one category.
pub(crate) struct CategoryQuery {
    pub(crate) sort: Sort,
    pub(crate) paging: Paging,
}

impl Input for CategoryQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let sort = fields.optional("sort").unwrap_or_default();
        let paging = Paging::read(fields).unwrap_or_default();
        Some(Self { sort, paging })
    }
}

/// The order of a list of products.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Sort {
    /// Newest first.
    #[default]
    #[serde(rename = "newest")]
    Newest,
    /// By name, ascending.
    #[serde(rename = "name")]
    Name,
    /// By name, descending.
    #[serde(rename = "-name")]
    NameDescending,
    /// By price, ascending.
    #[serde(rename = "price")]
    Price,
    /// By price, descending.
    #[serde(rename = "-price")]
    PriceDescending,
}
