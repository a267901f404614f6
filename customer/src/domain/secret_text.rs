//! Reading text that must not be echoed. A refused field is quoted in the answer and, at the level `debug`, in the log;
//! serde quotes a value of a wrong type, and a password sent as a number is a password all the same.

use serde::de::{Deserialize, Deserializer, Error};

/// A string, or an error that does not tell what it was instead.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map_err(|_| D::Error::custom("must be a string"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::domain::email::Email;
    use crate::domain::phone::Phone;
    use crate::providers::password_hasher::{Guess, Password};

    #[test]
    fn a_value_of_a_wrong_type_is_not_quoted() {
        for bad in [json!(49_123_456), json!({"$ne": "49123456"}), json!(["49123456"]), json!(null), json!(true)] {
            let refusals = [
                serde_json::from_value::<Email>(bad.clone()).err(),
                serde_json::from_value::<Phone>(bad.clone()).err(),
                serde_json::from_value::<Password>(bad.clone()).err(),
                serde_json::from_value::<Guess>(bad.clone()).err(),
            ];
            for refusal in refusals {
                assert_eq!(refusal.unwrap().to_string(), "must be a string", "{bad}");
            }
        }
    }
}
