//! The fields of a tax rate.

use serde_json::{Value, json};
use souk_types::FieldError;

use super::super::moments::{day_field, moment, typed_day};
use super::super::products::tax_classes;
use super::super::rows;
use super::super::settings::countries;
use crate::api::admin_shop::TaxRate;
use crate::fields::{Field, FormState, Kind};
use crate::locale::{Key, Language};
use crate::visit::Visit;

/// Returns the fields.
pub(super) fn fields(visit: &Visit<'_>, state: &FormState) -> Vec<Field> {
    let field = |name: &str, label: Key| Field::new(state, name, visit.text(label));
    vec![
        field("country", Key("tax-country")).choices(countries(visit)),
        field("class", Key("admin-product-tax-class")).choices(tax_classes(visit)),
        field("area", Key("tax-region")).short(Kind::Text, 50).optional().hint(visit.text("tax-region-hint")),
        field("codes", Key("tax-postal-codes"))
            .short(Kind::Text, 30)
            .optional()
            .hint(visit.text("tax-postal-codes-hint")),
        Field { is_wide: true, ..field("rate", Key("tax-rate-percent")).short(Kind::Number, 10) }
            .hint(visit.text("tax-rate-hint")),
        day_field(field("starts", Key("tax-starts"))).hint(visit.text("tax-starts-hint")),
        day_field(field("ends", Key("tax-ends"))).optional().hint(visit.text("tax-ends-hint")),
    ]
}

/// Returns the form of a rate.
pub(super) fn fill(language: Language, rate: &TaxRate) -> FormState {
    let mut state = FormState::default();
    for (name, value) in [
        ("country", rate.country.as_str()),
        ("class", &rate.class),
        ("area", rate.region.as_deref().unwrap_or_default()),
        ("codes", rate.postal_codes.as_deref().unwrap_or_default()),
        ("rate", &language.typed_percent(rate.rate_bp.into())),
        ("starts", &typed_day(Some(rate.from))),
        ("ends", &typed_day(rate.until)),
    ] {
        state.set(name, value);
    }
    state
}

/// Returns the rate as JSON, with values that cannot be read as they were typed.
pub(super) fn json(language: Language, state: &FormState) -> Value {
    let rate = state.value("rate");
    json!({
        "country": state.value("country"),
        "region": state.optional("area"),
        "postal_codes": state.optional("codes"),
        "class": state.value("class"),
        "rate_bp": language.read_percent(rate).map_or_else(|| rate.into(), Value::from),
        "from": moment(state.value("starts")),
        "until": moment(state.value("ends")),
    })
}

/// Whether a stored row is what the form of this rate creates.
pub(super) fn is_same(language: Language, row: &Value, rate: &Value) -> bool {
    rows::read(row).is_ok_and(|stored: TaxRate| json(language, &fill(language, &stored)) == *rate)
}

/// Returns the field of the form for a field of the document in which the rate is at `at`.
pub(super) fn name(at: usize, refused: &FieldError) -> Option<String> {
    let field = refused.field.strip_prefix("rates.")?;
    let (position, field) = field.split_once('.').unwrap_or((field, ""));
    let name = match field {
        // The document was valid before: one of two rates that overlap is this one.
        "" => "starts",
        _ if position.parse() != Ok(at) => return None,
        "region" => "area",
        "postal_codes" => "codes",
        "rate_bp" => "rate",
        "from" => "starts",
        "until" => "ends",
        "country" | "class" => field,
        _ => return None,
    };
    Some(name.to_owned())
}

/// Whether two rates of one place and class apply at one time.
pub(super) fn is_overlap(refused: &FieldError) -> bool {
    refused.field.strip_prefix("rates.").is_some_and(|position| !position.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Form;

    #[test]
    fn a_rate_that_is_created_again_is_the_stored_one() {
        let stored =
            json!({"country": "DE", "class": "standard", "rate_bp": 1_900, "from": "2021-01-01T00:00:00.000Z"});
        for language in Language::ALL {
            let form = Form::parse(b"country=DE&class=standard&area=&codes=&rate=19&starts=2021-01-01&ends=");
            let mut state = FormState::of(&form);
            assert!(is_same(language, &stored, &json(language, &state)));
            state.set("rate", "7");
            assert!(!is_same(language, &stored, &json(language, &state)));
        }
    }

    #[test]
    fn a_refused_field_is_found_in_the_form() {
        for (field, expected) in [
            ("rates.3.rate_bp", Some("rate")),
            ("rates.3.country", Some("country")),
            ("rates.4.country", None),
            ("rates.4", Some("starts")),
            ("rates", None),
            ("note", None),
        ] {
            assert_eq!(name(3, &FieldError::new(field, "is wrong")).as_deref(), expected, "{field}");
        }
    }
}
