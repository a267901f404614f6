//! How the columns of a file become the fields of a product: one template for each field, given as query parameters.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use souk_types::input::{self, Fields, Input};
use souk_types::{Currency, Error, FieldError, Price};

use super::import_rows::{Column, Row};

/// Fields that are text as the column has it.
const TEXTS: [&str; 7] = ["key", "name", "description", "category", "unit", "supplier", "image"];
/// Fields that are read as numbers.
const NUMBERS: [&str; 3] = ["price", "currency", "available"];

/// Without these there is no product.
const REQUIRED: [&str; 4] = ["key", "name", "category", "price"];

/// Bytes after which a template is filled no further: no field may be as long.
const LONGEST: usize = 64 * 1024;

/// What the query parameters of an import say.
#[derive(Debug)]
pub struct ImportMapping {
    templates: Vec<(&'static str, Template)>,
    price_in: PriceIn,
    /// What to do when rows are bad.
    pub on_error: OnError,
}

/// What to do when rows are bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Import nothing.
    #[default]
    Abort,
    /// Import the others.
    Skip,
}

/// Which unit prices in the file are in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PriceIn {
    /// Cents.
    #[default]
    Minor,
    /// Whole units, with or without decimals.
    Major,
}

/// Text with places for columns: `{carat} ct {cut}`, `diamond-{#1}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(Column),
}

impl Input for ImportMapping {
    fn read(fields: &mut Fields) -> Option<Self> {
        let mut templates = Vec::new();
        for field in TEXTS.into_iter().chain(NUMBERS) {
            if let Some(template) = fields.optional_non_null(field) {
                templates.push((field, template));
            }
        }
        let price_in = fields.optional_non_null("price_in").unwrap_or_default();
        let on_error = fields.optional_non_null("on_error").unwrap_or_default();
        Some(Self { templates, price_in, on_error })
    }
}

impl Default for ImportMapping {
    /// Every field is the column of its name.
    fn default() -> Self {
        Self { templates: Vec::new(), price_in: PriceIn::default(), on_error: OnError::default() }
    }
}

impl ImportMapping {
    /// Refuses a mapping that cannot fit a file with these columns: said once instead of for each row.
    pub(crate) fn check(&self, names: &[String]) -> Result<(), Error> {
        let there = |column: &Column| match column {
            Column::Named(name) => names.contains(name),
            Column::Numbered(at) => *at < names.len(),
        };
        let columns = || names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let mut problems = Vec::new();
        for (field, template) in &self.templates {
            for column in template.columns().filter(|column| !there(column)) {
                let problem = missing(field, column);
                let message = format!("{}; the columns are {}", problem.message, columns());
                problems.push(FieldError::new(problem.field, message));
            }
        }
        for field in REQUIRED {
            let mapped = self.templates.iter().any(|(name, _)| *name == field);
            if !mapped && !names.iter().any(|name| name == field) {
                let message = format!("no column has this name: say which one it is; the columns are {}", columns());
                problems.push(FieldError::new(field, message));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::invalid(problems)) }
    }

    /// Reads a row as a `T`, which has the fields of a product.
    pub(crate) fn read<T: Input>(&self, row: &Row<'_>) -> Result<T, Vec<FieldError>> {
        let mut product = Map::new();
        let mut problems = Vec::new();
        for field in TEXTS {
            match self.value(field, row) {
                Ok(Some(value)) => drop(product.insert(field.to_owned(), value)),
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        // An empty description is one; other empty columns say nothing.
        product.entry("description").or_insert_with(|| "".into());
        for (field, value) in [("price", self.price(row)), ("available", self.available(row))] {
            match value {
                Ok(Some(value)) => drop(product.insert(field.to_owned(), value)),
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        let read = input::from_json(Value::Object(product));
        if problems.is_empty() {
            return read.map_err(|error| error.fields().to_vec());
        }
        // A field that could not be filled is missing too; that is said once.
        let also = read.err().map(|error| error.fields().to_vec()).unwrap_or_default();
        let named: Vec<String> = problems.iter().map(|problem| problem.field.clone()).collect();
        problems.extend(also.into_iter().filter(|problem| !named.contains(&problem.field)));
        Err(problems)
    }

    fn value(&self, field: &str, row: &Row<'_>) -> Result<Option<Value>, FieldError> {
        let template = self.templates.iter().find(|(name, _)| *name == field);
        let value = match template {
            Some((_, template)) => Some(template.fill(field, row)?),
            None => row.value(&Column::Named(field.to_owned())),
        };
        Ok(value.filter(|value| value.as_str() != Some("")))
    }

    fn price(&self, row: &Row<'_>) -> Result<Option<Value>, FieldError> {
        let price = match self.value("price", row)? {
            None => return Ok(None),
            // `{"amount": 499, "currency": "EUR"}`
            Some(object @ Value::Object(_)) => return Ok(Some(object)),
            Some(Value::String(text)) => text,
            Some(number) => number.to_string(),
        };
        let bad = |field: &'static str| move |message: &'static str| FieldError::new(field, message);
        let currency = match self.value("currency", row)? {
            Some(value) => Currency::try_from(value.as_str().unwrap_or_default()).map_err(bad("currency"))?,
            None => Currency::EUR,
        };
        let price = match self.price_in {
            PriceIn::Major => Price::from_major(price.trim(), currency),
            PriceIn::Minor => price
                .trim()
                .parse()
                .map_err(|_| "is not a price in minor units, such as 326 (see price_in)")
                .and_then(|amount| Price::new(amount, currency)),
        };
        price.map(|price| Some(json!(price))).map_err(bad("price"))
    }

    fn available(&self, row: &Row<'_>) -> Result<Option<Value>, FieldError> {
        match self.value("available", row)? {
            Some(Value::String(text)) => match text.trim().parse::<u64>() {
                Ok(number) => Ok(Some(number.into())),
                Err(_) => Err(FieldError::new("available", "is not a whole number")),
            },
            other => Ok(other),
        }
    }
}

impl Template {
    fn columns(&self) -> impl Iterator<Item = &Column> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Column(column) => Some(column),
        })
    }

    fn fill(&self, field: &str, row: &Row<'_>) -> Result<Value, FieldError> {
        // A column alone keeps its type; a JSON price may be an object.
        if let [Part::Column(column)] = self.0.as_slice() {
            return row.value(column).ok_or_else(|| missing(field, column));
        }
        let mut text = String::new();
        for part in &self.0 {
            if text.len() > LONGEST {
                return Err(FieldError::new(field, "is too long"));
            }
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Column(column) => match row.value(column).ok_or_else(|| missing(field, column))? {
                    Value::String(value) => text.push_str(&value),
                    value => text.push_str(&value.to_string()),
                },
            }
        }
        Ok(text.into())
    }
}

fn missing(field: &str, column: &Column) -> FieldError {
    let message = match column {
        Column::Named(name) => format!("there is no column {name:?}"),
        Column::Numbered(at) => format!("there is no column {}", at + 1),
    };
    FieldError::new(field, message)
}

impl TryFrom<String> for Template {
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
                    Ok(number @ 1..) => Column::Numbered(number - 1),
                    _ => return Err("has a column number that is none; the first column is {#1}"),
                },
                None => Column::Named(name.to_owned()),
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
mod tests;
