//! The order of names.

use std::fmt::Write as _;
use std::sync::LazyLock;

use icu_collator::options::CollatorOptions;
use icu_collator::{Collator, CollatorBorrowed, CollatorPreferences};

/// `None` only if the compiled data had no root collation.
static COLLATOR: LazyLock<Option<CollatorBorrowed<'static>>> =
    LazyLock::new(|| Collator::try_new(CollatorPreferences::default(), CollatorOptions::default()).ok());

/// Returns the sort key of a text by the root collation of CLDR (Unicode Technical Standard 10):
/// `Äpfel` comes before `Zoo`, and case decides only between equal letters. The order of two keys,
/// byte by byte, is the order of the texts. Keys are hexadecimal text, which every database sorts
/// by bytes. They depend on the version of CLDR: a stored key may differ from a new one in the
/// place of rare characters.
#[must_use]
pub fn sort_key(text: &str) -> String {
    let mut key = Vec::with_capacity(text.len() + 8);
    match &*COLLATOR {
        Some(collator) => {
            let Ok(()) = collator.write_sort_key_to(text, &mut key);
        }
        None => key.extend_from_slice(text.as_bytes()),
    }
    key.iter().fold(String::with_capacity(2 * key.len()), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_a_dictionary() {
        let sorted = [
            "!",
            "1",
            "10",
            "2",
            "Äpfel",
            "Apfelsaft",
            "cafe",
            "Cafe",
            "café",
            "Café",
            "café crème",
            "Łódź",
            "Mug",
            "Øl",
            "straße",
            "strasser",
            "tea",
            "Tea",
            "Tea Egg",
            "teapot",
            "Zoo",
            "Καφές",
            "Чай",
            "שלום",
            "شاي",
            "チャ",
            "日本茶",
        ];
        let keys: Vec<String> = sorted.iter().map(|name| sort_key(name)).collect();
        for (names, keys) in sorted.windows(2).zip(keys.windows(2)) {
            assert!(keys[0] < keys[1], "{names:?}");
        }
    }
}
