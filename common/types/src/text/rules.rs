//! The rules of [`Text`](super::Text).
//!
//! They are those of the `FreeformClass` of PRECIS (RFC 8264, section 4.3), which refuses control
//! characters, formatting, private and unassigned characters. It also refuses every invisible
//! character, and with them emoji sequences and the spelling of Persian or Sinhala words; here,
//! an invisible character stays where it has an effect and is removed elsewhere.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{
    BidiClass, BinaryProperty, CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, EmojiModifier,
    ExtendedPictographic, GeneralCategory, Ideographic, JoiningType, Script,
};
use icu_properties::{CodePointMapData, CodePointSetData};

const ZWNJ: char = '\u{200c}';
const ZWJ: char = '\u{200d}';
const BLACK_FLAG: char = '\u{1f3f4}';
const KEYCAP: char = '\u{20e3}';

/// Symbols without a shape: a Braille pattern without dots, the place of an embedded object, a
/// musical note without a head.
const BLANK_SYMBOLS: [char; 3] = ['\u{2800}', '\u{fffc}', '\u{1d159}'];

/// Returns the text in Normalization Form C.
#[must_use]
pub fn normalize(text: &str) -> std::borrow::Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

pub(super) fn parse(text: String, is_multiline: bool) -> Result<String, &'static str> {
    let trimmed = text.trim();
    // Fast path for printable ASCII, because every read of a document runs it.
    if trimmed.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return Ok(if trimmed.len() == text.len() { text } else { trimmed.to_owned() });
    }
    if trimmed.is_empty() {
        return Ok(String::new());
    }
    let mut text = normalize(trimmed).into_owned();
    // A removal makes new neighbours, which may compose, or leave others without an effect.
    loop {
        let kept = keep_effective(&text, is_multiline)?;
        let kept = normalize(kept.trim());
        if kept == text {
            break;
        }
        text = kept.into_owned();
    }
    if text.chars().any(is_visible) { Ok(text) } else { Err("must have a visible character") }
}

/// Removes invisible characters without effect and unifies white space.
fn keep_effective(text: &str, is_multiline: bool) -> Result<String, &'static str> {
    let is_right_to_left =
        text.chars().any(|c| matches!(property(c), BidiClass::RightToLeft | BidiClass::ArabicLetter));
    let mut context = Context::default();
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let c = match c {
            '\r' if next == Some('\n') => continue,
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' if is_multiline => '\n',
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => return Err("must not contain line breaks"),
            '\t' if is_multiline => '\t',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                return Err("must not contain characters that change the direction of text (U+202A to U+202E, \
                            U+2066 to U+2069)");
            }
            '\u{fffd}' => return Err("must not contain U+FFFD, which stands for bytes that are not UTF-8"),
            '\u{200e}' | '\u{200f}' | '\u{61c}' if is_right_to_left => c,
            _ => match property(c) {
                GeneralCategory::Control => return Err("must not contain control characters"),
                GeneralCategory::PrivateUse | GeneralCategory::Unassigned | GeneralCategory::Surrogate => {
                    return Err("must not contain private or unassigned characters");
                }
                GeneralCategory::SpaceSeparator if !is_multiline => ' ',
                _ if has::<DefaultIgnorableCodePoint>(c) && !context.gives_effect_to(c, next) => continue,
                _ => c,
            },
        };
        context.push(c);
        kept.push(c);
    }
    Ok(kept)
}

/// The characters before an invisible character.
#[derive(Default)]
struct Context {
    previous: char,
    /// The last character that is no mark on a letter.
    base: char,
}

impl Context {
    fn push(&mut self, c: char) {
        self.previous = c;
        if property::<JoiningType>(c) != JoiningType::Transparent {
            self.base = c;
        }
    }

    fn gives_effect_to(&self, c: char, next: Option<char>) -> bool {
        let previous = self.previous;
        let is_virama = |c: char| property::<CanonicalCombiningClass>(c) == CanonicalCombiningClass::Virama;
        // RFC 5892, appendices A.1 and A.2. Bengali writes a joiner before the virama as well.
        let joins = || {
            let joins = [JoiningType::DualJoining, JoiningType::LeftJoining, JoiningType::RightJoining];
            is_virama(previous) || next.is_some_and(is_virama) || joins.contains(&property(self.base))
        };
        match c {
            ZWNJ => joins() && next.is_some_and(|next| !next.is_whitespace()),
            // Unicode Technical Standard 51, ED-16: an emoji ZWJ sequence.
            ZWJ => {
                let ends_emoji = has::<ExtendedPictographic>(previous)
                    || has::<EmojiModifier>(previous)
                    || is_variation_selector(previous);
                joins() || (ends_emoji && next.is_some_and(has::<ExtendedPictographic>))
            }
            _ if is_variation_selector(c) => {
                let is_keycap = matches!(previous, '0'..='9' | '#' | '*') && next == Some(KEYCAP);
                let has_variants = (!previous.is_ascii() && has::<Emoji>(previous))
                    || has::<Ideographic>(previous)
                    || matches!(property(previous), Script::Mongolian | Script::PhagsPa | Script::Myanmar);
                is_keycap || has_variants
            }
            // A flag such as that of Scotland spells its region in tags.
            '\u{e0020}'..='\u{e007f}' => matches!(previous, BLACK_FLAG | '\u{e0020}'..='\u{e007e}'),
            _ => false,
        }
    }
}

fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}' | '\u{180f}')
}

fn is_visible(c: char) -> bool {
    use GeneralCategory::{
        Control, EnclosingMark, Format, LineSeparator, NonspacingMark, ParagraphSeparator, SpaceSeparator, SpacingMark,
    };
    let has_no_shape = matches!(
        property(c),
        Control
            | Format
            | LineSeparator
            | ParagraphSeparator
            | SpaceSeparator
            | NonspacingMark
            | SpacingMark
            | EnclosingMark
    );
    !has_no_shape && !has::<DefaultIgnorableCodePoint>(c) && !BLANK_SYMBOLS.contains(&c)
}

fn has<P: BinaryProperty>(c: char) -> bool {
    CodePointSetData::new::<P>().contains(c)
}

fn property<P: icu_properties::props::EnumeratedProperty>(c: char) -> P {
    CodePointMapData::<P>::new().get(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> Result<String, &'static str> {
        parse(text.to_owned(), false)
    }

    fn lines(text: &str) -> Result<String, &'static str> {
        parse(text.to_owned(), true)
    }

    #[test]
    fn text_without_a_visible_character_is_refused() {
        for invisible in [
            "\u{200b}",
            "\u{200b}\u{200b} \u{200b}",
            "\u{feff}",
            "\u{2060}",
            "\u{ad}",
            "\u{200c}",
            "\u{200d}",
            "\u{200e}",
            "\u{200f}",
            "\u{61c}",
            "\u{34f}",
            "\u{115f}\u{1160}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{17b4}",
            "\u{180e}",
            "\u{fe0f}",
            "\u{e0101}",
            "\u{e0041}\u{e007f}",
            "\u{2064}",
            "\u{206a}",
            "\u{2800}",
            "\u{2800} \u{2800}",
            "\u{fffc}",
            "\u{1d159}",
            "\u{301}",
            "\u{301}\u{302} \u{303}",
            "\u{93f}",
            "\u{20e3}",
            "\u{fff9}",
        ] {
            assert!(line(invisible).is_err() && lines(invisible).is_err(), "{invisible:?}");
        }
    }

    #[test]
    fn characters_that_do_not_belong_into_text_are_refused() {
        for bad in [
            "a\0b",
            "a\u{1b}b",
            "a\u{7f}",
            "a\u{9b}b",
            "a\u{b}b",
            "a\u{c}b",
            "a\u{202e}b",
            "a\u{202a}b",
            "a\u{2066}b",
            "a\u{2069}b",
            "a\u{e000}b",
            "a\u{10fffd}b",
            "a\u{fffe}b",
            "a\u{fdd0}b",
            "a\u{378}b",
            "caf\u{fffd}",
        ] {
            assert!(line(bad).is_err() && lines(bad).is_err(), "{bad:?}");
        }
        for in_lines_only in ["a\nb", "a\r\nb", "a\rb", "a\u{85}b", "a\u{2028}b", "a\u{2029}b", "é\nb"] {
            assert_eq!(line(in_lines_only), Err("must not contain line breaks"), "{in_lines_only:?}");
            assert!(lines(in_lines_only).is_ok_and(|text| text.ends_with("\nb")), "{in_lines_only:?}");
        }
        assert!(line("a\tb").is_err());
        assert_eq!(lines("a\tb\r\n\r\nc").as_deref(), Ok("a\tb\n\nc"));
    }

    #[test]
    fn equal_texts_have_equal_bytes() {
        for (text, parsed) in [
            ("  Tea\u{3000}\u{a0}", "Tea"),
            ("Cafe\u{301}", "Café"),
            ("Cafe\u{200b}\u{301}", "Café"),
            ("\u{212b}ngstro\u{308}m", "Ångström"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("Tea\u{a0}for\u{2009}two", "Tea for two"),
            ("\u{feff}Tea", "Tea"),
            ("T\u{200b}e\u{ad}a\u{2060}", "Tea"),
            ("Te\u{200d}a", "Tea"),
            ("Te\u{200c}a", "Tea"),
            ("Tea\u{fe0f}", "Tea"),
            ("Tea\u{200e}", "Tea"),
            ("Tea 1\u{fe0f}", "Tea 1"),
            ("Tea\u{e0020}\u{e0041}", "Tea"),
            ("한\u{3164}", "한"),
        ] {
            assert_eq!(line(text).as_deref(), Ok(parsed), "{text:?}");
        }
        assert_eq!(lines("5\u{202f}€\u{a0}!").as_deref(), Ok("5\u{202f}€\u{a0}!"), "spaces of a longer text stay");
    }

    #[test]
    fn invisible_characters_with_an_effect_stay() {
        for text in [
            "👩\u{200d}👩\u{200d}👧 tea",
            "👩🏽\u{200d}🚀",
            "🏳\u{fe0f}\u{200d}🌈",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "می\u{200c}خواهم",
            "ශ්\u{200d}රී ලංකා",
            "র\u{200d}\u{9cd}য",
            "葛\u{e0100}城",
            "שלום\u{200f} C++\u{200e}",
            "Phở Việt",
            "किताब",
            "กาแฟ",
            "½ m² №",
        ] {
            assert_eq!(line(text).as_deref(), Ok(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn parsed_text_is_parsed_to_itself(
            chars in proptest::collection::vec(
                prop_oneof![
                    proptest::sample::select(vec![
                        'a', 'e', ' ', '\u{301}', '\u{323}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{fe0f}', '\u{20e3}',
                        '1', '👩', '🏽', '\u{e0067}', BLACK_FLAG, 'م', '\u{64e}', '\u{9cd}', 'র', '\u{200e}', '\u{a0}',
                        '\u{34f}', '\u{1161}', '\u{1112}', '\u{3164}', '\r', '\n', '\t', '\u{2028}', '葛', '\u{e0100}',
                    ]),
                    any::<char>(),
                ],
                0..12,
            ),
            is_multiline in any::<bool>(),
        ) {
            let text: String = chars.into_iter().collect();
            if let Ok(once) = parse(text, is_multiline) {
                prop_assert_eq!(parse(once.clone(), is_multiline), Ok(once));
            }
        }
    }
}
