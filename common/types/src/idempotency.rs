//! Idempotency of requests: the key that a client chooses, and a fingerprint of the request.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// The client's key for one request, of which repetitions have no further effect: 1 to 255 visible
/// ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdempotencyKey(String);

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

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of a request. A service compares requests by it without storing their contents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Returns the fingerprint of a request. Errors: it cannot be serialised.
    pub fn of(request: &impl Serialize) -> Result<Self> {
        let canonical = serde_json::to_vec(request).map_err(Error::internal)?;
        Ok(Self(BASE64_STANDARD_NO_PAD.encode(Sha256::digest(canonical))))
    }
}

/// A request that has been carried out: its key and its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedRequest {
    /// The key.
    pub key: IdempotencyKey,
    /// The fingerprint of its content.
    pub fingerprint: Fingerprint,
}

impl KeyedRequest {
    /// Returns a request with its key. Errors: it cannot be serialised.
    pub fn new(key: IdempotencyKey, request: &impl Serialize) -> Result<Self> {
        Ok(Self { key, fingerprint: Fingerprint::of(request)? })
    }

    /// Whether this request repeats an earlier one. Errors: `key-reused`, when the earlier one has
    /// the same key and another content.
    pub fn repeats(&self, earlier: &Self) -> Result<bool> {
        if self.key == earlier.key && self.fingerprint != earlier.fingerprint {
            return Err(Error::key_reused());
        }
        Ok(self.key == earlier.key)
    }
}

impl Error {
    /// Returns the error of a key that was used with another request.
    #[must_use]
    pub fn key_reused() -> Self {
        Self::unprocessable("key-reused", "This Idempotency-Key was used with another body; use a new key.")
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

    #[test]
    fn a_key_belongs_to_one_request() {
        let request = |key: &str, body: u32| KeyedRequest::new(key.parse().unwrap(), &body).unwrap();
        let first = request("a", 1);
        assert!(request("a", 1).repeats(&first).unwrap() && !request("b", 1).repeats(&first).unwrap());
        assert_eq!(request("a", 2).repeats(&first).unwrap_err().code(), "key-reused");
    }
}
