//! The resources that routes, message handlers and background jobs share.

use std::sync::Arc;

use souk_bus::Bus;
use souk_http::auth::{TokenRevocations, Verifier};
use souk_http::rate_limit::shared::SharedLimits;
use souk_store::Database;
use souk_types::Result;

use crate::domain::order::CheckoutLimits;
use crate::options::Options;
use crate::providers::PaymentProviders;
use crate::providers::guest_token::GuestTokens;
use crate::providers::rate_limits::RateLimits;
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
    pub(crate) payments: PaymentProviders,
    pub(crate) vies: Arc<Vies>,
    pub(crate) checkout_limits: CheckoutLimits,
    pub(crate) rate_limits: Arc<RateLimits>,
}

impl App {
    pub(crate) fn open(
        database: Database,
        bus: &Bus,
        shared_limits: &SharedLimits,
        verifier: Verifier,
        options: Options,
    ) -> Result<Self> {
        Ok(Self {
            payments: PaymentProviders::open(options.payments, &database)?,
            vies: Arc::new(Vies::new(options.vies)),
            checkout_limits: options.checkout_limits,
            rate_limits: Arc::new(RateLimits::new(shared_limits, options.rate_limits)),
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
