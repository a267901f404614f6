//! Numbers from clients, judged by their value and not by their spelling: `2`, `2.0` and `20e-1`
//! are one number. Nothing is rounded.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// A whole number from `-MAX` to `MAX`. It is read from every JSON number with such a value. Whole
/// numbers of JSON beyond `MAX` are all read as `MAX + 1`, and those below `-MAX` as its opposite:
/// each field refuses them with a message about its own range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Integer(i64);

/// Why a text or a JSON number is not a number of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// The text is not a number in JSON's grammar (RFC 8259, section 6).
    NotANumber,
    /// The number has more decimals than the wanted unit.
    NotExact,
    /// The number is beyond [`Integer::MAX`].
    TooLarge,
}

impl Integer {
    /// The largest number, 2^53 - 1. Up to this number, a double and every JSON client keep whole
    /// numbers exactly (RFC 7493, section 2.2).
    pub const MAX: i64 = (1 << 53) - 1;

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Reads `text` times 10 to the power of `decimals`: `from_decimal("3.26", 2)` is 326. The text
    /// has JSON's grammar, and may begin with zeros.
    pub fn from_decimal(text: &str, decimals: u32) -> Result<Self, NumberError> {
        let Decimal { is_negative, digits, exponent } = Decimal::parse(text).ok_or(NumberError::NotANumber)?;
        if digits.is_empty() {
            return Ok(Self(0));
        }
        let exponent = exponent.saturating_add(decimals.into());
        let zeros = usize::try_from(exponent).map_err(|_| NumberError::NotExact)?;
        if zeros > 20 {
            return Err(NumberError::TooLarge);
        }
        let number = format!("{digits}{:0<zeros$}", "").parse::<i64>().map_err(|_| NumberError::TooLarge)?;
        Self::try_from(if is_negative { -number } else { number })
    }
}

/// A decimal number: `digits` times 10 to the power of `exponent`. Equal numbers are equal values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    is_negative: bool,
    /// Without zeros at either end; zero has no digits.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a number in JSON's grammar (RFC 8259, section 6), which may begin with zeros. An
    /// exponent beyond 62 bits is taken for the nearest one within.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (is_negative, unsigned) = text.strip_prefix('-').map_or((false, text), |unsigned| (true, unsigned));
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Self::parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        if !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let digits = [whole, fraction].concat();
        let significant = digits.trim_end_matches('0');
        let length = |text: &str| i64::try_from(text.len()).ok();
        let exponent = exponent + length(&digits)? - length(significant)? - length(fraction)?;
        Some(match significant.trim_start_matches('0') {
            "" => Self { is_negative: false, digits: String::new(), exponent: 0 },
            digits => Self { is_negative, digits: digits.to_owned(), exponent },
        })
    }

    fn parse_exponent(text: &str) -> Option<i64> {
        const LIMIT: i64 = 1 << 62;
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let size = unsigned.parse().unwrap_or(LIMIT).min(LIMIT);
        is_digits(unsigned).then_some(if text.starts_with('-') { -size } else { size })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a JSON number keeps its value when it is read as 64 bits: as an integer, or as a double.
/// Others are no I-JSON (RFC 7493, section 2.2).
pub(crate) fn is_exact(number: &str) -> bool {
    number.parse::<i64>().is_ok()
        || number.parse::<u64>().is_ok()
        || number.parse::<f64>().is_ok_and(|read| Decimal::parse(&format!("{read:e}")) == Decimal::parse(number))
}

impl TryFrom<i64> for Integer {
    type Error = NumberError;

    fn try_from(number: i64) -> Result<Self, NumberError> {
        if (-Self::MAX..=Self::MAX).contains(&number) { Ok(Self(number)) } else { Err(NumberError::TooLarge) }
    }
}

impl TryFrom<f64> for Integer {
    type Error = NumberError;

    fn try_from(number: f64) -> Result<Self, NumberError> {
        #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact as a double")]
        const MAX: f64 = Integer::MAX as f64;
        if number.fract() != 0.0 {
            return Err(NumberError::NotExact);
        }
        if !(-MAX..=MAX).contains(&number) {
            return Err(NumberError::TooLarge);
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        Ok(Self(number as i64))
    }
}

impl TryFrom<Integer> for u64 {
    type Error = &'static str;

    fn try_from(Integer(number): Integer) -> Result<Self, Self::Error> {
        Self::try_from(number).map_err(|_| "must not be negative")
    }
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "must be a number",
            Self::NotExact => "must be a whole number",
            Self::TooLarge => "must be between -9,007,199,254,740,991 and 9,007,199,254,740,991",
        })
    }
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntegerVisitor)
    }
}

/// Stands for all larger numbers of JSON.
const BEYOND: i64 = Integer::MAX + 1;

struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = Integer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Integer, E> {
        Ok(Integer(number.clamp(-BEYOND, BEYOND)))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Integer, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Integer, E> {
        match Integer::try_from(number) {
            Err(NumberError::TooLarge) => Ok(Integer(if number < 0.0 { -BEYOND } else { BEYOND })),
            read => read.map_err(E::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NumberError::{NotANumber, NotExact, TooLarge};
    use super::*;

    #[test]
    fn a_text_is_read_exactly() {
        for (text, decimals, expected) in [
            ("326", 0, Ok(326)),
            ("326", 2, Ok(32_600)),
            ("3.26", 2, Ok(326)),
            ("3.2", 2, Ok(320)),
            ("34.0000", 2, Ok(3400)),
            ("34.001", 2, Err(NotExact)),
            ("34.001", 3, Ok(34_001)),
            ("9.5", 0, Err(NotExact)),
            ("007", 0, Ok(7)),
            ("0.50", 2, Ok(50)),
            ("-0", 0, Ok(0)),
            ("-0.00", 2, Ok(0)),
            ("-5.0", 0, Ok(-5)),
            ("1e2", 0, Ok(100)),
            ("1E+02", 0, Ok(100)),
            ("0.1e1", 0, Ok(1)),
            ("100000e-3", 0, Ok(100)),
            ("1e-2", 2, Ok(1)),
            ("1e-3", 2, Err(NotExact)),
            ("2.5", 0, Err(NotExact)),
            ("2.00000000000000000001", 0, Err(NotExact)),
            ("2.00000000000000000000", 0, Ok(2)),
            ("9007199254740991", 0, Ok(Integer::MAX)),
            ("9007199254740992", 0, Err(TooLarge)),
            ("-9007199254740992", 0, Err(TooLarge)),
            ("9007199254740991.0", 0, Ok(Integer::MAX)),
            ("1e400", 0, Err(TooLarge)),
            ("1e99999999999999999999", 0, Err(TooLarge)),
            ("1e-99999999999999999999", 0, Err(NotExact)),
            ("0e99999999999999999999", 0, Ok(0)),
            ("99999999999999999999999", 0, Err(TooLarge)),
            ("99999999999999999999999e-30", 0, Err(NotExact)),
        ] {
            assert_eq!(Integer::from_decimal(text, decimals).map(Integer::get), expected, "{text} by {decimals}");
        }
        for text in [
            "", " ", "-", "+5", "5.", ".5", ".", "e2", "1e", "1e+", "1e2.0", "1e2e2", "1,5", "1.234,56", "1,234.56",
            "1 000", "1_000", "NaN", "inf", "0x10", "٣", "1.2.3", "--1", "1-", "5 ", "1e--2",
        ] {
            assert_eq!(Integer::from_decimal(text, 2), Err(NotANumber), "{text:?}");
        }
    }

    #[test]
    fn a_number_is_exact_when_a_double_or_an_integer_keeps_it() {
        for exact in [
            "0",
            "-0",
            "-0.0",
            "0e9",
            "2.50",
            "0.1",
            "34.0000",
            "1e2",
            "1E+2",
            "1e300",
            "5e-324",
            "0.30000000000000004",
            "9007199254740991.0",
            "9007199254740993",
            "18446744073709551615",
            "-9223372036854775808",
            "1e22",
            "100000000000000000000",
        ] {
            assert!(is_exact(exact), "{exact}");
        }
        for inexact in [
            "2.00000000000000000001",
            "9007199254740990.7",
            "9007199254740993.0",
            "99999999999999999999",
            "1e-400",
            "0.1000000000000000055511151231257827",
            "1e400",
        ] {
            assert!(!is_exact(inexact), "{inexact}");
        }
    }

    #[test]
    fn a_json_number_is_read_by_its_value() {
        for (text, expected) in [
            ("2", Some(2)),
            ("2.0", Some(2)),
            ("499.0", Some(499)),
            ("1e2", Some(100)),
            ("0.1e1", Some(1)),
            ("20e-1", Some(2)),
            ("-0", Some(0)),
            ("-0.0", Some(0)),
            ("-7", Some(-7)),
            ("9007199254740991", Some(Integer::MAX)),
            ("9007199254740991.0", Some(Integer::MAX)),
            ("9007199254740992", Some(BEYOND)),
            ("9007199254740994.0", Some(BEYOND)),
            ("-9007199254740993", Some(-BEYOND)),
            ("18446744073709551615", Some(BEYOND)),
            ("1e300", Some(BEYOND)),
            ("-1e300", Some(-BEYOND)),
            ("2.5", None),
            ("1e-1", None),
            ("\"2\"", None),
            ("true", None),
            ("null", None),
            ("[2]", None),
            ("{}", None),
        ] {
            let read: Option<Integer> = serde_json::from_str(text).ok();
            assert_eq!(read.map(Integer::get), expected, "{text}");
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            let read: Option<Integer> = serde_json::from_value(value).ok();
            assert_eq!(read.map(Integer::get), expected, "{text} from a value");
        }
    }
}
