//! The fields of a product.

use serde_json::{Map, Value, json};
use souk_types::{Currency, FieldError};

use super::super::edit::check;
use crate::api::admin_catalogue::EditedProduct;
use crate::api::catalogue::Categories;
use crate::fields::{Field, FormState, Kind};
use crate::locale::{Key, Language};
use crate::visit::Visit;

/// The classes of tax, with their names.
const TAX_CLASSES: [(&str, Key); 5] = [
    ("standard", Key("tax-class-standard")),
    ("reduced", Key("tax-class-reduced")),
    ("second-reduced", Key("tax-class-second-reduced")),
    ("super-reduced", Key("tax-class-super-reduced")),
    ("zero", Key("tax-class-zero")),
];

/// Returns the name of a class of tax.
pub(in crate::http::admin) fn tax_class(language: Language, class: &str) -> String {
    let known = TAX_CLASSES.iter().find(|(value, _)| *value == class);
    known.map_or_else(|| class.to_owned(), |(_, key)| language.text(key).to_string())
}

/// Returns the values and names of all classes of tax.
pub(in crate::http::admin) fn tax_classes(visit: &Visit<'_>) -> Vec<(String, String)> {
    TAX_CLASSES.iter().map(|(value, key)| ((*value).to_owned(), visit.text(key).to_string())).collect()
}

/// Returns the fields. A new product has the units in stock too.
pub(super) fn fields(visit: &Visit<'_>, state: &FormState, is_new: bool) -> Vec<Field> {
    let field = |name: &str, label: Key| Field::new(state, name, visit.text(label));
    let (_, categories) = visit.app.shop.cached();
    let mut fields = vec![
        field("name", Key("admin-product-name")),
        field("description", Key("admin-product-description")).lines(6, 5_000).optional(),
        field("category", Key("admin-product-category"))
            .short(Kind::Text, 50)
            .suggest(categories.all.iter().map(|category| category.name.clone()).collect()),
        field("unit", Key("admin-product-unit"))
            .short(Kind::Text, 20)
            .optional()
            .hint(visit.text("admin-product-unit-hint")),
        field("price", Key("admin-product-price")).short(Kind::Number, 20).hint(visit.text("admin-product-price-hint")),
        field("currency", Key("admin-currency")).short(Kind::Text, 3),
        field("tax_class", Key("admin-product-tax-class")).choices(tax_classes(visit)),
        field("weight_grams", Key("admin-product-weight")).short(Kind::Number, 9).optional(),
        field("supplier", Key("admin-product-supplier")).up_to(100).optional(),
        field("digital", Key("admin-product-digital")).check(),
    ];
    if is_new {
        fields.push(field("available", Key("admin-product-stock")).short(Kind::Number, 10).optional());
    }
    fields
}

/// Returns the form of a product.
pub(super) fn fill(language: Language, edited: &EditedProduct) -> FormState {
    let product = &edited.product;
    let mut state = FormState::default();
    for (name, value) in [
        ("name", product.name.as_str()),
        ("description", &product.description),
        ("category", &product.category),
        ("unit", &product.unit),
        ("price", &language.typed_money(product.price)),
        ("currency", product.price.currency().code()),
        ("tax_class", &edited.tax_class),
        ("weight_grams", &edited.weight_grams.to_string()),
        ("supplier", product.supplier.as_deref().unwrap_or_default()),
        ("digital", check(product.digital)),
    ] {
        state.set(name, value);
    }
    state
}

/// Returns the typed currency. Refuses another one than the shop's, and returns an empty text for
/// it: the service refuses it together with all other values that it refuses.
pub(super) async fn check_currency(visit: &Visit<'_>, state: &mut FormState) -> String {
    let typed = state.value("currency").to_ascii_uppercase();
    let shop = visit.api.shop().await.map(|shop| shop.currency).unwrap_or_default();
    if shop.is_empty() || typed == shop {
        return typed;
    }
    state.refuse("currency", visit.text("product-currency-other").arg("currency", shop).to_string());
    String::new()
}

/// Returns the category that exists already and differs from a typed one by capital letters only.
pub(super) fn known_category(categories: &Categories, typed: &str) -> Option<String> {
    if categories.all.iter().any(|category| category.name == typed) {
        return None;
    }
    let lower = typed.to_lowercase();
    categories.all.iter().find(|category| category.name.to_lowercase() == lower).map(|category| category.name.clone())
}

/// Returns the product as JSON. A value that cannot be read is sent so that the service refuses it,
/// together with all other values that it refuses. `currency` is that of [`check_currency`].
pub(super) fn json(language: Language, state: &FormState, currency: &str, is_new: bool) -> Value {
    let mut product = Map::new();
    for name in ["name", "description", "category"] {
        product.insert(name.to_owned(), state.value(name).into());
    }
    product.insert("supplier".to_owned(), json!(state.optional("supplier")));
    // An emptied field gets the value that a new product has.
    product.insert("unit".to_owned(), state.optional("unit").unwrap_or("piece").into());
    product.insert("weight_grams".to_owned(), state.optional("weight_grams").map_or(json!(0), whole));
    product.extend(state.optional("tax_class").map(|value| ("tax_class".to_owned(), value.into())));
    product.insert("price".to_owned(), price(language, state.value("price"), currency));
    product.insert("digital".to_owned(), (!state.value("digital").is_empty()).into());
    if is_new {
        product.extend(state.optional("available").map(|typed| ("available".to_owned(), whole(typed))));
    }
    product.into()
}

/// Returns a typed amount as JSON; what the service refuses, if it cannot be read.
pub(in crate::http::admin) fn price(language: Language, typed: &str, currency: &str) -> Value {
    match Currency::try_from(currency.to_ascii_uppercase().as_str()) {
        Ok(currency) => language.read_money(typed, currency).map_or(Value::Null, |money| json!(money)),
        Err(_) => json!({"amount": 0, "currency": currency}),
    }
}

/// Returns a typed whole number as JSON; what the service refuses, if it cannot be read.
pub(in crate::http::admin) fn whole(typed: &str) -> Value {
    typed.parse::<i64>().map_or_else(|_| typed.into(), Value::from)
}

/// Returns the field of the form for a field of a product.
pub(super) fn name(refused: &FieldError) -> Option<String> {
    let field = match refused.field.as_str() {
        "price.amount" => "price",
        "price.currency" => "currency",
        field => field,
    };
    let known = ["name", "description", "category", "unit", "price", "currency", "tax_class", "weight_grams"];
    let others = ["supplier", "digital", "available"];
    known.iter().chain(&others).any(|known| *known == field).then(|| field.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::catalogue::Category;

    #[test]
    fn a_category_is_written_as_it_exists() {
        let category = |name: &str| Category { name: name.to_owned(), products: 1 };
        let categories =
            Categories { all: vec![category("Tea"), category("mugs"), category("Mugs")], menu: Vec::new() };
        for (typed, expected) in [
            ("tea", Some("Tea")),
            ("TEA", Some("Tea")),
            ("Tea", None),
            ("mugs", None),
            ("Mugs", None),
            ("coffee", None),
        ] {
            assert_eq!(known_category(&categories, typed).as_deref(), expected, "{typed}");
        }
    }
}
