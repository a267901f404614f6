//! Tables and statements. SQLite copies indexed fields into columns when it writes a document.

use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value as Sql;

use super::super::format::Mark;
use super::super::{Direction, Find, Index, words};
use super::sql;
use souk_types::{Error, Result};

#[derive(Default)]
pub(super) struct Tables(RwLock<Vec<Arc<Table>>>);

impl Tables {
    pub(super) fn add(&self, table: Table) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(table));
    }

    pub(super) fn get(&self, collection: &str) -> Result<Arc<Table>> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = tables.iter().find(|table| table.name == collection).cloned();
        known.ok_or_else(|| Error::internal(format!("the collection {collection} was not opened")))
    }
}

pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) load: String,
    /// Documents after an id, ordered by id.
    pub(super) scan: String,
    pub(super) insert: String,
    /// Writes the document without its indexed fields.
    pub(super) update: String,
    /// Writes the document and its indexed fields.
    pub(super) reindex: String,
    pub(super) delete: String,
    pub(super) exists: String,
    pub(super) search: Option<Search>,
    pub(super) lists: Vec<List>,
    indexes: &'static [Index],
    columns: Vec<&'static str>,
    searched: &'static [&'static str],
}

/// The statements of a full-text index. Their only parameter is the id of the document.
pub(super) struct Search {
    pub(super) add: String,
    pub(super) remove: String,
}

/// An index of each string in a list: the table `(value, id)`.
pub(super) struct List {
    index: &'static Index,
    /// Returns the values of the document. Its parameter is the id.
    pub(super) values: String,
    /// Removes an entry. Its parameters are the value and the id.
    pub(super) remove: String,
    /// Adds the values of the document. Its parameter is the id.
    pub(super) add: String,
}

impl List {
    fn new(collection: &str, index: &'static Index) -> Self {
        let (table, field) = (list_table(collection, index), index.equal.first().copied().unwrap_or_default());
        let values = format!(
            "SELECT list.value, d.id FROM \"{collection}\" AS d, json_each(d.doc, '$.{field}') AS list WHERE d.id = ?1"
        );
        Self {
            index,
            remove: format!("DELETE FROM \"{table}\" WHERE value = ?1 AND id = ?2"),
            add: format!("INSERT OR IGNORE INTO \"{table}\" (value, id) {values}"),
            values,
        }
    }
}

pub(super) fn list_table(collection: &str, index: &Index) -> String {
    format!("{collection}.list.{}", index.name)
}

/// The SQL function that returns the words of a text, with spaces between them.
const WORDS: &str = "search_words";

pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(WORDS, 1, flags, |context| {
        let text: Option<String> = context.get(0)?;
        Ok(text.map(|text| words::of_text(&text).join(" ")))
    })
}

/// Creates the tables of the store in a new file.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    if mark(connection)?.0.is_none() {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let is_new: bool =
            connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
        if is_new {
            set_mark(connection, Mark::CURRENT)?;
            create_store_tables(connection)?;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(())
}

/// The table that a file has while documents of the format before may be left.
const REWRITING: &str = "_rewriting";

/// Returns the number of the file's format, if it says one, and whether documents of the format
/// before may be left.
pub(super) fn mark(connection: &Connection) -> rusqlite::Result<(Option<i64>, bool)> {
    let number: i64 = connection.prepare_cached("PRAGMA user_version")?.query_row([], |row| row.get(0))?;
    let is_rewriting = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)")?
        .query_row([REWRITING], |row| row.get(0))?;
    Ok((Some(number).filter(|number| *number != 0), is_rewriting))
}

/// Call it in a transaction.
pub(super) fn set_mark(connection: &Connection, mark: Mark) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", mark.format.number())?;
    if mark.is_rewriting {
        connection.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {REWRITING} (unused)"))
    } else {
        connection.execute_batch(&format!("DROP TABLE IF EXISTS {REWRITING}"))
    }
}

fn create_store_tables(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE _outbox (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, request TEXT, body BLOB NOT NULL);
         CREATE TABLE _inbox (id TEXT PRIMARY KEY, at INTEGER NOT NULL DEFAULT (unixepoch())) WITHOUT ROWID;
         CREATE INDEX _inbox_by_age ON _inbox (at);",
    )
}

pub(super) fn create_table(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS \"{name}\" (rowid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, doc TEXT NOT NULL)"
    ))
}

impl Table {
    pub(super) fn new(name: &'static str, indexes: &'static [Index], searched: &'static [&'static str]) -> Self {
        let mut columns: Vec<&'static str> =
            indexes.iter().filter(|index| !index.each).flat_map(Index::fields).collect();
        columns.sort_unstable();
        columns.dedup();
        let list = |each: &dyn Fn(&str) -> String| columns.iter().map(|column| each(column)).collect::<String>();
        let names = list(&|column| format!(", \"{column}\""));
        let values = list(&|column| format!(", json_extract(?2, '$.{column}')"));
        let sets = list(&|column| format!(", \"{column}\" = json_extract(?2, '$.{column}')"));
        let guard = "WHERE id = ?1 AND version = ?3";
        let search = (!searched.is_empty()).then(|| {
            let columns: String = searched.iter().map(|field| format!(", \"{}\"", words::versioned(field))).collect();
            let words = |field: &&str| format!(", {WORDS}(json_extract(doc, '$.{field}'))");
            let values: String = searched.iter().map(words).collect();
            Search {
                add: format!(
                    "INSERT INTO \"{name}.text\" (rowid{columns}) SELECT rowid{values} FROM \"{name}\" WHERE id = ?1"
                ),
                remove: format!(
                    "DELETE FROM \"{name}.text\" WHERE rowid = (SELECT rowid FROM \"{name}\" WHERE id = ?1)"
                ),
            }
        });
        Self {
            name,
            load: format!("SELECT version, doc FROM \"{name}\" WHERE id = ?1"),
            scan: format!("SELECT version, doc, id FROM \"{name}\" WHERE id > ?1 ORDER BY id LIMIT ?2"),
            insert: format!(
                "INSERT INTO \"{name}\" (id, version, doc{names}) VALUES (?1, 1, ?2{values}) ON CONFLICT (id) DO NOTHING"
            ),
            update: format!("UPDATE \"{name}\" SET version = version + 1, doc = ?2 {guard}"),
            reindex: format!("UPDATE \"{name}\" SET version = version + 1, doc = ?2{sets} {guard}"),
            delete: format!("DELETE FROM \"{name}\" WHERE id = ?1 AND version = ?2"),
            exists: format!("SELECT version FROM \"{name}\" WHERE id = ?1"),
            search,
            lists: indexes.iter().filter(|index| index.each).map(|index| List::new(name, index)).collect(),
            indexes,
            columns,
            searched,
        }
    }

    pub(super) fn create(&self, connection: &Connection) -> rusqlite::Result<()> {
        let name = self.name;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let outcome = self.create_all(connection, name);
        connection.execute_batch(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        outcome
    }

    fn create_all(&self, connection: &Connection, name: &str) -> rusqlite::Result<()> {
        create_table(connection, name)?;
        let mut info = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let present: Vec<String> = info.query_map([name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for column in self.columns.iter().filter(|column| !present.iter().any(|there| there == *column)) {
            connection.execute_batch(&format!(
                "ALTER TABLE \"{name}\" ADD COLUMN \"{column}\"; UPDATE \"{name}\" SET \"{column}\" = json_extract(doc, '$.{column}')"
            ))?;
        }
        for index in self.indexes.iter().filter(|index| !index.each) {
            let columns: Vec<String> = index.fields().map(|field| format!("\"{field}\"")).collect();
            let present =
                columns.iter().map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
            let (unique, id) = if index.unique { ("UNIQUE", "") } else { ("", ", id") };
            connection.execute_batch(&format!(
                "CREATE {unique} INDEX IF NOT EXISTS \"{name}.{}\" ON \"{name}\" ({}{id}) WHERE {present}",
                index.name,
                columns.join(", ")
            ))?;
        }
        for list in &self.lists {
            let table = list_table(name, list.index);
            if info.query_map([&table], |row| row.get::<_, String>(0))?.next().is_none() {
                connection.execute_batch(&format!(
                    "CREATE TABLE \"{table}\" (value TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (value, id)) WITHOUT ROWID"
                ))?;
                connection.execute(&list.add.replace(" WHERE d.id = ?1", ""), [])?;
            }
        }
        if let Some(search) = &self.search {
            let there: Vec<String> =
                info.query_map([format!("{name}.text")], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            let fields: Vec<String> = self.searched.iter().map(|field| words::versioned(field)).collect();
            if there != fields {
                // Words have spaces between them and only letters, marks and digits in them.
                let columns = fields.iter().map(|field| format!("\"{field}\"")).collect::<Vec<_>>().join(", ");
                connection.execute_batch(&format!(
                    "DROP TABLE IF EXISTS \"{name}.text\"; CREATE VIRTUAL TABLE \"{name}.text\" USING fts5 ({columns}, tokenize = 'ascii')"
                ))?;
                connection.execute(&search.add.replace(" WHERE id = ?1", ""), [])?;
            }
        }
        Ok(())
    }

    pub(super) fn find(&self, find: &Find) -> (String, Vec<Sql>) {
        let key = find.index.order.unwrap_or("id");
        self.select(find, &format!("version, doc, id, \"{key}\" AS key"), find.paging.limit.get() + 1)
    }

    /// Returns the statement of a query for these columns, and its values.
    pub(super) fn select(&self, find: &Find, columns: &str, limit: usize) -> (String, Vec<Sql>) {
        let name = self.name;
        let key = find.index.order.unwrap_or("id");
        let (order, beyond) = match find.direction {
            Direction::Ascending => ("ASC", ">"),
            Direction::Descending => ("DESC", "<"),
        };
        let mut values: Vec<Sql> = find.equal.iter().map(sql).collect();
        let mut conditions: Vec<String> =
            find.index.equal.iter().enumerate().map(|(at, field)| format!("\"{field}\" = ?{}", at + 1)).collect();
        conditions.push(format!("\"{key}\" IS NOT NULL"));
        if let Some(cursor) = &find.paging.after {
            values.push(sql(&cursor.key));
            values.push(Sql::Text(cursor.id.clone()));
            conditions.push(format!("(\"{key}\", id) {beyond} (?{}, ?{})", values.len() - 1, values.len()));
        }
        if let Some(most) = &find.up_to {
            values.push(sql(most));
            conditions.push(format!("\"{key}\" <= ?{}", values.len()));
        }
        match find.matching.as_deref() {
            None => {}
            Some([]) => conditions.push("FALSE".to_owned()),
            Some(words) => {
                // Quoted, so that no word is an operator. Words cannot end the quotes.
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                values.push(Sql::Text(format!("{}*", words.join(" "))));
                conditions.push(format!(
                    "rowid IN (SELECT rowid FROM \"{name}.text\" WHERE \"{name}.text\" MATCH ?{})",
                    values.len()
                ));
            }
        }
        let statement = format!(
            "SELECT {columns} FROM \"{name}\" WHERE {} ORDER BY \"{key}\" {order}, id {order} LIMIT {limit}",
            conditions.join(" AND ")
        );
        (statement, values)
    }

    pub(super) fn find_by(&self, index: &Index) -> String {
        let field = index.equal.first().copied().unwrap_or("id");
        format!("SELECT version, doc FROM \"{}\" WHERE \"{field}\" = ?1", self.name)
    }

    pub(super) fn is_empty(&self) -> String {
        format!("SELECT NOT EXISTS (SELECT 1 FROM \"{}\")", self.name)
    }

    pub(super) fn count_by(&self, field: &str) -> String {
        let name = self.name;
        format!(
            "SELECT \"{field}\", count(*) FROM \"{name}\" WHERE \"{field}\" IS NOT NULL GROUP BY \"{field}\" ORDER BY \"{field}\""
        )
    }

    /// Returns the unique index that a constraint error names by its columns.
    pub(super) fn broken_index(&self, message: &str) -> Option<&'static str> {
        let columns_of = |index: &Index| {
            let columns: Vec<String> = index.fields().map(|field| format!("{}.{field}", self.name)).collect();
            columns.join(", ")
        };
        self.indexes.iter().find(|index| index.unique && message.ends_with(&columns_of(index))).map(|index| index.name)
    }
}
