//! Reading and changing the stock of a product.

use souk_contract::products::ProductId;
use souk_types::{Error, Precondition, Result};

use super::settlement::settle_product;
use crate::App;
use crate::domain::product::Product;
use crate::domain::stock::StockLevels;
use crate::domain::stock_change::StockChange;

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
