//! Limits of how often a client may do what costs the shop storage, stock or a request to others.

use std::time::Duration;

use souk_http::rate_limit::RateLimiter;
use souk_http::rate_limit::shared::SharedLimits;
use souk_types::{Error, Network, Result};

use crate::domain::owner::Owner;
use crate::options::RateLimitOptions;

pub(crate) struct RateLimits {
    orders: RateLimiter<Owner>,
    guest_orders: RateLimiter<Network>,
    guest_carts: RateLimiter<Network>,
    vat_checks: RateLimiter<Network>,
}

impl RateLimits {
    pub(crate) fn new(limits: &SharedLimits, options: RateLimitOptions) -> Self {
        Self {
            orders: limits.limiter("orders", options.orders),
            guest_orders: limits.limiter("guest-orders", options.guest_orders),
            guest_carts: limits.limiter("guest-carts", options.guest_carts),
            vat_checks: limits.limiter("vat-checks", options.vat_checks),
        }
    }

    /// Counts a request for a new order. Errors: `too-many-orders`.
    pub(crate) fn count_order(&self, owner: Owner, network: Network) -> Result<()> {
        let checked = match owner {
            Owner::Customer(_) => self.orders.check(&owner),
            // A guest can get a new token at any time.
            Owner::Guest(_) => self.guest_orders.check(&network).and_then(|()| self.orders.check(&owner)),
        };
        let detail = "There are too many new orders from this account or network; wait before you order again.";
        checked.map_err(|wait| Error::too_many_requests("too-many-orders", detail, wait))
    }

    /// Counts a new guest token, and with it a cart. Errors: `too-many-guest-carts`.
    pub(crate) fn count_guest_cart(&self, network: Network) -> Result<()> {
        let refused = |wait: Duration| {
            let detail = "There are too many new carts from this network; wait before you open another one.";
            Error::too_many_requests("too-many-guest-carts", detail, wait)
        };
        self.guest_carts.check(&network).map_err(refused)
    }

    /// Counts a VAT number that may be looked up. Errors: `too-many-vat-numbers`.
    pub(crate) fn count_vat_check(&self, network: Network) -> Result<()> {
        let refused = |wait: Duration| {
            let detail = "There are too many quotes with a VAT number from this network; wait before the next one.";
            Error::too_many_requests("too-many-vat-numbers", detail, wait)
        };
        self.vat_checks.check(&network).map_err(refused)
    }
}
