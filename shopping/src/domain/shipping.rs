//! Shipping: zones of places, and the methods of each zone with their prices.

mod input;
mod method;

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use souk_types::{Country, Error, Money, Result, Text};

pub(crate) use self::method::{DeliveryDays, Method, Parcel};
use super::location::{Location, PostalCodes};
use super::quote::MethodId;

const MAX_ZONES: usize = 100;
const MAX_METHODS: usize = 20;

/// The shipping zones. The first zone that contains an address decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct Shipping {
    zones: Vec<Zone>,
}

#[derive(Deserialize)]
struct Unchecked {
    zones: Vec<Zone>,
}

/// Places, and the methods that ship there. An empty list of countries, regions or postal codes
/// means all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Zone {
    name: Text<1, 100>,
    #[serde(default)]
    countries: Vec<Country>,
    #[serde(default)]
    regions: Vec<Text<1, 50>>,
    #[serde(default)]
    postal_codes: Vec<PostalCodes>,
    methods: Vec<Method>,
}

impl Shipping {
    /// Returns the zones of a shop that has not been set up.
    pub(crate) fn sample() -> Result<Self> {
        serde_json::from_str(include_str!("shipping/sample.json")).map_err(Error::internal)
    }

    /// Returns the methods that ship to a place, with their prices in the currency of the shop.
    /// Methods priced in another currency are left out.
    pub(crate) fn options(&self, place: &Location, parcel: Parcel) -> Vec<(&Method, Money)> {
        self.methods(place).iter().filter_map(|method| Some((method, method.price(parcel)?))).collect()
    }

    /// Returns a method of the zone of a place.
    pub(crate) fn method(&self, place: &Location, id: &MethodId) -> Option<&Method> {
        self.zone(place)?.methods.iter().find(|method| method.id == *id)
    }

    /// Returns the methods that ship to a place, whatever is shipped.
    pub(crate) fn methods(&self, place: &Location) -> &[Method] {
        self.zone(place).map_or(&[][..], |zone| &zone.methods)
    }

    /// Returns the countries of all zones, sorted; `None` when a zone contains all countries.
    pub(crate) fn countries(&self) -> Option<Vec<Country>> {
        let is_limited = self.zones.iter().all(|zone| !zone.countries.is_empty());
        let countries: BTreeSet<&Country> = self.zones.iter().flat_map(|zone| &zone.countries).collect();
        is_limited.then(|| countries.into_iter().cloned().collect())
    }

    /// Whether a zone has this method.
    pub(crate) fn knows(&self, id: &MethodId) -> bool {
        self.zones.iter().flat_map(|zone| &zone.methods).any(|method| method.id == *id)
    }

    fn zone(&self, place: &Location) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.contains(place))
    }
}

impl Zone {
    /// Replaces the regions by their codes. Errors: the position of a region that none of the
    /// countries has.
    fn parse_regions(&mut self) -> Result<(), usize> {
        for (position, region) in self.regions.iter_mut().enumerate() {
            let parse = |country: &Country| country.parse_region(Some(region.clone())).ok().flatten();
            *region = self.countries.iter().find_map(parse).ok_or(position)?;
        }
        Ok(())
    }

    fn contains(&self, place: &Location) -> bool {
        (self.countries.is_empty() || self.countries.contains(&place.country))
            && (self.regions.is_empty() || self.regions.iter().any(|region| place.is_in_region(region)))
            && (self.postal_codes.is_empty() || self.postal_codes.iter().any(|codes| codes.contains(place)))
    }
}

impl TryFrom<Unchecked> for Shipping {
    type Error = String;

    fn try_from(Unchecked { zones }: Unchecked) -> Result<Self, Self::Error> {
        // A stored document may repeat a name: it was saved before names had to be unique.
        Self { zones }.with_codes().map_err(|(field, problem)| format!("{field} {problem}"))
    }
}

impl Shipping {
    /// Returns the zones as [`Self::with_codes`] does. The name says which zone is meant, so each
    /// has its own.
    fn checked(self) -> Result<Self, (String, String)> {
        if let Some(number) = self.repeated_name() {
            return Err((format!("zones.{number}.name"), "is given twice".to_owned()));
        }
        self.with_codes()
    }

    /// Returns the position of the first zone whose name an earlier one has.
    fn repeated_name(&self) -> Option<usize> {
        let mut names = HashSet::new();
        self.zones.iter().position(|zone| !names.insert(&zone.name))
    }

    /// Returns the zones with the codes of regions, or the first invalid field and what is wrong
    /// with it.
    fn with_codes(mut self) -> Result<Self, (String, String)> {
        if self.zones.len() > MAX_ZONES {
            return Err(("zones".to_owned(), format!("must have at most {MAX_ZONES} zones")));
        }
        for (number, zone) in self.zones.iter_mut().enumerate() {
            let field = |field: &str| format!("zones.{number}.{field}");
            let unknown = |region| (field(&format!("regions.{region}")), "is no region of these countries".to_owned());
            zone.parse_regions().map_err(unknown)?;
            if zone.methods.len() > MAX_METHODS {
                return Err((field("methods"), format!("must have at most {MAX_METHODS} methods")));
            }
            let mut ids = HashSet::new();
            for (position, method) in zone.methods.iter().enumerate() {
                if let Some(problem) = method.problem() {
                    return Err((field(&format!("methods.{position}.price")), problem));
                }
                if !ids.insert(&method.id) {
                    return Err((field(&format!("methods.{position}.id")), "is given twice in this zone".to_owned()));
                }
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use souk_types::Currency;

    use super::*;

    fn euros(amount: u64) -> Value {
        json!({"amount": amount, "currency": "EUR"})
    }

    fn shipping() -> Shipping {
        let days = json!({"from": 1, "to": 3});
        serde_json::from_value(json!({"zones": [
            {"name": "islands", "countries": ["DE"], "postal_codes": ["27498", "25938..25999"], "methods": [
                {"id": "ferry", "name": "Ferry", "price": {"kind": "flat", "price": euros(1500)}, "days": days}]},
            {"name": "Germany", "countries": ["DE"], "methods": [
                {"id": "parcel", "name": "Parcel", "price": {"kind": "flat", "price": euros(490)}, "free_from": euros(5000), "days": days},
                {"id": "letter", "name": "Letter", "price": {"kind": "by-weight", "brackets": [
                    {"up_to_grams": 500, "price": euros(160)}, {"up_to_grams": 1000, "price": euros(270)}]}, "days": days},
                {"id": "insured", "name": "Insured", "price": {"kind": "by-total", "brackets": [
                    {"from": euros(1000), "price": euros(700)}, {"from": euros(10000), "price": euros(900)}]}, "days": days},
                {"id": "collect", "name": "Collect", "price": {"kind": "pickup"}, "days": {"from": 0, "to": 0}}]},
            {"name": "dollars", "countries": ["US"], "regions": ["CA"], "methods": [
                {"id": "air", "name": "Air", "price": {"kind": "flat", "price": {"amount": 1, "currency": "USD"}}, "days": days}]},
            {"name": "world", "methods": [
                {"id": "world", "name": "World", "price": {"kind": "flat", "price": euros(1900)}, "days": days}]},
        ]}))
        .unwrap()
    }

    #[test]
    fn the_first_zone_of_a_place_offers_its_methods() {
        for (place, grams, total, options) in [
            (("DE", None, "10115"), 500, 999, vec![("parcel", 490), ("letter", 160), ("collect", 0)]),
            (
                ("DE", None, "10115"),
                501,
                1000,
                vec![("parcel", 490), ("letter", 270), ("insured", 700), ("collect", 0)],
            ),
            (("DE", None, "10115"), 1001, 4999, vec![("parcel", 490), ("insured", 700), ("collect", 0)]),
            (("DE", None, "10115"), 1001, 5000, vec![("parcel", 0), ("insured", 700), ("collect", 0)]),
            (("DE", None, "10115"), 1001, 10_000, vec![("parcel", 0), ("insured", 900), ("collect", 0)]),
            (("DE", None, "25940"), 500, 999, vec![("ferry", 1500)]),
            (("US", Some("CA"), "90210"), 500, 999, vec![]),
            (("US", Some("OR"), "97201"), 500, 999, vec![("world", 1900)]),
            (("FR", None, "75001"), 500, 999, vec![("world", 1900)]),
        ] {
            let (country, region, code) = place;
            let to = Location {
                country: Country::try_from(country.to_owned()).unwrap(),
                region: region.map(ToOwned::to_owned),
                postal_code: Some(code.to_owned()),
            };
            let parcel = Parcel { grams, total: Money::new(total, Currency::EUR).unwrap() };
            let shipping = shipping();
            let offered: Vec<(String, u64)> = shipping
                .options(&to, parcel)
                .iter()
                .map(|(method, price)| (method.id.to_string(), price.amount()))
                .collect();
            let options: Vec<(String, u64)> = options.into_iter().map(|(id, price)| (id.to_owned(), price)).collect();
            assert_eq!(offered, options, "{place:?} {grams} g {total}");
        }
    }

    #[test]
    fn two_zones_of_one_name_are_refused() {
        let zones =
            |second: &str| json!({"zones": [{"name": "Islands", "methods": []}, {"name": second, "methods": []}]});
        let refused = souk_types::input::from_json::<Shipping>(zones("Islands")).unwrap_err();
        let fields: Vec<&str> = refused.fields().iter().map(|bad| bad.field.as_str()).collect();
        assert_eq!(fields, ["zones.1.name"]);
        assert!(souk_types::input::from_json::<Shipping>(zones("Lowlands")).is_ok());
        assert!(serde_json::from_value::<Shipping>(zones("Islands")).is_ok(), "a stored document stays readable");
    }

    #[test]
    fn a_method_without_sense_is_refused() {
        let method = |price: Value| json!({"id": "m", "name": "M", "price": price, "days": {"from": 1, "to": 2}});
        let dollars = json!({"amount": 1, "currency": "USD"});
        for (methods, is_good) in [
            (json!([method(json!({"kind": "flat", "price": euros(1)}))]), true),
            (json!([]), true),
            (json!([method(json!({"kind": "pickup"})), method(json!({"kind": "pickup"}))]), false),
            (json!([method(json!({"kind": "by-weight", "brackets": []}))]), false),
            (
                json!([method(
                    json!({"kind": "by-weight", "brackets": [{"up_to_grams": 2, "price": euros(1)}, {"up_to_grams": 2, "price": euros(2)}]})
                )]),
                false,
            ),
            (json!([method(json!({"kind": "by-total", "brackets": [{"from": euros(1), "price": dollars}]}))]), false),
            (json!([method(json!({"kind": "by-moon", "price": euros(1)}))]), false),
            (json!([{"id": "M!", "name": "M", "price": {"kind": "pickup"}, "days": {"from": 1, "to": 2}}]), false),
            (json!([{"id": "m", "name": "M", "price": {"kind": "pickup"}, "days": {"from": 2, "to": 1}}]), false),
        ] {
            let shipping = json!({"zones": [{"name": "z", "methods": methods}]});
            let read = serde_json::from_value::<Shipping>(shipping.clone());
            assert_eq!(read.is_ok(), is_good, "{methods}: {read:?}");
            assert_eq!(souk_types::input::from_json::<Shipping>(shipping).is_ok(), is_good, "{methods}");
        }
    }
}
