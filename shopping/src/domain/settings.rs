//! The settings of the shop: its name and contact data, currency, and the rules for taxes and order
//! numbers.

use serde::{Deserialize, Serialize};
use souk_contract::shopping::Shop;
use souk_types::input::{Fields, Input};
use souk_types::{Address, Country, Currency, Email, Error, Integer, Result, Text};

use super::location::Location;
use super::quote::optional_object;
use super::vat_number::VatNumber;

/// Maximum number of registrations: one for each country.
const MAX_REGISTRATIONS: usize = 250;

/// The settings of the shop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) name: Text<1, 100>,
    pub(crate) legal_name: Text<1, 200>,
    /// The address of the business.
    #[serde(default)]
    pub(crate) address: Option<Address>,
    #[serde(default)]
    pub(crate) vat_number: Option<VatNumber>,
    /// The address that answers customers.
    #[serde(default)]
    pub(crate) email: Option<Email>,
    pub(crate) home_country: Country,
    pub(crate) currency: Currency,
    pub(crate) prices_include_tax: bool,
    #[serde(default)]
    pub(crate) order_numbers: OrderNumbers,
    /// Whether the shop pays the VAT of the destination for consumers in other EU countries,
    /// through the one-stop shop. It must when these sales exceed EUR 10,000 in a year.
    #[serde(default)]
    pub(crate) one_stop_shop: bool,
    /// How the VAT number of a business in another EU country is checked.
    #[serde(default)]
    pub(crate) reverse_charge: ReverseCharge,
    /// Other countries in which the shop is registered, and collects their tax.
    #[serde(default)]
    pub(crate) tax_registrations: Vec<Country>,
}

/// How the VAT number of a business is checked before it buys without tax.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReverseCharge {
    /// Businesses pay tax like consumers.
    #[default]
    Off,
    /// By its format. A consumer who makes up a number of the right form buys without tax, which
    /// the shop then owes.
    Format,
    /// By the European Commission's register, and by its format while that does not answer.
    Vies,
}

/// The format of order numbers: `S-10042`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct OrderNumbers {
    prefix: String,
    first: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    #[serde(default)]
    prefix: String,
    first: Integer,
}

/// The longest prefix, in characters.
const MAX_PREFIX: usize = 10;
/// The largest first number of a shop. Numbers stay readable, and below 2^53.
const MAX_FIRST: u64 = 999_999_999_999;

impl OrderNumbers {
    /// Returns the number after the last one of the shop. It rises also when an admin lowers
    /// `first` or changes the prefix, so that no number is given twice.
    pub(crate) fn after(&self, last: Option<u64>) -> u64 {
        last.map_or(self.first, |last| last.saturating_add(1).max(self.first))
    }

    /// Formats a number.
    pub(crate) fn text(&self, number: u64) -> String {
        format!("{}{number}", self.prefix)
    }
}

impl Default for OrderNumbers {
    fn default() -> Self {
        Self { prefix: "S-".to_owned(), first: 10_001 }
    }
}

impl TryFrom<Unchecked> for OrderNumbers {
    type Error = String;

    fn try_from(Unchecked { prefix, first }: Unchecked) -> Result<Self, Self::Error> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/".contains(&byte);
        if prefix.len() > MAX_PREFIX || !prefix.bytes().all(is_allowed) {
            return Err(format!("prefix must have at most {MAX_PREFIX} letters, digits, hyphens and slashes"));
        }
        if prefix.ends_with(|c: char| c.is_ascii_digit()) {
            return Err("prefix must not end in a digit, because two numbers could be equal".to_owned());
        }
        match u64::try_from(first.get()) {
            Ok(first @ 1..=MAX_FIRST) => Ok(Self { prefix, first }),
            _ => Err(format!("first must be between 1 and {MAX_FIRST}")),
        }
    }
}

impl Settings {
    /// Returns the settings of a shop that has not been set up.
    pub(crate) fn sample() -> Result<Self> {
        serde_json::from_str(include_str!("settings/sample.json")).map_err(Error::internal)
    }

    /// Returns the place of the business: its address, if that is in the home country.
    pub(crate) fn home(&self) -> Location {
        match &self.address {
            Some(address) if *address.country() == self.home_country => address.into(),
            _ => Location::country(self.home_country.clone()),
        }
    }

    pub(crate) fn is_registered_in(&self, country: &Country) -> bool {
        self.tax_registrations.contains(country)
    }

    /// Returns what other services and customers may know.
    pub(crate) fn public(&self) -> Shop {
        Shop {
            name: self.name.to_string(),
            legal_name: self.legal_name.to_string(),
            address: self.address.clone(),
            vat_number: self.vat_number.as_ref().map(ToString::to_string),
            email: self.email.clone(),
        }
    }
}

impl Input for Settings {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (name, legal_name) = (fields.required("name"), fields.required("legal_name"));
        let address = optional_object(fields, "address");
        let (vat_number, email) = (fields.optional("vat_number"), fields.optional("email"));
        let (home_country, currency) = (fields.required("home_country"), fields.required("currency"));
        let prices_include_tax = fields.required("prices_include_tax");
        let order_numbers = fields.optional("order_numbers").unwrap_or_default();
        let one_stop_shop = fields.optional("one_stop_shop").unwrap_or_default();
        let reverse_charge = fields.optional("reverse_charge").unwrap_or_default();
        let tax_registrations: Vec<Country> = fields.optional("tax_registrations").unwrap_or_default();
        if tax_registrations.len() > MAX_REGISTRATIONS {
            let problem = format!("must have at most {MAX_REGISTRATIONS} countries");
            return fields.refuse("tax_registrations", &problem);
        }
        Some(Self {
            name: name?,
            legal_name: legal_name?,
            address,
            vat_number,
            email,
            home_country: home_country?,
            currency: currency?,
            prices_include_tax: prices_include_tax?,
            order_numbers,
            one_stop_shop,
            reverse_charge,
            tax_registrations,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sample_is_valid() {
        let numbers = Settings::sample().unwrap().order_numbers;
        assert_eq!(numbers.text(numbers.after(Some(10_041))), "S-10042");
    }

    #[test]
    fn an_order_number_has_a_short_prefix_that_does_not_end_in_a_digit() {
        for (numbers, first) in [
            (json!({"prefix": "S-", "first": 10_001}), Some("S-10001")),
            (json!({"first": 1}), Some("1")),
            (json!({"first": 1.0}), Some("1")),
            (json!({"first": 1.5}), None),
            (json!({"first": -1}), None),
            (json!({"prefix": "2026/", "first": 1}), Some("2026/1")),
            (json!({"prefix": "S1", "first": 1}), None),
            (json!({"prefix": "S ", "first": 1}), None),
            (json!({"prefix": "ABCDEFGHIJK", "first": 1}), None),
            (json!({"prefix": "S-", "first": 0}), None),
            (json!({"prefix": "S-", "first": 1_000_000_000_000u64}), None),
            (json!({"prefix": "S-"}), None),
            (json!({"prefix": "S-", "first": 1, "last": 2}), None),
        ] {
            let read: Option<OrderNumbers> = serde_json::from_value(numbers.clone()).ok();
            assert_eq!(read.map(|numbers| numbers.text(numbers.after(None))).as_deref(), first, "{numbers}");
        }
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let mut last = None;
        for (first, expected) in [(10, 10), (10, 11), (5, 12), (11, 13), (20, 20), (1, 21), (21, 22)] {
            let number = OrderNumbers { prefix: String::new(), first }.after(last);
            assert_eq!(number, expected, "{first} after {last:?}");
            last = Some(number);
        }
    }
}
