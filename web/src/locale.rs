//! Languages: which one a page has, its texts, and how it writes money and dates.

mod format;
mod texts;
mod typed;

use rocket::Request;

pub(crate) use self::texts::{Key, Message};

use crate::cookies::{self, Cookie, MONTH};

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

    /// Returns the beginning of the URLs of its pages: `/en`.
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

    /// Returns the language of a request: that of its URL, else of the cookie, else of the
    /// browser.
    pub(crate) fn of(request: &Request<'_>) -> Self {
        let first = request.uri().path().segments().next();
        first.and_then(Self::from_tag).unwrap_or_else(|| Self::without_url(request))
    }

    /// Stores the language of a page in the cookie, unless pages without a language in their URL
    /// have it already.
    pub(crate) fn remember(self, request: &Request<'_>) {
        if self != Self::without_url(request) {
            cookies::set(request, Cookie::Language, self.tag(), MONTH);
        }
    }

    /// Returns the language of pages without one in their URL: that of the cookie, else of the
    /// browser.
    fn without_url(request: &Request<'_>) -> Self {
        let cookie = cookies::read(request, Cookie::Language).and_then(|tag| Self::from_tag(&tag));
        cookie.unwrap_or_else(|| Self::preferred(request))
    }

    /// Returns the language that the browser prefers (RFC 9110, section 12.5.4).
    fn preferred(request: &Request<'_>) -> Self {
        let preferred = souk_types::Language::preferred(request.headers().get("Accept-Language"));
        preferred.unwrap_or_default().into()
    }

    fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }
}

impl From<souk_types::Language> for Language {
    fn from(language: souk_types::Language) -> Self {
        match language {
            souk_types::Language::English => Self::English,
            souk_types::Language::German => Self::German,
        }
    }
}
