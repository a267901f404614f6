//! Telephone numbers in international form.

use std::fmt;
use std::str::FromStr;

use phonenumber::{Mode, ParseError};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::redacted;

/// A number that is valid in its country's plan, in the form of E.164: `+` and at most 15 digits.
/// The plans are those of Google's libphonenumber.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Phone(String);

impl Phone {
    /// Returns the number in the form of E.164.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Phone {
    /// Hides the number, so that no log line can show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(..)")
    }
}

impl FromStr for Phone {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const INTERNATIONAL: &str = "must be + and the digits of an international number, such as +49 30 123456";
        const NOT_VALID: &str = "is not a valid number in its country";
        let text = text.trim();
        if text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err("must not contain control characters or line breaks");
        }
        // Address books put marks of direction around a number.
        let is_mark =
            |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let number: String = text.chars().filter(|c| !is_mark(*c)).map(ascii_separator).collect();
        let number = number.trim();
        // The parser also takes letters on a keypad, extensions and text around the number.
        let is_part = |byte: u8| byte.is_ascii_digit() || b" -.()[]/".contains(&byte);
        if !number.strip_prefix('+').is_some_and(|rest| rest.bytes().all(is_part)) {
            return Err(INTERNATIONAL);
        }
        match phonenumber::parse(None, number) {
            Ok(number) if number.is_valid() => Ok(Self(number.format().mode(Mode::E164).to_string())),
            Ok(_) => Err(NOT_VALID),
            Err(ParseError::InvalidCountryCode) => Err("begins with a country code that is not in use"),
            Err(_) if number.contains(|c: char| c.is_ascii_digit()) => Err(NOT_VALID),
            Err(_) => Err(INTERNATIONAL),
        }
    }
}

fn ascii_separator(c: char) -> char {
    match c {
        c if c.is_whitespace() => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        c => c,
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
    fn numbers_are_stored_as_e164() {
        for (input, stored) in [
            ("+4930123456", "+4930123456"),
            // The digit in brackets is dialled inside the country only.
            ("+49 (0) 30 123456", "+4930123456"),
            (" +49 (0)30/12 34-56 ", "+4930123456"),
            ("+44 (0)20 7946 0958", "+442079460958"),
            ("+44 (20) 7946-09.58", "+442079460958"),
            // Italy dials the 0 from abroad as well.
            ("+39 06 1234 5678", "+390612345678"),
            ("+1 (212) 555-2368", "+12125552368"),
            ("+20 2 2790 0000", "+20227900000"),
            ("+351\u{a0}912\u{2011}345\u{2011}678", "+351912345678"),
            ("\u{202a}+351 912 345 678\u{202c}", "+351912345678"),
            ("+800 1234 5678", "+80012345678"),
        ] {
            assert_eq!(input.parse::<Phone>().map(|phone| phone.0), Ok(stored.to_owned()), "{input}");
        }
    }

    #[test]
    fn the_message_says_what_is_wrong() {
        for (bad, message) in [
            ("+49\n30123456", "must not contain control characters or line breaks"),
            ("+49\t30123456", "must not contain control characters or line breaks"),
            ("+49\u{2028}30123456", "must not contain control characters or line breaks"),
            ("+999 123456", "begins with a country code that is not in use"),
            ("+1 000 000 0000", "is not a valid number in its country"),
            ("+49 30 12345678901234", "is not a valid number in its country"),
            ("+", "must be + and the digits of an international number, such as +49 30 123456"),
            ("030 123456", "must be + and the digits of an international number, such as +49 30 123456"),
        ] {
            assert_eq!(bad.parse::<Phone>().err(), Some(message), "{bad:?}");
        }
    }

    #[test]
    fn other_text_and_invalid_numbers_are_refused() {
        for bad in [
            "",
            "+",
            "491234567",
            "030 123456",
            "0049 30 123456",
            "+49",
            "+4912",
            "+49 30 12345678901234",
            "+1 212 555",
            "+123456",
            "+123456789012345",
            "+441234",
            "+999 123456",
            "+0 30 123456",
            "++4930123456",
            "+49 30 123456 ext. 5",
            "+49 30 123456;ext=5",
            "+1 800 FLOWERS",
            "tel:+4930123456",
            "+٤٩٣٠١٢٣٤٥٦",
            "+４９３０１２３４５６",
            "+49 30\u{0}123456",
        ] {
            assert!(bad.parse::<Phone>().is_err(), "{bad}");
        }
    }
}
