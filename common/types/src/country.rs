//! Countries, and the regions and postal codes of their addresses.

mod data;

use serde::{Deserialize, Serialize};

use self::data::{COUNTRIES, Entry, Region};
use crate::Text;

/// A country: its two-letter code (ISO 3166-1), or `XK`, which postal services use for Kosovo.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country(Code);

/// An alias, because serde would borrow a `&'static str` from its input.
type Code = &'static str;

impl Country {
    /// Returns the code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0
    }

    /// Returns the English name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.entry().map_or(self.0, |entry| entry.name)
    }

    /// Whether an address in this country needs a postal code. The others have none (Hong Kong,
    /// the Emirates), or deliver without (Ireland).
    #[must_use]
    pub fn requires_postal_code(&self) -> bool {
        self.entry().is_some_and(|entry| entry.requires_postal_code)
    }

    /// Whether an address in this country needs a region: a state, province or prefecture.
    #[must_use]
    pub fn requires_region(&self) -> bool {
        self.entry().is_some_and(|entry| entry.requires_region)
    }

    /// Returns the region of an address as it is stored: the region's code where the country
    /// requires a region and has a list of them (`CA` for `ca` or `California`), otherwise the
    /// text. Errors: what is wrong with it.
    pub fn parse_region(&self, text: Option<Text<1, 50>>) -> Result<Option<Text<1, 50>>, String> {
        let Some(entry) = self.entry() else { return Ok(text) };
        let list = || {
            let example = entry.regions.get(entry.regions.len() / 2)?;
            let number = entry.regions.len();
            Some(format!(": it has {number} regions, each with a code and a name, such as {}", example.title()))
        };
        let Some(text) = text else {
            let missing = || format!("is required in {}{}", entry.name, list().unwrap_or_default());
            return if entry.requires_region { Err(missing()) } else { Ok(None) };
        };
        let Some(list) = list() else { return Ok(Some(text)) };
        match entry.region(&text) {
            Some(region) => Text::try_from(region.code.to_owned()).map(Some),
            None => Err(format!("is not a region of {}{list}", entry.name)),
        }
    }

    /// Returns the name of a region, given its code. `None` when the country has no such code.
    #[must_use]
    pub fn region_name(&self, code: &str) -> Option<&'static str> {
        let region = self.entry()?.regions.iter().find(|region| region.code == code)?;
        region.names.first().copied()
    }

    /// Returns the postal code of an address as it is stored: in capitals, with single spaces and
    /// without the country's prefix (`L-1234` is `1234` in Luxembourg). Errors: what is wrong with
    /// it.
    pub fn parse_postal_code(&self, text: Option<Text<1, 20>>) -> Result<Option<Text<1, 20>>, String> {
        let Some(entry) = self.entry() else { return Ok(text) };
        let Some(text) = text else {
            let missing = || format!("is required in {}, such as {}", entry.name, entry.example);
            return if entry.requires_postal_code { Err(missing()) } else { Ok(None) };
        };
        match entry.postal_code(&text) {
            Some(code) => Text::try_from(code).map(Some),
            None => Err(format!("is not a postal code of {}: they look like {}", entry.name, entry.example)),
        }
    }

    /// Returns a postal code in the form of the country. `None` when its codes have no form.
    #[must_use]
    pub fn postal_code_example(&self) -> Option<&'static str> {
        self.entry().map(|entry| entry.example).filter(|example| !example.is_empty())
    }

    /// Returns the codes and the names, in Latin letters, of the regions of which an address needs
    /// one. Empty where a region is optional, or free text.
    pub fn regions(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        // The codes of Hong Kong are its names in Latin letters.
        let is_latin = |name: &&str| name.starts_with(|c: char| c <= '\u{24f}');
        let name = move |region: &Region| region.names.first().copied().filter(is_latin).unwrap_or(region.code);
        let regions = self.entry().map_or(&[][..], |entry| &entry.regions);
        regions.iter().map(move |region| (region.code, name(region)))
    }

    /// Returns all countries, by their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        COUNTRIES.keys().map(|code| Self(code))
    }

    fn entry(&self) -> Option<&'static Entry> {
        COUNTRIES.get(self.0)
    }
}

impl TryFrom<String> for Country {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let known = COUNTRIES.get_key_value(text.as_str());
        known.map(|(code, _)| Self(code)).ok_or("is not an ISO 3166 two-letter country code")
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.0.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str) -> Country {
        Country::try_from(code.to_owned()).unwrap()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the functions under test return it")]
    fn text<const MAX: usize>(text: &str) -> Option<Text<1, MAX>> {
        Some(Text::try_from(text.to_owned()).unwrap())
    }

    #[test]
    fn a_country_has_an_english_name() {
        for (code, name) in [("DE", "Germany"), ("US", "United States"), ("XK", "Kosovo"), ("CZ", "Czechia")] {
            assert_eq!(country(code).name(), name);
        }
        assert!(Country::try_from("de".to_owned()).is_err());
    }

    #[test]
    fn a_form_knows_what_to_offer() {
        assert!(Country::all().count() > 240);
        assert!(country("CA").regions().any(|region| region == ("QC", "Quebec")));
        assert_eq!(country("DE").regions().count(), 0);
        assert!(
            country("DE").postal_code_example().is_some_and(|code| country("DE").parse_postal_code(text(code)).is_ok())
        );
        assert_eq!(country("AE").postal_code_example(), None);
    }

    #[test]
    fn some_countries_need_a_postal_code_and_some_a_region() {
        for (code, postal_code, region) in [
            ("DE", true, false),
            ("US", true, true),
            ("GB", true, false),
            ("PT", true, false),
            ("IT", true, true),
            ("HK", false, true),
            ("AE", false, true),
            ("CR", false, true),
            ("VI", true, false),
            ("IE", false, false),
            ("PA", false, false),
            ("EG", false, false),
        ] {
            let country = country(code);
            assert_eq!((country.requires_postal_code(), country.requires_region()), (postal_code, region), "{code}");
            assert_eq!(country.parse_postal_code(None).is_err(), postal_code, "{code}");
            assert_eq!(country.parse_region(None).is_err(), region, "{code}");
        }
    }

    #[test]
    fn all_countries_and_their_regions_are_listed() {
        assert_eq!(Country::all().count(), 250);
        for (code, number, region, example) in [
            ("US", 62, Some(("CA", "California")), Some("95014")),
            ("JP", 47, Some(("13", "Tokyo")), Some("154-0023")),
            ("DE", 0, None, Some("26133")),
            ("CR", 0, None, Some("1000")),
            ("HK", 3, Some(("Kowloon", "Kowloon")), None),
        ] {
            let country = country(code);
            assert_eq!((country.regions().count(), country.postal_code_example()), (number, example), "{code}");
            assert!(region.is_none_or(|region| country.regions().any(|listed| listed == region)), "{code}");
        }
    }

    #[test]
    fn a_region_is_stored_as_its_code() {
        for (code, given, stored) in [
            ("US", "CA", Some("CA")),
            ("US", "ca", Some("CA")),
            ("US", "California", Some("CA")),
            ("US", "NEW  york", Some("NY")),
            ("US", "Cali", None),
            ("US", "Ontario", None),
            ("CA", "quebec", Some("QC")),
            ("CA", "Québec", Some("QC")),
            ("JP", "Tokyo", Some("13")),
            ("JP", "東京都", Some("13")),
            ("MX", "B.C.", Some("BCN")),
            ("IT", "rm", Some("RM")),
            ("HK", "kowloon", Some("Kowloon")),
            ("HK", "九龍", Some("Kowloon")),
            ("CR", "San José", Some("San José")),
            ("DE", "Bayern", Some("Bayern")),
        ] {
            let parsed = country(code).parse_region(text(given));
            assert_eq!(parsed.ok().flatten().as_deref(), stored, "{code} {given}");
        }
        assert_eq!(country("US").region_name("CA"), Some("California"));
        assert_eq!(country("DE").region_name("Bayern"), None);
        let refusal = country("US").parse_region(text("Cali")).unwrap_err();
        assert!(refusal.starts_with("is not a region of United States: it has 62 regions"), "{refusal}");
    }

    #[test]
    fn a_postal_code_has_the_form_of_its_country() {
        for (code, given, stored) in [
            ("DE", "10115", Some("10115")),
            ("DE", "1011", None),
            ("DE", "D-10115", None),
            ("GB", "sw1a  1aa", Some("SW1A 1AA")),
            ("GB", "SW1A1AA", Some("SW1A1AA")),
            ("GB", "XX1 1AA", None),
            ("US", "95014", Some("95014")),
            ("US", "95014\u{2013}1234", Some("95014-1234")),
            ("US", "9501", None),
            ("US", "95014 ", Some("95014")),
            ("CA", "k1a 0b1", Some("K1A 0B1")),
            ("PT", "4050-265", Some("4050-265")),
            ("PT", "4050", None),
            ("LU", "L-1234", Some("1234")),
            ("LT", "lt 01100", Some("01100")),
            ("LV", "LV-1010", Some("LV-1010")),
            ("IE", "d02 af30", Some("D02 AF30")),
            ("NL", "1011 ab", Some("1011 AB")),
            // Countries without a form.
            ("AE", "PO box 5", Some("PO BOX 5")),
            ("HK", "999077", Some("999077")),
        ] {
            let parsed = country(code).parse_postal_code(text(given));
            assert_eq!(parsed.ok().flatten().as_deref(), stored, "{code} {given}");
        }
        let refusal = country("DE").parse_postal_code(text("1011")).unwrap_err();
        assert_eq!(refusal, "is not a postal code of Germany: they look like 26133");
    }
}
