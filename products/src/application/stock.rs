//! Reading and changing the stock of a product.

use souk_contract::products::ProductId;
use souk_types::{Error, Precondition, Result};

use crate::App;
use crate::domain::product::Product;
use crate::domain::stock::{StockChange, StockLevels};

/// Returns the stock levels of a product, which may be discontinued.
pub(crate) async fn levels(app: &App, id: ProductId) -> Result<StockLevels> {
    let product = app.products.get(id).await?.ok_or_else(|| Error::not_found("product"))?;
    Ok(product.stock.levels())
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
