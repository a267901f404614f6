//! The addresses of a customer, kept in the account.

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_types::input::{Fields, Input};
use souk_types::{Error, Id, Result, Text};

use crate::App;
use crate::application::accounts::Profile;

/// Where things are sent to.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    id: AddressId,
    #[serde(flatten)]
    place: Place,
}

/// The id of an address.
pub(crate) type AddressId = Id<Address>;

/// What is written on a parcel, without the name.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    street: Text<1, 200>,
    city: Text<1, 100>,
    postal_code: Text<1, 20>,
    country: Country,
}

impl Input for Place {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (street, city) = (fields.required("street"), fields.required("city"));
        let (postal_code, country) = (fields.required("postal_code"), fields.required("country"));
        Some(Self { street: street?, city: city?, postal_code: postal_code?, country: country? })
    }
}

/// All addresses are in the account's one document, which must stay small.
const MAX_ADDRESSES: usize = 20;

/// Adds an address. Errors: `conflict` when there are too many.
pub(crate) async fn add(app: &App, customer: CustomerId, place: Place) -> Result<Address> {
    let address = Address { id: Id::new(), place };
    app.accounts.edit(customer, move |profile| profile.add(address.clone())).await
}

/// Replaces an address, which keeps its id.
pub(crate) async fn replace(app: &App, customer: CustomerId, id: AddressId, place: Place) -> Result<Address> {
    let address = Address { id, place };
    app.accounts.edit(customer, move |profile| profile.replace(address.clone())).await
}

/// Removes an address.
pub(crate) async fn remove(app: &App, customer: CustomerId, id: AddressId) -> Result<()> {
    app.accounts.edit(customer, move |profile| profile.remove(id)).await
}

impl Profile {
    fn add(&mut self, address: Address) -> Result<Address> {
        if self.addresses.len() >= MAX_ADDRESSES {
            return Err(Error::conflict("conflict", format!("An account has at most {MAX_ADDRESSES} addresses.")));
        }
        self.addresses.push(address.clone());
        Ok(address)
    }

    fn replace(&mut self, address: Address) -> Result<Address> {
        let kept = self.addresses.iter_mut().find(|kept| kept.id == address.id);
        *kept.ok_or_else(|| Error::not_found("address"))? = address.clone();
        Ok(address)
    }

    fn remove(&mut self, id: AddressId) -> Result<()> {
        let before = self.addresses.len();
        self.addresses.retain(|address| address.id != id);
        if self.addresses.len() < before { Ok(()) } else { Err(Error::not_found("address")) }
    }
}

/// A country, by its ISO 3166-1 code.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct Country(String);

/// Every assigned code, and `XK`, which the postal services of the world use for Kosovo until it has one.
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

    use super::*;
    use crate::application::accounts as account;
    use crate::testing::{ana, start};

    fn place(street: &str) -> Place {
        let body = json!({"street": street, "city": "Cairo", "postal_code": "11511", "country": "EG"});
        souk_types::input::from_json(body).unwrap()
    }

    #[test]
    fn every_bad_field_is_named() {
        for (changed, bad) in [
            (json!({"street": " "}), "street"),
            (json!({"street": "x".repeat(201)}), "street"),
            (json!({"city": "x".repeat(101)}), "city"),
            (json!({"postal_code": 11511}), "postal_code"),
            (json!({"country": "eg"}), "country"),
            (json!({"country": "XX"}), "country"),
            (json!({"country": "A "}), "country"),
            (json!({"country": "AD AE"}), "country"),
            (json!({"country": "Egypt"}), "country"),
            (json!({"id": "018f4b3a-5c6d-7e8f-9a0b-1c2d3e4f5a6b"}), "id"),
        ] {
            let mut body = json!({"street": "1 Khan", "city": "Cairo", "postal_code": "11511", "country": "EG"});
            if let (Value::Object(body), Value::Object(changed)) = (&mut body, changed) {
                body.extend(changed);
            }
            let error = souk_types::input::from_json::<Place>(body.clone()).err().unwrap();
            assert_eq!(error.fields().iter().map(|bad| &*bad.field).collect::<Vec<_>>(), [bad], "{body}");
        }
    }

    #[test]
    fn there_are_249_countries_and_kosovo() {
        let codes: Vec<&str> = COUNTRIES.split(' ').collect();
        assert_eq!(codes.len(), 250);
        assert!(codes.is_sorted_by(|a, b| a < b) && codes.iter().all(|code| code.len() == 2));
    }

    #[tokio::test]
    async fn addresses_come_change_and_go() {
        let (app, _directory) = start();
        let customer = ana(&app).await.id;
        let (home, work) =
            (add(&app, customer, place("Home")).await.unwrap(), add(&app, customer, place("Work")).await.unwrap());
        replace(&app, customer, home.id, place("New home")).await.unwrap();
        remove(&app, customer, work.id).await.unwrap();
        let kept = serde_json::to_value(account::get(&app, customer).await.unwrap().addresses).unwrap();
        let expected =
            json!([{"id": home.id, "street": "New home", "city": "Cairo", "postal_code": "11511", "country": "EG"}]);
        assert_eq!(kept, expected);
        assert_eq!(remove(&app, customer, work.id).await.err().unwrap().code(), "not-found");
        assert_eq!(replace(&app, customer, work.id, place("Work")).await.err().unwrap().code(), "not-found");
    }

    #[tokio::test]
    async fn there_is_a_limit() {
        let (app, _directory) = start();
        let customer = ana(&app).await.id;
        for _ in 0..MAX_ADDRESSES {
            add(&app, customer, place("Home")).await.unwrap();
        }
        assert_eq!(add(&app, customer, place("Home")).await.err().unwrap().code(), "conflict");
    }
}
