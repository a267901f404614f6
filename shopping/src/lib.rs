//! Carts, wishlists, checkout and orders.
//!
//! Products are known by remote calls only (`products.get`, `products.reserve`, ...); what a cart remembers of them is the last that
//! was seen. An order is one document and so is a cart; the two change together only when an order is created and when it is
//! confirmed. Who moves the money is behind [`payment::Provider`].

mod application;
mod domain;
mod http;
mod jobs;
mod messages;
pub mod options;
mod providers;
mod repositories;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use souk_bus::Bus;
use souk_contract::products::{CatalogueEntry, GetProducts, ProductId};
use souk_http::auth::{ClosedAccounts, Verifier};
use souk_store::{Database, outbox};
use souk_types::Result;

pub use self::application::ledger;
use self::domain::payment::Payments;
pub use self::domain::{order, payment};
pub use self::http::routes;
pub use self::options::Options;
pub use self::providers::demo;
use self::providers::guest_token::Tokens;
use self::repositories::{Carts, GuestCarts, Orders, Wishlists};

/// What the routes and the message handlers of this service work with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) carts: Carts,
    pub(crate) guest_carts: GuestCarts,
    pub(crate) guest_tokens: Arc<Tokens>,
    pub(crate) wishlists: Wishlists,
    pub(crate) orders: Orders,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) closed: ClosedAccounts,
    pub(crate) payments: Payments,
    /// Stock is held for an order for so long.
    pub(crate) held_for: Duration,
}

impl App {
    /// Opens the collections, listens on the bus, and starts what runs beside the requests.
    pub fn start(database: Database, bus: &Bus, verifier: Verifier, options: Options) -> Result<Self> {
        let app = Self {
            payments: Payments::open(options.payments, &database)?,
            held_for: options.held_for,
            carts: Carts::open(&database)?,
            guest_carts: GuestCarts::open(&database)?,
            guest_tokens: Arc::new(Tokens::open(&database)?),
            wishlists: Wishlists::open(&database)?,
            orders: Orders::open(&database)?,
            verifier: Arc::new(verifier),
            closed: ClosedAccounts::open(&database)?,
            bus: bus.clone(),
            database,
        };
        app.verifier.prefetch_keys();
        messages::serve(&app);
        outbox::relay(app.database.clone(), bus.clone());
        jobs::start(&app);
        Ok(app)
    }

    /// As [`App::offers`], for somebody who only looks: `None` when `products` cannot be asked now.
    pub(crate) async fn offers_if_known(
        &self,
        ids: Vec<ProductId>,
    ) -> Result<Option<HashMap<ProductId, CatalogueEntry>>> {
        match self.offers(ids).await {
            Ok(offers) => Ok(Some(offers)),
            Err(error) if error.is_outage() => {
                tracing::warn!(%error, "products cannot be asked; what was last seen of them is shown");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What is offered of these products now, in one call however many they are. Those that are no longer sold are missing.
    pub(crate) async fn offers(&self, ids: Vec<ProductId>) -> Result<HashMap<ProductId, CatalogueEntry>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.bus.call(GetProducts { ids }).await?;
        Ok(found.products.into_iter().map(|offer| (offer.product.id, offer)).collect())
    }
}
