//! The words of full-text search, the same in both engines: an index has the words of a document,
//! a query asks for words, and no engine splits or folds text by itself.
//!
//! Folding ignores case and accents: `καφες` finds `Καφές`, `lodz` finds `Łódź`, `strasse` finds
//! `Straße`. Scripts without spaces between words, such as Chinese or Thai, have no words to find.
//! There, an index has every character and every pair of neighbours, and a query asks for its
//! pairs: `日本` finds `日本茶` but not `本日`.

use std::collections::BTreeSet;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, Script};
use icu_properties::script::ScriptWithExtensions;
use icu_properties::{CodePointMapData, CodePointSetData};
use serde_json::Value;

/// Version of the rules below. The engines rebuild their indexes when it changes.
const VERSION: u32 = 1;

/// Returns the name of a searched field in the state of an index.
pub(super) fn versioned(field: &str) -> String {
    format!("{field} v{VERSION}")
}

/// Returns the words for the index of the searched fields of a document.
pub(super) fn of_document(document: &Value, searched: &[&str]) -> BTreeSet<String> {
    let field = |path: &&str| document.pointer(&format!("/{}", path.replace('.', "/")));
    searched.iter().filter_map(field).filter_map(Value::as_str).flat_map(of_text).collect()
}

/// Returns the words of a text for an index.
#[must_use]
pub fn of_text(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for run in runs(&folded(text)) {
        match run {
            Run::Word(word) => words.push(word),
            Run::Characters(characters) => {
                words.extend(pairs(&characters));
                words.extend(characters);
            }
        }
    }
    words
}

/// Returns the words that a document must have to match a query, in order.
#[must_use]
pub fn of_query(text: &str) -> Vec<String> {
    let words = |run| match run {
        Run::Word(word) => vec![word],
        Run::Characters(characters) if characters.len() == 1 => characters,
        Run::Characters(characters) => pairs(&characters),
    };
    runs(&folded(text)).into_iter().flat_map(words).collect()
}

enum Run {
    Word(String),
    /// Characters of a script without spaces, each with its marks.
    Characters(Vec<String>),
}

fn pairs(characters: &[String]) -> Vec<String> {
    characters.windows(2).map(<[String]>::concat).collect()
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut is_inside = false;
    for c in text.chars() {
        let is_mark = GeneralCategoryGroup::Mark.contains(category(c));
        if !(if is_mark { is_inside } else { c.is_alphanumeric() }) {
            is_inside = false;
            continue;
        }
        let last = runs.last_mut().filter(|_| is_inside);
        is_inside = true;
        match last {
            Some(Run::Word(word)) if is_mark || !is_unspaced(c) => word.push(c),
            Some(Run::Characters(characters)) if is_mark || is_unspaced(c) => match characters.last_mut() {
                Some(character) if is_mark => character.push(c),
                _ => characters.push(c.to_string()),
            },
            _ if is_unspaced(c) => runs.push(Run::Characters(vec![c.to_string()])),
            _ => runs.push(Run::Word(c.to_string())),
        }
    }
    runs
}

/// Whether the script of a letter has no spaces between words. Korean has spaces, but joins
/// particles and nouns to one word.
fn is_unspaced(c: char) -> bool {
    const SCRIPTS: [Script; 10] = [
        Script::Han,
        Script::Hiragana,
        Script::Katakana,
        Script::Bopomofo,
        Script::Hangul,
        Script::Thai,
        Script::Lao,
        Script::Khmer,
        Script::Myanmar,
        Script::Tibetan,
    ];
    // The long vowel of Japanese belongs to two scripts by extension.
    !c.is_ascii() && SCRIPTS.iter().any(|script| ScriptWithExtensions::new().has_script(c, *script))
}

fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let nfkd = DecomposingNormalizerBorrowed::new_nfkd();
    // The letters of a trade mark sign are no part of the word before it.
    let text = text.replace(['\u{2122}', '\u{2120}', '\u{200c}'], " ");
    let text = CaseMapper::new().fold_string(&nfkd.normalize(&text)).into_owned();
    let mut folded = String::with_capacity(text.len());
    for c in nfkd.normalize(&text).chars().filter(|c| !is_ignored(*c)) {
        match LETTERS.iter().find(|(letter, _)| *letter == c) {
            _ if c.is_ascii() => folded.push(c),
            Some((_, letters)) => folded.push_str(letters),
            None => folded.push(ascii_digit(c).unwrap_or(c)),
        }
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(&folded).into_owned()
}

/// Whether a search ignores the character: accents of alphabets, vowel points of Arabic and Hebrew,
/// and invisible characters. Marks of other scripts make another word, such as the voicing marks of
/// Japanese (U+3099, U+309A).
fn is_ignored(c: char) -> bool {
    const TATWEEL: char = '\u{640}';
    let is_accent = || {
        let script = CodePointMapData::<Script>::new().get(c);
        let is_alphabetic = [
            Script::Inherited,
            Script::Latin,
            Script::Greek,
            Script::Cyrillic,
            Script::Arabic,
            Script::Hebrew,
            Script::Syriac,
        ]
        .contains(&script);
        let is_mark = matches!(category(c), GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark);
        is_mark && is_alphabetic && !matches!(c, '\u{3099}' | '\u{309a}')
    };
    !c.is_ascii() && (c == TATWEEL || is_accent() || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c))
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

/// Unicode encodes the decimal digits of a script in order, from 0 to 9.
fn ascii_digit(c: char) -> Option<char> {
    let is_digit = |c| category(c) == GeneralCategory::DecimalNumber;
    if !is_digit(c) {
        return None;
    }
    let value = (1..10).take_while(|back| char::from_u32(u32::from(c) - back).is_some_and(is_digit)).count();
    char::from_digit(u32::try_from(value).ok()?, 10)
}

/// Letters that Unicode does not decompose, as Lucene's `ASCIIFoldingFilter` writes them.
const LETTERS: [(char, &str); 45] = [
    ('æ', "ae"),
    ('ð', "d"),
    ('ø', "o"),
    ('þ', "th"),
    ('đ', "d"),
    ('ħ', "h"),
    ('ı', "i"),
    ('ĸ', "q"),
    ('ł', "l"),
    ('ŋ', "n"),
    ('œ', "oe"),
    ('ŧ', "t"),
    ('ƀ', "b"),
    ('ƃ', "b"),
    ('ƈ', "c"),
    ('ƌ', "d"),
    ('ƒ', "f"),
    ('ƙ', "k"),
    ('ƚ', "l"),
    ('ƞ', "n"),
    ('ƥ', "p"),
    ('ƭ', "t"),
    ('ƴ', "y"),
    ('ƶ', "z"),
    ('ǝ', "a"),
    ('ǥ', "g"),
    ('ȝ', "z"),
    ('ȥ', "z"),
    ('ȼ', "c"),
    ('ɇ', "e"),
    ('ɉ', "j"),
    ('ɍ', "r"),
    ('ɏ', "y"),
    ('ɓ', "b"),
    ('ɔ', "o"),
    ('ɖ', "d"),
    ('ɗ', "d"),
    ('ə', "a"),
    ('ɛ', "e"),
    ('ɠ', "g"),
    ('ɨ', "i"),
    ('ɲ', "n"),
    ('ɵ', "o"),
    ('ʉ', "u"),
    ('ʋ', "v"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_folded() {
        for (text, words) in [
            ("Crème brûlée, 100 g", vec!["creme", "brulee", "100", "g"]),
            ("Pa\u{302}te\u{301}", vec!["pate"]),
            ("ΆΛΦΑ Καφές ΚΑΦΈΣ", vec!["αλφα", "καφεσ", "καφεσ"]),
            ("Ёлка и чай", vec!["елка", "и", "чаи"]),
            ("Łódź ŁÓDŹ", vec!["lodz", "lodz"]),
            ("Straße STRASSE ẞ", vec!["strasse", "strasse", "ss"]),
            ("Smørrebrød Æble Œuvre Þór", vec!["smorrebrod", "aeble", "oeuvre", "thor"]),
            ("Isparta İSPARTA ısparta", vec!["isparta", "isparta", "isparta"]),
            ("Đắk Lắk", vec!["dak", "lak"]),
            ("ﬁlter ｆｉｌｔｅｒ m²", vec!["filter", "filter", "m2"]),
            ("Brand™ Mark®", vec!["brand", "mark"]),
            ("شَايٌ شـاي", vec!["شاي", "شاي"]),
            ("אַ שָׁלוֹם", vec!["א", "שלום"]),
            ("١٢٣ ۴۵۶ ९", vec!["123", "456", "9"]),
            ("हिन्दी किताब", vec!["हिन्दी", "किताब"]),
            ("می\u{200c}خواهم", vec!["می", "خواهم"]),
            ("a\0b_c", vec!["a", "b", "c"]),
            ("\u{301} !!! ☕ ...", vec![]),
            ("\u{93f}", vec![]),
        ] {
            assert_eq!(of_text(text), words, "{text}");
            assert_eq!(of_query(text), words, "{text}");
        }
    }

    #[test]
    fn scripts_without_spaces_are_indexed_by_characters_and_pairs() {
        assert_eq!(of_text("日本茶 tea"), ["日本", "本茶", "日", "本", "茶", "tea"]);
        for (query, words) in [
            ("茶", vec!["茶"]),
            ("日本茶", vec!["日本", "本茶"]),
            ("ｶﾞﾗｽ", vec!["ガラ", "ラス"]),
            ("コーヒー", vec!["コー", "ーヒ", "ヒー"]),
            ("20番茶", vec!["20", "番茶"]),
            ("커피잔", vec!["커피", "피잔"]),
            ("กาแฟ", vec!["กา", "าแ", "แฟ"]),
        ] {
            assert_eq!(of_query(query), words, "{query}");
        }
    }

    #[test]
    fn every_letter_is_folded_once() {
        assert!(LETTERS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(LETTERS.iter().all(|(_, letters)| folded(letters) == *letters));
    }
}
