//! Reading and changing the stock of a product.

use souk_contract::products::ProductId;
use souk_types::{Error, IdempotencyKey, KeyedRequest, Page, Precondition, Result};

use super::settlement::settle_product;
use crate::App;
use crate::domain::low_stock::{LowStockQuery, StockSummary, StockThreshold};
use crate::domain::product::Product;
use crate::domain::product_view::ProductView;
use crate::domain::stock::StockLevels;
use crate::domain::stock_change::{StockChange, StockDifference};

/// Returns the stock levels of a product, which may be discontinued. Holds that are decided are
/// settled first, so that an order that is confirmed is counted as sold.
pub(crate) async fn levels(app: &App, id: ProductId) -> Result<StockLevels> {
    let mut product = get(app, id).await?;
    if !product.stock.holds().is_empty() {
        settle_product(app, &product).await?;
        product = get(app, id).await?;
    }
    Ok(product.stock.levels())
}

/// Returns a page of the listed products that are low in stock, the scarcest first.
pub(crate) async fn low(app: &App, query: LowStockQuery) -> Result<Page<ProductView>> {
    let page = app.products.low_stock(query).await?;
    let items = page.items.into_iter().map(Product::into_view).collect::<Result<_>>()?;
    Ok(Page { items, next: page.next })
}

/// Counts the listed products that are low in stock.
pub(crate) async fn summary(app: &App, threshold: StockThreshold) -> Result<StockSummary> {
    Ok(StockSummary { threshold, low_stock: app.products.count_low_stock(threshold).await? })
}

async fn get(app: &App, id: ProductId) -> Result<Product> {
    app.products.get(id).await?.ok_or_else(|| Error::not_found("product"))
}

/// Changes the stock of a listed product.
pub(crate) async fn change(
    app: &App,
    id: ProductId,
    change: StockChange,
    precondition: Precondition,
) -> Result<StockLevels> {
    let rule = move |product: &mut Product| {
        product.listing()?;
        product.stock.change(change, &precondition)?;
        Ok(product.stock.levels())
    };
    app.products.update(id, rule).await
}

/// Adds to the stock of a listed product. Requests with the same key add once: returns whether an
/// earlier one has done so.
pub(crate) async fn add(
    app: &App,
    id: ProductId,
    difference: StockDifference,
    key: Option<IdempotencyKey>,
    precondition: Precondition,
) -> Result<(StockLevels, bool)> {
    let request = key.map(|key| KeyedRequest::new(key, &difference)).transpose()?;
    let rule = move |product: &mut Product| {
        product.listing()?;
        let replayed = product.stock.add_once(difference, request.clone(), &precondition)?;
        Ok((product.stock.levels(), replayed))
    };
    app.products.update(id, rule).await
}
