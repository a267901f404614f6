//! The texts of the pages: Fluent messages (<https://projectfluent.org>) from `locales/`, embedded
//! in the program. A test fails when a message is missing in a language or unused.

use std::fmt;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use include_dir::{Dir, include_dir};
use unic_langid::LanguageIdentifier;

use super::Language;

static LOCALES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/locales");

static BUNDLES: LazyLock<[FluentBundle<FluentResource>; 2]> = LazyLock::new(|| Language::ALL.map(bundle));

/// The key of a message, where a value chooses among several messages. Written out, so that the
/// test of unused messages finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) &'static str);

impl From<&'static str> for Key {
    fn from(key: &'static str) -> Self {
        Self(key)
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Self {
        *key
    }
}

/// A message with its arguments. Its `Display` is the text.
pub(crate) struct Message<'a> {
    language: Language,
    key: &'a str,
    args: FluentArgs<'a>,
}

impl Language {
    /// Returns a message in this language.
    pub(crate) fn text<'a>(self, key: impl Into<Key>) -> Message<'a> {
        Message { language: self, key: key.into().0, args: FluentArgs::new() }
    }

    /// Returns the message whose key is `prefix` and the code of a service, if there is one.
    pub(crate) fn text_of_code(self, prefix: &str, code: &str) -> Option<String> {
        let key = format!("{prefix}{code}");
        self.bundle()
            .has_message(&key)
            .then(|| Message { language: self, key: &key, args: FluentArgs::new() }.to_string())
    }

    fn bundle(self) -> &'static FluentBundle<FluentResource> {
        match self {
            Self::English => &BUNDLES[0],
            Self::German => &BUNDLES[1],
        }
    }
}

impl<'a> Message<'a> {
    /// Sets an argument of the message.
    #[must_use]
    pub(crate) fn arg(mut self, name: &'static str, value: impl Into<FluentValue<'a>>) -> Self {
        self.args.set(name, value);
        self
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bundle = self.language.bundle();
        // A test finds missing messages; the key is better than an error page nevertheless.
        let Some(pattern) = bundle.get_message(self.key).and_then(|message| message.value()) else {
            tracing::error!(key = self.key, language = self.language.tag(), "a text is missing");
            return f.write_str(self.key);
        };
        let mut errors = Vec::new();
        bundle.write_pattern(f, pattern, Some(&self.args), &mut errors)?;
        if let Some(error) = errors.first() {
            tracing::error!(key = self.key, %error, "a text lacks an argument");
        }
        Ok(())
    }
}

fn bundle(language: Language) -> FluentBundle<FluentResource> {
    let tag: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![tag]);
    // The isolation marks would be visible in titles and attributes of some clients.
    bundle.set_use_isolating(false);
    for (name, text) in sources(language) {
        let resource = FluentResource::try_new(text).unwrap_or_else(|(resource, errors)| {
            tracing::error!(name, ?errors, "a file of texts has errors");
            resource
        });
        if let Err(errors) = bundle.add_resource(resource) {
            tracing::error!(name, ?errors, "a file of texts repeats messages");
        }
    }
    bundle
}

fn sources(language: Language) -> impl Iterator<Item = (String, String)> {
    let files = LOCALES.get_dir(language.tag()).into_iter().flat_map(Dir::files);
    files.filter_map(|file| Some((file.path().display().to_string(), file.contents_utf8()?.to_owned())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use fluent_bundle::FluentResource;
    use regex::Regex;

    use super::*;

    /// Messages that are chosen by the code of a service's problem or reason.
    const BY_CODE: [&str; 4] = ["problem-", "code-", "invalid-", "country-"];

    fn keys(language: Language) -> BTreeSet<String> {
        let message = Regex::new(r"(?m)^([a-z][a-z0-9-]*) *=").unwrap();
        let mut keys = BTreeSet::new();
        for (name, text) in sources(language) {
            assert!(FluentResource::try_new(text.clone()).is_ok(), "{name} cannot be parsed");
            for found in message.captures_iter(&text) {
                assert!(keys.insert(found[1].to_owned()), "{name} repeats {}", &found[1]);
            }
        }
        keys
    }

    fn source(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                source(&path, text);
            } else {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    fn every_text_exists_in_every_language_and_is_used() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut code = String::new();
        source(&root.join("src"), &mut code);
        source(&root.join("templates"), &mut code);
        let mention = Regex::new(r#"(?:\btext|\bKey)\(\s*"([a-z0-9-]+)""#).unwrap();
        let mut used: BTreeSet<String> = mention.captures_iter(&code).map(|found| found[1].to_owned()).collect();
        let english = keys(Language::English);
        used.extend(english.iter().filter(|key| BY_CODE.iter().any(|prefix| key.starts_with(prefix))).cloned());
        for language in Language::ALL {
            let keys = keys(language);
            let missing: Vec<_> = used.difference(&keys).collect();
            assert!(missing.is_empty(), "{} lacks {missing:?}", language.tag());
            let unused: Vec<_> = keys.difference(&used).collect();
            assert!(unused.is_empty(), "{} has unused {unused:?}", language.tag());
        }
    }

    #[test]
    fn the_languages_use_the_same_arguments() {
        let argument = Regex::new(r"\$([a-z]+)").unwrap();
        let message = Regex::new(r"(?m)^([a-z][a-z0-9-]*) *=((?:.*\n(?:[ \t}].*\n|\n)*))").unwrap();
        let of = |language: Language| -> Vec<(String, BTreeSet<String>)> {
            let texts: String = sources(language).map(|(_, text)| text + "\n").collect();
            let mut all: Vec<_> = message
                .captures_iter(&texts)
                .map(|found| {
                    (found[1].to_owned(), argument.captures_iter(&found[2]).map(|name| name[1].to_owned()).collect())
                })
                .collect();
            all.sort();
            all
        };
        assert_eq!(of(Language::English), of(Language::German));
    }

    #[test]
    fn a_text_has_its_plural() {
        for (count, english, german) in [(1, "item", "Artikel"), (3, "items", "Artikel")] {
            assert_eq!(Language::English.text(Key("nav-cart-pieces")).arg("count", count).to_string(), english);
            assert_eq!(Language::German.text(Key("nav-cart-pieces")).arg("count", count).to_string(), german);
        }
    }
}
