//! The format of stored documents and of messages between services: a number that grows with each
//! release whose documents or messages the release before could not read.
//!
//! A release reads [`Format::CURRENT`] and [`Format::PREVIOUS`]. While instances of both releases
//! may run, it writes the previous one. `souk migrate run` makes all instances write the current
//! one and rewrites what is stored. So a release needs only the changes from one format to the
//! next.
//!
//! A value of a type that differs between the two has the member `_format`. One without it is in
//! the previous format.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The name of the member with the number of the format.
const MEMBER: &str = "_format";

/// The number of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Format(u16);

impl Format {
    /// The newest format that this release reads and writes.
    pub const CURRENT: Self = Self(2);
    /// The format of the release before, which this one reads and writes too.
    pub const PREVIOUS: Self = Self(Self::CURRENT.0 - 1);
    /// The format of releases that do not say which one they know.
    pub const FIRST: Self = Self(1);

    /// Returns the format with a number, if this release reads it.
    #[must_use]
    pub fn readable(number: i64) -> Option<Self> {
        [Self::PREVIOUS, Self::CURRENT].into_iter().find(|format| i64::from(format.0) == number)
    }

    /// Returns the number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

impl Default for Format {
    fn default() -> Self {
        Self::FIRST
    }
}

/// The members of a JSON object.
pub type Members = Map<String, Value>;

/// How a type differs between [`Format::PREVIOUS`] and [`Format::CURRENT`]. Its values must be JSON
/// objects.
#[derive(Clone, Copy)]
pub struct FormatChange {
    /// Turns a value of the previous format into one of the current format. It must leave one of
    /// the current format as it is: the next release, in which the type may have no change any
    /// more, writes such values without a number.
    pub upgrade: fn(&mut Members),
    /// Turns a value of the current format into one that the previous release reads.
    pub downgrade: fn(&mut Members),
}

/// Gives a member another name, if it is there.
pub fn rename(members: &mut Members, from: &str, to: &str) {
    if let Some(value) = members.remove(from) {
        members.insert(to.to_owned(), value);
    }
}

/// Returns a value as JSON in a format. `change` is that of its type.
pub fn encode<T: Serialize>(value: &T, change: Option<&FormatChange>, format: Format) -> Result<String> {
    let Some(change) = change else { return serde_json::to_string(value).map_err(Error::internal) };
    let Value::Object(mut members) = serde_json::to_value(value).map_err(Error::internal)? else {
        return Err(Error::internal("a type with a change of its format is not a JSON object"));
    };
    if format < Format::CURRENT {
        (change.downgrade)(&mut members);
    } else {
        members.insert(MEMBER.to_owned(), Format::CURRENT.0.into());
    }
    serde_json::to_string(&members).map_err(Error::internal)
}

/// Reads a value from JSON in either format.
pub fn decode<T: DeserializeOwned>(json: &[u8], change: Option<&FormatChange>) -> serde_json::Result<T> {
    let Some(change) = change else { return serde_json::from_slice(json) };
    let mut members: Members = serde_json::from_slice(json)?;
    let number = members.remove(MEMBER).map_or(i64::from(Format::PREVIOUS.0), |number| number.as_i64().unwrap_or(0));
    if number > i64::from(Format::CURRENT.0) {
        let newest = Format::CURRENT.0;
        return Err(serde_json::Error::custom(format!(
            "it has format {number}, and this release reads up to {newest}"
        )));
    }
    if number < i64::from(Format::CURRENT.0) {
        (change.upgrade)(&mut members);
    }
    serde_json::from_value(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Thing {
        name: String,
        size: u8,
    }

    const CHANGE: FormatChange = FormatChange {
        upgrade: |members| {
            rename(members, "title", "name");
            members.entry("size").or_insert_with(|| 1.into());
        },
        downgrade: |members| rename(members, "name", "title"),
    };

    fn thing() -> Thing {
        Thing { name: "tea".to_owned(), size: 2 }
    }

    fn read(json: &Value) -> serde_json::Result<Thing> {
        decode(json.to_string().as_bytes(), Some(&CHANGE))
    }

    #[test]
    fn a_value_is_written_in_either_format_and_read_from_both() {
        let current = json!({"name": "tea", "size": 2, "_format": Format::CURRENT});
        let previous = json!({"title": "tea", "size": 2});
        for (format, expected) in [(Format::CURRENT, &current), (Format::PREVIOUS, &previous)] {
            let written = encode(&thing(), Some(&CHANGE), format).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), *expected);
            assert_eq!(read(expected).unwrap(), thing());
        }
        assert_eq!(read(&json!({"title": "tea"})).unwrap().size, 1, "an older value lacks the member");
        // Written in a format before, in which the type has changed too.
        assert_eq!(read(&json!({"title": "tea", "_format": Format::PREVIOUS})).unwrap().name, "tea");
    }

    #[test]
    fn a_type_without_a_change_has_no_number() {
        assert_eq!(encode(&thing(), None, Format::PREVIOUS).unwrap(), r#"{"name":"tea","size":2}"#);
        assert_eq!(decode::<Thing>(br#"{"name":"tea","size":2,"_format":9}"#, None).unwrap(), thing());
    }

    #[test]
    fn a_value_of_a_newer_release_is_refused() {
        let error = read(&json!({"name": "tea", "size": 2, "_format": Format::CURRENT.0 + 1})).unwrap_err();
        assert!(error.to_string().contains("it has format 3, and this release reads up to 2"), "{error}");
    }

    #[test]
    fn two_formats_are_readable() {
        assert_eq!(Format::readable(i64::from(Format::CURRENT.0)), Some(Format::CURRENT));
        assert_eq!(Format::readable(i64::from(Format::PREVIOUS.0)), Some(Format::PREVIOUS));
        assert_eq!(Format::readable(i64::from(Format::CURRENT.0) + 1), None);
        assert_eq!(Format::readable(0), None);
    }
}
