//! E-mail addresses, normalised.

use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::redacted;

/// An e-mail address: trimmed, lower case, ASCII. The local part is lower case too: the common
/// providers ignore its case, so `Ana@` and `ana@` must not be two accounts.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Email(String);

/// Bytes of an address that fit into the path of an SMTP command (RFC 5321, section 4.5.3.1.3, with
/// erratum 1690).
const MAX_LENGTH: usize = 254;
/// Bytes before the `@` (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL_PART: usize = 64;
/// Bytes of a domain's label (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

impl Email {
    /// Returns the normalised text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > MAX_LENGTH {
            return Err("must have at most 254 characters");
        }
        match text.split_once('@') {
            Some((local, domain)) if is_local_part(local) && is_domain(domain) => Ok(Self(text.to_ascii_lowercase())),
            _ => Err("is not an e-mail address"),
        }
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        redacted::string(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Accepts a dot-atom (RFC 5322, section 3.2.3), and not the quoted form, which is hardly used.
fn is_local_part(text: &str) -> bool {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    text.len() <= MAX_LOCAL_PART && text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// Accepts at least two labels of letters, digits and inner hyphens.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised() {
        let longest_local = format!("{}@example.com", "a".repeat(64));
        let longest_label = format!("a@{}.com", "b".repeat(63));
        for (input, normalised) in [
            ("ana@example.com", "ana@example.com"),
            ("  Ana@Example.COM\n", "ana@example.com"),
            ("ana.b+souk@mail.example.co.uk", "ana.b+souk@mail.example.co.uk"),
            ("o'neill/x=y@xn--bcher-kva.example", "o'neill/x=y@xn--bcher-kva.example"),
            ("a@b.c", "a@b.c"),
            (&longest_local, &longest_local),
            (&longest_label, &longest_label),
        ] {
            assert_eq!(input.parse::<Email>().map(|email| email.0), Ok(normalised.to_owned()), "{input}");
        }
    }

    #[test]
    fn malformed_addresses_are_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_label = format!("a@{}.com", "b".repeat(64));
        let long = format!("a@{}com", "label.".repeat(42));
        for bad in [
            "",
            "@",
            "ana",
            "ana@",
            "@example.com",
            "ana@example",
            "ana@b@example.com",
            "ana@example.com, eve@example.com",
            "a na@example.com",
            "ana@exam ple.com",
            "ana@\nexample.com",
            ".ana@example.com",
            "ana.@example.com",
            "a..na@example.com",
            "\"ana\"@example.com",
            "ana@.example.com",
            "ana@example.com.",
            "ana@example..com",
            "ana@-example.com",
            "ana@example-.com",
            "ana@exa_mple.com",
            "ana@[127.0.0.1]",
            "änä@example.com",
            "ana@bücher.example",
            "ana\0@example.com",
            &long_local,
            &long_label,
            &long,
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
    }
}
