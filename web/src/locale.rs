//! Languages: which one a page has, its texts, and how it writes money and dates.

mod format;
mod texts;
mod typed;

use rocket::Request;

pub(crate) use self::texts::{Key, Message};

use crate::cookies::{self, Cookie};

/// A language of the pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Language {
    #[default]
    English,
    German,
}

impl Language {
    /// All languages. The first one is the default.
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::German];

    /// Returns the language tag (BCP 47): `en`.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// Returns the beginning of the addresses of its pages: `/en`.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::English => "/en",
            Self::German => "/de",
        }
    }

    /// Returns its name in the language itself.
    pub(crate) const fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    /// Returns the language and territory for Open Graph: `en_GB`.
    pub(crate) const fn open_graph(self) -> &'static str {
        match self {
            Self::English => "en_GB",
            Self::German => "de_DE",
        }
    }

    /// Returns the language of a request: that of its address, else of the cookie, else of the
    /// browser.
    pub(crate) fn of(request: &Request<'_>) -> Self {
        let first = request.uri().path().segments().next();
        let cookie = || cookies::read(request, Cookie::Language).and_then(|tag| Self::from_tag(&tag));
        first.and_then(Self::from_tag).or_else(cookie).unwrap_or_else(|| Self::preferred(request))
    }

    /// Returns the language that the browser prefers (RFC 9110, section 12.5.4).
    fn preferred(request: &Request<'_>) -> Self {
        let lines = request.headers().get("Accept-Language");
        lines.flat_map(accepted).fold(None, heavier).map_or_else(Self::default, |(language, _)| language)
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }
}

/// Returns the languages of one `Accept-Language` that pages exist in, with their weights.
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
    fn the_browser_chooses_among_the_languages_of_the_shop() {
        for (header, expected) in [
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("en-US,en;q=0.9,de;q=0.8", Language::English),
            ("fr,de;q=0.5,en;q=0.4", Language::German),
            ("en;q=0.1, de;q=0.2", Language::German),
            ("de;q=0, en;q=0.1", Language::English),
            ("fr", Language::English),
            ("", Language::English),
        ] {
            let best = accepted(header).fold(None, heavier).map_or_else(Language::default, |(language, _)| language);
            assert_eq!(best, expected, "{header}");
        }
    }
}
