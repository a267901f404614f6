//! Deserialization of personal and secret text. Serde quotes a value of a wrong type, and the
//! quote would reach the response and the log.

use serde::de::{Deserialize, Deserializer, Error};

/// Reads a string. The error does not quote the value.
/// # Errors
/// `must be a string` for any other type.
pub fn string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map_err(|_| D::Error::custom("must be a string"))
}
