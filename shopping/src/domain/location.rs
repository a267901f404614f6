//! Places that taxes and shipping depend on: a country, with a region and a postal code if they are
//! known; and sets of postal codes.

use serde::{Deserialize, Serialize};
use souk_types::{Address, Country};

/// A place, as far as taxes and shipping depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) country: Country,
    pub(crate) region: Option<String>,
    /// In upper case, without spaces and hyphens.
    pub(crate) postal_code: Option<String>,
}

impl Location {
    pub(crate) fn country(country: Country) -> Self {
        Self { country, region: None, postal_code: None }
    }

    pub(crate) fn has_postal_prefix(&self, prefixes: &[&str]) -> bool {
        self.postal_code.as_deref().is_some_and(|code| prefixes.iter().any(|prefix| code.starts_with(prefix)))
    }

    /// Compares regions without case: `ca` is `CA`.
    pub(crate) fn is_in_region(&self, region: &str) -> bool {
        self.region.as_deref().is_some_and(|own| own.to_lowercase() == region.to_lowercase())
    }
}

impl From<&Address> for Location {
    fn from(address: &Address) -> Self {
        Self {
            country: address.country().clone(),
            region: address.region().map(ToOwned::to_owned),
            postal_code: address.postal_code().map(compact),
        }
    }
}

/// Returns a postal code in upper case, without spaces and hyphens.
fn compact(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// The postal codes that begin with a text, or with a text between two: `35`, `100..109`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct PostalCodes {
    first: String,
    /// Of the same length as `first`, and not before it.
    last: String,
}

impl PostalCodes {
    pub(crate) fn contains(&self, place: &Location) -> bool {
        let Some(code) = &place.postal_code else { return false };
        let start = code.chars().take(self.length()).collect::<String>();
        self.first <= start && start <= self.last
    }

    /// Whether a postal code can be in both, which are equally specific.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.length() == other.length() && self.first <= other.last && other.first <= self.last
    }

    /// Returns the number of characters that it compares. More of them are more specific.
    pub(crate) fn length(&self) -> usize {
        self.first.chars().count()
    }
}

impl TryFrom<String> for PostalCodes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (first, last) = text.split_once("..").unwrap_or((&text, &text));
        let (first, last) = (compact(first), compact(last));
        if !(1..=12).contains(&first.chars().count()) || first.chars().count() != last.chars().count() || first > last {
            return Err("must be the beginning of postal codes, such as 35, or a range of such, such as 100..109");
        }
        Ok(Self { first, last })
    }
}

impl From<PostalCodes> for String {
    fn from(PostalCodes { first, last }: PostalCodes) -> Self {
        if first == last { first } else { format!("{first}..{last}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postal_codes_are_compared_by_their_beginning() {
        for (codes, code, is_in) in [
            ("35", "35001", true),
            ("35", "3", false),
            ("35", "53001", false),
            ("bt", "BT1 5GS", true),
            ("BT", "B1 1AA", false),
            ("902..905", "90210-1234", true),
            ("902..905", "90512", true),
            ("902..905", "906", false),
            ("10115..10119", "10117", true),
            ("SW1A", "sw1a1aa", true),
        ] {
            let codes = PostalCodes::try_from(codes.to_owned()).unwrap();
            let country = Country::try_from("DE".to_owned()).unwrap();
            let place = Location { postal_code: Some(compact(code)), ..Location::country(country.clone()) };
            assert_eq!(codes.contains(&place), is_in, "{codes:?} {code}");
            assert!(!codes.contains(&Location::country(country)), "a place without a postal code");
        }
    }

    #[test]
    fn a_bad_set_of_postal_codes_is_refused() {
        for bad in ["", " ", "..", "1..", "..9", "1..22", "9..1", "1234567890123", "-"] {
            assert!(PostalCodes::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        for (good, stored) in [("35 ", "35"), ("100..109", "100..109"), ("sw1a 1", "SW1A1")] {
            assert_eq!(String::from(PostalCodes::try_from(good.to_owned()).unwrap()), stored);
        }
    }
}
