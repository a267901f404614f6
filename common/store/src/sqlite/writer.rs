//! The writing thread. It applies all queued commits in one transaction and answers them when the
//! transaction is on disk. A refused commit is rolled back alone.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use tokio::sync::mpsc;

use super::super::commit::{BulkRule, Change, Commit, Refusal, Write};
use super::super::events::INBOX_RETENTION;
use super::schema::{List, Table, Tables};
use super::{Job, LOCK_TIMEOUT, QueuedCommit, failed, stored};
use souk_types::{Error, RequestId};

/// Commits in one transaction. More would delay the answer to the first.
const MAX_BATCH: usize = 512;

/// Wait for readers before the WAL is truncated. Commits wait meanwhile, and the caller retries.
const TRUNCATE_TIMEOUT: Duration = Duration::from_millis(250);

type Outcome = Result<(), Refusal>;

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) tables: Arc<Tables>,
}

impl Writer {
    /// Applies commits until all senders are dropped.
    pub(super) fn work(self, mut jobs: mpsc::Receiver<Job>) {
        let (mut batch, mut postponed) = (Vec::new(), None);
        while let Some(first) = postponed.take().or_else(|| jobs.blocking_recv()) {
            let first = match first {
                Job::Commit(first) => first,
                Job::Close(closed) => {
                    drop(self);
                    let _ = closed.send(());
                    return;
                }
            };
            // In a savepoint, each statement of a bulk update costs more than the one before.
            let alone = first.commit.is_bulk();
            batch.push(first);
            while !alone
                && batch.len() < MAX_BATCH
                && let Ok(next) = jobs.try_recv()
            {
                match next {
                    Job::Commit(next) if !next.commit.is_bulk() => batch.push(next),
                    next => {
                        postponed = Some(next);
                        break;
                    }
                }
            }
            let outcomes = self.transaction(&mut batch);
            let truncated = if batch.iter().any(|job| job.commit.secure_delete) { self.truncate_wal() } else { Ok(()) };
            for (at, job) in batch.drain(..).enumerate() {
                let truncated =
                    if job.commit.secure_delete { truncated.clone().map_err(Refusal::Failed) } else { Ok(()) };
                let outcome = match &outcomes {
                    Ok(outcomes) => outcomes[at].clone().and(truncated),
                    Err(error) => Err(Refusal::Failed(error.clone())),
                };
                // The caller may have stopped waiting. The commit is done all the same.
                let _ = job.answer.send(outcome);
            }
        }
    }

    fn transaction(&self, jobs: &mut [QueuedCommit]) -> Result<Vec<Outcome>, Error> {
        let connection = &self.connection;
        connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        let applied = match jobs {
            [job] => apply(connection, &self.tables, &mut job.commit).map(|outcome| vec![outcome]),
            jobs => jobs.iter_mut().map(|job| apply_in_savepoint(connection, &self.tables, &mut job.commit)).collect(),
        };
        let is_refused = matches!(applied.as_deref(), Ok([Err(_)]) | Err(_));
        let end = if is_refused { "ROLLBACK" } else { "COMMIT" };
        // Some errors of SQLite roll back by themselves.
        let ended = if connection.is_autocommit() { Ok(()) } else { connection.execute_batch(end).map_err(failed) };
        if ended.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK").map_err(failed)?;
        }
        let outcomes = applied?;
        ended.map(|()| outcomes)
    }

    /// Moves everything out of the WAL and truncates it; `secure_delete` has overwritten the
    /// deleted data. A long reader, such as a backup, makes it fail.
    fn truncate_wal(&self) -> Result<(), Error> {
        let truncate = || {
            self.connection.busy_timeout(TRUNCATE_TIMEOUT)?;
            let busy = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
            self.connection.busy_timeout(LOCK_TIMEOUT)?;
            busy
        };
        let busy: bool = truncate().map_err(failed)?;
        if busy {
            Err(Error::busy("Deleted data is still being read; try again.").caused_by("the WAL could not be truncated"))
        } else {
            Ok(())
        }
    }
}

/// The inner result is the outcome of this commit. An outer error rolls all commits back.
fn apply_in_savepoint(connection: &Connection, tables: &Tables, commit: &mut Commit) -> Result<Outcome, Error> {
    // A single statement needs no savepoint.
    if commit.writes.len() + usize::from(commit.handled.is_some()) <= 1 {
        return apply(connection, tables, commit);
    }
    connection.prepare_cached("SAVEPOINT one").and_then(|mut s| s.execute([])).map_err(failed)?;
    let outcome = apply(connection, tables, commit)?;
    let end = if outcome.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
    connection.execute_batch(end).map_err(failed)?;
    Ok(outcome)
}

fn apply(connection: &Connection, tables: &Tables, commit: &mut Commit) -> Result<Outcome, Error> {
    if let Some(event) = &commit.handled {
        let mut record =
            connection.prepare_cached("INSERT INTO _inbox (id) VALUES (?1) ON CONFLICT DO NOTHING").map_err(failed)?;
        if record.execute([event.to_string()]).map_err(failed)? == 0 {
            return Ok(Err(Refusal::Repeated));
        }
        let mut delete = connection.prepare_cached("DELETE FROM _inbox WHERE at < unixepoch() - ?1").map_err(failed)?;
        delete.execute([INBOX_RETENTION.as_secs().cast_signed()]).map_err(failed)?;
    }
    for write in &commit.writes {
        let table = tables.get(write.collection)?;
        if let Err(refusal) = change(connection, &table, write)? {
            return Ok(Err(refusal));
        }
    }
    for BulkRule { collection, id, mut rule } in commit.rules.drain(..) {
        let table = tables.get(collection)?;
        let stored = connection
            .prepare_cached(&table.load)
            .map_err(failed)?
            .query_row([&id], stored)
            .optional()
            .map_err(failed)?;
        let outcome = match rule(stored.as_ref()) {
            Ok(Some(write)) => change(connection, &table, &write)?,
            Ok(None) => Ok(()),
            Err(error) => Err(Refusal::Failed(error)),
        };
        if outcome.is_err() {
            return Ok(outcome);
        }
    }
    for event in &commit.events {
        let mut insert = connection
            .prepare_cached("INSERT INTO _outbox (id, name, request, body) VALUES (?1, ?2, ?3, ?4)")
            .map_err(failed)?;
        insert
            .execute(params![
                event.id.to_string(),
                event.name,
                event.request.as_ref().map(RequestId::as_str),
                event.body
            ])
            .map_err(failed)?;
    }
    for event in &commit.delete_published {
        let mut delete = connection.prepare_cached("DELETE FROM _outbox WHERE id = ?1").map_err(failed)?;
        delete.execute([event.to_string()]).map_err(failed)?;
    }
    Ok(Ok(()))
}

fn change(connection: &Connection, table: &Arc<Table>, write: &Write) -> Result<Outcome, Error> {
    let id = &write.id;
    let statement = |sql: &str| connection.prepare_cached(sql).map_err(failed);
    let search = |reindex: bool| table.search.as_ref().filter(|_| reindex);
    let listed = listed_before(connection, table, write)?;
    let written = match (&write.change, write.expected) {
        (Change::ReadGuard, expected) => {
            let version: Option<i64> =
                statement(&table.exists)?.query_row([id], |row| row.get(0)).optional().map_err(failed)?;
            Ok(usize::from(version == expected))
        }
        (Change::Put { text, .. }, None) => statement(&table.insert)?.execute(params![id, text]),
        (Change::Put { text, reindex, .. }, Some(version)) => {
            let sql = if *reindex { &table.reindex } else { &table.update };
            statement(sql)?.execute(params![id, text, version])
        }
        (Change::Delete, expected) => {
            let version: Option<i64> =
                statement(&table.exists)?.query_row([id], |row| row.get(0)).optional().map_err(failed)?;
            if version == expected
                && let Some(search) = search(true)
            {
                statement(&search.remove)?.execute([id]).map_err(failed)?;
            }
            statement(&table.delete)?.execute(params![id, expected])
        }
    };
    match written {
        Ok(0) => return Ok(Err(Refusal::Stale)),
        Ok(_) => {}
        Err(rusqlite::Error::SqliteFailure(code, Some(message))) if code.code == ErrorCode::ConstraintViolation => {
            let index = table.broken_index(&message).unwrap_or("id");
            return Ok(Err(Refusal::Failed(Error::duplicate(index))));
        }
        Err(error) => return Err(failed(error)),
    }
    for (list, values) in table.lists.iter().zip(listed) {
        for value in values {
            statement(&list.remove)?.execute([&value, id]).map_err(failed)?;
        }
    }
    if let Change::Put { relist: true, .. } = &write.change {
        for list in &table.lists {
            statement(&list.add)?.execute([id]).map_err(failed)?;
        }
    }
    if let (Change::Put { reindex_text, .. }, Some(search)) = (&write.change, &table.search)
        && *reindex_text
    {
        if write.expected.is_some() {
            statement(&search.remove)?.execute([id]).map_err(failed)?;
        }
        statement(&search.add)?.execute([id]).map_err(failed)?;
    }
    Ok(Ok(()))
}

/// Returns the values that the stored document has in each indexed list, if the write changes them.
fn listed_before(connection: &Connection, table: &Table, write: &Write) -> Result<Vec<Vec<String>>, Error> {
    let changes = match &write.change {
        Change::Put { relist, .. } => *relist && write.expected.is_some(),
        Change::Delete => true,
        Change::ReadGuard => false,
    };
    if !changes {
        return Ok(Vec::new());
    }
    let read = |list: &List| {
        let mut statement = connection.prepare_cached(&list.values)?;
        statement.query_map([&write.id], |row| row.get("value"))?.collect()
    };
    table.lists.iter().map(read).collect::<rusqlite::Result<_>>().map_err(failed)
}
