//! The languages that the shop writes in.

use serde::{Deserialize, Serialize};

/// A language of pages and mails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// German.
    #[serde(rename = "de")]
    German,
}

impl Language {
    /// All languages. The first one is the default.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Returns the language tag (BCP 47): `en`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// Returns the language with this tag.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// Returns the language that a client prefers, by the values of its headers `Accept-Language`
    /// (RFC 9110, section 12.5.4). `None` when they name none of the shop's.
    pub fn preferred<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        headers.flat_map(accepted).fold(None, heavier).map(|(language, _)| language)
    }

    /// Whether this is the default, which is not stored.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Returns the languages of one `Accept-Language` that the shop has, with their weights.
fn accepted(line: &str) -> impl Iterator<Item = (Language, f32)> {
    line.split(',').filter_map(|range| {
        let (tag, weight) = range.split_once(';').unwrap_or((range, ""));
        let primary = tag.trim().split('-').next()?.to_ascii_lowercase();
        let weight = weight.trim().strip_prefix("q=").map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        Some((Language::from_tag(&primary)?, weight)).filter(|(_, weight)| *weight > 0.0)
    })
}

/// Returns the candidate with the larger weight; of equals, the first.
fn heavier(best: Option<(Language, f32)>, next: (Language, f32)) -> Option<(Language, f32)> {
    best.filter(|(_, weight)| *weight >= next.1).or(Some(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_among_the_languages_of_the_shop() {
        for (header, expected) in [
            ("de-AT,de;q=0.9,en;q=0.8", Some(Language::German)),
            ("en-US,en;q=0.9,de;q=0.8", Some(Language::English)),
            ("fr,de;q=0.5,en;q=0.4", Some(Language::German)),
            ("en;q=0.1, de;q=0.2", Some(Language::German)),
            ("de;q=0, en;q=0.1", Some(Language::English)),
            ("fr", None),
            ("", None),
        ] {
            assert_eq!(Language::preferred([header].into_iter()), expected, "{header}");
        }
        assert_eq!(Language::preferred(["fr", "de"].into_iter()), Some(Language::German));
    }
}
