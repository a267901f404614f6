//! Telephone numbers in international form.

use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::redacted;

/// `+` and 6 to 15 digits, without separators. E.164 allows at most 15 digits.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Phone(String);

#[cfg(test)]
impl Phone {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Phone {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_separator = |c: char| c.is_whitespace() || matches!(c, '.' | '-' | '(' | ')' | '[' | ']');
        let number: String = text.chars().filter(|c| !is_separator(*c)).collect();
        match number.strip_prefix('+') {
            Some(digits) if (6..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self(number))
            }
            _ => Err("must be + and 6 to 15 digits"),
        }
    }
}

impl<'de> Deserialize<'de> for Phone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        redacted::string(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_removed() {
        for (input, normalised) in [
            ("+491234567", "+491234567"),
            (" +49 (0) 123-45.67 ", "+4901234567"),
            ("+[1] 212 555", "+1212555"),
            ("+123456", "+123456"),
            ("+123456789012345", "+123456789012345"),
        ] {
            assert_eq!(input.parse::<Phone>().map(|phone| phone.0), Ok(normalised.to_owned()), "{input}");
        }
        for bad in
            ["", "+", "491234567", "0049123456", "+12345", "+1234567890123456", "+12345a7", "++123456", "+١٢٣٤٥٦"]
        {
            assert!(bad.parse::<Phone>().is_err(), "{bad}");
        }
    }
}
