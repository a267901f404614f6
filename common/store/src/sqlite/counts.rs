//! Statements of counts and sums. They read indexes only.

use rusqlite::params_from_iter;

use super::super::counts::{MAX_ENTRIES, Total};
use super::super::{Filter, Find, Index};
use super::{Sqlite, filter};
use souk_types::Result;

impl Sqlite {
    pub(in super::super) async fn count(&self, collection: &'static str, filter: Filter) -> Result<usize> {
        let table = self.tables.get(collection)?;
        self.query(move |connection| Ok(filter::ids(connection, &table, &filter, MAX_ENTRIES)?.len())).await
    }

    pub(in super::super) async fn count_found(&self, collection: &'static str, find: Find) -> Result<usize> {
        let table = self.tables.get(collection)?;
        self.query(move |connection| {
            let (sql, values) = table.select(&find, "id", MAX_ENTRIES);
            let statement = format!("SELECT count(*) FROM ({sql})");
            let count: i64 =
                connection.prepare_cached(&statement)?.query_row(params_from_iter(values), |row| row.get(0))?;
            Ok(usize::try_from(count).unwrap_or_default())
        })
        .await
    }

    pub(in super::super) async fn totals(
        &self,
        collection: &'static str,
        index: &'static Index,
        [group, number]: [&'static str; 2],
        (from, to): (String, Option<String>),
    ) -> Result<Vec<Total>> {
        let table = self.tables.get(collection)?;
        self.query(move |connection| {
            let (name, index) = (table.name, index.name);
            let statement = format!(
                "SELECT \"{group}\", count(*), sum(\"{number}\") FROM \"{name}\" INDEXED BY \"{name}.{index}\"
                 WHERE \"{group}\" >= ?1 AND (?2 IS NULL OR \"{group}\" <= ?2) AND \"{number}\" IS NOT NULL
                 GROUP BY \"{group}\" ORDER BY \"{group}\""
            );
            let mut statement = connection.prepare_cached(&statement)?;
            let total = |row: &rusqlite::Row<'_>| {
                let (count, sum): (i64, i64) = (row.get(1)?, row.get(2)?);
                Ok(Total {
                    group: row.get(0)?,
                    count: count.unsigned_abs(),
                    sum: u64::try_from(sum).unwrap_or_default(),
                })
            };
            statement.query_map((from, to), total)?.collect()
        })
        .await
    }
}
