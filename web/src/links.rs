//! URLs of pages.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rocket::http::uri::Origin;

/// Everything but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest slug, in characters.
const MAX_SLUG: usize = 60;

/// Returns the text percent-encoded, as one segment of a path or as a value of a query.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Returns a name as a part of a URL: its words in lower case, joined by hyphens.
pub(crate) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter {
            'ä' => slug.push_str("ae"),
            'ö' => slug.push_str("oe"),
            'ü' => slug.push_str("ue"),
            'ß' => slug.push_str("ss"),
            'à' | 'á' | 'â' | 'ã' | 'å' => slug.push('a'),
            'è' | 'é' | 'ê' | 'ë' => slug.push('e'),
            'ì' | 'í' | 'î' | 'ï' => slug.push('i'),
            'ò' | 'ó' | 'ô' | 'õ' => slug.push('o'),
            'ù' | 'ú' | 'û' => slug.push('u'),
            'ç' => slug.push('c'),
            'ñ' => slug.push('n'),
            '\'' | '’' => {}
            letter if letter.is_alphanumeric() => slug.push(letter),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let short: String = slug.chars().take(MAX_SLUG).collect();
    let short = short.trim_end_matches('-');
    if short.is_empty() { "-".to_owned() } else { short.to_owned() }
}

/// Returns the URL if it is a path of this shop: a redirect there leaves the shop for no other
/// site.
pub(crate) fn local(address: &str) -> Option<&str> {
    // Browsers read a backslash as a slash.
    let is_local = !address.starts_with("//") && !address.contains('\\') && Origin::parse(address).is_ok();
    is_local.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_has_the_words_of_a_name() {
        for (name, expected) in [
            ("Bud Vase, Celadon", "bud-vase-celadon"),
            ("  Äpfel & Öl – süß!", "aepfel-oel-suess"),
            ("Crème brûlée", "creme-brulee"),
            ("Tee für 2", "tee-fuer-2"),
            ("Jug (0.5 l)", "jug-0-5-l"),
            ("茶", "茶"),
            ("!!!", "-"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
        assert!(slug(&"word ".repeat(50)).chars().count() <= MAX_SLUG);
    }

    #[test]
    fn only_paths_of_the_shop_are_local() {
        for (address, expected) in [
            ("/en/cart?x=1", true),
            ("/", true),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("https://evil.example", false),
            ("/a\nb", false),
            ("/a b", false),
            ("evil.example", false),
            ("/ä", false),
            ("", false),
        ] {
            assert_eq!(local(address).is_some(), expected, "{address}");
        }
    }

    #[test]
    fn text_is_encoded_as_one_segment() {
        assert_eq!(encode("tea & cups/öl"), "tea%20%26%20cups%2F%C3%B6l");
    }
}
