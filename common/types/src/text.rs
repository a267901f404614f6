//! Text from users: trimmed, of bounded length, without control characters.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// Text of `MIN` to `MAX` characters (Unicode scalar values) after trimming. Line breaks are
/// allowed, other control characters are not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MIN: usize, const MAX: usize>(String);

impl<const MIN: usize, const MAX: usize> TryFrom<String> for Text<MIN, MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let trimmed = text.trim();
        // Runs for every document read. Characters are at most bytes, so few texts are counted.
        let is_short_enough = trimmed.len() <= MAX || trimmed.chars().count() <= MAX;
        let is_long_enough = trimmed.len() >= MIN && (MIN <= 1 || trimmed.chars().count() >= MIN);
        if !is_short_enough || !is_long_enough {
            return Err(format!("must have {MIN} to {MAX} characters"));
        }
        let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if trimmed.bytes().any(|byte| !(b' '..0x7f).contains(&byte)) && trimmed.chars().any(is_control) {
            return Err("must not contain control characters".to_owned());
        }
        Ok(Self(if trimmed.len() == text.len() { text } else { trimmed.to_owned() }))
    }
}

impl<const MIN: usize, const MAX: usize> From<Text<MIN, MAX>> for String {
    fn from(text: Text<MIN, MAX>) -> Self {
        text.0
    }
}

impl<const MIN: usize, const MAX: usize> Deref for Text<MIN, MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Display for Text<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Debug for Text<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_trimmed_and_bounded() {
        let read = |text: &str| Text::<1, 5>::try_from(text.to_owned());
        assert_eq!(read("  tea ").as_deref(), Ok("tea"));
        assert_eq!(read("ünïçø").as_deref(), Ok("ünïçø"));
        for bad in ["", "   ", "too long", "a\0b", "a\u{1b}b", "a\u{7f}", "a\u{85}b", "ünïçøø"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
