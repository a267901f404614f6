//! The connections that read. To begin and end a read transaction costs SQLite two system calls for its locks, more than a look-up
//! by id itself; so a connection keeps its snapshot for the next reads, for as long as nobody has committed anything.
//!
//! Whether anybody has, in this process or another, is in the first bytes of the WAL index (sqlite.org/walformat.html, section
//! 2.1), which every commit changes. Nobody but the file system is asked, so nothing is read that is out of date.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use rusqlite::Connection;

use super::{connect, failed};
use crate::Durability;
use souk_types::Result;

/// Idle connections kept.
const IDLE: usize = 16;
/// One copy of the WAL index's header.
type Header = [u8; 48];

/// The WAL indexes that this process looks at, one descriptor for each. To close any descriptor of a file drops all POSIX locks
/// that the process has on it, SQLite's too (fcntl(2)), so it is closed when the last who uses it has closed its
/// connections.
static WAL_INDEXES: Mutex<BTreeMap<PathBuf, Weak<File>>> = Mutex::new(BTreeMap::new());

/// What becomes of a read's snapshot. Whoever scrubs can end the snapshots of its own process only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Snapshots {
    /// The next reads use it too.
    Kept,
    /// It ends with the read.
    Ended,
}

pub(super) struct Readers {
    file: PathBuf,
    durability: Durability,
    // Before `index`, for fields are dropped in this order: see `WAL_INDEXES`.
    idle: Mutex<Vec<Reader>>,
    /// `None` where snapshots end with their reads.
    index: OnceLock<Option<Arc<File>>>,
    /// Counts how often the writer has asked for snapshots to end.
    endings: AtomicU64,
    /// Whether a snapshot may outlive its read.
    keeping: AtomicBool,
}

struct Reader {
    connection: Connection,
    /// The header from before the snapshot began; `None` without a snapshot.
    snapshot: Option<Header>,
}

impl Readers {
    pub(super) fn new(file: &Path, durability: Durability, snapshots: Snapshots) -> Self {
        let index = match snapshots {
            Snapshots::Kept => OnceLock::new(),
            Snapshots::Ended => OnceLock::from(None),
        };
        Self {
            file: file.to_owned(),
            durability,
            index,
            idle: Mutex::default(),
            endings: AtomicU64::new(0),
            keeping: AtomicBool::new(true),
        }
    }

    /// Reads on a state of the database that is no older than this call.
    pub(super) fn read<R>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<R>) -> Result<R> {
        let endings = self.endings.load(Ordering::Acquire);
        let idle = self.idle().pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => Reader { connection: self.connect()?, snapshot: None },
        };
        reader.refresh(self.header()).map_err(failed)?;
        // After an error the connection is not kept: nobody knows what state it is in.
        let outcome = work(&reader.connection).map_err(failed)?;
        let mut idle = self.idle();
        if self.endings.load(Ordering::Acquire) != endings || !self.keeping.load(Ordering::Acquire) {
            reader.end().map_err(failed)?;
        }
        if idle.len() < IDLE {
            idle.push(reader);
        }
        Ok(outcome)
    }

    /// A connection of its own, with no snapshot.
    pub(super) fn connect(&self) -> Result<Connection> {
        connect(&self.file, self.durability)
    }

    /// Ends the snapshots of idle connections, and of the others when they are done: the WAL cannot start anew, and grows,
    /// while anybody looks at its past.
    pub(super) fn end_snapshots(&self) {
        let mut idle = self.idle();
        self.endings.fetch_add(1, Ordering::AcqRel);
        // A connection that cannot even end its snapshot is closed, which ends it.
        idle.retain_mut(|reader| reader.end().is_ok());
    }

    /// Does what can only be done while nobody has a snapshot. Reads go on, each for itself.
    pub(super) fn without_snapshots<R>(&self, work: impl FnOnce() -> R) -> R {
        self.keeping.store(false, Ordering::Release);
        self.end_snapshots();
        let outcome = work();
        self.keeping.store(true, Ordering::Release);
        outcome
    }

    /// Closes the connections that nobody uses.
    pub(super) fn close(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(unix)]
    fn header(&self) -> Option<Header> {
        use std::os::unix::fs::FileExt;
        let index = self.index.get_or_init(|| {
            let mut name = self.file.clone().into_os_string();
            name.push("-shm");
            shared(PathBuf::from(name))
        });
        let mut header = [0; 48];
        index.as_ref()?.read_exact_at(&mut header, 0).ok()?;
        Some(header)
    }

    /// Elsewhere every read is a transaction of its own.
    #[cfg(not(unix))]
    fn header(&self) -> Option<Header> {
        None
    }
}

#[cfg(unix)]
fn shared(index: PathBuf) -> Option<Arc<File>> {
    let mut known = WAL_INDEXES.lock().unwrap_or_else(PoisonError::into_inner);
    known.retain(|_, file| file.strong_count() > 0);
    if let Some(file) = known.get(&index).and_then(Weak::upgrade) {
        return Some(file);
    }
    let file = Arc::new(File::open(&index).ok()?);
    known.insert(index, Arc::downgrade(&file));
    Some(file)
}

impl Reader {
    fn refresh(&mut self, header: Option<Header>) -> rusqlite::Result<()> {
        if self.snapshot.is_some() && self.snapshot == header {
            return Ok(());
        }
        self.end()?;
        if header.is_some() {
            // It begins with the first read, which comes after the header was looked at.
            self.connection.prepare_cached("BEGIN")?.execute([])?;
            self.snapshot = header;
        }
        Ok(())
    }

    fn end(&mut self) -> rusqlite::Result<()> {
        if self.snapshot.take().is_some() {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether another process could cut the WAL after something was read and written.
    fn is_in_the_way(snapshots: Snapshots) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("s.db");
        let other = connect(&file, Durability::Process).unwrap();
        other.busy_timeout(std::time::Duration::ZERO).unwrap();
        other.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1)").unwrap();
        let readers = Readers::new(&file, Durability::Process, snapshots);
        let read = || {
            let largest =
                |connection: &Connection| connection.query_row("SELECT max(n) FROM t", [], |row| row.get::<_, i64>(0));
            readers.read(largest).unwrap()
        };
        assert_eq!(read(), 1);
        other.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        let busy = other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
        assert_eq!(read(), 2);
        busy
    }

    #[test]
    fn a_command_beside_a_shop_is_in_nobodys_way() {
        assert!(!is_in_the_way(Snapshots::Ended));
        assert!(is_in_the_way(Snapshots::Kept), "or this shows nothing");
    }
}
