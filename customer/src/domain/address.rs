//! Postal addresses of a customer.

use serde::{Deserialize, Serialize};
use souk_types::{Error, Id, Result, Text};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    id: AddressId,
    #[serde(flatten)]
    address: PostalAddress,
}

pub(crate) type AddressId = Id<Address>;

/// An address without a recipient.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PostalAddress {
    pub(crate) street: Text<1, 200>,
    pub(crate) city: Text<1, 100>,
    pub(crate) postal_code: Text<1, 20>,
    pub(crate) country: Country,
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

/// A country's two-letter code (ISO 3166-1).
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Country(String);

/// Every assigned code, and `XK`, which postal services use for Kosovo.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ \
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO \
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE \
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW \
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

impl TryFrom<String> for Country {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() == 2 && COUNTRIES.split(' ').any(|code| code == text) {
            Ok(Self(text))
        } else {
            Err("is not an ISO 3166 two-letter country code")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use souk_types::ErrorKind;

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
            ("city", json!("x".repeat(101))),
            ("postal_code", json!(11511)),
            ("postal_code", json!("x".repeat(21))),
            ("country", json!("eg")),
            ("country", json!("XX")),
            ("country", json!("A ")),
            ("country", json!("AD AE")),
            ("country", json!("Egypt")),
        ] {
            let mut body = body("1 Khan el-Khalili");
            body[field] = bad;
            assert!(serde_json::from_value::<PostalAddress>(body.clone()).is_err(), "{body}");
        }
    }

    #[test]
    fn there_are_249_countries_and_kosovo() {
        let codes: Vec<&str> = COUNTRIES.split(' ').collect();
        assert_eq!(codes.len(), 250);
        assert!(codes.is_sorted_by(|a, b| a < b) && codes.iter().all(|code| code.len() == 2));
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
