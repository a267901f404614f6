//! Whole files, as they were together at one moment, and what is put into an empty one: see `store::copy`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, params};

use super::super::copy::{Piece, TOGETHER};
use super::schema::create_table;
use super::{LOCK_TIMEOUT, Sqlite, event, failed, parsed};
use souk_types::{Error, RequestId, Result};

/// Who holds the write lock of one file waits no longer for the next one's, because commits wait for the first meanwhile: it lets go, and
/// begins again.
const GLANCE: Duration = Duration::from_millis(20);
/// For all locks at once, on a shop that writes without pause.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tables that every database has.
const OUTBOX: &str = "_outbox";
const INBOX: &str = "_inbox";

/// A transaction that reads.
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

    pub(in super::super) async fn page(&self, part: &str, after: &str) -> Result<(Vec<Piece>, Option<String>)> {
        let (part, after) = (part.to_owned(), after.to_owned());
        let columns = match part.as_str() {
            OUTBOX => "id, name, request, body",
            INBOX => "id",
            _ => "id, doc",
        };
        let sql = format!("SELECT {columns} FROM \"{part}\" WHERE id > ?1 ORDER BY id LIMIT {TOGETHER}");
        let pieces = self
            .read(move |connection| {
                let mut statement = connection.prepare_cached(&sql)?;
                let rows = statement.query_map([after], |row| {
                    let id: String = row.get("id")?;
                    let piece = match part.as_str() {
                        OUTBOX => event(row).map(Piece::Event)?,
                        INBOX => Piece::Handled(parsed(&id)?),
                        _ => Piece::Document { collection: part.clone(), id: id.clone(), text: row.get("doc")? },
                    };
                    Ok((piece, id))
                })?;
                rows.collect::<rusqlite::Result<Vec<_>>>()
            })
            .await?;
        let (pieces, ids): (Vec<Piece>, Vec<String>) = pieces.into_iter().unzip();
        Ok((pieces, ids.into_iter().next_back()))
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

/// The first connection of each pair locks, the second reads. While all locks are held nobody commits anywhere, which makes the moment.
fn at_one_moment(connections: Vec<(Connection, Connection)>) -> rusqlite::Result<Vec<Snapshot>> {
    let begun = Instant::now();
    while let Err(error) = lock_all(&connections) {
        let busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        if !busy || begun.elapsed() > PATIENCE {
            return Err(error);
        }
    }
    for (_, reader) in &connections {
        // A transaction has its snapshot once something is read.
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

/// All write locks, or none.
fn lock_all(connections: &[(Connection, Connection)]) -> rusqlite::Result<()> {
    for (at, (lock, _)) in connections.iter().enumerate() {
        lock.busy_timeout(if at == 0 { LOCK_TIMEOUT } else { GLANCE })?;
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
                connection.execute_batch(&format!(
                    "DROP TABLE \"{collection}\"; DROP TABLE IF EXISTS \"{collection}.text\""
                ))?;
            }
            connection.execute_batch(&format!("DELETE FROM {OUTBOX}; DELETE FROM {INBOX}"))
        })
        .await
    }

    pub(in super::super) async fn import(&self, pieces: Vec<Piece>) -> Result<()> {
        self.change(move |connection| {
            let mut made = String::new();
            for piece in pieces {
                match piece {
                    Piece::Document { collection, id, text } => {
                        if made != collection {
                            create_table(connection, &collection)?;
                            made.clone_from(&collection);
                        }
                        let insert = format!("INSERT INTO \"{collection}\" (id, version, doc) VALUES (?1, 1, ?2)");
                        connection.prepare_cached(&insert)?.execute([id, text])?;
                    }
                    Piece::Event(message) => {
                        let insert = format!("INSERT INTO {OUTBOX} (id, name, request, body) VALUES (?1, ?2, ?3, ?4)");
                        connection.prepare_cached(&insert)?.execute(params![
                            message.id.to_string(),
                            message.name,
                            message.request.as_ref().map(RequestId::as_str),
                            message.body
                        ])?;
                    }
                    Piece::Handled(event) => {
                        let insert = format!("INSERT INTO {INBOX} (id) VALUES (?1)");
                        connection.prepare_cached(&insert)?.execute([event.to_string()])?;
                    }
                }
            }
            Ok(())
        })
        .await
    }

    /// One transaction, beside the writing thread: for what has no types.
    async fn change(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static) -> Result<()> {
        let connection = self.readers.connect()?;
        let changing = tokio::task::spawn_blocking(move || {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            // What fails is rolled back as the connection goes.
            work(&connection)?;
            connection.execute_batch("COMMIT")
        });
        changing.await.map_err(Error::internal)?.map_err(failed)
    }
}

/// The tables of collections: not our own, and not those of a search, which follow from the documents.
fn collections(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '_*' AND name NOT GLOB '*.*' AND name NOT GLOB 'sqlite_*' \
         ORDER BY name",
    )?;
    statement.query_map([], |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn the_moment_comes_when_nobody_is_in_the_middle_of_a_commit() {
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
            let (done, mut taken) = oneshot::channel();
            std::thread::spawn(move || done.send(at_one_moment(pairs)).map_err(drop));
            // Shorter than any lock is waited for, and much longer than it takes to read without one.
            let early = tokio::time::timeout(LOCK_TIMEOUT.min(Duration::from_secs(1)) / 2, &mut taken).await;
            assert!(early.is_err(), "{busy}: the moment came too early");
            writer.execute_batch("COMMIT").unwrap();
            let snapshots = taken.await.unwrap().unwrap();
            let counted = snapshots.iter().map(|snapshot| {
                let reader = snapshot.0.lock().unwrap();
                reader.query_row("SELECT count(*) FROM t WHERE n = ?1", [busy], |row| row.get(0)).unwrap()
            });
            let expected = if busy == "first" { [1, 0] } else { [0, 1] };
            assert_eq!(counted.collect::<Vec<i64>>(), expected, "{busy}");
        }
    }
}
