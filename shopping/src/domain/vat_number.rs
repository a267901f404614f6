//! VAT identification numbers of businesses in the EU and Northern Ireland.

use std::fmt;

use serde::{Deserialize, Serialize};
use souk_types::Country;

/// A VAT identification number in the format of its country: the prefix, then 2 to 12 characters.
/// It is read with spaces, points and hyphens, which are removed. Greece has the prefix `EL` (`GR`
/// is read as well), Northern Ireland has `XI`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct VatNumber(String);

/// The formats by prefix: `9` is a digit, `@` a letter, `X` a digit or a letter, `S` a digit, a
/// letter, `+` or `*`; all else stands for itself. Source: European Commission, "VAT identification
/// number structure" (FAQ of VIES), read in 2025.
const FORMATS: [(&str, &[&str]); 28] = [
    ("AT", &["U99999999"]),
    ("BE", &["9999999999"]),
    ("BG", &["999999999", "9999999999"]),
    ("CY", &["99999999@"]),
    ("CZ", &["99999999", "999999999", "9999999999"]),
    ("DE", &["999999999"]),
    ("DK", &["99999999"]),
    ("EE", &["999999999"]),
    ("EL", &["999999999"]),
    ("ES", &["X9999999@", "@99999999"]),
    ("FI", &["99999999"]),
    ("FR", &["XX999999999"]),
    ("HR", &["99999999999"]),
    ("HU", &["99999999"]),
    ("IE", &["9S99999@", "9999999@@"]),
    ("IT", &["99999999999"]),
    ("LT", &["999999999", "999999999999"]),
    ("LU", &["99999999"]),
    ("LV", &["99999999999"]),
    ("MT", &["99999999"]),
    ("NL", &["SSSSSSSSSSSS"]),
    ("PL", &["9999999999"]),
    ("PT", &["999999999"]),
    ("RO", &["99", "999", "9999", "99999", "999999", "9999999", "99999999", "999999999", "9999999999"]),
    ("SE", &["999999999999"]),
    ("SI", &["99999999"]),
    ("SK", &["9999999999"]),
    ("XI", &["999999999", "999999999999", "GD999", "HA999"]),
];

impl VatNumber {
    /// Returns the prefix: `EL` for Greece, `XI` for Northern Ireland.
    pub(crate) fn prefix(&self) -> &str {
        self.0.split_at(2).0
    }

    /// Returns the number without its prefix.
    pub(crate) fn number(&self) -> &str {
        self.0.split_at(2).1
    }

    /// Whether the business is registered in this country: Northern Ireland is a part of `GB`.
    pub(crate) fn is_of(&self, country: &Country) -> bool {
        let code = match self.prefix() {
            "EL" => "GR",
            "XI" => "GB",
            prefix => prefix,
        };
        country.as_str() == code
    }
}

fn fits(format: &str, number: &str) -> bool {
    let fits = |(format, c): (char, char)| match format {
        '9' => c.is_ascii_digit(),
        '@' => c.is_ascii_uppercase(),
        'X' => c.is_ascii_digit() || c.is_ascii_uppercase(),
        'S' => c.is_ascii_digit() || c.is_ascii_uppercase() || c == '+' || c == '*',
        literal => c == literal,
    };
    format.len() == number.len() && format.chars().zip(number.chars()).all(fits)
}

impl TryFrom<String> for VatNumber {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let ignored = |c: char| c.is_whitespace() || c == '.' || c == '-';
        let text: String = text.chars().filter(|c| !ignored(*c)).flat_map(char::to_uppercase).collect();
        let text = text.strip_prefix("GR").map_or(text.clone(), |number| format!("EL{number}"));
        let Some((prefix, number)) = text.split_at_checked(2) else {
            return Err("must be a VAT number with the prefix of its country, such as DE123456789".to_owned());
        };
        match FORMATS.iter().find(|(known, _)| *known == prefix) {
            Some((_, formats)) if formats.iter().any(|format| fits(format, number)) => Ok(Self(text)),
            Some(_) => Err(format!("is not in the format of the VAT numbers of {prefix}")),
            None => {
                Err("must begin with the prefix of an EU country (EL for Greece), or XI for Northern Ireland"
                    .to_owned())
            }
        }
    }
}

impl From<VatNumber> for String {
    fn from(number: VatNumber) -> Self {
        number.0
    }
}

impl fmt::Display for VatNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VatNumber {
    /// Shows the country only, because a number may identify a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VatNumber({}..)", self.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_format_of_its_country() {
        for (text, parsed) in [
            ("DE123456789", "DE123456789"),
            ("de 123.456-789", "DE123456789"),
            ("ATU12345678", "ATU12345678"),
            ("GR123456789", "EL123456789"),
            ("EL123456789", "EL123456789"),
            ("XI123456789", "XI123456789"),
            ("XIGD001", "XIGD001"),
            ("XIHA599", "XIHA599"),
            ("ESX1234567A", "ESX1234567A"),
            ("ESB12345678", "ESB12345678"),
            ("FRXX123456789", "FRXX123456789"),
            ("IE1S23456L", "IE1S23456L"),
            ("IE1234567WI", "IE1234567WI"),
            ("NL123456789B01", "NL123456789B01"),
            ("RO12", "RO12"),
            ("SE123456789001", "SE123456789001"),
        ] {
            assert_eq!(VatNumber::try_from(text.to_owned()).map(String::from).as_deref(), Ok(parsed), "{text}");
        }
        for bad in [
            "",
            "D",
            "DE",
            "DE12345678",
            "DE1234567890",
            "DE12345678A",
            "AT12345678",
            "ATX12345678",
            "GB123456789",
            "US123456789",
            "ES123456789",
            "12",
            "RO1",
            "RO12345678901",
            "EL12345678",
            "XIHB123",
            "ES12345678A1",
            "é",
            "CHE123456789",
            "DE12345678９",
        ] {
            assert!(VatNumber::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_number_belongs_to_a_country() {
        for (number, country) in [("EL123456789", "GR"), ("XI123456789", "GB"), ("DE123456789", "DE")] {
            let number = VatNumber::try_from(number.to_owned()).unwrap();
            assert!(number.is_of(&Country::try_from(country.to_owned()).unwrap()), "{number}");
            assert!(!number.is_of(&Country::try_from("FR".to_owned()).unwrap()), "{number}");
        }
    }
}
