//! The catalogue as visitors and other services read it.

use serde::Deserialize;
use souk_contract::products::{CatalogueEntry, ProductId};
use souk_types::input::{Fields, Input};
use souk_types::{Error, Page, Paging, Result, Text};

use crate::App;
use crate::domain::product::{Category, Product, ProductView};

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Sort {
    /// The latest addition first.
    #[default]
    #[serde(rename = "newest")]
    Newest,
    /// A to Z.
    #[serde(rename = "name")]
    Name,
    /// Z to A.
    #[serde(rename = "-name")]
    NameDescending,
    /// Cheapest first.
    #[serde(rename = "price")]
    Price,
    /// Dearest first.
    #[serde(rename = "-price")]
    PriceDescending,
}

/// What visitors ask for: `?category&q&sort&after&limit`.
#[derive(Debug)]
pub struct Listed {
    /// Only of this category.
    pub category: Option<Category>,
    /// Only with these words.
    pub words: Option<Text<0, 100>>,
    /// In this order.
    pub sort: Sort,
    /// This page.
    pub paging: Paging,
}

impl Input for Listed {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (category, words) = (fields.optional("category"), fields.optional("q"));
        Some(Self { category, words, ..Self::in_category(fields) })
    }
}

impl Listed {
    fn in_category(fields: &mut Fields) -> Self {
        let sort = fields.optional("sort").unwrap_or_default();
        let paging = Paging::read(fields).unwrap_or_default();
        Self { category: None, words: None, sort, paging }
    }
}

/// `?sort&after&limit` of a category.
pub struct ListedInCategory(pub Listed);

impl Input for ListedInCategory {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self(Listed::in_category(fields)))
    }
}

/// One product.
pub async fn get(app: &App, id: ProductId) -> Result<ProductView> {
    let product = app.products.0.get(id).await?.ok_or_else(|| Error::not_found("product"))?;
    product.into_view()
}

/// Those of the products that are sold, in the order asked.
pub async fn get_many(app: &App, ids: &[ProductId]) -> Result<Vec<ProductView>> {
    let mut found = app.products.0.get_many(ids).await?;
    found.sort_by_key(|product| ids.iter().position(|id| *id == product.id));
    found.dedup_by_key(|product| product.id);
    Ok(found.into_iter().filter_map(|product| product.into_view().ok()).collect())
}

/// What other services are told of these products.
pub async fn offers(app: &App, ids: &[ProductId]) -> Result<Vec<CatalogueEntry>> {
    let found = app.products.0.get_many(ids).await?;
    Ok(found.iter().filter_map(|product| product.offer().ok()).collect())
}

/// A page of the catalogue.
pub async fn list(app: &App, listed: Listed) -> Result<Page<ProductView>> {
    let Listed { category, words, sort, paging } = listed;
    let page = app.products.list(category.as_deref(), words.as_deref(), sort, paging).await?;
    let next = page.next;
    let items = page.items.into_iter().map(Product::into_view).collect::<Result<_>>()?;
    Ok(Page { items, next })
}
