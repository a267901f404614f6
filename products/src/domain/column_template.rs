//! Templates that fill a field from the columns of a record.

use serde::Deserialize;
use serde_json::Value;
use souk_types::{FieldError, Integer};

use super::import_records::{ColumnRef, Record, column_name};

/// Longest filled text, in bytes. No field of a product is as long.
const MAX_TEXT: usize = 64 * 1024;

/// Text with references to columns: `{carat} ct {cut}`, `diamond-{#1}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ColumnTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(ColumnRef),
}

impl ColumnTemplate {
    pub(crate) fn columns(&self) -> impl Iterator<Item = &ColumnRef> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Column(column) => Some(column),
        })
    }

    pub(crate) fn fill(&self, field: &str, record: &Record<'_>) -> Result<Value, FieldError> {
        // A single column keeps its JSON type, because a price may be an object.
        if let [Part::Column(column)] = self.0.as_slice() {
            return record.value(column).ok_or_else(|| missing_column(field, column));
        }
        let mut text = String::new();
        for part in &self.0 {
            if text.len() > MAX_TEXT {
                return Err(FieldError::new(field, "is too long"));
            }
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Column(column) => match record.value(column).ok_or_else(|| missing_column(field, column))? {
                    Value::String(value) => text.push_str(&value),
                    value => text.push_str(&unquoted(value)),
                },
            }
        }
        Ok(text.into())
    }
}

/// Returns the text of a JSON value. `1` and `1.0` are the same number and give the same text.
fn unquoted(value: Value) -> String {
    match serde_json::from_value::<Integer>(value.clone()) {
        Ok(number) if number.get().abs() <= Integer::MAX => number.get().to_string(),
        Ok(_) | Err(_) => value.to_string(),
    }
}

pub(crate) fn missing_column(field: &str, column: &ColumnRef) -> FieldError {
    let message = match column {
        ColumnRef::Name(name) if name.trim().is_empty() => {
            "several columns, or none, have no name; use {#1}".to_owned()
        }
        ColumnRef::Name(name) => format!("there is no column {name:?}"),
        ColumnRef::Index(index) => format!("there is no column {}", index + 1),
    };
    FieldError::new(field, message)
}

impl TryFrom<String> for ColumnTemplate {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some(open) = rest.find(['{', '}']) {
            if rest.as_bytes()[open] == b'}' {
                return Err("has a } without a {");
            }
            let close = rest[open..].find('}').ok_or("has a { without a }")? + open;
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let name = &rest[open + 1..close];
            let column = match name.strip_prefix('#') {
                Some(number) => match number.parse::<usize>() {
                    Ok(number @ 1..) => ColumnRef::Index(number - 1),
                    _ => return Err("has an invalid column number; the first column is {#1}"),
                },
                None => ColumnRef::Name(column_name(name.to_owned())),
            };
            parts.push(Part::Column(column));
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_consists_of_text_and_columns() {
        let template = ColumnTemplate::try_from("a-{#1} {cut}".to_owned()).unwrap();
        let columns: Vec<&ColumnRef> = template.columns().collect();
        assert_eq!(columns, [&ColumnRef::Index(0), &ColumnRef::Name("cut".to_owned())]);
        let decomposed = ColumnTemplate::try_from("{ cafe\u{301}}".to_owned()).unwrap();
        assert_eq!(decomposed.0, [Part::Column(ColumnRef::Name("café".to_owned()))]);
    }

    #[test]
    fn invalid_templates_are_refused() {
        for invalid in ["{", "}", "a{b", "a}b", "{#0}", "{#x}"] {
            assert!(ColumnTemplate::try_from(invalid.to_owned()).is_err(), "{invalid}");
        }
    }
}
