//! The fields of a discount.

use serde_json::{Value, json};
use souk_contract::shopping::MAX_CODE;
use souk_types::FieldError;

use super::super::edit::check;
use super::super::moments::{moment, typed_moment};
use super::super::products::{price, whole};
use super::categories::{self, CATEGORIES};
use super::product_picker::PRODUCTS;
use crate::api::Problem;
use crate::api::admin_shop::{Benefit, Discount};
use crate::fields::{Field, FormState, Kind};
use crate::locale::{Key, Language};
use crate::visit::Visit;

/// Returns the fields. `offered` has the categories that the form offers; `None` while they cannot
/// be read.
pub(super) fn fields(visit: &Visit<'_>, state: &FormState, offered: Option<&[String]>) -> Vec<Field> {
    let field = |name: &str, label: Key| Field::new(state, name, visit.text(label));
    let kinds = [
        ("percent", Key("discount-kind-percent")),
        ("amount", Key("discount-kind-amount")),
        ("free_shipping", Key("discount-kind-free-shipping")),
    ];
    let kinds = kinds.map(|(value, key)| (value.to_owned(), visit.text(key).to_string()));
    vec![
        field("code", Key("discount-code"))
            .short(Kind::Text, MAX_CODE)
            .optional()
            .hint(visit.text("discount-code-hint")),
        field("kind", Key("discount-kind")).choices(kinds),
        field("value", Key("discount-value")).short(Kind::Number, 20).hint(visit.text("discount-value-hint")),
        field("currency", Key("admin-currency")).short(Kind::Text, 3).optional(),
        Field { is_wide: true, ..field("minimum", Key("discount-minimum")).short(Kind::Number, 20) }.optional(),
        field("limit", Key("discount-limit")).short(Kind::Number, 7).optional(),
        field("per_customer", Key("discount-per-customer")).short(Kind::Number, 7).optional(),
        field("from", Key("discount-from")).short(Kind::Moment, 23).optional(),
        field("until", Key("discount-until")).short(Kind::Moment, 23).optional(),
        categories::field(visit, state, offered),
        field("combines", Key("discount-combines")).check().hint(visit.text("discount-combines-hint")),
    ]
}

/// Returns the form of a discount. `currency` is that of a discount without an amount.
pub(super) fn fill(language: Language, discount: &Discount, currency: &str) -> FormState {
    let (kind, value, money) = match discount.benefit {
        Benefit::Percent(basis_points) => ("percent", language.typed_percent(basis_points.into()), None),
        Benefit::Amount(money) => ("amount", language.typed_money(money), Some(money)),
        Benefit::FreeShipping => ("free_shipping", String::new(), None),
    };
    let currency = money.or(discount.minimum).map_or(currency.to_owned(), |money| money.currency().code().to_owned());
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let mut state = FormState::default();
    for (name, value) in [
        ("code", discount.code.clone().unwrap_or_default()),
        ("kind", kind.to_owned()),
        ("value", value),
        ("currency", currency),
        ("minimum", discount.minimum.map(|money| language.typed_money(money)).unwrap_or_default()),
        ("limit", number(discount.limit)),
        ("per_customer", number(discount.per_customer)),
        ("from", typed_moment(discount.from)),
        ("until", typed_moment(discount.until)),
        (PRODUCTS, discount.products.join(" ")),
        (CATEGORIES, categories::joined(discount.categories.iter().map(String::as_str))),
        ("combines", check(discount.combines).to_owned()),
    ] {
        state.set(name, value);
    }
    state
}

/// Returns the terms as JSON, with values that cannot be read as they were typed.
pub(super) fn json(language: Language, state: &FormState) -> Value {
    let currency = state.value("currency");
    // A minimum that cannot be read must not become one that is left out.
    let minimum = state.optional("minimum").map(|typed| match price(language, typed, currency) {
        Value::Null => typed.into(),
        money => money,
    });
    let ids: Vec<&str> = state.value(PRODUCTS).split_whitespace().collect();
    let mut terms = json!({
        "code": state.optional("code"),
        "kind": state.value("kind"),
        "minimum": minimum,
        "limit": state.optional("limit").map(whole),
        "per_customer": state.optional("per_customer").map(whole),
        "from": moment(state.value("from")),
        "until": moment(state.value("until")),
        "products": ids,
        "categories": categories::chosen(state).collect::<Vec<_>>(),
        "combines": !state.value("combines").is_empty(),
    });
    let typed = state.value("value");
    match state.value("kind") {
        "percent" => terms["value"] = language.read_percent(typed).map_or_else(|| typed.into(), Value::from),
        "amount" => terms["value"] = price(language, typed, currency),
        _ => {}
    }
    terms
}

/// Says beside the amounts that the service refuses which currency the shop has, if the form has
/// another one.
pub(super) fn refuse_currency(visit: &Visit<'_>, state: &mut FormState, problem: &Problem) {
    let shop = visit.app.shop.cached().0;
    let Problem::Refused(refusal) = problem else { return };
    if shop.currency.is_empty() || state.value("currency").eq_ignore_ascii_case(&shop.currency) {
        return;
    }
    let text = visit.text("admin-currency-amount").arg("currency", shop.currency.as_str()).to_string();
    for amount in ["value", "minimum"] {
        if refusal.fields.iter().any(|refused| refused.field == amount) {
            state.refuse(amount, text.clone());
        }
    }
}

/// Returns the field of the form for a field of the terms.
pub(super) fn name(refused: &FieldError) -> Option<String> {
    let field = refused.field.split('.').next().unwrap_or_default();
    let is_currency = refused.field.ends_with(".currency");
    let field = if is_currency { "currency" } else { field };
    let known = ["code", "kind", "value", "currency", "minimum", "limit", "per_customer", "from", "until"];
    let others = [PRODUCTS, CATEGORIES, "combines"];
    known.iter().chain(&others).any(|known| *known == field).then(|| field.to_owned())
}
