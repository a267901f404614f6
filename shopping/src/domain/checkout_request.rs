//! A request to place an order, and its fingerprint: the same idempotency key with another request
//! is refused.

use serde::Serialize;
use souk_contract::customer::AddressId;
use souk_types::{Fingerprint, Money, Result};

use super::order::buyer::CustomerNote;
use super::payment::PaymentDetails;
use super::quote::QuoteRequest;

/// A request to place an order, as the client sent it, with the method of payment filled in.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct CheckoutRequest {
    /// What is quoted. The name in the fingerprint stays.
    #[serde(rename = "terms")]
    pub(crate) quote_request: QuoteRequest,
    /// A saved address, in the place of `quote_request.shipping_address`.
    pub(crate) shipping_address_id: Option<AddressId>,
    pub(crate) note: Option<CustomerNote>,
    pub(crate) payment: PaymentDetails,
    pub(crate) expected_total: Option<Money>,
}

impl CheckoutRequest {
    pub(crate) fn fingerprint(&self) -> Result<Fingerprint> {
        Fingerprint::of(self)
    }
}
