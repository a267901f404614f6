//! Text from users: normalised, trimmed, of bounded length, and visible.

mod opaque;
mod rules;

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

pub use self::opaque::opaque_string;
pub use self::rules::normalize;

/// Text of `MIN` to `MAX` characters (Unicode scalar values) in Normalization Form C, so that equal
/// texts have equal bytes. Parsing
/// - composes (`e` and U+0301 become `é`) and trims white space (Unicode's `White_Space`),
/// - turns other spaces of a one-line text into U+0020, and line breaks of a multi-line text into
///   U+000A,
/// - removes invisible characters that have no effect where they are, such as U+200B or a joiner
///   between Latin letters. Emoji sequences, and joiners where a script needs them, stay.
///
/// It refuses text without a visible character (unless it is blank and `MIN` is 0), control
/// characters, line breaks in one line, bidirectional embeddings, overrides and isolates, U+FFFD,
/// private and unassigned characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MIN: usize, const MAX: usize, const MULTILINE: bool = false>(String);

/// [`Text`] that may have line breaks and tabs.
pub type MultilineText<const MIN: usize, const MAX: usize> = Text<MIN, MAX, true>;

impl<const MIN: usize, const MAX: usize, const MULTILINE: bool> TryFrom<String> for Text<MIN, MAX, MULTILINE> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = rules::parse(text, MULTILINE)?;
        // Runs for every document read. Characters are at most bytes, so few texts are counted.
        let is_short_enough = text.len() <= MAX || text.chars().count() <= MAX;
        let is_long_enough = text.len() >= MIN && (MIN <= 1 || text.chars().count() >= MIN);
        if is_short_enough && is_long_enough {
            Ok(Self(text))
        } else {
            Err(format!("must have {MIN} to {MAX} characters"))
        }
    }
}

impl<const MIN: usize, const MAX: usize, const MULTILINE: bool> From<Text<MIN, MAX, MULTILINE>> for String {
    fn from(text: Text<MIN, MAX, MULTILINE>) -> Self {
        text.0
    }
}

impl<const MIN: usize, const MAX: usize, const MULTILINE: bool> Deref for Text<MIN, MAX, MULTILINE> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize, const MULTILINE: bool> fmt::Display for Text<MIN, MAX, MULTILINE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MIN: usize, const MAX: usize, const MULTILINE: bool> fmt::Debug for Text<MIN, MAX, MULTILINE> {
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
        assert_eq!(read("u\u{308}ni\u{308}c\u{327}ø").as_deref(), Ok("ünïçø"), "counted after composition");
        for bad in ["", "   ", "too long", "ünïçøø", "a\0b"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn blank_text_is_empty_where_empty_text_is_valid() {
        let read = |text: &str| MultilineText::<0, 5>::try_from(text.to_owned());
        assert_eq!(read(" \r\n ").as_deref(), Ok(""));
        assert!(read("\u{200b}").is_err());
    }
}
