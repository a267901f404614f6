//! Reading what a client sent, field by field, so that the answer can name every bad field and not only the first.
//!
//! A body or a query becomes [`Fields`]; a type that implements [`Input`] takes its fields out by name; what is left over
//! is unknown. Each field's own rule lives on its type (`Quantity`, `Text`, ...), as its `Deserialize`.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, FieldError};

/// Something that is read from named fields.
pub trait Input: Sized {
    /// Takes the fields out. `None` is only returned when a field was refused.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// No field at all is taken.
impl Input for () {
    fn read(_: &mut Fields) -> Option<Self> {
        Some(())
    }
}

/// A message quotes what was sent; a client that sent 60 KiB does not want them back.
const LONGEST_MESSAGE: usize = 200;

/// The fields that were sent and what was found wrong so far.
pub struct Fields {
    given: Map<String, Value>,
    errors: Vec<FieldError>,
    /// In a query everything is text: `limit=20` must be readable as a number.
    textual: bool,
}

/// Reads a `T` from a JSON value.
pub fn from_json<T: Input>(value: Value) -> Result<T, Error> {
    match value {
        Value::Object(given) => Fields { given, errors: Vec::new(), textual: false }.into_input(),
        _ => Err(Error::invalid_field("body", "must be a JSON object")),
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
    fields.into_input()
}

impl Fields {
    /// A field that must be there.
    pub fn required<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        match self.given.remove(name) {
            Some(value) => self.parse(name, value),
            None => self.refuse(name, "is required"),
        }
    }

    /// A field that may be missing or null.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        self.patch(name).flatten()
    }

    /// A field that may be missing but not null.
    pub fn optional_non_null<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.given.remove(name)?;
        self.parse(name, value)
    }

    /// A field of a change: missing (`None`) leaves as it is, null (`Some(None)`) clears, a value sets.
    pub fn patch<T: DeserializeOwned>(&mut self, name: &str) -> Option<Option<T>> {
        match self.given.remove(name)? {
            Value::Null => Some(None),
            value => self.parse(name, value).map(Some),
        }
    }

    /// A nested object that must be there.
    pub fn required_object<T: Input>(&mut self, name: &str) -> Option<T> {
        if self.given.contains_key(name) { self.optional_object(name) } else { self.refuse(name, "is required") }
    }

    /// A nested object that may be missing. Null is not an object.
    pub fn optional_object<T: Input>(&mut self, name: &str) -> Option<T> {
        let value = self.given.remove(name)?;
        match from_json(value) {
            Ok(input) => Some(input),
            Err(error) => {
                for inner in error.fields() {
                    let (field, message) = match inner.field.as_str() {
                        "body" => (name.to_owned(), inner.message.clone()),
                        field => (format!("{name}.{field}"), inner.message.clone()),
                    };
                    self.errors.push(FieldError { field, message });
                }
                None
            }
        }
    }

    /// Refuses a field that may be sent elsewhere, and says where.
    pub fn forbid(&mut self, name: &str, why: &str) {
        if self.given.remove(name).is_some() {
            self.errors.push(FieldError::new(name, why));
        }
    }

    /// Takes out a field as it was sent.
    pub fn take_raw(&mut self, name: &str) -> Option<Value> {
        self.given.remove(name)
    }

    /// Notes that a field is bad.
    pub fn refuse<T>(&mut self, name: &str, message: &str) -> Option<T> {
        self.errors.push(FieldError::new(name, message));
        None
    }

    fn parse<T: DeserializeOwned>(&mut self, name: &str, value: Value) -> Option<T> {
        let number = match &value {
            Value::String(text) if self.textual => text.parse::<u64>().ok(),
            _ => None,
        };
        let parsed = serde_json::from_value(value)
            .or_else(|error| number.map_or(Err(error), |number| serde_json::from_value(number.into())));
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(error) => self.refuse(name, &shortened(plain(&error.to_string()))),
        }
    }

    fn into_input<T: Input>(mut self) -> Result<T, Error> {
        let input = T::read(&mut self);
        let unknown = self.given.keys().map(|name| FieldError::unknown(shortened(name.clone())));
        let errors: Vec<FieldError> = self.errors.into_iter().chain(unknown).collect();
        match input {
            Some(input) if errors.is_empty() => Ok(input),
            _ => Err(Error::invalid(errors)),
        }
    }
}

/// What serde says of a value of the wrong type, in words for people, and without the value: it may be a secret.
fn plain(message: &str) -> String {
    let of_type =
        ["invalid type: ", "invalid value: ", "unknown variant "].iter().any(|start| message.starts_with(start));
    let Some((_, expected)) = message.rsplit_once("expected ").filter(|_| of_type) else {
        return message.to_owned();
    };
    match expected {
        "u8" | "u16" | "u32" | "u64" => "must be a whole number, not negative".to_owned(),
        "a sequence" => "must be a list".to_owned(),
        "a map" => "must be an object".to_owned(),
        other => format!("must be {}", other.replace('`', "")),
    }
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_MESSAGE) {
        text.truncate(end);
        text.push('…');
    }
    text
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
    }

    impl Input for Line {
        fn read(fields: &mut Fields) -> Option<Self> {
            let name = fields.required("name");
            let quantity = fields.required("quantity");
            let note = fields.patch("note");
            let price = fields.optional_object("price");
            Some(Self { name: name?, quantity: quantity?, note, price })
        }
    }

    fn bad_fields(value: Value) -> Vec<String> {
        let error = from_json::<Line>(value).unwrap_err();
        let mut fields: Vec<String> = error.fields().iter().map(|bad| bad.field.clone()).collect();
        fields.sort();
        fields
    }

    #[test]
    fn every_bad_field_is_named() {
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
    }

    #[test]
    fn a_change_tells_missing_from_null() {
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
    fn a_wrong_type_is_told_in_plain_words_and_not_quoted() {
        for (value, message) in [
            (json!("secret"), "must be a whole number, not negative"),
            (json!(-5), "must be a whole number, not negative"),
            (json!(1.5), "must be a whole number, not negative"),
            (json!(0), "must be between 1 and 999"),
        ] {
            let error = from_json::<Line>(json!({"name": "tea", "quantity": value})).unwrap_err();
            assert_eq!(error.fields()[0].message, message, "{value}");
        }
        assert_eq!(plain("unknown variant `card`, expected `demo`"), "must be demo");
        assert_eq!(plain("unknown variant `x`, expected one of `name`, `price`"), "must be one of name, price");
        assert_eq!(plain("invalid type: map, expected a string"), "must be a string");
    }

    #[test]
    fn what_was_sent_is_not_echoed_at_length() {
        let error = from_json::<Line>(json!({"name": 1, "quantity": "x".repeat(60_000)})).unwrap_err();
        assert!(error.fields().iter().all(|bad| bad.message.chars().count() <= LONGEST_MESSAGE + 1));
    }
}
