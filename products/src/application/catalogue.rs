//! Reading the catalogue.

use souk_contract::products::{CatalogueEntry, ProductId};
use souk_types::{Error, Page, Result, sort_key};

use crate::App;
use crate::domain::catalogue_query::CatalogueQuery;
use crate::domain::product::Product;
use crate::domain::product_view::ProductView;

/// Returns a listed product.
pub async fn get(app: &App, id: ProductId) -> Result<ProductView> {
    let product = app.products.get(id).await?.ok_or_else(|| Error::not_found("product"))?;
    product.into_view()
}

/// Returns those of the products that are listed, in the order of `ids`.
pub async fn get_many(app: &App, ids: &[ProductId]) -> Result<Vec<ProductView>> {
    let mut found = app.products.get_many(ids).await?;
    found.sort_by_key(|product| ids.iter().position(|id| *id == product.id));
    found.dedup_by_key(|product| product.id);
    Ok(found.into_iter().filter_map(|product| product.into_view().ok()).collect())
}

/// Returns those of the products that are listed, for other services.
pub async fn entries(app: &App, ids: &[ProductId]) -> Result<Vec<CatalogueEntry>> {
    let found = app.products.get_many(ids).await?;
    Ok(found.iter().filter_map(|product| product.catalogue_entry().ok()).collect())
}

/// Returns a page of the listed products.
pub async fn list(app: &App, query: CatalogueQuery) -> Result<Page<ProductView>> {
    let page = app.products.list(query).await?;
    let next = page.next;
    let items = page.items.into_iter().map(Product::into_view).collect::<Result<_>>()?;
    Ok(Page { items, next })
}

/// Returns the categories that have listed products, with the number of these products, by name.
pub async fn categories(app: &App) -> Result<Vec<(String, i64)>> {
    let mut categories = app.products.count_by_category().await?;
    categories.sort_by_cached_key(|(name, _)| sort_key(name));
    Ok(categories)
}
