//! A strict reader of CSV (RFC 4180). Lenient readers close a quote where they like, and rows of
//! the file vanish inside a cell.

use souk_types::FieldError;

/// Most cells in a row. An empty cell costs one byte in the file and many more in memory.
const MAX_CELLS: usize = 1_000;

/// Reads the rows of a file one by one. A row ends with LF, CRLF or CR.
pub(crate) struct CsvReader<'f> {
    rest: &'f [u8],
    delimiter: u8,
    /// The line of the next byte, from 1.
    line: u64,
}

/// Why a row cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CsvError {
    /// A quote inside a cell that does not begin with one.
    StrayQuote {
        line: u64,
    },
    /// Text between the closing quote of a cell and the next delimiter.
    TextAfterQuote {
        line: u64,
    },
    /// The file ends inside a quoted cell. No row follows.
    UnclosedQuote {
        line: u64,
    },
    NulByte,
    NotUtf8,
    TooManyCells,
}

impl<'f> CsvReader<'f> {
    /// `line` is the line on which `bytes` begins.
    pub(crate) fn new(bytes: &'f [u8], delimiter: u8, line: u64) -> Self {
        Self { rest: bytes, delimiter, line }
    }

    /// Returns the next row and the line on which it begins. Skips lines without any character.
    /// After an error, the reader goes on with the next line.
    pub(crate) fn next_row(&mut self) -> Option<(u64, Result<Vec<String>, CsvError>)> {
        while self.skip_line_end() {}
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let row = self.read_row();
        if row.is_err() {
            self.read_while(|byte| !is_line_end(byte));
        }
        self.skip_line_end();
        Some((line, row.and_then(decode)))
    }

    fn read_row(&mut self) -> Result<Vec<Vec<u8>>, CsvError> {
        let mut cells = Vec::new();
        loop {
            cells.push(if self.skip(b'"') { self.read_quoted()? } else { self.read_unquoted()? });
            if !self.skip(self.delimiter) {
                return Ok(cells);
            }
            if cells.len() == MAX_CELLS {
                return Err(CsvError::TooManyCells);
            }
        }
    }

    fn read_unquoted(&mut self) -> Result<Vec<u8>, CsvError> {
        let delimiter = self.delimiter;
        let cell = self.read_while(|byte| byte != delimiter && byte != b'"' && !is_line_end(byte));
        if self.rest.first() == Some(&b'"') { Err(CsvError::StrayQuote { line: self.line }) } else { Ok(cell.to_vec()) }
    }

    /// Reads the rest of a cell after its opening quote.
    fn read_quoted(&mut self) -> Result<Vec<u8>, CsvError> {
        let (opened, mut cell) = (self.line, Vec::new());
        loop {
            cell.extend_from_slice(self.read_while(|byte| byte != b'"' && !is_line_end(byte)));
            let before = self.rest;
            if self.skip_line_end() {
                cell.extend_from_slice(&before[..before.len() - self.rest.len()]);
            } else if !self.skip(b'"') {
                return Err(CsvError::UnclosedQuote { line: opened });
            } else if self.skip(b'"') {
                cell.push(b'"');
            } else {
                break;
            }
        }
        match self.rest.first() {
            Some(&byte) if byte != self.delimiter && !is_line_end(byte) => {
                Err(CsvError::TextAfterQuote { line: self.line })
            }
            _ => Ok(cell),
        }
    }

    fn read_while(&mut self, is_wanted: impl Fn(u8) -> bool) -> &'f [u8] {
        let end = self.rest.iter().position(|byte| !is_wanted(*byte)).unwrap_or(self.rest.len());
        let (read, rest) = self.rest.split_at(end);
        self.rest = rest;
        read
    }

    fn skip(&mut self, wanted: u8) -> bool {
        let rest = self.rest.strip_prefix(&[wanted]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_line_end(&mut self) -> bool {
        let rest = [b"\r\n".as_slice(), b"\n", b"\r"].iter().find_map(|end| self.rest.strip_prefix(*end));
        self.line += u64::from(rest.is_some());
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

fn decode(cells: Vec<Vec<u8>>) -> Result<Vec<String>, CsvError> {
    let decode = |cell: Vec<u8>| match String::from_utf8(cell) {
        Ok(cell) if cell.contains('\0') => Err(CsvError::NulByte),
        Ok(cell) => Ok(cell),
        Err(_) => Err(CsvError::NotUtf8),
    };
    cells.into_iter().map(decode).collect()
}

impl From<CsvError> for FieldError {
    fn from(error: CsvError) -> Self {
        let message = match error {
            CsvError::StrayQuote { line } => {
                format!("has a quote inside an unquoted cell on line {line}: quote the whole cell and double the quote")
            }
            CsvError::TextAfterQuote { line } => {
                format!("has text after the closing quote of a cell on line {line}: double the quotes inside a cell")
            }
            CsvError::UnclosedQuote { line } => {
                format!("opens a quote on line {line} that is never closed; everything after it is inside the cell")
            }
            CsvError::NulByte => "has a NUL byte".to_owned(),
            CsvError::NotUtf8 => "is not UTF-8".to_owned(),
            CsvError::TooManyCells => format!("has more than {MAX_CELLS} cells"),
        };
        Self::new("row", message)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::CsvError::{NotUtf8, NulByte, StrayQuote, TextAfterQuote, UnclosedQuote};
    use super::*;

    type Rows = Vec<(u64, Result<Vec<String>, CsvError>)>;

    fn read(text: &[u8], delimiter: u8) -> Rows {
        let mut reader = CsvReader::new(text, delimiter, 1);
        std::iter::from_fn(|| reader.next_row()).collect()
    }

    #[test]
    fn rows_are_read_as_rfc_4180_defines_them() {
        let good = |line, cells: &[&str]| (line, Ok(cells.iter().map(|cell| (*cell).to_owned()).collect()));
        let bad = |line, error| (line, Err(error));
        let table: [(&str, Rows); 29] = [
            ("", vec![]),
            ("\n\r\n\r", vec![]),
            ("a", vec![good(1, &["a"])]),
            ("a,b\n", vec![good(1, &["a", "b"])]),
            ("a,b\r\nc,d\r\n", vec![good(1, &["a", "b"]), good(2, &["c", "d"])]),
            ("a,b\rc,d", vec![good(1, &["a", "b"]), good(2, &["c", "d"])]),
            ("a\n\n\nb\n", vec![good(1, &["a"]), good(4, &["b"])]),
            ("a,", vec![good(1, &["a", ""])]),
            (",,,,\n", vec![good(1, &["", "", "", "", ""])]),
            ("\"\"\n", vec![good(1, &[""])]),
            ("   \n", vec![good(1, &["   "])]),
            (" a , b \n", vec![good(1, &[" a ", " b "])]),
            ("\"a,b\",c\n", vec![good(1, &["a,b", "c"])]),
            ("\"a\"\"b\"\"\"\n", vec![good(1, &["a\"b\""])]),
            ("\"a\nb\r\nc\rd\",e\nf,g", vec![good(1, &["a\nb\r\nc\rd", "e"]), good(5, &["f", "g"])]),
            ("a;b,c\n", vec![good(1, &["a;b", "c"])]),
            ("\"a\",\"b\"", vec![good(1, &["a", "b"])]),
            ("a\"b,c\nd,e\n", vec![bad(1, StrayQuote { line: 1 }), good(2, &["d", "e"])]),
            ("a, \"b\"\nd,e\n", vec![bad(1, StrayQuote { line: 1 }), good(2, &["d", "e"])]),
            ("a\"\nd\n", vec![bad(1, StrayQuote { line: 1 }), good(2, &["d"])]),
            ("\"a\"b,c\nd,e\n", vec![bad(1, TextAfterQuote { line: 1 }), good(2, &["d", "e"])]),
            ("\"a\" ,c\nd,e\n", vec![bad(1, TextAfterQuote { line: 1 }), good(2, &["d", "e"])]),
            ("\"a\nb\"c,d\r\ne,f\n", vec![bad(1, TextAfterQuote { line: 2 }), good(3, &["e", "f"])]),
            ("a,\"x\nb,\"B\"\nc,d\n", vec![bad(1, TextAfterQuote { line: 2 }), good(3, &["c", "d"])]),
            ("a,b\nc,\"d\ne,f\n", vec![good(1, &["a", "b"]), bad(2, UnclosedQuote { line: 2 })]),
            ("\"a\nb\",\"c", vec![bad(1, UnclosedQuote { line: 2 })]),
            ("a,\"", vec![bad(1, UnclosedQuote { line: 1 })]),
            ("a,\"b\"\"", vec![bad(1, UnclosedQuote { line: 1 })]),
            ("a\0b\n\"\0\"\nc\n", vec![bad(1, NulByte), bad(2, NulByte), good(3, &["c"])]),
        ];
        for (text, rows) in table {
            assert_eq!(read(text.as_bytes(), b','), rows, "{text:?}");
        }
        assert_eq!(read(b"a\xff,b\nc,d\n", b','), [bad(1, NotUtf8), good(2, &["c", "d"])]);
        let (most, more) = (",".repeat(MAX_CELLS - 1), ",".repeat(MAX_CELLS));
        let rows = read(format!("{most}\n{more}\na\n").as_bytes(), b',');
        assert_eq!(rows[0].1.as_ref().map(Vec::len), Ok(MAX_CELLS));
        assert_eq!(rows[1..], [bad(2, CsvError::TooManyCells), good(3, &["a"])]);
        assert_eq!(read(b"a;\"b;c\"\t\n", b';'), [bad(1, TextAfterQuote { line: 1 })]);
        assert_eq!(read(b"a\t\"b\tc\"\td,e\n", b'\t'), [good(1, &["a", "b\tc", "d,e"])]);
    }

    fn write(rows: &[Vec<String>], delimiter: char, line_end: &str) -> String {
        let cell = |cell: &String| {
            let is_plain = !cell.is_empty() && !cell.contains(['"', '\n', '\r', delimiter]);
            if is_plain { cell.clone() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
        };
        let row = |row: &Vec<String>| row.iter().map(cell).collect::<Vec<_>>().join(&delimiter.to_string()) + line_end;
        rows.iter().map(row).collect()
    }

    proptest! {
        // A text that fails becomes a row of the table above, so the seeds need no file.
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_a_strict_writer_writes_is_read_back(
            rows in prop::collection::vec(prop::collection::vec("[ a-cé,;\t\"\r\n]{0,6}", 1..5), 0..6),
            delimiter in prop::sample::select(vec![',', ';', '\t']),
            line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        ) {
            let text = write(&rows, delimiter, line_end);
            let read = read(text.as_bytes(), delimiter as u8);
            let read: Vec<_> = read.into_iter().map(|(_, row)| row.unwrap()).collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn every_line_of_any_file_is_in_a_row_or_an_error(text in "[a,\"\n\r]{0,30}") {
            let rows = read(text.as_bytes(), b',');
            let lines: Vec<u64> = rows.iter().map(|(line, _)| *line).collect();
            prop_assert!(lines.is_sorted_by(|one, other| one < other));
            let unclosed = rows.iter().position(|(_, row)| matches!(row, Err(UnclosedQuote { .. })));
            prop_assert!(unclosed.is_none_or(|at| at + 1 == rows.len()));
        }

        #[test]
        fn any_bytes_are_rows_or_errors(file in mutations::bytes(&[
            b"key,name,price\n1,\"a \"\"b\"\"\",499\r\n2,\"x\ny\",1\n",
            b"\"\"\"\",\0;\xff\tx\r\r\n",
        ])) {
            let rows = read(&file, b',');
            prop_assert!(rows.len() <= file.len());
            let cells = rows.iter().flat_map(|(_, row)| row.iter().flatten());
            prop_assert!(cells.map(String::len).sum::<usize>() <= file.len(), "cells are parts of the file");
        }
    }
}
