//! The embedded engine: SQLite in WAL mode. One thread writes; concurrent commits share one
//! transaction and one `fsync`. Reads by id run on the caller's thread, because they take two
//! microseconds; queries run on blocking threads.
//!
//! A collection is a table `(id, version, doc)` with one column for each indexed field. The tables
//! `_outbox` and `_inbox` belong to the store.

mod copy;
mod counts;
mod filter;
mod readers;
mod schema;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{Type, Value as Sql, ValueRef};
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub(super) use self::copy::Snapshot;
use self::readers::Readers;
use self::schema::{Table, Tables};
use self::writer::Writer;
use super::commit::{Commit, FoundPage, Refusal, Stored};
use super::find::PageBuilder;
use super::format::Mark;
use super::{Durability, Find, Index, ReferenceSearch};
use souk_bus::{EventId, EventMessage};
use souk_types::{Cursor, Error, Result};

/// Commits queued for the writing thread. Further callers wait.
const MAX_QUEUED_COMMITS: usize = 4_096;
/// Concurrent queries. Each has a thread and a connection.
const MAX_CONCURRENT_QUERIES: usize = 16;
/// Wait for the write lock, which another process such as `souk admin` may hold.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements cached by each connection.
const CACHED_STATEMENTS: usize = 64;

pub(super) struct Sqlite {
    name: String,
    readers: Arc<Readers>,
    tables: Arc<Tables>,
    writer: mpsc::Sender<Job>,
    queries: Semaphore,
}

enum Job {
    Commit(QueuedCommit),
    /// Ends the writing thread after the commits before it.
    Close(oneshot::Sender<()>),
}

struct QueuedCommit {
    commit: Commit,
    answer: oneshot::Sender<std::result::Result<(), Refusal>>,
}

impl Sqlite {
    pub(super) fn open(name: &str, file: &Path, durability: Durability) -> Result<Self> {
        let connection = connect(file, durability)?;
        schema::prepare(&connection).map_err(failed)?;
        let (number, is_rewriting) = schema::mark(&connection).map_err(failed)?;
        Mark::accept(name, number, is_rewriting)?;
        let readers = Arc::new(Readers::new(file, durability));
        let tables = Arc::new(Tables::default());
        let (writer, jobs) = mpsc::channel(MAX_QUEUED_COMMITS);
        let writing = Writer { connection, tables: Arc::clone(&tables) };
        std::thread::Builder::new()
            .name(format!("{name}-writer"))
            .spawn(move || writing.work(jobs))
            .map_err(Error::internal)?;
        Ok(Self { name: name.to_owned(), readers, tables, writer, queries: Semaphore::new(MAX_CONCURRENT_QUERIES) })
    }

    pub(super) fn prepare(
        &self,
        collection: &'static str,
        indexes: &'static [Index],
        searched: &'static [&'static str],
    ) -> Result<()> {
        let table = Table::new(collection, indexes, searched);
        table.create(&self.readers.connect()?).map_err(failed)?;
        self.tables.add(table);
        Ok(())
    }

    pub(super) fn mark(&self) -> Result<Mark> {
        let (number, is_rewriting) = self.readers.read(schema::mark)?;
        Mark::accept(&self.name, number, is_rewriting)
    }

    pub(super) fn load(&self, collection: &'static str, id: &str) -> Result<Option<Stored>> {
        let table = self.tables.get(collection)?;
        self.readers.read(|connection| connection.prepare_cached(&table.load)?.query_row([id], stored).optional())
    }

    pub(super) async fn load_many(&self, collection: &'static str, ids: Vec<String>) -> Result<Vec<Stored>> {
        let table = self.tables.get(collection)?;
        self.query(move |connection| {
            let mut statement = connection.prepare_cached(&table.load)?;
            ids.iter().filter_map(|id| statement.query_row([id], stored).optional().transpose()).collect()
        })
        .await
    }

    pub(super) async fn scan(
        &self,
        collection: &'static str,
        after: String,
        limit: usize,
    ) -> Result<Vec<(String, Stored)>> {
        let table = self.tables.get(collection)?;
        self.query(move |connection| {
            let mut statement = connection.prepare_cached(&table.scan)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            statement.query_map((after, limit), |row| Ok((row.get("id")?, stored(row)?)))?.collect()
        })
        .await
    }

    /// Reads every table but the indexes of words and lists, which derive from the documents.
    pub(super) async fn find_references(&self, words: Arc<[String]>) -> Result<ReferenceSearch> {
        self.query(move |connection| {
            let mut search = ReferenceSearch::default();
            let tables: Vec<String> = connection
                .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT GLOB '*.list.*'")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for table in tables {
                let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\""))?;
                let columns = statement.column_count();
                let id = statement.column_index("id").unwrap_or_default();
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    let cells = (0..columns).map(|at| row.get_ref(at).map(text_of));
                    let cells = cells.collect::<rusqlite::Result<Vec<_>>>()?;
                    search.add(&words, &table, cells.get(id).map_or("", |id| id), cells.join(" "));
                }
            }
            Ok(search)
        })
        .await
    }

    pub(super) async fn find(&self, collection: &'static str, find: Find) -> Result<FoundPage> {
        let table = self.tables.get(collection)?;
        self.query(move |connection| {
            let limit = find.paging.limit.get();
            let (sql, values) = table.find(&find);
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), |row| {
                Ok((stored(row)?, row.get::<_, String>("id")?, row.get::<_, Sql>("key")?))
            })?;
            // The query returns one row more than the limit, which shows that there is a next page.
            let (mut page, mut more) = (PageBuilder::new(limit), false);
            for row in rows {
                let row = row?;
                let bytes = row.0.text.len();
                if !page.add(row, bytes) {
                    more = true;
                    break;
                }
            }
            let rows = page.finish();
            let next = rows.last().filter(|_| more).map(|(_, id, key)| Cursor {
                index: find.index.name.to_owned(),
                key: json(key),
                id: id.clone(),
            });
            Ok(FoundPage { items: rows.into_iter().map(|(stored, id, _)| (id, stored)).collect(), next })
        })
        .await
    }

    pub(super) async fn get_many_by(
        &self,
        collection: &'static str,
        index: &'static Index,
        values: Vec<String>,
    ) -> Result<Vec<Stored>> {
        let table = self.tables.get(collection)?;
        self.query(move |connection| {
            let mut statement = connection.prepare_cached(&table.find_by(index))?;
            values.iter().filter_map(|value| statement.query_row([value], stored).optional().transpose()).collect()
        })
        .await
    }

    pub(super) async fn count_by(&self, collection: &'static str, field: &'static str) -> Result<Vec<(String, i64)>> {
        let table = self.tables.get(collection)?;
        self.query(move |connection| {
            let mut statement = connection.prepare_cached(&table.count_by(field))?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .await
    }

    pub(super) async fn is_empty(&self, collection: &'static str) -> Result<bool> {
        let table = self.tables.get(collection)?;
        self.query(move |connection| connection.query_row(&table.is_empty(), [], |row| row.get(0))).await
    }

    pub(super) async fn commit(&self, commit: Commit) -> std::result::Result<(), Refusal> {
        let stopped = || Refusal::Failed(Error::internal("the writing thread has ended"));
        let (answer, answered) = oneshot::channel();
        self.writer.send(Job::Commit(QueuedCommit { commit, answer })).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Closes all connections, so that SQLite moves the WAL into the file.
    pub(super) async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.writer.send(Job::Close(answer)).await.is_ok() {
            // Without an answer, the thread has ended too.
            let _ = answered.await;
        }
        self.readers.close();
    }

    pub(super) fn is_pending(&self, event: &str) -> Result<bool> {
        self.readers.read(|connection| {
            connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM _outbox WHERE id = ?1)")?
                .query_row([event], |row| row.get(0))
        })
    }

    pub(super) fn is_handled(&self, event: &str) -> Result<bool> {
        self.readers.read(|connection| {
            connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM _inbox WHERE id = ?1)")?
                .query_row([event], |row| row.get(0))
        })
    }

    pub(super) async fn pending_events(&self, limit: usize) -> Result<Vec<EventMessage>> {
        self.query(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT id, name, request, body FROM _outbox ORDER BY seq LIMIT ?1")?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            statement.query_map([limit], event)?.collect()
        })
        .await
    }

    async fn query<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R> {
        let _permit = self.queries.acquire().await.map_err(Error::internal)?;
        let readers = Arc::clone(&self.readers);
        tokio::task::spawn_blocking(move || readers.read(work)).await.map_err(Error::internal)?
    }
}

fn connect(file: &Path, durability: Durability) -> Result<Connection> {
    let connection = Connection::open(file).map_err(failed)?;
    let synchronous = match durability {
        Durability::Disk => "FULL",
        Durability::Process => "OFF",
    };
    connection.busy_timeout(LOCK_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    let settings = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON;"
    );
    connection.execute_batch(&settings).map_err(failed)?;
    schema::add_functions(&connection).map_err(failed)?;
    Ok(connection)
}

fn text_of(cell: ValueRef<'_>) -> String {
    match cell {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Decodes `version, doc`, the first columns of every statement that reads documents.
fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored { version: row.get(0)?, text: row.get(1)? })
}

/// Decodes `id, name, request, body` of the outbox.
fn event(row: &rusqlite::Row<'_>) -> rusqlite::Result<EventMessage> {
    let (id, request): (String, Option<String>) = (row.get(0)?, row.get(2)?);
    let request = request.and_then(|request| request.parse().ok());
    Ok(EventMessage { id: parsed(&id)?, name: row.get(1)?, request, body: row.get(3)? })
}

fn parsed(id: &str) -> rusqlite::Result<EventId> {
    id.parse().map_err(|problem| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("the event id {id} {problem}").into())
    })
}

fn failed(error: rusqlite::Error) -> Error {
    Error::internal(format!("SQLite: {error}"))
}

fn json(value: &Sql) -> Value {
    match value {
        Sql::Text(text) => text.as_str().into(),
        Sql::Integer(number) => (*number).into(),
        Sql::Real(number) => (*number).into(),
        Sql::Null | Sql::Blob(_) => Value::Null,
    }
}

fn sql(value: &Value) -> Sql {
    match value {
        Value::String(text) => Sql::Text(text.clone()),
        Value::Bool(truth) => Sql::Integer((*truth).into()),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Sql::Real(number.as_f64().unwrap_or_default()), Sql::Integer)
        }
        Value::Null | Value::Array(_) | Value::Object(_) => Sql::Null,
    }
}
