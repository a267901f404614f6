//! Client input, read field by field, so that the response names every invalid field. A type that
//! implements [`Input`] takes its fields out of [`Fields`] by name; the remaining fields are
//! unknown. The rule of a field is the `Deserialize` of its type (`Quantity`, `Text`, ...).

mod json;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use self::json::parse_json;
use crate::{Error, FieldError};

/// A type that is read from named fields.
pub trait Input: Sized {
    /// Takes the fields out. Returns `None` only when a field was refused.
    fn read(fields: &mut Fields) -> Option<Self>;
}

impl Input for () {
    fn read(_: &mut Fields) -> Option<Self> {
        Some(())
    }
}

/// The fields that the client sent, and the problems found so far.
pub struct Fields {
    given: Map<String, Value>,
    errors: Vec<FieldError>,
    /// Whether the fields are from a query, where a number is text (`limit=20`).
    textual: bool,
}

/// Reads a `T` from a JSON value.
pub fn from_json<T: Input>(value: Value) -> Result<T, Error> {
    read_object(value).map_err(Error::invalid)
}

fn read_object<T: Input>(value: Value) -> Result<T, Vec<FieldError>> {
    match value {
        Value::Object(given) => Fields { given, errors: Vec::new(), textual: false }.into_input(),
        _ => Err(vec![FieldError::new("body", "must be a JSON object")]),
    }
}

/// Reads a `T` from the decoded pairs of a query string.
pub fn from_query<T: Input>(pairs: impl Iterator<Item = (String, String)>) -> Result<T, Error> {
    let mut fields = Fields { given: Map::new(), errors: Vec::new(), textual: true };
    for (name, value) in pairs {
        if fields.given.insert(name.clone(), Value::String(value)).is_some() {
            fields.errors.push(FieldError::new(name, "is given twice"));
        }
    }
    fields.into_input().map_err(Error::invalid)
}

impl Fields {
    /// Takes a required field.
    pub fn required<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        match self.given.remove(name) {
            Some(value) => self.parse(name, value),
            None => self.refuse(name, "is required"),
        }
    }

    /// Takes a field that may be missing or null.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        self.patch(name).flatten()
    }

    /// Takes a field that may be missing but not null.
    pub fn optional_non_null<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.given.remove(name)?;
        self.parse(name, value)
    }

    /// Takes a field of a patch: missing (`None`) keeps the value, null (`Some(None)`) clears it, a
    /// value sets it.
    pub fn patch<T: DeserializeOwned>(&mut self, name: &str) -> Option<Option<T>> {
        match self.given.remove(name)? {
            Value::Null => Some(None),
            value => self.parse(name, value).map(Some),
        }
    }

    /// Takes a required nested object.
    pub fn required_object<T: Input>(&mut self, name: &str) -> Option<T> {
        if self.given.contains_key(name) { self.optional_object(name) } else { self.refuse(name, "is required") }
    }

    /// Takes a nested object that may be missing but not null.
    pub fn optional_object<T: Input>(&mut self, name: &str) -> Option<T> {
        let value = self.given.remove(name)?;
        self.read_nested(name, value)
    }

    fn read_nested<T: Input>(&mut self, name: &str, value: Value) -> Option<T> {
        match read_object(value) {
            Ok(input) => Some(input),
            Err(errors) => {
                let prefix = |inner: FieldError| match inner.field.as_str() {
                    "body" => FieldError::new(name, inner.message),
                    field => FieldError::new(format!("{name}.{field}"), inner.message),
                };
                self.errors.extend(errors.into_iter().map(prefix));
                None
            }
        }
    }

    /// Takes a list of objects that may be missing but not null. The errors name the number of the
    /// object: `lines.0.quantity`.
    pub fn optional_list<T: Input>(&mut self, name: &str) -> Option<Vec<T>> {
        let values: Vec<Value> = self.optional_non_null(name)?;
        let numbered = values.into_iter().enumerate();
        let items = numbered.map(|(number, value)| self.read_nested(&format!("{name}.{number}"), value));
        // Every object is read, so that the response names every invalid field.
        let items: Vec<Option<T>> = items.collect();
        items.into_iter().collect()
    }

    /// Takes a required list of objects, as [`Fields::optional_list`] does.
    pub fn required_list<T: Input>(&mut self, name: &str) -> Option<Vec<T>> {
        if self.given.contains_key(name) { self.optional_list(name) } else { self.refuse(name, "is required") }
    }

    /// Refuses a field that this route does not accept, with a message that names the right one.
    pub fn forbid(&mut self, name: &str, message: &str) {
        if self.given.remove(name).is_some() {
            self.errors.push(FieldError::new(name, message));
        }
    }

    /// Whether the client sent the field with another value than null.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a field as unparsed JSON.
    pub fn take_raw(&mut self, name: &str) -> Option<Value> {
        self.given.remove(name)
    }

    /// Takes all fields that are left as one value. A problem is reported for `body`.
    pub fn rest<T: DeserializeOwned>(&mut self) -> Option<T> {
        let rest = std::mem::take(&mut self.given);
        self.parse("body", Value::Object(rest))
    }

    /// Adds a problem with a field.
    pub fn refuse<T>(&mut self, name: &str, message: &str) -> Option<T> {
        self.errors.push(FieldError::new(name, message));
        None
    }

    fn parse<T: DeserializeOwned>(&mut self, name: &str, value: Value) -> Option<T> {
        let number = match &value {
            // `parse` would take a plus sign.
            Value::String(text) if self.textual && !text.starts_with('+') => text.parse::<u64>().ok(),
            _ => None,
        };
        let parsed = serde_json::from_value(value)
            .or_else(|error| number.map_or(Err(error), |number| serde_json::from_value(number.into())));
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(error) => self.refuse(name, &readable(&error.to_string())),
        }
    }

    fn into_input<T: Input>(mut self) -> Result<T, Vec<FieldError>> {
        let input = T::read(&mut self);
        let unknown = self.given.keys().map(|name| FieldError::unknown(name.clone()));
        let errors: Vec<FieldError> = self.errors.into_iter().chain(unknown).collect();
        match input {
            Some(input) if errors.is_empty() => Ok(input),
            _ => Err(errors),
        }
    }
}

/// Rewrites serde's message about a wrong type, without the value: it may be a secret.
fn readable(message: &str) -> String {
    let of_type =
        ["invalid type: ", "invalid value: ", "unknown variant "].iter().any(|start| message.starts_with(start));
    let Some((_, expected)) = message.rsplit_once("expected ").filter(|_| of_type) else {
        return message.to_owned();
    };
    match expected {
        "u8" | "u16" | "u32" | "u64" => "must be a whole number, not negative".to_owned(),
        "a sequence" => "must be a list".to_owned(),
        "a boolean" => "must be true or false".to_owned(),
        // An enum.
        "string or map" => "must be a string".to_owned(),
        "a map" => "must be an object".to_owned(),
        other => format!("must be {}", other.replace('`', "")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Price;
    use crate::Quantity;
    use crate::Text;

    #[derive(Debug)]
    struct Line {
        name: Text<1, 10>,
        quantity: Quantity,
        note: Option<Option<String>>,
        price: Option<Price>,
        parts: Vec<Part>,
    }

    #[derive(Debug)]
    struct Part {
        quantity: Quantity,
    }

    impl Input for Part {
        fn read(fields: &mut Fields) -> Option<Self> {
            Some(Self { quantity: fields.required("quantity")? })
        }
    }

    #[derive(Debug)]
    struct Parts(Vec<Part>);

    impl Input for Parts {
        fn read(fields: &mut Fields) -> Option<Self> {
            fields.required_list("parts").map(Self)
        }
    }

    impl Input for Line {
        fn read(fields: &mut Fields) -> Option<Self> {
            let name = fields.required("name");
            let quantity = fields.required("quantity");
            let note = fields.patch("note");
            let price = fields.optional_object("price");
            let parts = fields.optional_list("parts").unwrap_or_default();
            Some(Self { name: name?, quantity: quantity?, note, price, parts })
        }
    }

    fn bad_fields(value: Value) -> Vec<String> {
        let error = from_json::<Line>(value).unwrap_err();
        let mut fields: Vec<String> = error.fields().iter().map(|bad| bad.field.clone()).collect();
        fields.sort();
        fields
    }

    #[test]
    fn every_invalid_field_is_named() {
        assert_eq!(bad_fields(json!({})), ["name", "quantity"]);
        assert_eq!(
            bad_fields(json!({"name": {"$ne": ""}, "quantity": -1, "role": "admin"})),
            ["name", "quantity", "role"]
        );
        assert_eq!(
            bad_fields(json!({"name": "tea", "quantity": 1, "price": {"amount": -5, "currency": "euro", "x": 1}})),
            ["price.amount", "price.currency", "price.x"]
        );
        assert_eq!(bad_fields(json!({"name": "tea", "quantity": 1, "price": 5})), ["price"]);
        assert_eq!(bad_fields(json!([])), ["body"]);
        let parts = |parts| json!({"name": "tea", "quantity": 1, "parts": parts});
        assert_eq!(
            bad_fields(parts(json!([{}, {"quantity": 0, "x": 1}]))),
            ["parts.0.quantity", "parts.1.quantity", "parts.1.x"]
        );
        assert_eq!(
            (bad_fields(parts(json!({}))), bad_fields(parts(json!([1])))),
            (vec!["parts".to_owned()], vec!["parts.0".to_owned()])
        );
        let read = from_json::<Line>(parts(json!([{"quantity": 3}]))).unwrap();
        assert_eq!(read.parts.iter().map(|part| part.quantity.get()).collect::<Vec<_>>(), [3]);
        let error = from_json::<Parts>(json!({})).unwrap_err();
        assert_eq!((&*error.fields()[0].field, &*error.fields()[0].message), ("parts", "is required"));
        assert_eq!(from_json::<Parts>(json!({"parts": [{"quantity": 3}]})).unwrap().0.len(), 1);
    }

    #[test]
    fn a_patch_distinguishes_missing_from_null() {
        let read = |value| from_json::<Line>(value).unwrap();
        assert_eq!(read(json!({"name": "tea", "quantity": 2})).note, None);
        assert_eq!(read(json!({"name": "tea", "quantity": 2, "note": null})).note, Some(None));
        let line = read(json!({"name": "tea", "quantity": 2, "note": "x", "price": {"amount": 5, "currency": "EUR"}}));
        assert_eq!(line.note, Some(Some("x".to_owned())));
        assert_eq!((&*line.name, line.quantity.get(), line.price.unwrap().amount()), ("tea", 2, 5));
    }

    #[test]
    fn a_query_is_read_by_the_same_rules() {
        let pairs =
            |text: &[(&str, &str)]| text.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
        let line = from_query::<Line>(pairs(&[("name", "123"), ("quantity", "7")]).into_iter()).unwrap();
        assert_eq!((&*line.name, line.quantity.get()), ("123", 7));
        let error =
            from_query::<Line>(pairs(&[("name", "a"), ("name", "b"), ("quantity", "x")]).into_iter()).unwrap_err();
        assert_eq!(error.fields().len(), 2);
    }

    #[test]
    fn a_wrong_type_is_reported_without_the_value() {
        for (value, message) in [
            (json!("secret"), "must be a whole number"),
            (json!(-5), "must be between 1 and 999"),
            (json!(1.5), "must be a whole number"),
            (json!(0), "must be between 1 and 999"),
        ] {
            let error = from_json::<Line>(json!({"name": "tea", "quantity": value})).unwrap_err();
            assert_eq!(error.fields()[0].message, message, "{value}");
        }
        assert_eq!(readable("unknown variant `card`, expected `demo`"), "must be demo");
        assert_eq!(readable("unknown variant `x`, expected one of `name`, `price`"), "must be one of name, price");
        assert_eq!(readable("invalid type: map, expected a string"), "must be a string");
        assert_eq!(readable("invalid type: integer `1`, expected a boolean"), "must be true or false");
    }

    #[test]
    fn a_message_quotes_at_most_200_characters() {
        let error = from_json::<Line>(json!({"name": 1, "quantity": "x".repeat(60_000)})).unwrap_err();
        assert!(error.fields().iter().all(|bad| bad.message.chars().count() <= crate::error::MAX_MESSAGE_LENGTH + 1));
    }
}
