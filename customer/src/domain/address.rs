//! Postal addresses of a customer.

use serde::{Deserialize, Serialize};
use souk_types::input::{Fields, Input};
use souk_types::{Error, Id, Result, Text};

use super::country::Country;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    id: AddressId,
    #[serde(flatten)]
    address: PostalAddress,
}

pub(crate) type AddressId = Id<Address>;

/// An address without a recipient. It has a postal code if its country requires one.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "StoredAddress")]
pub(crate) struct PostalAddress {
    street: Text<1, 200>,
    city: Text<1, 100>,
    postal_code: Option<Text<1, 20>>,
    country: Country,
}

#[derive(Deserialize)]
struct StoredAddress {
    street: Text<1, 200>,
    city: Text<1, 100>,
    postal_code: Option<Text<1, 20>>,
    country: Country,
}

impl TryFrom<StoredAddress> for PostalAddress {
    type Error = &'static str;

    fn try_from(stored: StoredAddress) -> Result<Self, Self::Error> {
        let StoredAddress { street, city, postal_code, country } = stored;
        if postal_code.is_none() && country.requires_postal_code() {
            return Err("has no postal code, which its country requires");
        }
        Ok(Self { street, city, postal_code, country })
    }
}

impl Input for PostalAddress {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (street, city) = (fields.required("street"), fields.required("city"));
        let is_given = fields.is_given("postal_code");
        // Forms send an empty text for a country without postal codes.
        let postal_code: Option<Text<0, 20>> = fields.optional("postal_code");
        let is_absent = !is_given || postal_code.as_ref().is_some_and(|code| code.is_empty());
        let country: Option<Country> = fields.required("country");
        if is_absent && country.as_ref().is_none_or(Country::requires_postal_code) {
            return fields.refuse("postal_code", "is required, except in countries without postal codes");
        }
        let postal_code = postal_code.and_then(|code| String::from(code).try_into().ok());
        Some(Self { street: street?, city: city?, postal_code, country: country? })
    }
}

/// The addresses of one account, oldest first.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct AddressBook(Vec<Address>);

/// Most addresses of an account. Bounds the size of the account's document.
const MAX_ADDRESSES: usize = 20;

impl AddressBook {
    pub(crate) fn add(&mut self, address: PostalAddress) -> Result<Address> {
        if self.0.len() >= MAX_ADDRESSES {
            let detail = format!("An account has at most {MAX_ADDRESSES} addresses. Delete one first.");
            return Err(Error::conflict("conflict", detail));
        }
        let address = Address { id: Id::new(), address };
        self.0.push(address.clone());
        Ok(address)
    }

    pub(crate) fn replace(&mut self, id: AddressId, address: PostalAddress) -> Result<Address> {
        let stored = self.0.iter_mut().find(|stored| stored.id == id).ok_or_else(not_found)?;
        stored.address = address;
        Ok(stored.clone())
    }

    pub(crate) fn remove(&mut self, id: AddressId) -> Result<()> {
        let index = self.0.iter().position(|stored| stored.id == id).ok_or_else(not_found)?;
        self.0.remove(index);
        Ok(())
    }
}

fn not_found() -> Error {
    Error::not_found("address")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use souk_types::ErrorKind;
    use souk_types::input::from_json;

    use super::*;

    fn body(street: &str) -> Value {
        json!({"street": street, "city": "Cairo", "postal_code": "11511", "country": "EG"})
    }

    fn address(street: &str) -> PostalAddress {
        serde_json::from_value(body(street)).unwrap()
    }

    #[test]
    fn a_bad_field_is_refused() {
        assert!(serde_json::from_value::<PostalAddress>(body("1 Khan el-Khalili")).is_ok());
        for (field, bad) in [
            ("street", json!(" ")),
            ("street", json!("x".repeat(201))),
            ("street", json!("1 Khan\nel-Khalili")),
            ("city", json!("x".repeat(101))),
            ("city", json!("\u{200b}")),
            ("city", json!(null)),
            ("postal_code", json!(11511)),
            ("postal_code", json!("x".repeat(21))),
            ("postal_code", json!("\u{200b}")),
            ("country", json!("eg")),
            ("country", json!("XX")),
            ("country", json!("A ")),
            ("country", json!("AD AE")),
            ("country", json!("Egypt")),
        ] {
            let mut body = body("1 Khan el-Khalili");
            body[field] = bad;
            assert!(serde_json::from_value::<PostalAddress>(body.clone()).is_err(), "{body}");
            let error = from_json::<PostalAddress>(body.clone()).err().unwrap();
            assert_eq!(error.fields().iter().map(|bad| &*bad.field).collect::<Vec<_>>(), [field], "{body}");
        }
    }

    #[test]
    fn a_postal_code_is_required_in_countries_that_need_one() {
        let read = |country: &str, code: Option<Value>| {
            let mut body = json!({"street": "1 Nathan Road", "city": "Kowloon", "country": country});
            if let Some(code) = code {
                body["postal_code"] = code;
            }
            from_json::<PostalAddress>(body).map(|address| serde_json::to_value(address).unwrap())
        };
        for absent in [None, Some(json!(null)), Some(json!("")), Some(json!(" "))] {
            for country in ["HK", "AE", "IE"] {
                let address = read(country, absent.clone()).unwrap();
                assert_eq!(address["postal_code"], json!(null), "{country} {absent:?}");
                assert!(serde_json::from_value::<PostalAddress>(address).is_ok(), "what is stored can be read");
            }
            let error = read("DE", absent.clone()).unwrap_err();
            assert_eq!(error.fields()[0].field, "postal_code", "{absent:?}");
        }
        assert_eq!(read("IE", Some(json!("D02 AF30"))).unwrap()["postal_code"], "D02 AF30");
        assert_eq!(read("DE", Some(json!("10115"))).unwrap()["postal_code"], "10115");
        let stored = json!({"street": "s", "city": "c", "postal_code": null, "country": "DE"});
        assert!(serde_json::from_value::<PostalAddress>(stored).is_err());
    }

    #[test]
    fn addresses_are_added_replaced_and_removed() {
        let mut book = AddressBook::default();
        let (home, work) = (book.add(address("Home")).unwrap(), book.add(address("Work")).unwrap());
        book.replace(home.id, address("New home")).unwrap();
        book.remove(work.id).unwrap();
        let mut expected = body("New home");
        expected["id"] = json!(home.id);
        assert_eq!(serde_json::to_value(&book).unwrap(), json!([expected]));
        assert_eq!(book.remove(work.id).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(book.replace(work.id, address("Work")).err().unwrap().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_full_address_book_refuses_another_address() {
        let mut book = AddressBook::default();
        for _ in 0..MAX_ADDRESSES {
            book.add(address("Home")).unwrap();
        }
        assert_eq!(book.add(address("Home")).err().unwrap().kind(), ErrorKind::Conflict);
    }
}
