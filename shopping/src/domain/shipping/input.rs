//! Shipping as an admin sends it: the response names every invalid field.

use souk_types::Price;
use souk_types::input::{Fields, Input};

use super::method::{DeliveryDays, Method, MethodPrice, TotalBracket, WeightBracket};
use super::{Shipping, Zone};
use crate::domain::quote::optional_object;

impl Input for Shipping {
    fn read(fields: &mut Fields) -> Option<Self> {
        let zones = fields.required_list("zones")?;
        match (Self { zones }).checked() {
            Ok(shipping) => Some(shipping),
            Err((field, problem)) => fields.refuse(&field, &problem),
        }
    }
}

impl Input for Zone {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (name, methods) = (fields.required("name"), fields.required_list("methods"));
        let countries = fields.optional("countries").unwrap_or_default();
        let regions = fields.optional("regions").unwrap_or_default();
        let postal_codes = fields.optional("postal_codes").unwrap_or_default();
        Some(Self { name: name?, countries, regions, postal_codes, methods: methods? })
    }
}

impl Input for Method {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (id, name, price) = (fields.required("id"), fields.required("name"), fields.required_object("price"));
        let (free_from, days) = (optional_object::<Price>(fields, "free_from"), fields.required_object("days"));
        Some(Self { id: id?, name: name?, price: price?, free_from, days: days? })
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Flat,
    ByWeight,
    ByTotal,
    Pickup,
}

impl Input for MethodPrice {
    fn read(fields: &mut Fields) -> Option<Self> {
        match fields.required("kind") {
            Some(Kind::Flat) => fields.required_object("price").map(|price| Self::Flat { price }),
            Some(Kind::ByWeight) => fields.required_list("brackets").map(|brackets| Self::ByWeight { brackets }),
            Some(Kind::ByTotal) => fields.required_list("brackets").map(|brackets| Self::ByTotal { brackets }),
            Some(Kind::Pickup) => Some(Self::Pickup),
            None => {
                // Which fields are known depends on the kind.
                fields.take_raw("price");
                fields.take_raw("brackets");
                None
            }
        }
    }
}

impl Input for WeightBracket {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (up_to_grams, price) = (fields.required("up_to_grams"), fields.required_object("price"));
        Some(Self { up_to_grams: up_to_grams?, price: price? })
    }
}

impl Input for TotalBracket {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (from, price) = (fields.required_object("from"), fields.required_object("price"));
        Some(Self { from: from?, price: price? })
    }
}

impl Input for DeliveryDays {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (from, to) = (fields.required("from"), fields.required("to"));
        let (from, to) = (from?, to?);
        if from <= to { Some(Self { from, to }) } else { fields.refuse("to", "must not be before from") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use souk_types::input::from_json;

    use super::*;

    #[test]
    fn each_bad_field_is_named_and_numbers_have_their_value() {
        let euros = |amount: i64| json!({"amount": amount, "currency": "EUR"});
        let method = |price: Value, days: Value| json!({"zones": [{"name": "z", "methods": [{"id": "m", "name": "M", "price": price, "days": days}]}]});
        let days = json!({"from": 1, "to": 2});
        let flat = |amount| json!({"kind": "flat", "price": euros(amount)});
        let by_weight =
            |grams: Value| json!({"kind": "by-weight", "brackets": [{"up_to_grams": grams, "price": euros(1)}]});
        let at = |field: &str| format!("zones.0.methods.0.{field}");
        for (body, named) in [
            (json!({}), vec!["zones".to_owned()]),
            (json!({"zones": [], "x": 1}), vec!["x".to_owned()]),
            (json!({"zones": [{"name": ""}]}), vec!["zones.0.name".to_owned(), "zones.0.methods".to_owned()]),
            (method(flat(1), days.clone()), vec![]),
            (method(flat(-1), days.clone()), vec![at("price.price.amount")]),
            (method(json!({"kind": "pickup", "price": euros(1)}), days.clone()), vec![at("price.price")]),
            (method(json!({"kind": "moon", "price": euros(1)}), days.clone()), vec![at("price.kind")]),
            (method(by_weight(json!(2000.0)), days.clone()), vec![]),
            (method(by_weight(json!(-1)), days.clone()), vec![at("price.brackets.0.up_to_grams")]),
            (method(json!({"kind": "by-weight", "brackets": []}), days), vec![at("price")]),
            (method(flat(1), json!({"from": 1.0, "to": 2e0})), vec![]),
            (method(flat(1), json!({"from": 2, "to": 1})), vec![at("days.to")]),
            (method(flat(1), json!({"from": 0, "to": 366})), vec![at("days.to")]),
        ] {
            let fields = from_json::<Shipping>(body.clone()).map_or_else(
                |error| error.fields().iter().map(|bad| bad.field.clone()).collect::<Vec<_>>(),
                |_| Vec::new(),
            );
            assert_eq!(fields, named, "{body}");
        }
    }
}
