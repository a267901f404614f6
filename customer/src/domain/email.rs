//! E-mail addresses, in the one form in which they are compared, kept and answered.

use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::secret_text as private;

/// An e-mail address: trimmed, in lower case, ASCII. Lower case all of it, because no provider that people use tells
/// `Ana@` from `ana@`, and two accounts that differ in nothing else would be one person's mistake or another's trick.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Email(String);

/// The longest address that fits into the path of an SMTP command (RFC 5321, section 4.5.3.1.3, with erratum 1690).
const MAX_LENGTH: usize = 254;
/// The longest part in front of the `@` (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// The longest part of a domain between two dots (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

impl Email {
    /// As text.
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
            Some((local, domain)) if is_local(local) && is_domain(domain) => Ok(Self(text.to_ascii_lowercase())),
            _ => Err("is not an e-mail address"),
        }
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        private::text(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A dot-atom (RFC 5322, section 3.2.3). The quoted form is legal too, and used by nobody but testers.
fn is_local(text: &str) -> bool {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    text.len() <= MAX_LOCAL && text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// At least two labels of letters, digits and inner hyphens: mail within one host is not for a shop.
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
    fn addresses_are_kept_in_one_form() {
        let longest_local = format!("{}@example.com", "a".repeat(64));
        let longest_label = format!("a@{}.com", "b".repeat(63));
        for (given, kept) in [
            ("ana@example.com", "ana@example.com"),
            ("  Ana@Example.COM\n", "ana@example.com"),
            ("ana.b+souk@mail.example.co.uk", "ana.b+souk@mail.example.co.uk"),
            ("o'neill/x=y@xn--bcher-kva.example", "o'neill/x=y@xn--bcher-kva.example"),
            ("a@b.c", "a@b.c"),
            (&longest_local, &longest_local),
            (&longest_label, &longest_label),
        ] {
            assert_eq!(given.parse::<Email>().map(|email| email.0), Ok(kept.to_owned()), "{given}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
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
