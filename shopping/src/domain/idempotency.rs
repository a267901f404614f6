//! Idempotency of checkout: the key that a client chooses for an order, and the fingerprint of its
//! request.

use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use souk_contract::customer::AddressId;
use souk_types::{Error, Money, Result};

use super::order::buyer::Note;
use super::payment::PaymentDetails;
use super::quote::QuoteRequest;

/// The client's key for one order or one refund: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct IdempotencyKey(String);

impl TryFrom<String> for IdempotencyKey {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text));
        }
        Err(Error::malformed("The header Idempotency-Key must have 1 to 255 visible ASCII characters."))
    }
}

impl FromStr for IdempotencyKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.to_owned().try_into()
    }
}

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.0
    }
}

impl std::fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of a request. The service compares requests by it without storing their contents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of(request: &impl Serialize) -> Result<Self> {
        let canonical = serde_json::to_vec(request).map_err(Error::internal)?;
        Ok(Self(BASE64_STANDARD_NO_PAD.encode(Sha256::digest(canonical))))
    }
}

/// A request to place an order, as the client sent it, with the method of payment filled in.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct CheckoutRequest {
    pub(crate) terms: QuoteRequest,
    /// A saved address, in the place of `terms.shipping_address`.
    pub(crate) shipping_address_id: Option<AddressId>,
    pub(crate) note: Option<Note>,
    pub(crate) payment: PaymentDetails,
    pub(crate) expected_total: Option<Money>,
}

impl CheckoutRequest {
    pub(crate) fn fingerprint(&self) -> Result<Fingerprint> {
        Fingerprint::of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii_when_parsed_and_when_deserialised() {
        for (key, is_valid) in [
            ("a", true),
            ("ok-1_2/3", true),
            (&*"x".repeat(255), true),
            ("", false),
            ("a b", false),
            ("a\n", false),
            ("ü", false),
            (&*"x".repeat(256), false),
        ] {
            assert_eq!(key.parse::<IdempotencyKey>().is_ok(), is_valid, "{key}");
            let deserialised = serde_json::from_value::<IdempotencyKey>(key.into());
            assert_eq!(deserialised.ok().map(String::from), is_valid.then(|| key.to_owned()), "{key}");
        }
    }
}
