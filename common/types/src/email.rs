//! E-mail addresses, normalised.

use std::fmt;
use std::str::FromStr;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::redacted;

/// An e-mail address: trimmed, lower case, ASCII. The local part is lower case too: the common
/// providers ignore its case, so `Ana@` and `ana@` must not be two accounts. An international
/// domain is stored in its ASCII form (IDNA, RFC 5891; Unicode Technical Standard 46), so that its
/// spellings are one account, and every mail server can deliver to it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Email(String);

/// Bytes of an address that fit into the path of an SMTP command (RFC 5321, section 4.5.3.1.3, with
/// erratum 1690).
const MAX_LENGTH: usize = 254;
/// Bytes before the `@` (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL_PART: usize = 64;

impl Email {
    /// Returns the normalised text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    /// Hides the address, so that no log line can show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

impl FromStr for Email {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (local, domain) = text.trim().split_once('@').ok_or("is not an e-mail address")?;
        if !local.is_ascii() {
            // It needs SMTPUTF8 (RFC 6531) at every server on the way.
            return Err("must have only ASCII characters before the @");
        }
        if !is_local_part(local) {
            return Err("is not an e-mail address");
        }
        let address = format!("{}@{}", local.to_ascii_lowercase(), ascii_domain(domain)?);
        if address.len() <= MAX_LENGTH { Ok(Self(address)) } else { Err("must have at most 254 characters") }
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

/// Returns a domain name in ASCII and lower case. It has at least two labels, and the last one is
/// not a number, so that it is no IP address: every top-level domain has letters only, or is the
/// ASCII form of such a name (RFC 1123, section 2.1; RFC 3696, section 2).
fn ascii_domain(text: &str) -> Result<String, &'static str> {
    let domain = Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| "has no valid domain after the @")?;
    let is_top_level = |label: &str| {
        label.starts_with("xn--") || (label.len() > 1 && label.bytes().all(|byte| byte.is_ascii_alphabetic()))
    };
    match domain.rsplit_once('.') {
        Some((_, last)) if is_top_level(last) => Ok(domain.into_owned()),
        _ => Err("must have a domain such as example.com after the @"),
    }
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
            ("a@b.co", "a@b.co"),
            ("ana@bücher.example", "ana@xn--bcher-kva.example"),
            ("ana@BU\u{308}CHER.example", "ana@xn--bcher-kva.example"),
            ("ana@почта.рф", "ana@xn--80a1acny.xn--p1ai"),
            ("ana@例え。テスト", "ana@xn--r8jz45g.xn--zckzah"),
            ("ana@straße.example", "ana@xn--strae-oqa.example"),
            ("ana@ｅｘａｍｐｌｅ.com", "ana@example.com"),
            ("ana@1.example", "ana@1.example"),
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
            "ana@1.2.3.4",
            "ana@127.1",
            "ana@0x7f.0x1",
            "ana@example.123",
            "ana@example.c0m",
            "ana@example.c",
            "ana@[IPv6:::1]",
            "ana@xn--a.example",
            "ana@a\u{202e}b.example",
            "ana@\u{200b}.example",
            "ana@exam%70le.com",
            "ana@example.com\u{ff20}evil.example",
            "ａna@example.com",
            "ana\u{200b}@example.com",
            "ana\0@example.com",
            "ana@example\0.com",
            &long_local,
            &long_label,
            &long,
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
    }
}
