//! Passwords as text.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

use super::normalize;

/// Returns a password in the form in which passwords are compared: the profile `OpaqueString` of
/// RFC 8265, section 4.2.2, with every space as U+0020 and in Normalization Form C. The same
/// password typed on two keyboards, composed on one and decomposed on the other, is then equal.
/// Unlike the profile, this keeps invisible characters, which emoji contain.
///
/// Errors: the text is empty, or has control, private or unassigned characters.
pub fn opaque_string(text: &str) -> Result<String, &'static str> {
    let category = |c| CodePointMapData::<GeneralCategory>::new().get(c);
    let mut spaced = String::with_capacity(text.len());
    for c in text.chars() {
        spaced.push(match category(c) {
            GeneralCategory::Control => return Err("must not contain control characters"),
            GeneralCategory::PrivateUse | GeneralCategory::Unassigned => {
                return Err("must not contain private or unassigned characters");
            }
            GeneralCategory::SpaceSeparator => ' ',
            _ => c,
        });
    }
    if spaced.is_empty() { Err("must not be empty") } else { Ok(normalize(&spaced).into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_composed_and_otherwise_unchanged() {
        // The examples of RFC 8265, section 4.3, and the two spellings of a letter.
        for (text, opaque) in [
            ("correct horse battery staple", "correct horse battery staple"),
            ("Correct Horse Battery Staple", "Correct Horse Battery Staple"),
            ("πßå", "πßå"),
            ("Jack of ♦s", "Jack of ♦s"),
            ("foo\u{1680}bar", "foo bar"),
            (" cafe\u{301}\u{a0}", " café "),
            ("👩\u{200d}👩\u{200d}👧", "👩\u{200d}👩\u{200d}👧"),
        ] {
            assert_eq!(opaque_string(text).as_deref(), Ok(opaque), "{text:?}");
        }
        for bad in ["", "my cat is a \tby", "a\0b", "a\u{e000}b", "a\u{378}b"] {
            assert!(opaque_string(bad).is_err(), "{bad:?}");
        }
    }
}
