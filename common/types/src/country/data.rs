//! The tables of countries and regions. `data/generate.py` writes them from Google's
//! libaddressinput (September 2024) and CLDR.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use icu_normalizer::DecomposingNormalizerBorrowed;
use regex::{Regex, RegexBuilder};

/// Columns: code, name, `P` if a postal code is required and `R` if a region is, prefix, example
/// and form (a regular expression) of postal codes.
const COUNTRY_TABLE: &str = include_str!("../../data/countries.tsv");
/// Columns: country, code, and any number of names, the first in Latin letters.
const REGION_TABLE: &str = include_str!("../../data/regions.tsv");

/// The countries by code.
pub(super) static COUNTRIES: LazyLock<BTreeMap<&'static str, Entry>> = LazyLock::new(|| {
    let mut countries: BTreeMap<_, _> = COUNTRY_TABLE.lines().filter_map(Entry::read).collect();
    for line in REGION_TABLE.lines() {
        let mut columns = line.split('\t');
        let (Some(country), Some(code)) = (columns.next(), columns.next()) else { continue };
        if let Some(country) = countries.get_mut(country) {
            country.regions.push(Region { code, names: columns.collect() });
        }
    }
    countries
});

pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) requires_postal_code: bool,
    pub(super) requires_region: bool,
    /// A postal code as an example; empty when codes have no form.
    pub(super) example: &'static str,
    /// The regions; empty when a region is optional, or there is no list of them.
    pub(super) regions: Vec<Region>,
    /// What people write before the code in other countries.
    prefix: &'static str,
    form: &'static str,
    /// The form, compiled at its first use. `None`: postal codes may have any form.
    compiled: OnceLock<Option<Regex>>,
}

pub(super) struct Region {
    pub(super) code: &'static str,
    pub(super) names: Vec<&'static str>,
}

impl Entry {
    fn read(line: &'static str) -> Option<(&'static str, Self)> {
        let mut columns = line.split('\t');
        let mut next = || columns.next();
        let (code, name, needs, prefix, example, form) = (next()?, next()?, next()?, next()?, next()?, next()?);
        let entry = Self {
            name,
            requires_postal_code: needs.contains('P'),
            requires_region: needs.contains('R'),
            example,
            regions: Vec::new(),
            prefix: prefix.trim_end_matches(SEPARATORS),
            form,
            compiled: OnceLock::new(),
        };
        Some((code, entry))
    }

    /// Finds a region by its code or one of its names, without regard to case, accents and
    /// punctuation.
    pub(super) fn region(&self, text: &str) -> Option<&Region> {
        let by_code = self.regions.iter().find(|region| region.code == text);
        by_code.or_else(|| {
            let text = fold(text);
            let is_called = |region: &&Region| region.names.iter().chain([&region.code]).any(|name| fold(name) == text);
            self.regions.iter().find(is_called)
        })
    }

    /// Returns a postal code in capitals, with ASCII hyphens, single spaces and no prefix. `None`
    /// when it does not have the country's form.
    pub(super) fn postal_code(&self, text: &str) -> Option<String> {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
        let code = words.replace(|c| matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}'), "-");
        if self.has_form(&code) {
            return Some(code);
        }
        let bare = code.strip_prefix(self.prefix)?.trim_start_matches(SEPARATORS);
        self.has_form(bare).then(|| bare.to_owned())
    }

    fn has_form(&self, code: &str) -> bool {
        let compile = || {
            let anchored = format!("^(?:{})$", self.form);
            RegexBuilder::new(&anchored).unicode(false).build().ok().filter(|_| !self.form.is_empty())
        };
        self.compiled.get_or_init(compile).as_ref().is_none_or(|form| form.is_match(code))
    }
}

impl Region {
    /// Returns the code and the name, for messages.
    pub(super) fn title(&self) -> String {
        match self.names.first() {
            Some(name) if *name != self.code => format!("{} ({name})", self.code),
            _ => self.code.to_owned(),
        }
    }
}

const SEPARATORS: [char; 2] = [' ', '-'];

/// Returns the letters and digits in lower case, without accents.
fn fold(text: &str) -> String {
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(text);
    decomposed.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::MAX_MESSAGE_LENGTH;
    use crate::{Country, Text};

    #[test]
    fn there_are_249_countries_and_kosovo() {
        assert_eq!((COUNTRIES.len(), COUNTRY_TABLE.lines().count()), (250, 250));
        assert!(COUNTRIES.keys().all(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())));
    }

    #[test]
    fn every_form_compiles_and_takes_its_example() {
        for (code, country) in &*COUNTRIES {
            assert_eq!(country.form.is_empty(), country.example.is_empty(), "{code}");
            assert_eq!(country.postal_code(country.example).as_deref(), Some(country.example), "{code}");
            assert_eq!(country.postal_code("?").is_none(), !country.form.is_empty(), "{code}");
            assert!(!country.requires_postal_code || !country.form.is_empty(), "{code}");
        }
    }

    #[test]
    fn every_region_is_found_by_its_code_and_its_names() {
        let listed: usize = COUNTRIES.values().map(|country| country.regions.len()).sum();
        assert_eq!(listed, REGION_TABLE.lines().count());
        for (code, country) in &*COUNTRIES {
            assert!(country.regions.is_empty() || country.requires_region, "{code}");
            for region in &country.regions {
                assert!(!region.names.is_empty(), "{code} {}", region.code);
                for name in region.names.iter().chain([&region.code]) {
                    let found = country.region(name).map(|found| found.code);
                    assert_eq!(found, Some(region.code), "{code} {name}");
                }
            }
        }
    }

    #[test]
    fn messages_are_short_enough() {
        let text = |text: &str| Some(Text::try_from(text.to_owned()).unwrap());
        for code in COUNTRIES.keys() {
            let country = Country::try_from((*code).to_owned()).unwrap();
            let refusals = [country.parse_region(None).err(), country.parse_region(text("?")).err()];
            for refusal in refusals.into_iter().flatten() {
                assert!(refusal.chars().count() <= MAX_MESSAGE_LENGTH, "{refusal}");
            }
        }
    }
}
