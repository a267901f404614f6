//! Idempotency of checkout: the key that a client chooses for an order, and a fingerprint of the
//! request that came with it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use souk_types::{Error, Result};

use super::payment::PaymentDetails;

/// The client's key for one order: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct IdempotencyKey(String);

impl std::str::FromStr for IdempotencyKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::malformed("The header Idempotency-Key must have 1 to 255 visible ASCII characters."))
    }
}

impl std::fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of a request. It tells requests apart without keeping their contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fingerprint(String);

/// A request to place an order, with all defaults filled in.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct CheckoutRequest {
    pub(crate) payment: PaymentDetails,
}

impl CheckoutRequest {
    pub(crate) fn fingerprint(&self) -> Result<Fingerprint> {
        let canonical = serde_json::to_vec(self).map_err(Error::internal)?;
        Ok(Fingerprint(BASE64_STANDARD_NO_PAD.encode(Sha256::digest(canonical))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii() {
        for (key, good) in
            [("a", true), ("ok-1_2/3", true), ("", false), ("a b", false), ("ü", false), (&*"x".repeat(256), false)]
        {
            assert_eq!(key.parse::<IdempotencyKey>().is_ok(), good, "{key}");
        }
    }
}
