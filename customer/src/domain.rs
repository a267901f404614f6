//! Types and rules of accounts, sessions and erasures. Pure: no I/O, no async, no other layer.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod code_challenge;
pub(crate) mod device;
pub(crate) mod erasure;
pub(crate) mod mail;
pub(crate) mod passkey;
pub(crate) mod password;
pub(crate) mod relying_party;
pub(crate) mod session;
pub(crate) mod token_secret;
pub(crate) mod totp;

#[cfg(test)]
mod tests {
    use serde_json::json;
    use souk_types::{Email, Phone};

    use super::password::{Password, PasswordGuess, PasswordHash};
    use super::token_secret::SecretDigest;

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
