//! Postal addresses.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::input::{Fields, Input};
use crate::{Country, Phone, Text};

/// A postal address with its recipient. It has a postal code if its country requires one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Address {
    name: Text<1, 100>,
    company: Option<Text<1, 100>>,
    line1: Text<1, 200>,
    line2: Option<Text<1, 200>>,
    city: Text<1, 100>,
    region: Option<Text<1, 50>>,
    postal_code: Option<Text<1, 20>>,
    country: Country,
    phone: Option<Phone>,
}

#[derive(Deserialize)]
struct Stored {
    name: Text<1, 100>,
    company: Option<Text<1, 100>>,
    line1: Text<1, 200>,
    line2: Option<Text<1, 200>>,
    city: Text<1, 100>,
    region: Option<Text<1, 50>>,
    postal_code: Option<Text<1, 20>>,
    country: Country,
    phone: Option<Phone>,
}

impl Address {
    /// Returns the recipient.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the recipient's company.
    #[must_use]
    pub fn company(&self) -> Option<&str> {
        self.company.as_deref()
    }

    /// Returns the first line: street and number.
    #[must_use]
    pub fn line1(&self) -> &str {
        &self.line1
    }

    /// Returns the second line: floor, building.
    #[must_use]
    pub fn line2(&self) -> Option<&str> {
        self.line2.as_deref()
    }

    /// Returns the city.
    #[must_use]
    pub fn city(&self) -> &str {
        &self.city
    }

    /// Returns the region: a state or province.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Returns the postal code.
    #[must_use]
    pub fn postal_code(&self) -> Option<&str> {
        self.postal_code.as_deref()
    }

    /// Returns the country.
    #[must_use]
    pub fn country(&self) -> &Country {
        &self.country
    }

    /// Returns the telephone number for the carrier.
    #[must_use]
    pub fn phone(&self) -> Option<&Phone> {
        self.phone.as_ref()
    }
}

impl fmt::Debug for Address {
    /// Shows the country only, so that no log line can show the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}, ..)", self.country.as_str())
    }
}

impl TryFrom<Stored> for Address {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored { name, company, line1, line2, city, region, postal_code, country, phone } = stored;
        if postal_code.is_none() && country.requires_postal_code() {
            return Err("has no postal code, which its country requires");
        }
        Ok(Self { name, company, line1, line2, city, region, postal_code, country, phone })
    }
}

impl Input for Address {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (name, company) = (fields.required("name"), optional(fields, "company"));
        let (line1, line2) = (fields.required("line1"), optional(fields, "line2"));
        let (city, region) = (fields.required("city"), optional(fields, "region"));
        let (postal_code, phone) = (optional(fields, "postal_code"), fields.optional("phone"));
        let country: Option<Country> = fields.required("country");
        if postal_code == Some(None) && country.as_ref().is_none_or(Country::requires_postal_code) {
            return fields.refuse("postal_code", "is required, except in countries without postal codes");
        }
        Some(Self {
            name: name?,
            company: company?,
            line1: line1?,
            line2: line2?,
            city: city?,
            region: region?,
            postal_code: postal_code?,
            country: country?,
            phone,
        })
    }
}

/// Reads a text that may be absent. Forms send an empty text for an absent one. `None` for a text
/// that is refused.
fn optional<const MAX: usize>(fields: &mut Fields, name: &str) -> Option<Option<Text<1, MAX>>> {
    let is_given = fields.is_given(name);
    match fields.optional::<Text<0, MAX>>(name) {
        None if is_given => None,
        None => Some(None),
        Some(text) => Some(String::from(text).try_into().ok()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::input::from_json;

    fn body() -> Value {
        json!({"name": "Ana Silva", "line1": "1 Khan el-Khalili", "city": "Cairo", "postal_code": "11511", "country": "EG"})
    }

    #[test]
    fn a_bad_field_is_refused() {
        assert!(serde_json::from_value::<Address>(body()).is_ok());
        for (field, bad) in [
            ("name", json!(" ")),
            ("name", json!(null)),
            ("company", json!("x".repeat(101))),
            ("line1", json!(" ")),
            ("line1", json!("x".repeat(201))),
            ("line1", json!("1 Khan\nel-Khalili")),
            ("line2", json!(5)),
            ("city", json!("x".repeat(101))),
            ("city", json!("\u{200b}")),
            ("city", json!(null)),
            ("region", json!("x".repeat(51))),
            ("postal_code", json!(11511)),
            ("postal_code", json!("x".repeat(21))),
            ("country", json!("eg")),
            ("country", json!("XX")),
            ("country", json!("A ")),
            ("country", json!("AD AE")),
            ("country", json!("Egypt")),
            ("phone", json!("123")),
        ] {
            let mut body = body();
            body[field] = bad;
            assert!(serde_json::from_value::<Address>(body.clone()).is_err(), "{body}");
            let error = from_json::<Address>(body.clone()).err().unwrap();
            assert_eq!(error.fields().iter().map(|bad| &*bad.field).collect::<Vec<_>>(), [field], "{body}");
        }
    }

    #[test]
    fn a_postal_code_is_required_in_countries_that_need_one() {
        let read = |country: &str, code: Option<Value>| {
            let mut body = json!({"name": "n", "line1": "1 Nathan Road", "city": "Kowloon", "country": country});
            if let Some(code) = code {
                body["postal_code"] = code;
            }
            from_json::<Address>(body).map(|address| serde_json::to_value(address).unwrap())
        };
        for absent in [None, Some(json!(null)), Some(json!("")), Some(json!(" "))] {
            for country in ["HK", "AE", "IE"] {
                let address = read(country, absent.clone()).unwrap();
                assert_eq!(address["postal_code"], json!(null), "{country} {absent:?}");
                assert!(serde_json::from_value::<Address>(address).is_ok(), "a stored address can be read");
            }
            let error = read("DE", absent.clone()).unwrap_err();
            assert_eq!(error.fields()[0].field, "postal_code", "{absent:?}");
        }
        assert_eq!(read("IE", Some(json!("D02 AF30"))).unwrap()["postal_code"], "D02 AF30");
        assert_eq!(read("DE", Some(json!("10115"))).unwrap()["postal_code"], "10115");
        let stored = json!({"name": "n", "line1": "s", "city": "c", "postal_code": null, "country": "DE"});
        assert!(serde_json::from_value::<Address>(stored).is_err());
    }

    #[test]
    fn debug_output_hides_the_address() {
        let address: Address = serde_json::from_value(body()).unwrap();
        assert_eq!(format!("{address:?}"), "Address(EG, ..)");
    }
}
