//! The documents of the shop: settings, taxes and shipping.

use std::sync::Arc;

use souk_types::{Precondition, Result};

use crate::App;
use crate::domain::settings::Settings;
use crate::domain::shipping::Shipping;
use crate::domain::shop::ShopConfig;
use crate::domain::tax_rates::TaxRates;
use crate::repositories::shop::Versioned;

impl App {
    /// Returns the documents of the shop, at most a second old.
    pub(crate) async fn shop(&self) -> Result<Arc<ShopConfig>> {
        self.shop.get().await
    }
}

pub(crate) async fn settings(app: &App) -> Result<Versioned<Settings>> {
    let stored = app.shop.store.settings().await?;
    stored.map_or_else(|| Ok(Versioned::default_of(app.shop.defaults()?.settings)), Ok)
}

pub(crate) async fn put_settings(app: &App, value: Settings, on: Precondition) -> Result<Versioned<Settings>> {
    app.shop.change(app.shop.store.put_settings(value, &on)).await
}

pub(crate) async fn taxes(app: &App) -> Result<Versioned<TaxRates>> {
    let stored = app.shop.store.taxes().await?;
    stored.map_or_else(|| Ok(Versioned::default_of(app.shop.defaults()?.taxes)), Ok)
}

pub(crate) async fn put_taxes(app: &App, value: TaxRates, on: Precondition) -> Result<Versioned<TaxRates>> {
    app.shop.change(app.shop.store.put_taxes(value, &on)).await
}

pub(crate) async fn shipping(app: &App) -> Result<Versioned<Shipping>> {
    let stored = app.shop.store.shipping().await?;
    stored.map_or_else(|| Ok(Versioned::default_of(app.shop.defaults()?.shipping)), Ok)
}

pub(crate) async fn put_shipping(app: &App, value: Shipping, on: Precondition) -> Result<Versioned<Shipping>> {
    app.shop.change(app.shop.store.put_shipping(value, &on)).await
}
