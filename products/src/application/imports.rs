//! Importing a catalogue from a CSV or NDJSON file. Each row is validated like a product that an
//! admin creates, and the valid rows are written in one commit as far as the store allows it
//! (`Collection::bulk_update`).

use std::collections::HashMap;
use std::sync::{Arc, mpsc};

use serde::Serialize;
use souk_contract::products::ProductId;
use souk_store::Database;
use souk_types::{Error, FieldError, Result};
use tokio::sync::Mutex;

use crate::App;
pub use crate::domain::import_mapping::{ImportMapping, OnError};
pub use crate::domain::import_records::FileFormat;
use crate::domain::import_records::{End, Records};
use crate::domain::import_row::{ImportEffect, ImportRow, KEY_MOVED};
use crate::domain::product::Product;
use crate::options::ImportLimits;
use crate::repositories::Products;

/// Attempts to write an import while the keys of its rows move between products.
const MAX_ATTEMPTS: usize = 5;

/// A file to import.
pub struct ImportFile {
    /// The format.
    pub format: FileFormat,
    /// The content.
    pub bytes: Vec<u8>,
}

/// The outcome of an import.
#[derive(Debug, Default, Serialize)]
pub struct ImportReport {
    /// Rows in the file.
    pub rows: usize,
    /// Products that the import created.
    pub created: usize,
    /// Products that the import changed.
    pub updated: usize,
    /// Products that were the same as their row.
    pub unchanged: usize,
    /// Invalid rows.
    pub rejected: usize,
    /// The errors of the invalid rows.
    pub errors: Vec<RowError>,
    /// The columns of a CSV file that fill no field.
    pub ignored_columns: Vec<String>,
}

/// An error in a row.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// The line on which the row begins, from 1.
    pub line: u64,
    /// The field.
    pub field: String,
    /// The error.
    pub message: String,
}

/// Imports files, one at a time. Cheap to clone.
#[derive(Clone)]
pub struct Importer {
    products: Products,
    write_lock: Arc<Mutex<()>>,
    limits: ImportLimits,
}

impl Importer {
    /// Opens the catalogue of a database.
    pub fn open(database: &Database) -> Result<Self> {
        Ok(Self { products: Products::open(database)?, write_lock: Arc::default(), limits: ImportLimits::default() })
    }

    pub(crate) fn new(app: &App) -> Self {
        Self { products: app.products.clone(), write_lock: Arc::clone(&app.import_lock), limits: app.import_limits }
    }

    pub(crate) fn products(&self) -> &Products {
        &self.products
    }

    /// Imports a file. Errors: `validation` with the report when `abort` meets invalid rows.
    pub async fn import(&self, mapping: ImportMapping, file: ImportFile) -> Result<ImportReport> {
        let (on_error, limits) = (mapping.on_error, self.limits);
        let parsed =
            tokio::task::spawn_blocking(move || parse(&mapping, &file, limits)).await.map_err(Error::internal)??;
        let ParsedFile { rows, valid, errors, end, ignored_columns } = parsed;
        let rejected = rows - valid.len();
        // `skip` cannot skip rows that were not read.
        if end == End::InCell || (rejected > 0 && on_error == OnError::Abort) {
            let detail = match end {
                End::OfFile => format!("{rejected} of {rows} rows are invalid, and nothing is imported; correct them."),
                End::InCell => {
                    "A quote is never closed: the rows after it cannot be read, and nothing is imported.".to_owned()
                }
            };
            let errors = serde_json::to_value(errors).map_err(Error::internal)?;
            let error =
                Error::unprocessable("validation", detail).with_member("rows", rows).with_member("rejected", rejected);
            return Err(error
                .with_member("created", 0)
                .with_member("updated", 0)
                .with_member("unchanged", 0)
                .with_member("errors", errors)
                .with_member("ignored_columns", ignored_columns));
        }
        let counts = self.write(&valid).await?;
        Ok(ImportReport { rows, rejected, errors, ignored_columns, ..counts })
    }

    async fn write(&self, rows: &[ImportRow]) -> Result<ImportReport> {
        let _guard = self.write_lock.lock().await;
        for _ in 0..MAX_ATTEMPTS {
            match self.try_write(rows).await {
                // A product was discontinued, or another process created it, after the look-up of
                // its key.
                Err(error) if error.is_duplicate() || error.code() == KEY_MOVED => {}
                outcome => return outcome,
            }
        }
        Err(Error::busy("Other changes of the catalogue interrupted the import; try again."))
    }

    async fn try_write(&self, rows: &[ImportRow]) -> Result<ImportReport> {
        let known = self.products.get_by_import_keys(rows.iter().map(|row| &row.key)).await?;
        let known: HashMap<_, _> =
            known.iter().filter_map(|product| Some((&product.imported.as_ref()?.key, product.id))).collect();
        let (effect_sender, effect_receiver) = mpsc::channel();
        let rule = |(index, row): (usize, &ImportRow)| {
            let known = known.get(&row.key).copied();
            let (row, effect_sender) = (row.clone(), effect_sender.clone());
            let id = known.unwrap_or_else(ProductId::new);
            let rule = move |slot: &mut Option<Product>| {
                let effect = row.apply(slot, id)?;
                effect_sender.send((index, effect)).map_err(Error::internal)
            };
            (id, rule)
        };
        self.products.bulk_update(rows.iter().enumerate().map(rule).collect()).await?;
        drop(effect_sender);
        // A rule may run more than once. The map keeps the effect of its last run.
        let effects: HashMap<usize, ImportEffect> = effect_receiver.iter().collect();
        let count = |effect| effects.values().filter(|other| **other == effect).count();
        Ok(ImportReport {
            created: count(ImportEffect::Created),
            updated: count(ImportEffect::Updated),
            unchanged: count(ImportEffect::Unchanged),
            ..ImportReport::default()
        })
    }
}

struct ParsedFile {
    rows: usize,
    valid: Vec<ImportRow>,
    errors: Vec<RowError>,
    end: End,
    ignored_columns: Vec<String>,
}

fn parse(mapping: &ImportMapping, file: &ImportFile, limits: ImportLimits) -> Result<ParsedFile> {
    let records = Records::open(file.format, &file.bytes, mapping.delimiter)?;
    let mut ignored_columns = Vec::new();
    if let Some(names) = records.column_names() {
        mapping.check(names)?;
        ignored_columns = mapping.ignored_columns(names);
    }
    let mut parsed = ParsedFile { rows: 0, valid: Vec::new(), errors: Vec::new(), end: End::OfFile, ignored_columns };
    let mut lines_by_key = HashMap::new();
    let end = records.for_each(|line, record| {
        parsed.rows += 1;
        if parsed.rows > limits.rows {
            let detail = format!("The file has more than {} rows; split it.", limits.rows);
            return Err(Error::unprocessable("too-many-rows", detail));
        }
        let row = record.and_then(|record| {
            let absent = mapping.absent_fields(&record);
            mapping.read_record(&record).map(|row| ImportRow { absent, ..row })
        });
        let row = row.and_then(|row: ImportRow| match lines_by_key.insert(row.key.clone(), line) {
            Some(previous) => Err(vec![FieldError::new("key", format!("is also on line {previous}"))]),
            None => Ok(row),
        });
        match row {
            Ok(row) => parsed.valid.push(row),
            Err(errors) => {
                let room = mapping.max_errors.get().saturating_sub(parsed.errors.len());
                let errors = errors.into_iter().take(room);
                parsed.errors.extend(errors.map(|FieldError { field, message }| RowError { line, field, message }));
            }
        }
        Ok(())
    })?;
    Ok(ParsedFile { end, ..parsed })
}
