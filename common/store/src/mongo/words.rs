//! The words of a text for full-text search: lower case, without accents.

use std::collections::BTreeSet;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

pub(super) fn of_document(document: &Value, searched: &[&str]) -> BTreeSet<String> {
    let field = |path: &&str| document.pointer(&format!("/{}", path.replace('.', "/")));
    searched.iter().filter_map(field).filter_map(Value::as_str).flat_map(of_text).collect()
}

/// Returns the words of a text in order. Accents are removed, composed or combining.
pub(super) fn of_text(text: &str) -> Vec<String> {
    let folded: String = text.nfd().filter(|c| !is_accent(*c)).flat_map(char::to_lowercase).nfc().collect();
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Accents of Latin, Greek and Cyrillic letters. In other scripts, a mark makes another word.
fn is_accent(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded() {
        for (text, words) in [
            ("Crème brûlée, 100 g", vec!["creme", "brulee", "100", "g"]),
            ("Pa\u{302}te\u{301}", vec!["pate"]),
            ("ΆΛΦΑ и Ёлка", vec!["αλφα", "и", "елка"]),
            ("a\0b_c", vec!["a", "b", "c"]),
            ("\u{301}", vec![]),
            ("한국어", vec!["한국어"]),
        ] {
            assert_eq!(of_text(text), words, "{text}");
        }
    }
}
