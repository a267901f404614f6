//! Reading and setting the stock of a product.

use souk_contract::products::ProductId;
use souk_types::{Error, Result};

use crate::App;
use crate::domain::product::Product;
use crate::domain::stock::{AvailableQuantity, StockLevels};

/// Returns the stock levels of a product, which may be discontinued.
pub(crate) async fn levels(app: &App, id: ProductId) -> Result<StockLevels> {
    let product = app.products.get(id).await?.ok_or_else(|| Error::not_found("product"))?;
    Ok(product.stock.levels())
}

pub(crate) async fn set_available(app: &App, id: ProductId, available: AvailableQuantity) -> Result<StockLevels> {
    let set = move |product: &mut Product| {
        product.listing()?;
        product.stock.set_available(available);
        Ok(product.stock.levels())
    };
    app.products.update(id, set).await
}
