//! Payment providers, the register of VAT numbers, and the signing of guest tokens.

pub(crate) mod demo;
pub(crate) mod guest_token;
pub(crate) mod rate_limits;
pub(crate) mod stripe;
pub(crate) mod vies;

use std::collections::BTreeMap;
use std::sync::Arc;

use souk_store::Database;
use souk_types::{Error, Result};

use self::demo::DemoBank;
use self::stripe::{Stripe, StripeOptions};
use crate::domain::payment::report::{PaymentReport, RefundReport, RefundRequest};
use crate::domain::payment::state::Payment;
use crate::domain::payment::{ChargeRequest, DemoToken, PaymentDetails, PaymentMethod};

/// A payment provider. Every call is idempotent. A transient error means that the outcome is
/// unknown, and the call is repeated. Any other error is the provider's final refusal, with the
/// reason for the client.
#[rocket::async_trait]
pub(crate) trait PaymentProvider: Send + Sync {
    /// Returns the open payment of a charge, if the provider names payments after orders. The shop
    /// can then charge it without opening it, and without storing its name before.
    fn payment_by_order_id(&self, _: &ChargeRequest) -> Option<Payment> {
        None
    }
    /// Creates the payment of an order, without moving money.
    async fn open(&self, charge: &ChargeRequest) -> Result<Payment>;
    async fn charge(&self, payment: &Payment, charge: &ChargeRequest) -> Result<PaymentReport>;
    async fn check(&self, payment: &Payment) -> Result<PaymentReport>;
    async fn capture(&self, payment: &Payment) -> Result<PaymentReport>;
    /// Cancels a payment. The report says `Captured` or `Processing` when it is too late.
    async fn cancel(&self, payment: &Payment) -> Result<PaymentReport>;
    /// Requests a refund. A refusal is a report of a failed refund.
    async fn refund(&self, request: &RefundRequest) -> Result<RefundReport>;
    /// Returns the whole list of a payment's refunds, by the shop and at the provider.
    async fn refunds(&self, payment: &Payment) -> Result<Vec<RefundReport>>;
}

/// Returns a provider's final refusal of a payment. `reason` is one sentence for the client.
pub(crate) fn refused(reason: &str) -> Error {
    let remedy = "Nothing was ordered; change the cart or the payment, and order under a new key.";
    Error::unprocessable("payment-refused", format!("{reason} {remedy}"))
}

#[derive(Debug, Clone)]
pub(crate) struct PaymentOptions {
    /// The methods that orders can be paid by. The first is the default.
    pub(crate) methods: Vec<PaymentMethod>,
    /// Required when Stripe is enabled.
    pub(crate) stripe: Option<StripeOptions>,
}

/// The payment providers of this shop. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PaymentProviders {
    /// The methods of new orders. The first is the default.
    offered: Vec<PaymentMethod>,
    /// Also those that are no longer offered, for payments in progress.
    providers: BTreeMap<PaymentMethod, Arc<dyn PaymentProvider>>,
    pub(crate) demo_bank: DemoBank,
    pub(crate) stripe: Option<Arc<Stripe>>,
}

impl PaymentProviders {
    /// Errors: `internal` without a method, or for Stripe without keys.
    pub(crate) fn open(options: PaymentOptions, database: &Database) -> Result<Self> {
        let demo_bank = DemoBank::open(database)?;
        let stripe = options.stripe.map(|options| Arc::new(Stripe::new(options)));
        let mut providers: BTreeMap<PaymentMethod, Arc<dyn PaymentProvider>> = BTreeMap::new();
        providers.insert(PaymentMethod::Demo, Arc::new(demo_bank.clone()));
        if let Some(stripe) = &stripe {
            providers.insert(PaymentMethod::Stripe, Arc::clone(stripe) as Arc<dyn PaymentProvider>);
        }
        let offered = options.methods;
        if offered.is_empty() || offered.iter().any(|method| !providers.contains_key(method)) {
            return Err(Error::internal(format!("the payment methods {offered:?} cannot be offered")));
        }
        Ok(Self { offered, providers, demo_bank, stripe })
    }

    /// Returns the methods of new orders. The first is the default.
    pub(crate) fn offered(&self) -> &[PaymentMethod] {
        &self.offered
    }

    /// Falls back to the default method. Errors: `validation` when the method is not offered.
    pub(crate) fn choose(&self, details: Option<PaymentDetails>) -> Result<PaymentDetails> {
        let details = details.unwrap_or(match self.offered.first() {
            Some(PaymentMethod::Demo) => PaymentDetails::Demo { token: DemoToken::Ok },
            Some(PaymentMethod::Stripe) | None => PaymentDetails::Stripe { token: None, return_url: None },
        });
        if self.offered.contains(&details.method()) {
            return Ok(details);
        }
        Err(Error::invalid_field("payment.method", "is not offered by this shop"))
    }

    /// Errors: `internal` when the operator removed the keys of Stripe during its payments.
    pub(crate) fn provider(&self, method: PaymentMethod) -> Result<&dyn PaymentProvider> {
        match self.providers.get(&method) {
            Some(provider) => Ok(&**provider),
            None => Err(Error::internal(format!("{method:?} has payments in progress and no keys any more"))),
        }
    }
}
