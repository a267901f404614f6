//! The rows of a file, whatever its format: where each begins, and the text of its columns.

use csv::{ByteRecord, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use souk_types::{Error, FieldError, Result};

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/csv` (RFC 4180), with a header.
    Csv,
    /// `application/x-ndjson`: a JSON object a line.
    NdJson,
}

/// One row.
pub(crate) enum Row<'f> {
    /// The columns by position, and their names.
    Csv { names: &'f StringRecord, columns: StringRecord },
    /// The columns by name.
    Json(Map<String, Value>),
}

/// How a template names a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Column {
    Named(String),
    /// From 0.
    Numbered(usize),
}

impl Row<'_> {
    /// What stands in a column; `None` when there is no such column, or nothing in it.
    pub(crate) fn value(&self, column: &Column) -> Option<Value> {
        match (self, column) {
            (Row::Csv { names, columns }, Column::Named(name)) => {
                let at = names.iter().position(|known| known == name)?;
                columns.get(at).map(Value::from)
            }
            (Row::Csv { columns, .. }, Column::Numbered(at)) => columns.get(*at).map(Value::from),
            (Row::Json(object), Column::Named(name)) => object.get(name).filter(|value| !value.is_null()).cloned(),
            (Row::Json(_), Column::Numbered(_)) => None,
        }
    }
}

/// The columns of a CSV file; `None` for a file in which each row may have others.
pub(crate) fn names(format: Format, bytes: &[u8]) -> Result<Option<Vec<String>>> {
    match format {
        Format::Csv => {
            let mut reader = reader(without_mark(bytes));
            let names = reader.headers().map_err(|error| unreadable(&error))?;
            Ok(Some(names.iter().map(str::to_owned).collect()))
        }
        Format::NdJson => Ok(None),
    }
}

/// Calls `f` with each row and the line that it begins on. A row that cannot be read is an error of that row; `f`'s own
/// error ends it all.
pub(crate) fn each(
    format: Format,
    bytes: &[u8],
    f: impl FnMut(u64, std::result::Result<Row<'_>, FieldError>) -> Result<()>,
) -> Result<()> {
    let bytes = without_mark(bytes);
    match format {
        Format::Csv => each_record(bytes, f),
        Format::NdJson => each_line(bytes, f),
    }
}

/// Spreadsheets put a byte order mark in front.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn reader(bytes: &[u8]) -> csv::Reader<&[u8]> {
    ReaderBuilder::new().flexible(true).from_reader(bytes)
}

fn unreadable(error: &csv::Error) -> Error {
    Error::malformed(format!("The file is not CSV: {error}."))
}

fn each_record(
    bytes: &[u8],
    mut f: impl FnMut(u64, std::result::Result<Row<'_>, FieldError>) -> Result<()>,
) -> Result<()> {
    let mut reader = reader(bytes);
    let names = reader.headers().map_err(|error| unreadable(&error))?.clone();
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| unreadable(&error))? {
        let line = record.position().map_or(0, csv::Position::line);
        let row = if record.len() == names.len() {
            StringRecord::from_byte_record(record.clone())
                .map(|columns| Row::Csv { names: &names, columns })
                .map_err(|_| FieldError::new("row", "is not UTF-8"))
        } else {
            let message = format!("has {} columns, the header has {}", record.len(), names.len());
            Err(FieldError::new("row", message))
        };
        f(line, row)?;
    }
    Ok(())
}

fn each_line(
    bytes: &[u8],
    mut f: impl FnMut(u64, std::result::Result<Row<'_>, FieldError>) -> Result<()>,
) -> Result<()> {
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let row = serde_json::from_slice(text)
            .map(Row::Json)
            .map_err(|error| FieldError::new("row", format!("is not a JSON object: {error}")));
        f(line, row)?;
    }
    Ok(())
}
