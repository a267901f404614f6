//! The records of an import file in any format: the line on which each begins, and the values of
//! its columns.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use souk_types::input::parse_json;
use souk_types::{Error, FieldError, Result, Text, normalize};

use super::csv::{CsvError, CsvReader};

/// Longest name of a column to which the rules of text apply, in characters.
const MAX_NAME: usize = 1_000;

/// The format of an import file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// `text/csv` (RFC 4180), with a header.
    Csv,
    /// `application/x-ndjson`: one JSON object on each line.
    NdJson,
}

/// The character between the cells of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Delimiter {
    /// A comma.
    #[serde(alias = ",")]
    Comma,
    /// A semicolon, which spreadsheets write where the comma is the decimal sign.
    #[serde(alias = ";")]
    Semicolon,
    /// A tab.
    #[serde(alias = "\t")]
    Tab,
}

pub(crate) enum Record<'f> {
    Csv { header: &'f [String], values: Vec<String> },
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
    /// Whether the record has a column, or a member, of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Record::Csv { header, .. } => header.iter().any(|known| known == name),
            Record::Json(object) => object.contains_key(name),
        }
    }

    pub(crate) fn value(&self, column: &ColumnRef) -> Option<Value> {
        match (self, column) {
            (Record::Csv { header, values }, ColumnRef::Name(name)) => {
                let index = header.iter().position(|known| known == name)?;
                values.get(index).map(|value| value.as_str().into())
            }
            (Record::Csv { values, .. }, ColumnRef::Index(index)) => {
                values.get(*index).map(|value| value.as_str().into())
            }
            (Record::Json(object), ColumnRef::Name(name)) => object.get(name).filter(|value| !value.is_null()).cloned(),
            (Record::Json(_), ColumnRef::Index(_)) => None,
        }
    }
}

/// The place in the file at which reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    OfFile,
    /// In a quoted cell that is never closed: the rest of the file is not read.
    InCell,
}

/// The records of a file.
pub(crate) enum Records<'f> {
    Csv { header: Vec<String>, rows: CsvReader<'f> },
    NdJson(&'f [u8]),
}

impl<'f> Records<'f> {
    /// Reads the header of a CSV file. Without `delimiter`, the header decides.
    ///
    /// # Errors
    /// `validation` when the delimiter is not clear, or the header cannot be used.
    pub(crate) fn open(format: FileFormat, bytes: &'f [u8], delimiter: Option<Delimiter>) -> Result<Self> {
        // Spreadsheet programs write a byte order mark.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match format {
            FileFormat::Csv => Self::open_csv(bytes, delimiter),
            FileFormat::NdJson if delimiter.is_some() => {
                Err(Error::invalid_field("delimiter", "is for CSV files only"))
            }
            FileFormat::NdJson => Ok(Self::NdJson(bytes)),
        }
    }

    fn open_csv(bytes: &'f [u8], asked: Option<Delimiter>) -> Result<Self> {
        let (declared, bytes, line) = match declared_delimiter(bytes) {
            Some((declared, rest)) => (Some(declared?), rest, 2),
            None => (None, bytes, 1),
        };
        let delimiter = match (asked, declared) {
            (Some(asked), Some(declared)) if asked != declared => {
                return Err(Error::invalid_field("delimiter", "is not the one in the line sep= of the file"));
            }
            (Some(delimiter), _) | (None, Some(delimiter)) => delimiter,
            (None, None) => recognise_delimiter(bytes)?,
        };
        let mut rows = CsvReader::new(bytes, delimiter.byte(), line);
        let Some((line, header)) = rows.next_row() else {
            return Err(Error::unprocessable(
                "validation",
                "The file is empty: it must begin with a line of column names.",
            ));
        };
        let header = header.map_err(|error| header_error(line, error))?;
        let header: Vec<String> = header.into_iter().map(column_name).collect();
        check_names(&header)?;
        Ok(Self::Csv { header, rows })
    }

    /// `None` for NDJSON, where the lines may have different columns.
    pub(crate) fn column_names(&self) -> Option<&[String]> {
        match self {
            Self::Csv { header, .. } => Some(header),
            Self::NdJson(_) => None,
        }
    }

    /// Calls `visit` with each record or its error, and its first line. An error of `visit` ends
    /// it.
    pub(crate) fn for_each(
        self,
        mut visit: impl FnMut(u64, Result<Record<'_>, Vec<FieldError>>) -> Result<()>,
    ) -> Result<End> {
        match self {
            Self::Csv { header, mut rows } => {
                while let Some((line, row)) = rows.next_row() {
                    let is_cut_off = matches!(row, Err(CsvError::UnclosedQuote { .. }));
                    visit(line, csv_record(&header, row))?;
                    if is_cut_off {
                        return Ok(End::InCell);
                    }
                }
            }
            Self::NdJson(bytes) => {
                for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
                    let text = text.strip_suffix(b"\r").unwrap_or(text);
                    if !text.is_empty() {
                        visit(line, json_record(text))?;
                    }
                }
            }
        }
        Ok(End::OfFile)
    }
}

fn csv_record(header: &[String], row: Result<Vec<String>, CsvError>) -> Result<Record<'_>, Vec<FieldError>> {
    let values = row.map_err(|error| vec![error.into()])?;
    if values.len() != header.len() {
        let message = format!("has {} columns, the header has {}", values.len(), header.len());
        return Err(vec![FieldError::new("row", message)]);
    }
    Ok(Record::Csv { header, values })
}

fn json_record(text: &[u8]) -> Result<Record<'static>, Vec<FieldError>> {
    match parse_json(text) {
        Ok(Value::Object(object)) => rename_members(object).map(Record::Json),
        Ok(_) => Err(vec![FieldError::new("row", "is not a JSON object")]),
        Err(error) if error.fields().is_empty() => Err(vec![FieldError::new("row", "is not a JSON object")]),
        Err(error) => {
            let of_row = |error: &FieldError| match error.field.as_str() {
                "body" => FieldError::new("row", error.message.as_str()),
                _ => error.clone(),
            };
            Err(error.fields().iter().map(of_row).collect())
        }
    }
}

/// Returns the name of a column by the rules of text, so that names are equal when they look equal.
/// A name that is no valid text is only normalized.
pub(crate) fn column_name(name: String) -> String {
    match Text::<0, MAX_NAME>::try_from(name.clone()) {
        Ok(text) => text.into(),
        Err(_) => normalize(&name).into_owned(),
    }
}

fn rename_members(object: Map<String, Value>) -> Result<Map<String, Value>, Vec<FieldError>> {
    let (mut renamed, mut errors) = (Map::new(), Vec::new());
    for (name, value) in object {
        let name = column_name(name);
        if renamed.contains_key(&name) {
            errors.push(FieldError::new(name, "is given twice"));
        } else {
            renamed.insert(name, value);
        }
    }
    if errors.is_empty() { Ok(renamed) } else { Err(errors) }
}

fn header_error(line: u64, error: CsvError) -> Error {
    let FieldError { field, message } = error.into();
    let detail = format!("The line of column names, line {line}, {message}.");
    let errors = json!([{"line": line, "field": field, "message": message}]);
    Error::unprocessable("validation", detail).with_member("errors", errors)
}

/// Refuses a name that two columns have. Names that differ by case or spaces only would be mixed up
/// as well. Columns without a name are used by their number.
fn check_names(header: &[String]) -> Result<()> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut errors = Vec::new();
    for (number, name) in (1..).zip(header).filter(|(_, name)| !name.trim().is_empty()) {
        if let Some(first) = numbers.insert(name.trim().to_lowercase(), number) {
            let message =
                format!("is the name of the columns {first} and {number}; case and spaces do not distinguish names");
            errors.push(FieldError::new(name.trim(), message));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid(errors)) }
}

impl Delimiter {
    const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }
}

/// Reads the line `sep=;` with which Excel declares a delimiter. Returns the lines after it.
fn declared_delimiter(bytes: &[u8]) -> Option<(Result<Delimiter>, &[u8])> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    let rest = [b"\r\n".as_slice(), b"\n", b"\r"].iter().find_map(|end| rest.strip_prefix(*end)).unwrap_or(rest);
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (name, separator) = line.split_at_checked(4)?;
    if !name.eq_ignore_ascii_case(b"sep=") {
        return None;
    }
    let known = Delimiter::ALL.into_iter().find(|delimiter| separator == [delimiter.byte()]);
    Some((known.ok_or_else(|| Error::invalid_field("sep", "must be a comma, a semicolon or a tab")), rest))
}

/// Finds the delimiter of the first line that has characters: the only one that occurs outside of
/// quotes. A file with one column has none.
fn recognise_delimiter(bytes: &[u8]) -> Result<Delimiter> {
    let mut is_quoted = false;
    let outside: Vec<u8> = bytes
        .iter()
        .copied()
        .skip_while(|byte| matches!(byte, b'\n' | b'\r'))
        .map(|byte| {
            is_quoted ^= byte == b'"';
            (byte, is_quoted)
        })
        .take_while(|(byte, is_quoted)| *is_quoted || !matches!(byte, b'\n' | b'\r'))
        .filter_map(|(byte, is_quoted)| (!is_quoted).then_some(byte))
        .collect();
    let found: Vec<Delimiter> =
        Delimiter::ALL.into_iter().filter(|delimiter| outside.contains(&delimiter.byte())).collect();
    match found[..] {
        [] => Ok(Delimiter::Comma),
        [delimiter] => Ok(delimiter),
        _ => Err(Error::invalid_field(
            "delimiter",
            "is not clear, because the first line has several candidates: \
             add delimiter=comma, semicolon or tab to the query",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::Delimiter::{Comma, Semicolon, Tab};
    use super::*;

    fn header(text: &str, delimiter: Option<Delimiter>) -> Result<Vec<String>> {
        Records::open(FileFormat::Csv, text.as_bytes(), delimiter)
            .map(|records| records.column_names().unwrap_or_default().to_vec())
    }

    #[test]
    fn the_delimiter_is_recognised_declared_or_asked_for() {
        for (text, asked, expected) in [
            ("key,name\n", None, ["key", "name"].as_slice()),
            ("key;name\r\n", None, &["key", "name"]),
            ("key\tname\r", None, &["key", "name"]),
            ("key", None, &["key"]),
            ("\u{feff}key;name", None, &["key", "name"]),
            ("\u{feff}\"key\";name", None, &["key", "name"]),
            ("\n\r\nkey;name\na,b\n", None, &["key", "name"]),
            ("\"key, or number\";name\n", None, &["key, or number", "name"]),
            ("\"key\n;\",name\n", None, &["key\n;", "name"]),
            ("\"a\"\";\",b\n", None, &["a\";", "b"]),
            ("key,name;x\n", Some(Semicolon), &["key,name", "x"]),
            ("key,name;x\n", Some(Comma), &["key", "name;x"]),
            ("key;name\n", Some(Comma), &["key;name"]),
            ("key;name\n", Some(Tab), &["key;name"]),
            ("sep=;\nkey,or number;name\n", None, &["key,or number", "name"]),
            ("SEP=\t\r\nkey\tname\n", None, &["key", "name"]),
            ("\"sep=,\"\nkey,name;x\n", None, &["key", "name;x"]),
            ("\u{feff}sep=;\rkey;name\n", Some(Semicolon), &["key", "name"]),
        ] {
            assert_eq!(header(text, asked).unwrap(), expected, "{text:?} {asked:?}");
        }
        for (text, asked, field) in [
            ("key,name;x\n", None, "delimiter"),
            ("key;name\tx\n", None, "delimiter"),
            ("sep=;\nkey;name\n", Some(Comma), "delimiter"),
            ("sep=|\nkey|name\n", None, "sep"),
            ("sep=\nkey,name\n", None, "sep"),
        ] {
            assert_eq!(header(text, asked).unwrap_err().fields()[0].field, field, "{text:?}");
        }
    }

    #[test]
    fn a_header_that_cannot_be_used_is_refused() {
        for (text, detail) in [
            ("", "The file is empty: it must begin with a line of column names."),
            ("\u{feff}\r\n\n", "The file is empty: it must begin with a line of column names."),
            ("sep=;\n", "The file is empty: it must begin with a line of column names."),
        ] {
            assert_eq!(header(text, None).unwrap_err().detail(), detail, "{text:?}");
        }
        for text in ["key,\"name\nTea,tea\n", "key,na\"me\n", "key,\0\n"] {
            let error = header(text, None).unwrap_err();
            assert_eq!((error.code(), &error.members()["errors"][0]["line"]), ("validation", &json!(1)), "{text:?}");
        }
    }

    #[test]
    fn a_column_name_that_is_given_twice_is_refused() {
        for text in [
            "price,key,price\n",
            "price,Price\n",
            "price, PRICE \n",
            "\"price\",price\n",
            "ß,ß\n",
            "é,e\u{301}\n",
            "tea,te\u{200b}a\n",
        ] {
            let error = header(text, None).unwrap_err();
            assert!(error.fields()[0].message.starts_with("is the name of the columns 1 and "), "{text}: {error}");
        }
        assert_eq!(header("key,,\" \",,name\n", None).unwrap(), ["key", "", "", "", "name"]);
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_the_records() {
        let mut lines = Vec::new();
        let records = Records::open(FileFormat::Csv, b"a,b\n1,2\n3,\"4\n5,6\n", None).unwrap();
        let end = records
            .for_each(|line, record| {
                lines.push((line, record.is_ok()));
                Ok(())
            })
            .unwrap();
        assert_eq!((lines, end), (vec![(2, true), (3, false)], End::InCell));
    }

    #[test]
    fn every_line_of_ndjson_that_is_not_an_object_is_an_error() {
        let text = "{\"a\":1}\n\n\r\n  \n{}\r\n{\"a\":1,\"a\":2}\n{\"a\":{\"b\":1,\"b\":1}}\n[]\nnull\n{\"a\":\n{} {}\n{\"a\":2.00000000000000000001}\n\t\n{\"é\":1,\"e\u{301}\":2}";
        let mut found = Vec::new();
        let end = Records::open(FileFormat::NdJson, text.as_bytes(), None)
            .unwrap()
            .for_each(|line, record| {
                let errors = record.map(drop).map_err(|errors| errors[0].field.clone());
                found.push((line, errors));
                Ok(())
            })
            .unwrap();
        let error = |field: &str| Err(field.to_owned());
        let expected = [
            (1, Ok(())),
            (4, error("row")),
            (5, Ok(())),
            (6, error("a")),
            (7, error("a.b")),
            (8, error("row")),
            (9, error("row")),
            (10, error("row")),
            (11, error("row")),
            (12, error("row")),
            (13, error("row")),
            (14, error("é")),
        ];
        assert_eq!((found.as_slice(), end), (expected.as_slice(), End::OfFile));
        assert!(Records::open(FileFormat::NdJson, b"{}", Some(Tab)).is_err());
    }
}
