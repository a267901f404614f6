//! The prices of a shipping method by weight or by total, as rows of two fields: `weight-0` or
//! `total-0`, and `price-0`. A row that is left empty is none.

use serde_json::{Value, json};
use souk_contract::shopping::MAX_BRACKETS;
use souk_types::{Currency, Money};

use super::super::products::{price, whole};
use crate::fields::{Field, FormState, Kind};
use crate::locale::{Key, Language};
use crate::visit::Visit;

/// Empty rows below those that are filled in.
const EMPTY_ROWS: usize = 3;

/// What the price depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Weight,
    Total,
}

impl Scale {
    /// Returns the beginning of the names of its fields.
    const fn field(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Total => "total",
        }
    }

    /// Returns the fields: those with values, and some more.
    pub(super) fn fields(self, visit: &Visit<'_>, state: &FormState) -> Vec<Field> {
        let filled = self.rows(state).len();
        let label = match self {
            Self::Weight => Key("shipping-bracket-weight"),
            Self::Total => Key("shipping-bracket-total"),
        };
        let field = |name: String, label: Key, position: usize| {
            let label = visit.text(label).arg("row", position + 1);
            let field = Field::new(state, &name, label).short(Kind::Number, 20);
            if position == 0 { field } else { field.optional() }
        };
        (0..(filled + EMPTY_ROWS).min(MAX_BRACKETS))
            .flat_map(|position| {
                [
                    field(format!("{}-{position}", self.field()), label, position),
                    field(format!("price-{position}"), Key("shipping-bracket-price"), position),
                ]
            })
            .collect()
    }

    /// Writes the rows of a method.
    pub(super) fn fill(self, state: &mut FormState, rows: impl Iterator<Item = (String, String)>) {
        for (position, (limit, price)) in rows.enumerate() {
            state.set(&format!("{}-{position}", self.field()), limit);
            state.set(&format!("price-{position}"), price);
        }
    }

    /// Moves the rows of a form together, and sorts them if all can be read: the service wants the
    /// smallest first.
    pub(super) fn tidy(self, language: Language, state: &mut FormState) {
        let mut rows = self.rows(state);
        let size = |limit: &str| match self {
            Self::Weight => limit.parse().ok(),
            Self::Total => currency(state).and_then(|currency| language.read_money(limit, currency)).map(Money::amount),
        };
        let sizes: Option<Vec<u64>> = rows.iter().map(|(limit, _)| size(limit)).collect();
        if let Some(sizes) = sizes {
            let mut sorted: Vec<_> = sizes.into_iter().zip(rows).collect();
            sorted.sort_by_key(|(size, _)| *size);
            rows = sorted.into_iter().map(|(_, row)| row).collect();
        }
        let filled = rows.len();
        self.fill(state, rows.into_iter().chain((filled..MAX_BRACKETS).map(|_| Default::default())));
    }

    /// Returns the rows as JSON, with values that cannot be read as they were typed.
    pub(super) fn json(self, language: Language, state: &FormState) -> Vec<Value> {
        let typed_currency = state.value("currency");
        let bracket = |(limit, cost): (String, String)| {
            let cost = price(language, &cost, typed_currency);
            match self {
                Self::Weight => json!({"up_to_grams": whole(&limit), "price": cost}),
                Self::Total => json!({"from": price(language, &limit, typed_currency), "price": cost}),
            }
        };
        self.rows(state).into_iter().map(bracket).collect()
    }

    /// Returns the field of the form for a field of the brackets: `0.price.amount`.
    pub(super) fn name(self, field: &str) -> Option<String> {
        let (position, field) = field.split_once('.')?;
        if field.ends_with(".currency") {
            return Some("currency".to_owned());
        }
        match field.split('.').next()? {
            "price" => Some(format!("price-{position}")),
            "up_to_grams" | "from" => Some(format!("{}-{position}", self.field())),
            _ => None,
        }
    }

    fn rows(self, state: &FormState) -> Vec<(String, String)> {
        let value = |field: &str, position: usize| state.value(&format!("{field}-{position}")).to_owned();
        let rows = (0..MAX_BRACKETS).map(|position| (value(self.field(), position), value("price", position)));
        rows.filter(|(limit, price)| !limit.is_empty() || !price.is_empty()).collect()
    }
}

fn currency(state: &FormState) -> Option<Currency> {
    Currency::try_from(state.value("currency").to_ascii_uppercase().as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(rows: &[(&str, &str)]) -> FormState {
        let mut state = FormState::default();
        state.set("currency", "eur");
        let rows = rows.iter().map(|(limit, price)| ((*limit).to_owned(), (*price).to_owned()));
        Scale::Weight.fill(&mut state, rows);
        state
    }

    #[test]
    fn rows_are_sorted_and_empty_ones_left_out() {
        let mut form = state(&[("", ""), ("2000", "9.90"), ("", ""), ("500", "4.90")]);
        Scale::Weight.tidy(Language::English, &mut form);
        assert_eq!((form.value("weight-0"), form.value("price-1"), form.value("weight-2")), ("500", "9.90", ""));
        let euros = |amount: u64| json!({"amount": amount, "currency": "EUR"});
        let expected =
            [json!({"up_to_grams": 500, "price": euros(490)}), json!({"up_to_grams": 2_000, "price": euros(990)})];
        assert_eq!(Scale::Weight.json(Language::English, &form), expected);

        let mut unclear = state(&[("", ""), ("2 kg", "9.90"), ("500", "")]);
        Scale::Weight.tidy(Language::English, &mut unclear);
        assert_eq!((unclear.value("weight-0"), unclear.value("weight-1")), ("2 kg", "500"));
        assert_eq!(Scale::Weight.json(Language::English, &unclear)[1], json!({"up_to_grams": 500, "price": null}));
    }

    #[test]
    fn a_refused_field_is_found_in_the_form() {
        for (field, expected) in [
            ("0.up_to_grams", Some("weight-0")),
            ("12.price", Some("price-12")),
            ("1.price.amount", Some("price-1")),
            ("1.price.currency", Some("currency")),
            ("1", None),
        ] {
            assert_eq!(Scale::Weight.name(field).as_deref(), expected, "{field}");
        }
    }
}
