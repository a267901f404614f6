//! Where a check keeps its database: one engine, nothing in it, gone when the check is over.

use common::store::{Database, Durability};
use tempfile::TempDir;

/// An empty place for one database, which may be opened several times: at once, as two processes do, or in turn.
pub(crate) enum Home {
    Sqlite(TempDir, Durability),
}

impl Home {
    pub(crate) fn sqlite(durability: Durability) -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap(), durability)
    }

    #[expect(clippy::unused_async, reason = "an engine behind a network waits here")]
    pub(crate) async fn open(&self) -> Database {
        match self {
            Self::Sqlite(directory, durability) => {
                Database::sqlite("library", &directory.path().join("library.db"), *durability).unwrap()
            }
        }
    }
}
