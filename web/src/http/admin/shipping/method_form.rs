//! The fields of a shipping method. Which ones it has depends on the kind of its price.

use serde_json::{Value, json};
use souk_contract::shopping::MAX_METHOD_ID;
use souk_types::{FieldError, Money};

use super::super::products::{price, whole};
use super::super::rows;
use super::brackets::Scale;
use crate::api::admin_shop::{ZoneMethod, ZonePrice};
use crate::fields::{Field, FormState, Kind};
use crate::links;
use crate::locale::{Key, Language};
use crate::visit::Visit;

/// The kind of a price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum PriceKind {
    #[default]
    Flat,
    ByWeight,
    ByTotal,
    Pickup,
}

impl PriceKind {
    pub(super) const ALL: [Self; 4] = [Self::Flat, Self::ByWeight, Self::ByTotal, Self::Pickup];

    /// Returns its name in the API and in URLs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::ByWeight => "by-weight",
            Self::ByTotal => "by-total",
            Self::Pickup => "pickup",
        }
    }

    /// Returns its name for people.
    pub(super) const fn label(self) -> Key {
        match self {
            Self::Flat => Key("shipping-kind-flat"),
            Self::ByWeight => Key("shipping-kind-by-weight"),
            Self::ByTotal => Key("shipping-kind-by-total"),
            Self::Pickup => Key("shipping-kind-pickup"),
        }
    }

    /// Returns what it means.
    pub(super) const fn lead(self) -> Key {
        match self {
            Self::Flat => Key("shipping-lead-flat"),
            Self::ByWeight => Key("shipping-lead-by-weight"),
            Self::ByTotal => Key("shipping-lead-by-total"),
            Self::Pickup => Key("shipping-lead-pickup"),
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    pub(super) fn of(price: &ZonePrice) -> Self {
        match price {
            ZonePrice::Flat { .. } => Self::Flat,
            ZonePrice::ByWeight { .. } => Self::ByWeight,
            ZonePrice::ByTotal { .. } => Self::ByTotal,
            ZonePrice::Pickup => Self::Pickup,
        }
    }

    const fn scale(self) -> Option<Scale> {
        match self {
            Self::ByWeight => Some(Scale::Weight),
            Self::ByTotal => Some(Scale::Total),
            Self::Flat | Self::Pickup => None,
        }
    }
}

/// Returns the fields.
pub(super) fn fields(visit: &Visit<'_>, state: &FormState, kind: PriceKind) -> Vec<Field> {
    let field = |name: &str, label: Key| Field::new(state, name, visit.text(label));
    let name = field("method_name", Key("shipping-method-name")).up_to(100);
    let mut fields = vec![name.hint(visit.text("shipping-method-name-hint"))];
    if kind == PriceKind::Flat {
        fields.push(
            field("price", Key("admin-product-price"))
                .short(Kind::Number, 20)
                .hint(visit.text("shipping-flat-price-hint")),
        );
    }
    if kind != PriceKind::Pickup {
        let currency = field("currency", Key("admin-currency")).short(Kind::Text, 3);
        fields.push(Field { is_wide: kind != PriceKind::Flat, ..currency });
    }
    if let Some(scale) = kind.scale() {
        fields.extend(scale.fields(visit, state));
    }
    if kind != PriceKind::Pickup {
        let free = field("free_from", Key("shipping-free-above")).short(Kind::Number, 20).optional();
        fields.push(Field { is_wide: true, ..free }.hint(visit.text("shipping-free-above-hint")));
    }
    fields.push(field("days_from", Key("shipping-days-from")).short(Kind::Number, 3));
    fields.push(field("days_to", Key("shipping-days-to")).short(Kind::Number, 3));
    fields
}

/// Returns the form of a method. `currency` is that of a method without a price.
pub(super) fn fill(language: Language, method: &ZoneMethod, currency: &str) -> FormState {
    let mut state = FormState::default();
    let typed = |money: Money| language.typed_money(money);
    let first = match &method.price {
        ZonePrice::Flat { price } => {
            state.set("price", typed(*price));
            Some(*price)
        }
        ZonePrice::ByWeight { brackets } => {
            let rows = brackets.iter().map(|bracket| (bracket.up_to_grams.to_string(), typed(bracket.price)));
            Scale::Weight.fill(&mut state, rows);
            brackets.first().map(|bracket| bracket.price)
        }
        ZonePrice::ByTotal { brackets } => {
            let rows = brackets.iter().map(|bracket| (typed(bracket.from), typed(bracket.price)));
            Scale::Total.fill(&mut state, rows);
            brackets.first().map(|bracket| bracket.price)
        }
        ZonePrice::Pickup => None,
    };
    let first = first.or(method.free_from);
    state.set("method_name", method.name.as_str());
    state.set("currency", first.map_or(currency.to_owned(), |money| money.currency().code().to_owned()));
    state.set("free_from", method.free_from.map(typed).unwrap_or_default());
    state.set("days_from", method.days.from.to_string());
    state.set("days_to", method.days.to.to_string());
    state
}

/// Moves the prices of a form together, and sorts them.
pub(super) fn tidy(language: Language, state: &mut FormState, kind: PriceKind) {
    if let Some(scale) = kind.scale() {
        scale.tidy(language, state);
    }
}

/// Returns the method as JSON, without its id, with values that cannot be read as they were typed.
pub(super) fn json(language: Language, state: &FormState, kind: PriceKind) -> Value {
    let mut cost = json!({"kind": kind.as_str()});
    let money = |typed: &str| price(language, typed, state.value("currency"));
    match kind.scale() {
        Some(scale) => cost["brackets"] = scale.json(language, state).into(),
        None if kind == PriceKind::Flat => cost["price"] = money(state.value("price")),
        None => {}
    }
    // An amount that cannot be read must not become one that is left out.
    let free_from = state.optional("free_from").filter(|_| kind != PriceKind::Pickup);
    let free_from = free_from.map(|typed| match money(typed) {
        Value::Null => typed.into(),
        money => money,
    });
    json!({
        "name": state.value("method_name"),
        "price": cost,
        "free_from": free_from,
        "days": {"from": whole(state.value("days_from")), "to": whole(state.value("days_to"))},
    })
}

/// Whether a stored row is what the form of this new method creates, except for the id.
pub(super) fn is_same(language: Language, row: &Value, method: &Value) -> bool {
    rows::read(row).is_ok_and(|stored: ZoneMethod| {
        let kind = PriceKind::of(&stored.price);
        let mut state = fill(language, &stored, "");
        tidy(language, &mut state, kind);
        json(language, &state, kind) == *method
    })
}

/// Returns the field of the form for a field of a method.
pub(super) fn name(kind: PriceKind, refused: &FieldError, prefix: &str) -> Option<String> {
    let field = refused.field.strip_prefix(prefix)?;
    if let Some(bracket) = field.strip_prefix("price.brackets.") {
        return kind.scale()?.name(bracket);
    }
    let name = match field {
        "name" => "method_name",
        _ if field.ends_with(".currency") => "currency",
        "price" | "price.brackets" => match kind {
            PriceKind::ByWeight => "weight-0",
            PriceKind::ByTotal => "total-0",
            PriceKind::Flat | PriceKind::Pickup => "price",
        },
        "price.price" | "price.price.amount" => "price",
        "free_from" | "free_from.amount" => "free_from",
        "days.from" => "days_from",
        "days" | "days.to" => "days_to",
        _ => return None,
    };
    Some(name.to_owned())
}

/// Returns an id for a method, from its name, that none of the others has.
pub(super) fn new_id(name: &str, others: &[Value]) -> String {
    let ascii: String =
        links::slug(name).chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    let base: String = ascii.trim_matches('-').chars().take(MAX_METHOD_ID - 4).collect();
    let base = if base.is_empty() { "method".to_owned() } else { base };
    let is_free = |id: &String| others.iter().all(|other| other["id"] != *id.as_str());
    let numbered = (2..).map(|number: u32| format!("{base}-{number}"));
    std::iter::once(base.clone()).chain(numbered).find(is_free).unwrap_or(base.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_from_the_name_and_is_unique() {
        let others = [json!({"id": "parcel"}), json!({"id": "parcel-2"})];
        for (name, expected) in [
            ("Parcel", "parcel-3"),
            ("Express (1 day)", "express-1-day"),
            ("Päckchen", "paeckchen"),
            ("茶", "method"),
            ("", "method"),
        ] {
            assert_eq!(new_id(name, &others), expected, "{name}");
        }
        assert!(new_id(&"long ".repeat(30), &others).len() <= MAX_METHOD_ID);
    }

    #[test]
    fn a_method_is_read_as_it_was_filled_in() {
        let euros = |amount: u64| json!({"amount": amount, "currency": "EUR"});
        let method = |price: Value, free_from: Value| json!({"name": "Parcel", "price": price, "free_from": free_from, "days": {"from": 1, "to": 3}});
        for stored in [
            method(json!({"kind": "flat", "price": euros(490)}), euros(5_000)),
            method(
                json!({"kind": "by-weight", "brackets": [{"up_to_grams": 2_000, "price": euros(990)}]}),
                Value::Null,
            ),
            method(json!({"kind": "by-total", "brackets": [{"from": euros(0), "price": euros(990)}]}), euros(99_900)),
            method(json!({"kind": "pickup"}), Value::Null),
        ] {
            let parsed: ZoneMethod = serde_json::from_value(stored.clone()).unwrap();
            for language in Language::ALL {
                let mut state = fill(language, &parsed, "EUR");
                let kind = PriceKind::of(&parsed.price);
                tidy(language, &mut state, kind);
                assert_eq!(json(language, &state, kind), stored);
                let mut row = stored.clone();
                row["id"] = "parcel".into();
                assert!(is_same(language, &row, &stored));
                row["name"] = "Express".into();
                assert!(!is_same(language, &row, &stored));
            }
        }
    }

    #[test]
    fn a_refused_field_is_found_in_the_form() {
        for (kind, field, expected) in [
            (PriceKind::Flat, "price.price", Some("price")),
            (PriceKind::Flat, "price.price.currency", Some("currency")),
            (PriceKind::ByWeight, "price", Some("weight-0")),
            (PriceKind::ByWeight, "price.brackets.1.up_to_grams", Some("weight-1")),
            (PriceKind::ByTotal, "price.brackets.1.from", Some("total-1")),
            (PriceKind::Flat, "days.to", Some("days_to")),
            (PriceKind::Flat, "id", None),
        ] {
            let refused = FieldError::new(format!("zones.0.methods.1.{field}"), "is wrong");
            assert_eq!(name(kind, &refused, "zones.0.methods.1.").as_deref(), expected, "{field}");
        }
    }
}
