//! The resources that routes, message handlers and background jobs share.

use std::sync::Arc;

use souk_bus::Bus;
use souk_http::auth::{TokenRevocations, Verifier};
use souk_http::rate_limit::RateLimiter;
use souk_store::Database;
use souk_types::{Network, Result};

use crate::domain::order::CheckoutLimits;
use crate::domain::owner::Owner;
use crate::options::Options;
use crate::providers::Payments;
use crate::providers::guest_token::GuestTokens;
use crate::providers::vies::Vies;
use crate::repositories::Repositories;
use crate::repositories::shop_cache::ShopCache;

/// The service `shopping`. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) store: Repositories,
    pub(crate) shop: Arc<ShopCache>,
    pub(crate) guest_tokens: Arc<GuestTokens>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) revocations: TokenRevocations,
    pub(crate) payments: Payments,
    pub(crate) vies: Arc<Vies>,
    pub(crate) limits: CheckoutLimits,
    pub(crate) order_rate: Arc<RateLimiter<Owner>>,
    /// New orders of all guests of a network.
    pub(crate) guest_order_rate: Arc<RateLimiter<Network>>,
}

impl App {
    pub(crate) fn open(database: Database, bus: &Bus, verifier: Verifier, options: Options) -> Result<Self> {
        Ok(Self {
            payments: Payments::open(options.payments, &database)?,
            vies: Arc::new(Vies::new(options.vies)),
            limits: options.limits,
            order_rate: Arc::new(RateLimiter::new(options.order_rate)),
            guest_order_rate: Arc::new(RateLimiter::new(options.guest_order_rate)),
            shop: Arc::new(ShopCache::open(&database, options.settings)?),
            store: Repositories::open(&database)?,
            guest_tokens: Arc::new(GuestTokens::open(&database)?),
            verifier: Arc::new(verifier),
            revocations: TokenRevocations::open(&database)?,
            bus: bus.clone(),
            database,
        })
    }
}
