//! A whole catalogue from a file: CSV or one JSON object a line. [`ImportMapping`] says how columns become fields, `rows` reads the
//! file, and every row is held to the same rules as a product that an admin types. The file is imported in one commit as far as the store
//! has room for that ([`souk_store::Collection::bulk_update`]).

use std::collections::HashMap;
use std::sync::{Arc, mpsc};

use rocket::Request;
use rocket::data::Data;
use serde::Serialize;
use souk_contract::products::ProductId;
use souk_http::{drain, read_body_draining};
use souk_store::Database;
use souk_types::input::{Fields, Input};
use souk_types::{Error, FieldError, Result};
use tokio::sync::Mutex;

use crate::application::import_limits::{ImportLimits, MOST_BYTES};
use crate::domain::import_mapping::{ImportMapping, OnError};
use crate::domain::import_rows::{self, Format};
use crate::domain::product::{Details, ImportKey, Imported, Product};
use crate::domain::stock::Available;
use crate::repositories::Products;

/// Errors that are listed; beyond that, rejected rows are only counted. A file with more has one thing wrong with it all.
const MAX_ERRORS: usize = 100_000;
/// So often an import begins again when keys have moved between products under its hands.
const MAX_ATTEMPTS: usize = 5;
/// The code of that.
const MOVED: &str = "import-key-moved";

/// A file as it was sent.
pub struct Upload {
    /// What it is.
    pub format: Format,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Upload {
    /// Reads the body of a request, if it may be sent at all. The body of one that may not is read too, and thrown away: a proxy takes an
    /// instance that stops listening in the middle of a file for a dead one.
    pub(crate) async fn read(
        request: &Request<'_>,
        data: Data<'_>,
        allowed: Result<()>,
        limits: ImportLimits,
    ) -> Result<Self> {
        let media = request.content_type().map(|given| (given.top().as_str(), given.sub().as_str()));
        let format = match media {
            Some(("text", "csv")) => Ok(Format::Csv),
            Some(("application", "x-ndjson" | "ndjson")) => Ok(Format::NdJson),
            _ => Err(Error::unsupported_media_type("text/csv or application/x-ndjson")),
        };
        match allowed.and(format) {
            Ok(format) => Ok(Self { format, bytes: read_body_draining(data, limits.bytes, MOST_BYTES).await? }),
            Err(error) => {
                drain(data, MOST_BYTES).await;
                Err(error)
            }
        }
    }
}

/// What came of an import.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Rows in the file.
    pub rows: usize,
    /// Products that are new.
    pub created: usize,
    /// Products that were there, and are otherwise now.
    pub updated: usize,
    /// Products that were there just so.
    pub unchanged: usize,
    /// Rows that were not imported.
    pub rejected: usize,
    /// Everything that is wrong.
    pub errors: Vec<RowError>,
}

/// What is wrong with a row.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// Where the row begins; the first line of the file is 1.
    pub line: u64,
    /// Which field.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// A row that can be imported.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) key: ImportKey,
    pub(crate) details: Details,
    /// `None`: the file does not say; new products have none, others keep what they have.
    pub(crate) available: Option<Available>,
}

impl Input for Row {
    fn read(fields: &mut Fields) -> Option<Self> {
        let key = fields.required("key");
        let available = fields.optional("available");
        let details = Details::read(fields);
        Some(Self { key: key?, details: details?, available })
    }
}

impl Row {
    fn imported(&self) -> Imported {
        Imported { key: self.key.clone(), available: self.available }
    }
}

/// Puts files into the catalogue, one at a time. Cheap to clone; clones take turns.
#[derive(Clone)]
pub struct Importer {
    products: Products,
    /// Held by the import that is being written: the next one must find the products that it makes.
    turn: Arc<Mutex<()>>,
    limits: ImportLimits,
}

impl Importer {
    /// For the catalogue in this database.
    pub fn open(database: &Database) -> Result<Self> {
        Ok(Self::of(Products::open(database)?, ImportLimits::default()))
    }

    pub(crate) fn of(products: Products, limits: ImportLimits) -> Self {
        Self { products, turn: Arc::default(), limits }
    }

    pub(crate) fn limits(&self) -> ImportLimits {
        self.limits
    }

    pub(crate) fn products(&self) -> &Products {
        &self.products
    }

    /// Imports a file.
    pub async fn import(&self, mapping: ImportMapping, upload: Upload) -> Result<Report> {
        let (on_error, limits) = (mapping.on_error, self.limits);
        let read =
            tokio::task::spawn_blocking(move || read(&mapping, &upload, limits)).await.map_err(Error::internal)??;
        let Read { rows, good, errors } = read;
        let rejected = rows - good.len();
        if rejected > 0 && on_error == OnError::Abort {
            let detail = format!("{rejected} of {rows} rows cannot be imported; nothing was.");
            let errors = serde_json::to_value(errors).map_err(Error::internal)?;
            let error =
                Error::unprocessable("validation", detail).with_member("rows", rows).with_member("rejected", rejected);
            return Err(error
                .with_member("created", 0)
                .with_member("updated", 0)
                .with_member("unchanged", 0)
                .with_member("errors", errors));
        }
        let counts = self.write(&good).await?;
        Ok(Report { rows, rejected, errors, ..counts })
    }

    async fn write(&self, rows: &[Row]) -> Result<Report> {
        let _turn = self.turn.lock().await;
        for _ in 0..MAX_ATTEMPTS {
            match self.write_once(rows).await {
                // A product was withdrawn, or made by another process, since its key was looked up.
                Err(error) if error.is_duplicate() || error.code() == MOVED => {}
                outcome => return outcome,
            }
        }
        Err(Error::busy("The catalogue changes too fast for an import; try again."))
    }

    async fn write_once(&self, rows: &[Row]) -> Result<Report> {
        let known = self.products.by_keys(rows.iter().map(|row| &row.key)).await?;
        let known: HashMap<_, _> =
            known.iter().filter_map(|product| Some((&product.imported.as_ref()?.key, product.id))).collect();
        let (effects, counted) = mpsc::channel();
        let rule = |(at, row): (usize, &Row)| {
            let known = known.get(&row.key).copied();
            let (row, effects, id) = (row.clone(), effects.clone(), known.unwrap_or_else(ProductId::new));
            let rule = move |slot: &mut Option<Product>| {
                let effect = apply(slot, &row, id)?;
                effects.send((at, effect)).map_err(Error::internal)
            };
            (id, rule)
        };
        self.products.0.bulk_update(rows.iter().enumerate().map(rule).collect()).await?;
        drop(effects);
        // A rule may have run more than once; the last time counts.
        let effects: HashMap<usize, Effect> = counted.iter().collect();
        let count = |wanted| effects.values().filter(|effect| **effect == wanted).count();
        Ok(Report {
            created: count(Effect::Created),
            updated: count(Effect::Updated),
            unchanged: count(Effect::Unchanged),
            ..Report::default()
        })
    }
}

struct Read {
    rows: usize,
    good: Vec<Row>,
    errors: Vec<RowError>,
}

fn read(mapping: &ImportMapping, upload: &Upload, limits: ImportLimits) -> Result<Read> {
    if let Some(names) = import_rows::names(upload.format, &upload.bytes)? {
        mapping.check(&names)?;
    }
    let mut outcome = Read { rows: 0, good: Vec::new(), errors: Vec::new() };
    let mut lines = HashMap::new();
    import_rows::each(upload.format, &upload.bytes, |line, row| {
        outcome.rows += 1;
        if outcome.rows > limits.rows {
            return Err(Error::unprocessable("validation", format!("The file has more than {} rows.", limits.rows)));
        }
        let read = row.map_err(|problem| vec![problem]).and_then(|row| mapping.read(&row)).and_then(|row: Row| {
            match lines.insert(row.key.clone(), line) {
                Some(before) => Err(vec![FieldError::new("key", format!("is also on line {before}"))]),
                None => Ok(row),
            }
        });
        match read {
            Ok(row) => outcome.good.push(row),
            Err(problems) => {
                let room = MAX_ERRORS.saturating_sub(outcome.errors.len());
                let errors = problems.into_iter().take(room);
                outcome.errors.extend(errors.map(|FieldError { field, message }| RowError { line, field, message }));
            }
        }
        Ok(())
    })?;
    Ok(outcome)
}

/// What a row did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Created,
    Updated,
    Unchanged,
}

/// Makes or updates the product that a row is about.
fn apply(slot: &mut Option<Product>, row: &Row, id: ProductId) -> Result<Effect> {
    let Some(product) = slot.take() else {
        let available = row.available.unwrap_or_default();
        *slot = Some(Product { id, ..Product::new(row.details.clone(), available, Some(row.imported())) });
        return Ok(Effect::Created);
    };
    if product.imported.as_ref().is_none_or(|imported| imported.key != row.key) {
        return Err(Error::conflict(MOVED, "The product is no longer known by this key."));
    }
    let updated = updated(product.clone(), row)?;
    let effect = if updated.is_some() { Effect::Updated } else { Effect::Unchanged };
    *slot = Some(updated.unwrap_or(product));
    Ok(effect)
}

/// The product as the row wants it, `None` when it is so already. The stock follows the file only where the file's own
/// number has changed: what was sold since the last import stays sold.
fn updated(mut product: Product, row: &Row) -> Result<Option<Product>> {
    let details_differ = product.listing()?.details != row.details;
    let before = product.imported.replace(row.imported());
    let recounted = row.available.filter(|available| before.and_then(|before| before.available) != Some(*available));
    if details_differ {
        product.edit(row.details.clone())?;
    }
    if let Some(available) = recounted {
        product.stock.restock(available);
    }
    Ok((details_differ || recounted.is_some()).then_some(product))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::product::tests::tea;

    #[test]
    fn the_same_file_again_does_not_undo_sales() {
        let row = |available| Row {
            key: "a".to_owned().try_into().unwrap(),
            details: tea().listing().unwrap().details.clone(),
            available: Some(Available::try_from(available).unwrap()),
        };
        let mut product = Product::new(row(1).details, Available::try_from(1).unwrap(), Some(row(1).imported()));
        product.stock.restock(Available::try_from(0).unwrap());
        assert!(updated(product.clone(), &row(1)).unwrap().is_none(), "the file says what it said");
        let recounted = updated(product, &row(5)).unwrap().unwrap();
        assert_eq!(recounted.stock.available(), 5);
        assert!(updated(recounted, &row(5)).unwrap().is_none());
    }
}
