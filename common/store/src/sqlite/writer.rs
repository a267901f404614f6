//! The thread that writes. It takes all commits that wait, carries them out in one transaction, and answers each when
//! the transaction is on the disk. A commit that is refused leaves nothing behind and does not disturb the others.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use tokio::sync::mpsc;

use super::super::commit::{Change, Commit, Refusal, Ruled, Write};
use super::schema::{Table, Tables};
use super::{Asked, Job, LOCK_TIMEOUT, failed, stored};
use souk_types::{Error, RequestId};

/// Commits in one transaction: enough to share a flush among all who wait, and few enough that the first of them is
/// answered soon.
const MAX_TOGETHER: usize = 512;
/// Ids of handled events are kept this long; no delivery repeats after a week.
const INBOX_SECONDS: u32 = 7 * 24 * 3600;

/// Readers of the past are waited for so long when the WAL is to be cut: commits wait meanwhile, and whoever erases comes again.
const SCRUB_PATIENCE: Duration = Duration::from_millis(250);

type Outcome = Result<(), Refusal>;

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) tables: Arc<Tables>,
}

impl Writer {
    /// Carries out commits until nobody can ask for more.
    pub(super) fn work(self, mut jobs: mpsc::Receiver<Job>) {
        let (mut together, mut set_aside) = (Vec::new(), None);
        while let Some(first) = set_aside.take().or_else(|| jobs.blocking_recv()) {
            let first = match first {
                Job::Commit(first) => first,
                Job::Close(closed) => {
                    drop(self);
                    // Nobody may be waiting any more.
                    let _ = closed.send(());
                    return;
                }
            };
            // A bulk change has a transaction to itself: with a savepoint around it, SQLite's time for each of its
            // statements grows with the number of those before.
            let alone = first.commit.is_bulk();
            together.push(first);
            while !alone
                && together.len() < MAX_TOGETHER
                && let Ok(next) = jobs.try_recv()
            {
                match next {
                    Job::Commit(next) if !next.commit.is_bulk() => together.push(next),
                    next => {
                        set_aside = Some(next);
                        break;
                    }
                }
            }
            let outcomes = self.transaction(&mut together);
            let scrubbed =
                if together.iter().any(|job| job.commit.secure_delete) { self.secure_delete() } else { Ok(()) };
            for (at, job) in together.drain(..).enumerate() {
                let scrubbed =
                    if job.commit.secure_delete { scrubbed.clone().map_err(Refusal::Failed) } else { Ok(()) };
                let outcome = match &outcomes {
                    Ok(outcomes) => outcomes[at].clone().and(scrubbed),
                    Err(error) => Err(Refusal::Failed(error.clone())),
                };
                // Nobody may be waiting any more; the commit stands all the same.
                let _ = job.answer.send(outcome);
            }
        }
    }

    fn transaction(&self, jobs: &mut [Asked]) -> Result<Vec<Outcome>, Error> {
        let connection = &self.connection;
        connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        let carried_out = match jobs {
            [job] => apply(connection, &self.tables, &mut job.commit).map(|outcome| vec![outcome]),
            jobs => jobs.iter_mut().map(|job| carry_out(connection, &self.tables, &mut job.commit)).collect(),
        };
        let is_refused = matches!(carried_out.as_deref(), Ok([Err(_)]) | Err(_));
        let end = if is_refused { "ROLLBACK" } else { "COMMIT" };
        // Some errors of SQLite end the transaction by themselves.
        let ended = if connection.is_autocommit() { Ok(()) } else { connection.execute_batch(end).map_err(failed) };
        if ended.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK").map_err(failed)?;
        }
        let outcomes = carried_out?;
        ended.map(|()| outcomes)
    }

    /// Moves everything out of the WAL and cuts it to nothing; `secure_delete` has overwritten the rest. A reader that is
    /// busy for longer, as a backup is, makes it an error.
    fn secure_delete(&self) -> Result<(), Error> {
        let cut = || {
            self.connection.busy_timeout(SCRUB_PATIENCE)?;
            let busy = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
            self.connection.busy_timeout(LOCK_TIMEOUT)?;
            busy
        };
        let busy: bool = cut().map_err(failed)?;
        if busy {
            Err(Error::busy("Old data is being read; try again.").caused_by("the WAL could not be cut"))
        } else {
            Ok(())
        }
    }
}

/// The inner result is this commit's own; the outer one ends the transaction for all.
fn carry_out(connection: &Connection, tables: &Tables, commit: &mut Commit) -> Result<Outcome, Error> {
    // A single statement leaves nothing behind when it is refused.
    if commit.writes.len() + usize::from(commit.handles.is_some()) <= 1 {
        return apply(connection, tables, commit);
    }
    connection.prepare_cached("SAVEPOINT one").and_then(|mut s| s.execute([])).map_err(failed)?;
    let outcome = apply(connection, tables, commit)?;
    let end = if outcome.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
    connection.execute_batch(end).map_err(failed)?;
    Ok(outcome)
}

fn apply(connection: &Connection, tables: &Tables, commit: &mut Commit) -> Result<Outcome, Error> {
    if let Some(event) = &commit.handles {
        let mut record =
            connection.prepare_cached("INSERT INTO _inbox (id) VALUES (?1) ON CONFLICT DO NOTHING").map_err(failed)?;
        if record.execute([event.to_string()]).map_err(failed)? == 0 {
            return Ok(Err(Refusal::Repeated));
        }
        let mut forget = connection.prepare_cached("DELETE FROM _inbox WHERE at < unixepoch() - ?1").map_err(failed)?;
        forget.execute([INBOX_SECONDS]).map_err(failed)?;
    }
    for write in &commit.writes {
        let table = tables.get(write.collection)?;
        if let Err(refusal) = change(connection, &table, write)? {
            return Ok(Err(refusal));
        }
    }
    for Ruled { collection, id, mut rule } in commit.rules.drain(..) {
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
        let mut emit = connection
            .prepare_cached("INSERT INTO _outbox (id, name, request, body) VALUES (?1, ?2, ?3, ?4)")
            .map_err(failed)?;
        emit.execute(params![
            event.id.to_string(),
            event.name,
            event.request.as_ref().map(RequestId::as_str),
            event.body
        ])
        .map_err(failed)?;
    }
    for event in &commit.delete_published {
        let mut forget = connection.prepare_cached("DELETE FROM _outbox WHERE id = ?1").map_err(failed)?;
        forget.execute([event.to_string()]).map_err(failed)?;
    }
    Ok(Ok(()))
}

fn change(connection: &Connection, table: &Arc<Table>, write: &Write) -> Result<Outcome, Error> {
    let id = &write.id;
    let statement = |sql: &str| connection.prepare_cached(sql).map_err(failed);
    let search = |reindex: bool| table.search.as_ref().filter(|_| reindex);
    let written = match (&write.change, write.expected) {
        (Change::ReadGuard, expected) => {
            let version: Option<i64> =
                statement(&table.exists)?.query_row([id], |row| row.get(0)).optional().map_err(failed)?;
            Ok(usize::from(version == expected))
        }
        (Change::Put { text, .. }, None) => statement(&table.insert)?.execute(params![id, text]),
        (Change::Put { text, reindex }, Some(version)) => {
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
    if let (Change::Put { reindex, .. }, Some(search)) = (&write.change, &table.search)
        && *reindex
    {
        if write.expected.is_some() {
            statement(&search.remove)?.execute([id]).map_err(failed)?;
        }
        statement(&search.add)?.execute([id]).map_err(failed)?;
    }
    Ok(Ok(()))
}
