//! One attempt to order, told from another: the client names it with a key, and the request that came with the key is remembered
//! by a fingerprint. What becomes of a key is in [`crate::application::checkout`].

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use souk_types::input::{Fields, Input};
use souk_types::{Error, Result};

use crate::domain::payment::Means;

/// The client's name for one attempt to order: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

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

/// What tells one request from another under the same key, without keeping what was in it: SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fingerprint(String);

/// The body of `POST /order`, as it came.
#[derive(Debug, Default)]
pub struct Wanted {
    /// How to pay; the shop's default when it is not said.
    pub payment: Option<Means>,
}

impl Input for Wanted {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { payment: fields.optional_object("payment") })
    }
}

/// What was asked for, all of it said.
#[derive(Debug, PartialEq, Serialize)]
pub struct Checkout {
    /// How to pay.
    pub payment: Means,
}

impl Checkout {
    /// What tells it from another request.
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
