//! Creating, editing and discontinuing products.

use souk_contract::products::ProductId;
use souk_types::Result;

use crate::App;
use crate::domain::product::Product;
use crate::domain::product_details::ProductDetails;
pub use crate::domain::product_edit::{NewProduct, ProductPatch, ProductReplacement};
use crate::domain::product_view::ProductView;

/// Creates a product and lists it.
pub async fn create(app: &App, new: NewProduct) -> Result<ProductView> {
    let product = Product::new(new.details, new.available.unwrap_or_default(), None);
    app.products.insert(product.clone()).await?;
    product.into_view()
}

/// Replaces the details of a product.
pub async fn replace(app: &App, id: ProductId, replacement: ProductReplacement) -> Result<ProductView> {
    edit(app, id, replacement.expected_version, move |_| replacement.details.clone()).await
}

/// Changes some of the details of a product.
pub async fn patch(app: &App, id: ProductId, patch: ProductPatch) -> Result<ProductView> {
    edit(app, id, patch.expected_version, move |details| patch.clone().apply(details)).await
}

async fn edit(
    app: &App,
    id: ProductId,
    expected_version: Option<u64>,
    change: impl Fn(ProductDetails) -> ProductDetails + Send + 'static,
) -> Result<ProductView> {
    let edit = move |product: &mut Product| {
        product.edit(expected_version, &change)?;
        product.clone().into_view()
    };
    app.products.update(id, edit).await
}

/// Removes a product from the catalogue.
pub async fn discontinue(app: &App, id: ProductId) -> Result<()> {
    app.products.update(id, Product::discontinue).await
}
