//! The records of an import file in any format: the line on which each begins, and the values of
//! its columns.

use csv::{ByteRecord, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use souk_types::{Error, FieldError, Result};

/// The format of an import file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// `text/csv` (RFC 4180), with a header.
    Csv,
    /// `application/x-ndjson`: one JSON object on each line.
    NdJson,
}

pub(crate) enum Record<'f> {
    Csv { header: &'f StringRecord, values: StringRecord },
    Json(Map<String, Value>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnRef {
    Name(String),
    /// By position, from 0.
    Index(usize),
}

impl Record<'_> {
    /// Returns the value of a column; `None` when there is no such column, or a JSON null in it.
    pub(crate) fn value(&self, column: &ColumnRef) -> Option<Value> {
        match (self, column) {
            (Record::Csv { header, values }, ColumnRef::Name(name)) => {
                let index = header.iter().position(|known| known == name)?;
                values.get(index).map(Value::from)
            }
            (Record::Csv { values, .. }, ColumnRef::Index(index)) => values.get(*index).map(Value::from),
            (Record::Json(object), ColumnRef::Name(name)) => object.get(name).filter(|value| !value.is_null()).cloned(),
            (Record::Json(_), ColumnRef::Index(_)) => None,
        }
    }
}

/// `None` for NDJSON, where the lines may have different columns.
pub(crate) fn column_names(format: FileFormat, bytes: &[u8]) -> Result<Option<Vec<String>>> {
    match format {
        FileFormat::Csv => {
            let mut reader = csv_reader(without_byte_order_mark(bytes));
            let header = reader.headers().map_err(|error| malformed_csv(&error))?;
            Ok(Some(header.iter().map(str::to_owned).collect()))
        }
        FileFormat::NdJson => Ok(None),
    }
}

/// Calls `visit` with each record or its error, and its first line. An error of `visit` ends it.
pub(crate) fn for_each_record(
    format: FileFormat,
    bytes: &[u8],
    visit: impl FnMut(u64, Result<Record<'_>, FieldError>) -> Result<()>,
) -> Result<()> {
    let bytes = without_byte_order_mark(bytes);
    match format {
        FileFormat::Csv => for_each_csv_record(bytes, visit),
        FileFormat::NdJson => for_each_json_line(bytes, visit),
    }
}

/// Spreadsheet programs write a byte order mark.
fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn csv_reader(bytes: &[u8]) -> csv::Reader<&[u8]> {
    ReaderBuilder::new().flexible(true).from_reader(bytes)
}

fn malformed_csv(error: &csv::Error) -> Error {
    Error::malformed(format!("The file is not CSV: {error}."))
}

fn for_each_csv_record(
    bytes: &[u8],
    mut visit: impl FnMut(u64, Result<Record<'_>, FieldError>) -> Result<()>,
) -> Result<()> {
    let mut reader = csv_reader(bytes);
    let header = reader.headers().map_err(|error| malformed_csv(&error))?.clone();
    let mut bytes = ByteRecord::new();
    while reader.read_byte_record(&mut bytes).map_err(|error| malformed_csv(&error))? {
        let line = bytes.position().map_or(0, csv::Position::line);
        let record = if bytes.len() == header.len() {
            StringRecord::from_byte_record(bytes.clone())
                .map(|values| Record::Csv { header: &header, values })
                .map_err(|_| FieldError::new("row", "is not UTF-8"))
        } else {
            let message = format!("has {} columns, the header has {}", bytes.len(), header.len());
            Err(FieldError::new("row", message))
        };
        visit(line, record)?;
    }
    Ok(())
}

fn for_each_json_line(
    bytes: &[u8],
    mut visit: impl FnMut(u64, Result<Record<'_>, FieldError>) -> Result<()>,
) -> Result<()> {
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let record = serde_json::from_slice(text)
            .map(Record::Json)
            .map_err(|error| FieldError::new("row", format!("is not a JSON object: {error}")));
        visit(line, record)?;
    }
    Ok(())
}
