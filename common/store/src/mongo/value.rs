//! JSON as BSON and back, to the same JSON text. BSON is readable in mongosh and can be indexed.

use std::fmt;

use mongodb::bson::{Bson, Decimal128, Document, RawBsonRef};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

use souk_types::{Error, Result};

/// Converts JSON text to BSON. Errors: a name with NUL, which BSON cannot hold.
pub(super) fn from_json(text: &str) -> Result<Bson> {
    let Written(bson) = serde_json::from_str(text).map_err(Error::internal)?;
    Ok(bson)
}

/// Converts BSON to the JSON text of `serde_json`. Errors: a type that JSON does not have.
pub(super) fn to_json(bson: RawBsonRef<'_>) -> Result<String> {
    serde_json::to_string(&Read(bson))
        .map_err(|error| Error::internal(format!("a stored document cannot be read: {error}")))
}

pub(super) fn scalar(value: &Value) -> Bson {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => number
            .as_i64()
            .map(integer)
            .or_else(|| number.as_u64().and_then(large))
            .unwrap_or_else(|| number.as_f64().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => Bson::Null,
    }
}

/// Converts an integer to `int` where it fits, because mongosh shows a `long` as `Long("...")`.
fn integer(number: i64) -> Bson {
    i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32)
}

/// Converts an integer from 2^63 to a decimal, which is exact: BSON has no unsigned integers.
fn large(number: u64) -> Option<Bson> {
    number.to_string().parse().ok().map(Bson::Decimal128)
}

struct Written(Bson);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Written, E> {
                Ok(Written(truth.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Written, E> {
                Ok(Written(integer(number)))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Written, E> {
                let signed = i64::try_from(number).ok().map(integer);
                signed.or_else(|| large(number)).map(Written).ok_or_else(|| E::custom("a number is too large"))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Written, E> {
                Ok(Written(number.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Written, E> {
                Ok(Written(text.into()))
            }

            fn visit_string<E>(self, text: String) -> Result<Written, E> {
                Ok(Written(text.into()))
            }

            fn visit_unit<E>(self) -> Result<Written, E> {
                Ok(Written(Bson::Null))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Written, A::Error> {
                let mut array = Vec::new();
                while let Some(Written(value)) = values.next_element()? {
                    array.push(value);
                }
                Ok(Written(Bson::Array(array)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Written, A::Error> {
                let mut document = Document::new();
                while let Some((name, Written(value))) = members.next_entry::<String, _>()? {
                    if name.contains('\0') {
                        return Err(A::Error::custom("a name with a NUL in it cannot be stored"));
                    }
                    document.insert(name, value);
                }
                Ok(Written(Bson::Document(document)))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

struct Read<'a>(RawBsonRef<'a>);

impl Serialize for Read<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            RawBsonRef::Null => serializer.serialize_unit(),
            RawBsonRef::Boolean(truth) => serializer.serialize_bool(truth),
            RawBsonRef::Int32(number) => serializer.serialize_i32(number),
            RawBsonRef::Int64(number) => serializer.serialize_i64(number),
            RawBsonRef::Double(number) => serializer.serialize_f64(number),
            RawBsonRef::Decimal128(number) => serializer.serialize_u64(unsigned::<S>(number)?),
            RawBsonRef::String(text) => serializer.serialize_str(text),
            RawBsonRef::Array(array) => {
                let mut list = serializer.serialize_seq(None)?;
                for value in array {
                    list.serialize_element(&Read(value.map_err(S::Error::custom)?))?;
                }
                list.end()
            }
            RawBsonRef::Document(document) => {
                let mut object = serializer.serialize_map(None)?;
                for member in document {
                    let (name, value) = member.map_err(S::Error::custom)?;
                    object.serialize_entry(name.as_str(), &Read(value))?;
                }
                object.end()
            }
            other => Err(S::Error::custom(format!("{:?} is not a JSON type", other.element_type()))),
        }
    }
}

fn unsigned<S: Serializer>(number: Decimal128) -> Result<u64, S::Error> {
    number.to_string().parse().map_err(S::Error::custom)
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{RawDocumentBuf, doc};

    use super::*;

    fn there_and_back(text: &str) -> String {
        let raw = RawDocumentBuf::try_from(&doc! {"doc": from_json(text).unwrap()}).unwrap();
        to_json(raw.get("doc").unwrap().unwrap()).unwrap()
    }

    #[test]
    fn json_round_trips() {
        for text in [
            "null",
            "true",
            "\"a \\\"word\\\" \\u0000 ü\"",
            "0",
            "-1",
            "2147483648",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "18446744073709551615",
            "0.1",
            "-0.0",
            "1.0",
            "1e300",
            "[]",
            "[1,[null,{}],\"x\"]",
            "{\"z\":1,\"a\":{\"\":1,\"a.b\":2,\"$c\":{\"$ref\":3}}}",
        ] {
            // The text as this build of `serde_json` writes it.
            let text = serde_json::from_str::<serde_json::Value>(text).unwrap().to_string();
            assert_eq!(there_and_back(&text), text);
        }
    }

    #[test]
    fn a_name_with_a_nul_is_refused() {
        assert!(from_json("{\"a\\u0000b\":1}").is_err());
    }

    #[test]
    fn a_type_unknown_to_json_is_refused() {
        let raw = RawDocumentBuf::try_from(&doc! {"at": mongodb::bson::DateTime::now()}).unwrap();
        assert!(to_json(raw.get("at").unwrap().unwrap()).is_err());
    }
}
