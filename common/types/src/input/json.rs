//! JSON from clients, refused when it has two readings: RFC 8259 lets parsers differ about a name
//! that an object has twice, and I-JSON (RFC 7493, section 2.3) forbids it.

use std::fmt::{self, Write};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::number::is_exact;
use crate::{Error, Result};

/// The byte order mark of UTF-8, which a parser may ignore (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Parses a JSON text in UTF-8.
///
/// # Errors
/// `validation` names the field that occurs twice in its object, at any depth; `malformed` is for
/// everything that is not JSON, including lone surrogates, numbers beyond a double, and values
/// nested more than 127 deep. `validation` also refuses numbers with more digits than a double
/// keeps, because they would change.
pub fn parse_json(text: &[u8]) -> Result<Value> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut duplicate = None;
    let mut parser = serde_json::Deserializer::from_slice(text);
    let value = UniqueNames { path: Path::Root, duplicate: &mut duplicate }.deserialize(&mut parser);
    match (duplicate, value.and_then(|value| parser.end().map(|()| value))) {
        (Some(field), _) => Err(Error::invalid_field(field, "is given twice")),
        (None, Ok(_)) if has_inexact_number(text) => {
            Err(Error::invalid_field("body", "has a number with more digits than a double keeps"))
        }
        (None, Ok(value)) => Ok(value),
        (None, Err(error)) => Err(Error::malformed(format!("The body cannot be read as JSON: {error}."))),
    }
}

/// Whether `text`, which is JSON, has a number that changes when it is read.
fn has_inexact_number(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let length = match byte {
            b'"' => string_length(after) + 1,
            b'-' | b'0'..=b'9' => {
                let end = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
                end.unwrap_or(rest.len())
            }
            _ => 1,
        };
        let (token, after) = rest.split_at(length.min(rest.len()));
        if byte != b'"' && length > 1 && !std::str::from_utf8(token).is_ok_and(is_exact) {
            return true;
        }
        rest = after;
    }
    false
}

/// Returns the length of a string after its opening quote, with the closing one.
fn string_length(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = text.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 1)
}

/// The path of a value in the text. The parser writes it out only for a duplicate name.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Element(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(object, name) => write!(f, "{object}.{name}"),
            Self::Element(list, index) => write!(f, "{list}[{index}]"),
        }
    }
}

/// Reads a value like `Value::deserialize`, but stops at the first name that occurs twice in its
/// object and leaves its path in `duplicate`.
struct UniqueNames<'p, 'd> {
    path: Path<'p>,
    duplicate: &'d mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for UniqueNames<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueNames<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let path = Path::Element(&self.path, values.len());
            match list.next_element_seed(UniqueNames { path, duplicate: &mut *self.duplicate })? {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            let path = Path::Field(&self.path, &name);
            if fields.contains_key(&name) {
                let mut field = String::new();
                write!(field, "{path}").map_err(A::Error::custom)?;
                *self.duplicate = Some(field);
                return Err(A::Error::custom("a name is given twice"));
            }
            let value = object.next_value_seed(UniqueNames { path, duplicate: &mut *self.duplicate })?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_name_that_is_given_twice_is_refused_with_its_path() {
        for (text, field) in [
            (r#"{"amount": 100000, "amount": 1}"#, "amount"),
            (r#"{"amount": 1, "amount": 1}"#, "amount"),
            (r#"{"amount": null, "amount": null}"#, "amount"),
            (r#"{"amount": 1, "\u0061mount": 1}"#, "amount"),
            (r#"{"price": {"amount": 1, "currency": "EUR", "amount": 2}}"#, "price.amount"),
            (r#"{"ids": [1, {"a": [[{"b": 1, "b": 2}]]}]}"#, "ids[1].a[0][0].b"),
            (r#"[{"a": 1}, {"a": 1, "a": 2}]"#, "[1].a"),
            (r#"{"": 1, "": 2}"#, ""),
            (r#"{"a": 1, "a": 2, "b""#, "a"),
        ] {
            let error = parse_json(text.as_bytes()).unwrap_err();
            let [bad] = error.fields() else { panic!("{text}: {error}") };
            assert_eq!((&*bad.field, &*bad.message), (field, "is given twice"), "{text}");
        }
    }

    #[test]
    fn a_number_that_would_change_is_refused() {
        for text in [
            r#"{"quantity": 2.00000000000000000001}"#,
            "[1, [99999999999999999999]]",
            r#"{"a": "1\"", "b": 9007199254740993.0}"#,
            "1e-400",
        ] {
            assert_eq!(parse_json(text.as_bytes()).unwrap_err().fields()[0].field, "body", "{text}");
        }
        for text in
            [r#"{"a": "2.00000000000000000001"}"#, r#"["\"2.00000000000000000001", 2.50, -1, 1e2]"#, r#"["\\", 2]"#]
        {
            assert!(parse_json(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn everything_else_is_read_as_serde_json_reads_it() {
        for text in [
            r#"{"a": [1, -1, 1.5, 1e3, true, null, "x", {}, []], "b": {"a": 1}, "A": 2}"#,
            "18446744073709551615",
            r#""\ud83d\ude00""#,
        ] {
            assert_eq!(parse_json(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        }
        assert_eq!(parse_json(b"\xef\xbb\xbf{}").unwrap(), json!({}));
    }

    #[test]
    fn a_text_that_is_not_json_is_malformed() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in ["", "{", "{} {}", "{'a': 1}", r#""\ud800""#, r#"{"\udc00": 1}"#, "1e400", "NaN", "01", &deep] {
            assert_eq!(parse_json(text.as_bytes()).unwrap_err().kind(), ErrorKind::Malformed, "{text}");
        }
        for text in [&b"\"\xff\""[..], b"\"\xed\xa0\x80\"", b"\xff\xfe{\0}\0", b"\xef\xbb\xbf\xef\xbb\xbf{}"] {
            assert_eq!(parse_json(text).unwrap_err().kind(), ErrorKind::Malformed, "{text:?}");
        }
    }

    #[test]
    fn the_path_of_a_duplicate_is_short() {
        let deep =
            format!("{}\"a\": 1, \"a\": 2{}", format!("{{\"{}\":", "x".repeat(400)).repeat(100), "}".repeat(101));
        let deep = deep.replacen(":\"a\"", ":{\"a\"", 1);
        let error = parse_json(deep.as_bytes()).unwrap_err();
        assert!(error.fields()[0].field.chars().count() <= crate::error::MAX_FIELD_LENGTH + 1);
    }

    proptest! {
        #![proptest_config(mutations::config())]

        #[test]
        fn any_bytes_are_json_or_malformed(text in mutations::bytes(&[
            br#"{"a": [1, -0.5e2, true, null, "\ud83d\ude00\\\""], "b": {"a": 18446744073709551615}}"#,
            br#"[[[{"price": {"amount": 499.0, "currency": "EUR"}}]]]"#,
        ])) {
            if let Ok(value) = parse_json(&text) {
                let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
                prop_assert_eq!(serde_json::from_slice::<Value>(text).unwrap(), value);
            }
        }
    }
}
