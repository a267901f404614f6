//! The mapping from the columns of an import file to the fields of a product: one template for each
//! field, given as query parameters.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use souk_types::input::{self, Fields, Input};
use souk_types::{Currency, Error, FieldError, Integer, NumberError, Price};

use super::column_template::{ColumnTemplate, missing_column};
use super::import_records::{ColumnRef, Delimiter, Record};
use super::import_row::AbsentFields;
use super::stock_change::AvailableQuantity;
use super::weight::Weight;

const TEXT_FIELDS: [&str; 7] = ["key", "name", "description", "category", "unit", "supplier", "image"];
const PARSED_FIELDS: [&str; 6] = ["price", "currency", "tax_class", "available", "weight_grams", "digital"];
const REQUIRED_FIELDS: [&str; 4] = ["key", "name", "category", "price"];

/// The query parameters of an import. By default, each field is read from the column of its name.
#[derive(Debug, Default)]
pub struct ImportMapping {
    templates: Vec<(&'static str, ColumnTemplate)>,
    price_unit: PriceUnit,
    decimal: DecimalMark,
    default_currency: Option<Currency>,
    /// `None`: the file's header shows the delimiter.
    pub(crate) delimiter: Option<Delimiter>,
    pub(crate) on_error: OnError,
    pub(crate) max_errors: MaxErrors,
}

/// How to treat a file with invalid rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Import nothing.
    #[default]
    Abort,
    /// Import the valid rows.
    Skip,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PriceUnit {
    /// Minor units, such as cents.
    #[default]
    Minor,
    /// Whole units, with or without decimals.
    Major,
}

/// What stands before the decimals of a price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DecimalMark {
    /// `12.50`
    #[default]
    Point,
    /// `12,50`, as spreadsheets write it in many countries.
    Comma,
}

impl DecimalMark {
    /// Returns the text of a price with a point before its decimals.
    fn with_point(self, text: String) -> Result<String, FieldError> {
        match self {
            Self::Point => Ok(text),
            Self::Comma if text.contains('.') => {
                let message = "must be a number with a comma before its decimals, without other separators";
                Err(FieldError::new("price", message))
            }
            Self::Comma => Ok(text.replace(',', ".")),
        }
    }
}

/// The most errors in a report; further rejected rows are only counted. 0 to [`MaxErrors::MAX`],
/// which is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct MaxErrors(u32);

impl MaxErrors {
    const MAX: u32 = 100_000;

    pub(crate) fn get(self) -> usize {
        self.0 as usize
    }
}

impl Default for MaxErrors {
    fn default() -> Self {
        Self(Self::MAX)
    }
}

impl TryFrom<u32> for MaxErrors {
    type Error = &'static str;

    fn try_from(errors: u32) -> Result<Self, Self::Error> {
        if errors <= Self::MAX { Ok(Self(errors)) } else { Err("must be between 0 and 100,000") }
    }
}

impl Input for ImportMapping {
    fn read(fields: &mut Fields) -> Option<Self> {
        let mut templates = Vec::new();
        for field in TEXT_FIELDS.into_iter().chain(PARSED_FIELDS) {
            if let Some(template) = fields.optional_non_null(field) {
                templates.push((field, template));
            }
        }
        let price_unit = fields.optional_non_null("price_in").unwrap_or_default();
        let delimiter = fields.optional_non_null("delimiter");
        let decimal = fields.optional_non_null("decimal").unwrap_or_default();
        let on_error = fields.optional_non_null("on_error").unwrap_or_default();
        let max_errors = fields.optional_non_null("max_errors").unwrap_or_default();
        let default_currency = fields.optional_non_null("default_currency");
        Some(Self { templates, price_unit, decimal, default_currency, delimiter, on_error, max_errors })
    }
}

impl ImportMapping {
    /// Checks the mapping against the columns of a file, so that a wrong mapping is one error and
    /// not one for each row.
    pub(crate) fn check(&self, names: &[String]) -> Result<(), Error> {
        let exists = |column: &ColumnRef| match column {
            ColumnRef::Name(name) => names.iter().filter(|known| *known == name).count() == 1,
            ColumnRef::Index(index) => *index < names.len(),
        };
        let columns = || names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let mut errors = Vec::new();
        for (field, template) in &self.templates {
            for column in template.columns().filter(|column| !exists(column)) {
                let error = missing_column(field, column);
                let message = format!("{}; the columns are {}", error.message, columns());
                errors.push(FieldError::new(error.field, message));
            }
        }
        for field in REQUIRED_FIELDS {
            let is_mapped = self.templates.iter().any(|(name, _)| *name == field);
            if !is_mapped && !names.iter().any(|name| name == field) {
                let message =
                    format!("no column has this name: map a column to this field; the columns are {}", columns());
                errors.push(FieldError::new(field, message));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::invalid(errors)) }
    }

    pub(crate) fn read_record<T: Input>(&self, record: &Record<'_>) -> Result<T, Vec<FieldError>> {
        let mut product = Map::new();
        let (mut errors, mut unfilled) = (Vec::new(), Vec::new());
        let texts = TEXT_FIELDS.map(|field| (field, self.value(field, record)));
        // An empty description is valid; every other empty column counts as absent.
        product.insert("description".to_owned(), "".into());
        let parsed = [
            ("price", self.price(record)),
            ("tax_class", self.trimmed("tax_class", record)),
            ("available", self.whole_number("available", AvailableQuantity::OUT_OF_RANGE, record)),
            ("weight_grams", self.whole_number("weight_grams", Weight::OUT_OF_RANGE, record)),
            ("digital", self.flag("digital", record)),
        ];
        for (field, value) in texts.into_iter().chain(parsed) {
            match value {
                Ok(Some(value)) => drop(product.insert(field.to_owned(), value)),
                Ok(None) => {}
                Err(error) => {
                    unfilled.push(field);
                    errors.push(error);
                }
            }
        }
        let read = input::from_json(Value::Object(product));
        if errors.is_empty() {
            return read.map_err(|error| error.fields().to_vec());
        }
        // A field that the mapping cannot fill is also reported as missing: keep one error for it.
        let also = read.err().map(|error| error.fields().to_vec()).unwrap_or_default();
        errors.extend(also.into_iter().filter(|error| !unfilled.contains(&error.field.as_str())));
        Err(errors)
    }

    /// Returns the fields for which a record has no column.
    pub(crate) fn absent_fields(&self, record: &Record<'_>) -> AbsentFields {
        AbsentFields::of(|field| self.template(field).is_none() && !record.has(field))
    }

    /// Returns the columns of a file that fill no field.
    pub(crate) fn ignored_columns(&self, names: &[String]) -> Vec<String> {
        let fields = || TEXT_FIELDS.into_iter().chain(PARSED_FIELDS);
        let is_used = |index: usize, name: &String| {
            let is_named = |column: &ColumnRef| match column {
                ColumnRef::Name(column) => column == name,
                ColumnRef::Index(column) => *column == index,
            };
            let by_template = self.templates.iter().any(|(_, template)| template.columns().any(is_named));
            by_template || fields().any(|field| field == name && self.template(field).is_none())
        };
        let ignored = names.iter().enumerate().filter(|(index, name)| !is_used(*index, name));
        ignored.map(|(_, name)| name.clone()).collect()
    }

    fn template(&self, field: &str) -> Option<&ColumnTemplate> {
        self.templates.iter().find(|(name, _)| *name == field).map(|(_, template)| template)
    }

    fn value(&self, field: &str, record: &Record<'_>) -> Result<Option<Value>, FieldError> {
        let value = match self.template(field) {
            Some(template) => Some(template.fill(field, record)?),
            None => record.value(&ColumnRef::Name(field.to_owned())),
        };
        Ok(value.filter(|value| value.as_str().is_none_or(|text| !text.trim().is_empty())))
    }

    fn price(&self, record: &Record<'_>) -> Result<Option<Value>, FieldError> {
        let price = match self.value("price", record)? {
            None => return Ok(None),
            // `{"amount": 499, "currency": "EUR"}`
            Some(object @ Value::Object(_)) => {
                let also = self.value("currency", record)?;
                if also.is_some_and(|also| object.get("currency").is_some_and(|currency| *currency != also)) {
                    return Err(FieldError::new("currency", "is not the currency in price"));
                }
                return Ok(Some(object));
            }
            Some(Value::String(text)) => self.decimal.with_point(text)?,
            Some(number) => number.to_string(),
        };
        let invalid = |field: &'static str| move |message: &'static str| FieldError::new(field, message);
        let currency = match self.value("currency", record)? {
            Some(value) => Currency::try_from(value.as_str().unwrap_or_default()).map_err(invalid("currency"))?,
            None => self.default_currency.unwrap_or(Currency::EUR),
        };
        let price = match self.price_unit {
            PriceUnit::Major if is_ambiguous(price.trim(), currency) => {
                Err("has three decimals: write 1.25 or 1250, because 1.250 can mean both")
            }
            PriceUnit::Major => Price::from_major(price.trim(), currency),
            PriceUnit::Minor => Price::from_minor(price.trim(), currency),
        };
        price.map(|price| Some(json!(price))).map_err(invalid("price"))
    }

    fn whole_number(
        &self,
        field: &'static str,
        out_of_range: &'static str,
        record: &Record<'_>,
    ) -> Result<Option<Value>, FieldError> {
        match self.value(field, record)? {
            Some(Value::String(text)) => match Integer::from_decimal(text.trim(), 0) {
                Ok(number) => Ok(Some(number.get().into())),
                Err(NumberError::TooLarge) => Err(FieldError::new(field, out_of_range)),
                Err(_) => Err(FieldError::new(field, "must be a whole number, such as 1500, without separators")),
            },
            other => Ok(other),
        }
    }

    fn trimmed(&self, field: &'static str, record: &Record<'_>) -> Result<Option<Value>, FieldError> {
        Ok(self.value(field, record)?.map(|value| match value {
            Value::String(text) => text.trim().into(),
            other => other,
        }))
    }

    /// Reads `true` and `false`. Spreadsheets write them in capitals.
    fn flag(&self, field: &'static str, record: &Record<'_>) -> Result<Option<Value>, FieldError> {
        match self.value(field, record)? {
            Some(Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => Ok(Some(true.into())),
                "false" => Ok(Some(false.into())),
                _ => Err(FieldError::new(field, "must be true or false")),
            },
            other => Ok(other),
        }
    }
}

/// Whether the point of a price may separate thousands: three digits follow it, and the currency
/// has not three decimals.
fn is_ambiguous(price: &str, currency: Currency) -> bool {
    let decimals = price.split_once('.').map(|(_, decimals)| decimals);
    currency.exponent() != 3
        && decimals.is_some_and(|decimals| decimals.len() == 3 && decimals.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
