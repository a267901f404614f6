//! Postal addresses.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::input::{Fields, Input};
use crate::{Country, Phone, Text};

/// A postal address with its recipient. Its region and its postal code follow the rules of its
/// country: see [`Country::parse_region`] and [`Country::parse_postal_code`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
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

/// The parts of an address, before the rules of the country.
#[derive(Deserialize)]
struct Parts {
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

    /// Returns the region, a state or province: its code where the country has a list of regions.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Returns the name of the region, for people.
    #[must_use]
    pub fn region_name(&self) -> Option<&str> {
        let region = self.region()?;
        Some(self.country.region_name(region).unwrap_or(region))
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

impl TryFrom<Parts> for Address {
    type Error = String;

    fn try_from(parts: Parts) -> Result<Self, Self::Error> {
        let Parts { name, company, line1, line2, city, region, postal_code, country, phone } = parts;
        let region = country.parse_region(region).map_err(|problem| format!("region {problem}"))?;
        let postal_code = country.parse_postal_code(postal_code).map_err(|problem| format!("postal_code {problem}"))?;
        Ok(Self { name, company, line1, line2, city, region, postal_code, country, phone })
    }
}

impl Input for Address {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (name, company) = (fields.required("name"), optional(fields, "company"));
        let (line1, line2) = (fields.required("line1"), optional(fields, "line2"));
        let (city, phone) = (fields.required("city"), fields.optional("phone"));
        let (region, postal_code) = (optional(fields, "region"), optional(fields, "postal_code"));
        // Without a country, nothing says which of the two are required.
        let country: Option<Country> = fields.required("country");
        let region = country.as_ref().and_then(|country| parsed(fields, "region", country.parse_region(region?)));
        let postal_code =
            country.as_ref().and_then(|country| parsed(fields, "postal_code", country.parse_postal_code(postal_code?)));
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

/// Refuses the field with the problem that its country's rule found.
fn parsed<T>(fields: &mut Fields, name: &str, result: Result<T, String>) -> Option<T> {
    result.map_or_else(|problem| fields.refuse(name, &problem), Some)
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
            ("postal_code", json!("1151")),
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
    fn the_country_decides_on_region_and_postal_code() {
        let read = |country: &str, region: Value, code: Value| {
            let mut body = json!({"name": "n", "line1": "1 Nathan Road", "city": "c", "country": country});
            body["region"] = region;
            body["postal_code"] = code;
            from_json::<Address>(body)
        };
        for absent in [json!(null), json!(""), json!(" ")] {
            let address = serde_json::to_value(read("IE", absent.clone(), absent.clone()).unwrap()).unwrap();
            assert_eq!((&address["region"], &address["postal_code"]), (&json!(null), &json!(null)), "{absent}");
            assert!(serde_json::from_value::<Address>(address).is_ok(), "a stored address can be read");
            let error = read("US", absent.clone(), absent.clone()).unwrap_err();
            let named: Vec<&str> = error.fields().iter().map(|bad| &*bad.field).collect();
            assert_eq!(named, ["region", "postal_code"], "{absent}");
        }
        let address = read("US", json!("california"), json!("95014")).unwrap();
        assert_eq!((address.region(), address.region_name()), (Some("CA"), Some("California")));
        assert_eq!(read("DE", json!("Bayern"), json!("80331")).unwrap().region_name(), Some("Bayern"));
        for (country, region, code) in [("DE", json!(null), json!(null)), ("US", json!("XX"), json!("95014"))] {
            let stored = json!({
                "name": "n", "line1": "s", "city": "c", "region": region, "postal_code": code, "country": country
            });
            assert!(serde_json::from_value::<Address>(stored.clone()).is_err(), "{stored}");
        }
    }

    #[test]
    fn debug_output_hides_the_address() {
        let address: Address = serde_json::from_value(body()).unwrap();
        assert_eq!(format!("{address:?}"), "Address(EG, ..)");
    }
}
