//! Creating, editing and discontinuing products.

use souk_contract::products::ProductId;
use souk_types::{IdempotencyKey, KeyedRequest, Precondition, Result};

use crate::App;
use crate::domain::product::Product;
pub use crate::domain::product_edit::{NewProduct, ProductPatch, ProductReplacement};
use crate::domain::product_view::ProductView;

/// Creates a product and lists it. Requests with the same key and body create one: returns the
/// product as it is now, and whether an earlier request has created it. Errors: `key-reused`;
/// `NotFound` when it is discontinued.
pub async fn create(app: &App, new: NewProduct, key: Option<IdempotencyKey>) -> Result<(ProductView, bool)> {
    let request = key.map(|key| KeyedRequest::new(key, &new)).transpose()?;
    let product = Product::new(new.details, new.available.unwrap_or_default(), None);
    let product = Product { request: request.clone(), ..product };
    let error = match app.products.insert(product.clone()).await {
        Ok(()) => return Ok((product.into_view()?, false)),
        Err(error) => error,
    };
    let Some(request) = request.filter(|_| error.is_duplicate()) else { return Err(error) };
    let created = app.products.by_request(&request.key).await?.ok_or(error)?;
    if let Some(earlier) = &created.request {
        request.repeats(earlier)?;
    }
    Ok((created.into_view()?, true))
}

/// Replaces the details of a product.
pub async fn replace(
    app: &App,
    id: ProductId,
    ProductReplacement(details): ProductReplacement,
    precondition: Precondition,
) -> Result<ProductView> {
    edit(app, id, move |product| product.replace(details.clone(), &precondition)).await
}

/// Changes some of the details of a product.
pub async fn patch(app: &App, id: ProductId, patch: ProductPatch, precondition: Precondition) -> Result<ProductView> {
    edit(app, id, move |product| product.patch(patch.clone(), &precondition)).await
}

async fn edit(
    app: &App,
    id: ProductId,
    rule: impl Fn(&mut Product) -> Result<()> + Send + 'static,
) -> Result<ProductView> {
    let edit = move |product: &mut Product| {
        rule(product)?;
        product.clone().into_view()
    };
    app.products.update(id, edit).await
}

/// Removes a product from the catalogue.
pub async fn discontinue(app: &App, id: ProductId, precondition: Precondition) -> Result<()> {
    app.products.update(id, move |product: &mut Product| product.discontinue(&precondition)).await
}
