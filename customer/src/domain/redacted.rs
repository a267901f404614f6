//! Deserialization of personal and secret text. Serde quotes a value of a wrong type, and the
//! quote would reach the response and the log.

use serde::de::{Deserialize, Deserializer, Error};

/// Reads a string. The error does not quote the value.
pub(crate) fn string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map_err(|_| D::Error::custom("must be a string"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::domain::email::Email;
    use crate::domain::password::{Password, PasswordGuess, PasswordHash};
    use crate::domain::phone::Phone;
    use crate::domain::token_secret::SecretDigest;

    #[test]
    fn a_value_of_a_wrong_type_is_not_quoted() {
        for bad in [json!(49_123_456), json!({"$ne": "49123456"}), json!(["49123456"]), json!(null), json!(true)] {
            let errors = [
                serde_json::from_value::<Email>(bad.clone()).err(),
                serde_json::from_value::<Phone>(bad.clone()).err(),
                serde_json::from_value::<Password>(bad.clone()).err(),
                serde_json::from_value::<PasswordGuess>(bad.clone()).err(),
                serde_json::from_value::<PasswordHash>(bad.clone()).err(),
                serde_json::from_value::<SecretDigest>(bad.clone()).err(),
            ];
            for error in errors {
                assert_eq!(error.unwrap().to_string(), "must be a string", "{bad}");
            }
        }
    }
}
