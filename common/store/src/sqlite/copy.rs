//! Snapshots of files and copies into empty ones: see `store::copy`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, params};

use super::super::copy::{Item, PAGE_SIZE};
use super::super::format::Mark;
use super::schema::{create_table, set_mark};
use super::{LOCK_TIMEOUT, Sqlite, event, failed, parsed};
use souk_types::{Error, RequestId, Result};

/// Wait for the next write lock. Commits wait meanwhile; afterwards all locks are released.
const NEXT_LOCK_TIMEOUT: Duration = Duration::from_millis(20);
/// Time limit for all write locks.
const LOCKING_TIMEOUT: Duration = Duration::from_secs(30);

const OUTBOX: &str = "_outbox";
const INBOX: &str = "_inbox";

/// A read transaction.
pub(in super::super) struct Snapshot(Arc<Mutex<Connection>>);

impl Snapshot {
    pub(in super::super) async fn of(files: &[&Sqlite]) -> Result<Vec<Self>> {
        let mut connections = Vec::new();
        for file in files {
            connections.push((file.readers.connect()?, file.readers.connect()?));
        }
        let snapshots = tokio::task::spawn_blocking(move || at_one_moment(connections));
        snapshots.await.map_err(Error::internal)?.map_err(failed)
    }

    pub(in super::super) async fn parts(&self) -> Result<Vec<String>> {
        self.read(|connection| {
            let mut parts = collections(connection)?;
            parts.extend([OUTBOX.to_owned(), INBOX.to_owned()]);
            Ok(parts)
        })
        .await
    }

    pub(in super::super) async fn page(&self, part: &str, after: &str) -> Result<(Vec<Item>, Option<String>)> {
        let (part, after) = (part.to_owned(), after.to_owned());
        let columns = match part.as_str() {
            OUTBOX => "id, name, request, body",
            INBOX => "id",
            _ => "id, doc",
        };
        let sql = format!("SELECT {columns} FROM \"{part}\" WHERE id > ?1 ORDER BY id LIMIT {PAGE_SIZE}");
        let items = self
            .read(move |connection| {
                let mut statement = connection.prepare_cached(&sql)?;
                let rows = statement.query_map([after], |row| {
                    let id: String = row.get("id")?;
                    let item = match part.as_str() {
                        OUTBOX => event(row).map(Item::Event)?,
                        INBOX => Item::Handled(parsed(&id)?),
                        _ => Item::Document { collection: part.clone(), id: id.clone(), text: row.get("doc")? },
                    };
                    Ok((item, id))
                })?;
                rows.collect::<rusqlite::Result<Vec<_>>>()
            })
            .await?;
        let (items, ids): (Vec<Item>, Vec<String>) = items.into_iter().unzip();
        Ok((items, ids.into_iter().next_back()))
    }

    pub(in super::super) async fn verify(&self) -> Result<()> {
        let found: String =
            self.read(|connection| connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))).await?;
        if found == "ok" { Ok(()) } else { Err(Error::internal(format!("the file is damaged: {found}"))) }
    }

    async fn read<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R> {
        let connection = Arc::clone(&self.0);
        let reading =
            tokio::task::spawn_blocking(move || work(&connection.lock().unwrap_or_else(PoisonError::into_inner)));
        reading.await.map_err(Error::internal)?.map_err(failed)
    }
}

/// The first connection of each pair locks, the second reads. While all locks are held, no process
/// commits, so the snapshots are consistent.
fn at_one_moment(connections: Vec<(Connection, Connection)>) -> rusqlite::Result<Vec<Snapshot>> {
    let begun = Instant::now();
    while let Err(error) = lock_all(&connections) {
        let busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        if !busy || begun.elapsed() > LOCKING_TIMEOUT {
            return Err(error);
        }
    }
    for (_, reader) in &connections {
        // The snapshot begins with the first read.
        reader.execute_batch("BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1")?;
    }
    connections
        .into_iter()
        .map(|(lock, reader)| {
            lock.execute_batch("ROLLBACK")?;
            Ok(Snapshot(Arc::new(Mutex::new(reader))))
        })
        .collect()
}

/// Takes all write locks or none.
fn lock_all(connections: &[(Connection, Connection)]) -> rusqlite::Result<()> {
    for (at, (lock, _)) in connections.iter().enumerate() {
        lock.busy_timeout(if at == 0 { LOCK_TIMEOUT } else { NEXT_LOCK_TIMEOUT })?;
        if let Err(error) = lock.execute_batch("BEGIN IMMEDIATE") {
            for (held, _) in &connections[..at] {
                held.execute_batch("ROLLBACK")?;
            }
            return Err(error);
        }
    }
    Ok(())
}

impl Sqlite {
    pub(in super::super) async fn is_empty_database(&self) -> Result<bool> {
        self.query(|connection| {
            for table in collections(connection)?.into_iter().chain([OUTBOX.to_owned()]) {
                let found = format!("SELECT EXISTS (SELECT 1 FROM \"{table}\")");
                if connection.query_row(&found, [], |row| row.get(0))? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    pub(in super::super) async fn clear(&self) -> Result<()> {
        self.change(|connection| {
            for collection in collections(connection)? {
                for list in lists_of(connection, &collection)? {
                    connection.execute_batch(&format!("DROP TABLE \"{list}\""))?;
                }
                connection.execute_batch(&format!(
                    "DROP TABLE \"{collection}\"; DROP TABLE IF EXISTS \"{collection}.text\""
                ))?;
            }
            connection.execute_batch(&format!("DELETE FROM {OUTBOX}; DELETE FROM {INBOX}"))
        })
        .await
    }

    pub(in super::super) async fn import(&self, items: Vec<Item>) -> Result<()> {
        self.change(move |connection| {
            let mut created = String::new();
            for item in items {
                match item {
                    Item::Document { collection, id, text } => {
                        if created != collection {
                            create_table(connection, &collection)?;
                            created.clone_from(&collection);
                        }
                        let insert = format!("INSERT INTO \"{collection}\" (id, version, doc) VALUES (?1, 1, ?2)");
                        connection.prepare_cached(&insert)?.execute([id, text])?;
                    }
                    Item::Event(message) => {
                        let insert = format!("INSERT INTO {OUTBOX} (id, name, request, body) VALUES (?1, ?2, ?3, ?4)");
                        connection.prepare_cached(&insert)?.execute(params![
                            message.id.to_string(),
                            message.name,
                            message.request.as_ref().map(RequestId::as_str),
                            message.body
                        ])?;
                    }
                    Item::Handled(event) => {
                        let insert = format!("INSERT INTO {INBOX} (id) VALUES (?1)");
                        connection.prepare_cached(&insert)?.execute([event.to_string()])?;
                    }
                }
            }
            Ok(())
        })
        .await
    }

    pub(in super::super) async fn set_mark(&self, mark: Mark) -> Result<()> {
        self.change(move |connection| set_mark(connection, mark)).await
    }

    /// Runs a transaction on a connection of its own, for tables without a document type.
    async fn change(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static) -> Result<()> {
        let connection = self.readers.connect()?;
        let changing = tokio::task::spawn_blocking(move || {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            // An error drops the connection, which rolls back.
            work(&connection)?;
            connection.execute_batch("COMMIT")
        });
        changing.await.map_err(Error::internal)?.map_err(failed)
    }
}

fn collections(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '_*' AND name NOT GLOB '*.*' AND name NOT GLOB 'sqlite_*' \
         ORDER BY name",
    )?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn lists_of(connection: &Connection, collection: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB ?1 || '.list.*'")?;
    statement.query_map([collection], |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_snapshot_waits_for_commits_in_flight() {
        let home = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            let connection = Connection::open(home.path().join(name)).unwrap();
            connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (n)").unwrap();
            connection
        };
        for busy in ["first", "second"] {
            let writer = open(busy);
            let pairs = ["first", "second"].map(|name| (open(name), open(name))).into();
            writer.execute_batch(&format!("BEGIN IMMEDIATE; INSERT INTO t VALUES ('{busy}')")).unwrap();
            let (done, mut snapshots_taken) = oneshot::channel();
            std::thread::spawn(move || done.send(at_one_moment(pairs)).map_err(drop));
            // Shorter than the timeouts of the locks, and much longer than a read without locks.
            let early = tokio::time::timeout(LOCK_TIMEOUT.min(Duration::from_secs(1)) / 2, &mut snapshots_taken).await;
            assert!(early.is_err(), "{busy}: the snapshot did not wait for the commit");
            writer.execute_batch("COMMIT").unwrap();
            let snapshots = snapshots_taken.await.unwrap().unwrap();
            let counted = snapshots.iter().map(|snapshot| {
                let reader = snapshot.0.lock().unwrap();
                reader.query_row("SELECT count(*) FROM t WHERE n = ?1", [busy], |row| row.get(0)).unwrap()
            });
            let expected = if busy == "first" { [1, 0] } else { [0, 1] };
            assert_eq!(counted.collect::<Vec<i64>>(), expected, "{busy}");
        }
    }
}
