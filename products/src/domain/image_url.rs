//! URLs of images.

use serde::{Deserialize, Serialize};
use url::{Position, Url};

/// The URL of an image: a path of this shop, or an absolute `http(s)` URL without credentials.
/// Stored as a browser reads it (WHATWG URL), with other characters than ASCII percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageUrl(String);

/// Bytes of a stored URL.
const MAX_LENGTH: usize = 500;
/// A path of the shop stays at this origin; another one leads elsewhere.
const SHOP: &str = "https://shop.invalid";

impl TryFrom<String> for ImageUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const NEITHER: &str = "must be a path that begins with / or an http(s) URL";
        let text = text.trim();
        // Browsers read \ as /, and drop tabs and line breaks.
        let is_unsafe = |c: char| c.is_control() || c.is_whitespace() || r#"\"<>^`{|}"#.contains(c);
        if text.contains(is_unsafe) {
            return Err(
                "must not contain spaces, control characters or any of \\ \" < > ^ ` { | }, unless percent-encoded",
            );
        }
        let is_path = text.starts_with('/');
        let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        if !is_path && !lower.starts_with("http://") && !lower.starts_with("https://") {
            return Err(NEITHER);
        }
        let shop = Url::parse(SHOP).map_err(|_| NEITHER)?;
        let url = shop.join(text).map_err(|_| NEITHER)?;
        if is_path && (text.starts_with("//") || url.origin() != shop.origin()) {
            return Err(NEITHER);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not contain a user name or a password");
        }
        if has_dot_segment(text) || has_encoded_separator(url.path()) {
            return Err("must not contain the segments . and .., or an encoded slash, backslash or control character");
        }
        let stored = if is_path { &url[Position::BeforePath..] } else { url.as_str() };
        if stored.len() > MAX_LENGTH {
            return Err("must have at most 500 characters, counted when it is percent-encoded");
        }
        Ok(Self(stored.to_owned()))
    }
}

/// Whether the URL has a segment that browsers remove, so that it points elsewhere than it seems.
fn has_dot_segment(text: &str) -> bool {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    text[..end]
        .split('/')
        .any(|segment| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

/// Whether a server that decodes the path would find a separator or a control character in it.
fn has_encoded_separator(path: &str) -> bool {
    let encoded = path.split('%').skip(1).filter_map(|rest| u8::from_str_radix(rest.get(..2)?, 16).ok());
    encoded.into_iter().any(|byte| byte.is_ascii_control() || byte == b'/' || byte == b'\\')
}

impl From<ImageUrl> for String {
    fn from(image: ImageUrl) -> Self {
        image.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn image_urls_are_paths_of_the_shop_or_http_urls() {
        for (image, stored) in [
            ("/products/images/tea.svg", "/products/images/tea.svg"),
            (" /a/b.svg?width=100#top ", "/a/b.svg?width=100#top"),
            ("/a%20b.svg", "/a%20b.svg"),
            ("/чай.svg", "/%D1%87%D0%B0%D0%B9.svg"),
            ("/a//b.svg", "/a//b.svg"),
            ("/.well-known/tea..svg", "/.well-known/tea..svg"),
            ("https://example.com/tea.svg", "https://example.com/tea.svg"),
            ("HTTPS://Example.COM:443/tea.svg", "https://example.com/tea.svg"),
            ("http://bücher.example:8080/tea.svg?v=1", "http://xn--bcher-kva.example:8080/tea.svg?v=1"),
            ("https://example.com", "https://example.com/"),
        ] {
            let read = serde_json::from_value::<ImageUrl>(json!(image)).map(String::from);
            assert_eq!(read.ok().as_deref(), Some(stored), "{image}");
            assert!(serde_json::from_value::<ImageUrl>(json!(stored)).is_ok(), "what is stored can be read: {stored}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        let (long, long_encoded) = (format!("/{}", "a".repeat(500)), format!("/{}", "ч".repeat(100)));
        for bad in [
            "",
            "/\\evil.example",
            "\\\\evil.example",
            "//evil.example/tea.svg",
            "///evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\u{0}/evil.example",
            "/%5cevil.example",
            "/%5C%5Cevil.example",
            "/%2f/evil.example",
            "/a%00.svg",
            "/a%0d%0aSet-Cookie:x",
            "/../admin",
            "/a/../../admin",
            "/./a",
            "/a/..",
            "/%2e%2E/admin",
            "/.%2e/admin",
            "/a b.svg",
            "/a\u{a0}b.svg",
            "/a\"onerror=x",
            "/<script>",
            "javascript:alert(1)",
            "data:image/svg+xml,x",
            "tea.svg",
            "./tea.svg",
            "?tea.svg",
            "ftp://example.com/tea.svg",
            "https:example.com/tea.svg",
            "https:/example.com/tea.svg",
            "https:\\\\evil.example",
            "https://",
            "https:///tea.svg/..",
            "https://user@example.com/tea.svg",
            "https://user:secret@example.com/tea.svg",
            "https://:secret@example.com/tea.svg",
            "https://exa mple.com/tea.svg",
            "https://example.com/../tea.svg",
            "https://example.com:99999/tea.svg",
            "https://[::1/tea.svg",
            "https://1.2.3.4.5/tea.svg",
            long.as_str(),
            long_encoded.as_str(),
        ] {
            assert!(serde_json::from_value::<ImageUrl>(json!(bad)).is_err(), "{bad:?}");
        }
    }
}
