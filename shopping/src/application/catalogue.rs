//! Reads the catalogue of `products`.

use souk_contract::products::{GetProducts, ProductId};
use souk_types::Result;

use crate::App;
use crate::domain::catalogue::Catalogue;

pub(super) async fn get(app: &App, ids: Vec<ProductId>) -> Result<Catalogue> {
    if ids.is_empty() {
        return Ok(Catalogue::new(Vec::new()));
    }
    Ok(Catalogue::new(app.bus.call(GetProducts { ids }).await?.products))
}

/// Like [`get`], but returns an unavailable catalogue while `products` is down.
pub(super) async fn get_if_up(app: &App, ids: Vec<ProductId>) -> Result<Catalogue> {
    match get(app, ids).await {
        Err(error) if error.is_outage() => {
            tracing::warn!(%error, "products is down; snapshots are shown");
            Ok(Catalogue::unavailable())
        }
        result => result,
    }
}
