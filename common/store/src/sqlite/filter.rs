//! Statements of filters. They read indexes only; the documents of the page follow by id.

use std::fmt::Write as _;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::super::Direction;
use super::super::commit::FoundPage;
use super::super::filter::{Filter, MAX_COUNTED, Range, cursor};
use super::super::find::PageBuilder;
use super::schema::{Table, list_table};
use super::{Sqlite, sql, stored};
use souk_types::Result;

impl Sqlite {
    pub(in super::super) async fn filter(&self, collection: &'static str, filter: Filter) -> Result<FoundPage> {
        let table = self.tables.get(collection)?;
        self.query(move |connection| page(connection, &table, &filter)).await
    }
}

fn page(connection: &Connection, table: &Table, filter: &Filter) -> rusqlite::Result<FoundPage> {
    let limit = filter.paging.limit.get();
    let (mut page, mut more) = (PageBuilder::new(limit), false);
    // The query returns one id more than the limit, which shows that there is a next page.
    for id in ids(connection, table, filter, limit + 1)? {
        // The document may be deleted since the index was read.
        let document = connection.prepare_cached(&table.load)?.query_row([&id], stored).optional()?;
        let Some(document) = document else { continue };
        let bytes = document.text.len();
        if !page.add((id, document), bytes) {
            more = true;
            break;
        }
    }
    let items = page.finish();
    let next = items.last().filter(|_| more).map(|(id, _)| cursor(id));
    Ok(FoundPage { items, next })
}

/// Returns the ids that a filter selects, up to `limit`.
pub(super) fn ids(
    connection: &Connection,
    table: &Table,
    filter: &Filter,
    limit: usize,
) -> rusqlite::Result<Vec<String>> {
    if filter.selects_nothing() {
        return Ok(Vec::new());
    }
    let mut ranges: Vec<&Range> = filter.ranges.iter().collect();
    if ranges.len() > 1 {
        let sizes = ranges.iter().map(|range| size(connection, table, filter, range));
        let mut counted: Vec<(i64, &Range)> =
            sizes.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().zip(ranges).collect();
        // The sort is stable.
        counted.sort_by_key(|(size, _)| *size);
        if counted.first().is_some_and(|(size, _)| *size == 0) {
            return Ok(Vec::new());
        }
        ranges = counted.into_iter().map(|(_, range)| range).collect();
    }
    let mut query = Query::new(table, filter);
    let direction = match filter.direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    let scans = match ranges.split_first() {
        None => vec![query.scan_all()],
        Some((walked, others)) => {
            let conditions: String = others.iter().map(|range| query.contains(range)).collect();
            query.scans(walked, &conditions)
        }
    };
    // Each scan is ordered and limited, so that the sort has a few entries of each.
    let ordered =
        |scan: String| format!("SELECT id FROM (SELECT d.id AS id {scan} ORDER BY d.id {direction} LIMIT {limit})");
    let scans: Vec<String> = scans.into_iter().map(ordered).collect();
    let statement = format!("{} ORDER BY id {direction} LIMIT {limit}", scans.join(" UNION ALL "));
    connection.prepare_cached(&statement)?.query_map(params_from_iter(query.values), |row| row.get(0))?.collect()
}

/// Counts the entries of a range, up to [`MAX_COUNTED`].
fn size(connection: &Connection, table: &Table, filter: &Filter, range: &Range) -> rusqlite::Result<i64> {
    let mut query = Query::new(table, filter);
    let scans: Vec<String> = query.scans(range, "").into_iter().map(|scan| format!("SELECT 1 {scan}")).collect();
    let statement = format!("SELECT count(*) FROM (SELECT * FROM ({}) LIMIT {MAX_COUNTED})", scans.join(" UNION ALL "));
    connection.prepare_cached(&statement)?.query_row(params_from_iter(query.values), |row| row.get(0))
}

/// A statement with its values.
struct Query<'t> {
    table: &'t Table,
    /// Conditions on `d.id`.
    bounds: String,
    values: Vec<Sql>,
}

impl<'t> Query<'t> {
    fn new(table: &'t Table, filter: &Filter) -> Self {
        let mut query = Self { table, bounds: String::new(), values: Vec::new() };
        let (from, before) = filter.bounds();
        for (bound, comparison) in [(from, ">="), (before, "<")] {
            if let Some(bound) = bound {
                let parameter = query.parameter(Sql::Text(bound));
                // Writing into a string cannot fail.
                let _ = write!(query.bounds, " AND d.id {comparison} {parameter}");
            }
        }
        query
    }

    fn parameter(&mut self, value: Sql) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    /// `FROM` and `WHERE` of all documents.
    fn scan_all(&self) -> String {
        format!("FROM \"{}\" AS d WHERE TRUE{}", self.table.name, self.bounds)
    }

    /// `FROM` and `WHERE` of each combination of a range. `conditions` begin with `AND`.
    fn scans(&mut self, range: &Range, conditions: &str) -> Vec<String> {
        let source = self.source(range, "d");
        let scan = |fields: Vec<serde_json::Value>| {
            let equal = self.equal(range, "d", &fields);
            format!("{source} WHERE {equal}{}{conditions}", self.bounds)
        };
        range.combinations().into_iter().map(scan).collect()
    }

    /// The condition that `d` is in the range.
    fn contains(&mut self, range: &Range) -> String {
        let source = self.source(range, "o");
        let mut any = String::new();
        for fields in range.combinations() {
            let equal = self.equal(range, "o", &fields);
            let or = if any.is_empty() { "" } else { " OR " };
            let _ = write!(any, "{or}EXISTS (SELECT 1 {source} WHERE {equal} AND o.id = d.id)");
        }
        format!(" AND ({any})")
    }

    fn source(&self, range: &Range, alias: &str) -> String {
        let name = self.table.name;
        if range.index.each {
            format!("FROM \"{}\" AS {alias}", list_table(name, range.index))
        } else {
            format!("FROM \"{name}\" AS {alias} INDEXED BY \"{name}.{}\"", range.index.name)
        }
    }

    fn equal(&mut self, range: &Range, alias: &str, fields: &[serde_json::Value]) -> String {
        let mut conditions = Vec::new();
        for (field, value) in range.index.equal.iter().zip(fields) {
            let parameter = self.parameter(sql(value));
            let column = if range.index.each { "value" } else { field };
            conditions.push(format!("{alias}.\"{column}\" = {parameter}"));
        }
        conditions.join(" AND ")
    }
}
