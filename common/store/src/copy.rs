//! Consistent snapshots of whole databases, copied into empty ones: for backups and for migrations
//! between engines. A copy has all documents (with new versions) except [`KEYS`], the outbox and
//! the inbox.

use super::database::Engine;
use super::format::Mark;
use super::{Database, mongo, sqlite};
use souk_bus::{EventId, EventMessage};
use souk_types::{Error, Result};

/// The collection in which a service stores its keys. Copies leave it out: a reader of a
/// backup must not be able to sign tokens.
pub const KEYS: &str = "keys";

/// Documents, events or ids in one page: one or two megabytes.
pub(super) const PAGE_SIZE: usize = 500;

/// The content of a database at one moment. While it lives, SQLite cannot truncate its WAL. MongoDB
/// keeps it for 5 minutes, or for `minSnapshotHistoryWindowInSeconds`.
pub struct Snapshot {
    of: &'static str,
    mark: Mark,
    source: Source,
}

enum Source {
    Sqlite(sqlite::Snapshot),
    Mongo(mongo::Snapshot),
}

pub(super) enum Item {
    Document {
        collection: String,
        id: String,
        text: String,
    },
    /// In the outbox.
    Event(EventMessage),
    /// In the inbox.
    Handled(EventId),
}

/// Counts of the copied items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyStats {
    /// Documents of all collections.
    pub documents: usize,
    /// Events in the outbox.
    pub events: usize,
    /// Events in the inbox.
    pub handled: usize,
}

impl Snapshot {
    /// Takes a consistent snapshot of several databases. They must be on one engine, and those on
    /// MongoDB in one replica set.
    pub async fn of(databases: &[&Database]) -> Result<Vec<Self>> {
        let mut before = Vec::new();
        for database in databases {
            before.push(database.mark().await?);
        }
        let (mut files, mut servers) = (Vec::new(), Vec::new());
        for database in databases {
            match &database.0.engine {
                Engine::Sqlite(sqlite) => files.push(sqlite),
                Engine::Mongo(mongo) => servers.push(mongo),
            }
        }
        let sources: Vec<Source> = match (files.as_slice(), servers.as_slice()) {
            (files, []) => sqlite::Snapshot::of(files).await?.into_iter().map(Source::Sqlite).collect(),
            ([], servers) => mongo::Snapshot::of(servers).await?.into_iter().map(Source::Mongo).collect(),
            _ => return Err(Error::internal("databases on several engines cannot have one snapshot")),
        };
        let mut snapshots = Vec::new();
        for ((source, database), before) in sources.into_iter().zip(databases).zip(before) {
            let mark = before.until(database.mark().await?);
            snapshots.push(Self { of: database.name(), mark, source });
        }
        Ok(snapshots)
    }

    /// Returns the name of the service.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.of
    }

    /// Checks the file for damage. Call it before replacing data by the snapshot.
    pub async fn verify(&self) -> Result<()> {
        match &self.source {
            Source::Sqlite(snapshot) => snapshot.verify().await,
            // The server checks its files itself.
            Source::Mongo(_) => Ok(()),
        }
    }

    /// Copies everything into an empty database that is not in use, else fails with a conflict.
    /// After an error, [`Database::clear`] removes the partial copy.
    pub async fn copy_to(&self, target: &Database) -> Result<CopyStats> {
        if !target.is_empty().await? {
            return Err(Error::conflict("not-empty", format!("The database of {} is not empty.", target.name())));
        }
        // Removes empty collections and their search state.
        target.clear().await?;
        target.set_mark(self.mark).await?;
        let mut copied = CopyStats::default();
        for part in self.parts().await?.into_iter().filter(|part| part != KEYS) {
            let mut after = String::new();
            loop {
                let (items, last) = self.page(&part, &after).await?;
                for item in &items {
                    match item {
                        Item::Document { .. } => copied.documents += 1,
                        Item::Event(_) => copied.events += 1,
                        Item::Handled(_) => copied.handled += 1,
                    }
                }
                target.import(items).await?;
                let Some(last) = last else { break };
                after = last;
            }
        }
        Ok(copied)
    }

    async fn parts(&self) -> Result<Vec<String>> {
        match &self.source {
            Source::Sqlite(snapshot) => snapshot.parts().await,
            Source::Mongo(snapshot) => snapshot.parts().await,
        }
    }

    /// Returns a page of a part after an id, and the last id; no id at the end.
    async fn page(&self, part: &str, after: &str) -> Result<(Vec<Item>, Option<String>)> {
        match &self.source {
            Source::Sqlite(snapshot) => snapshot.page(part, after).await,
            Source::Mongo(snapshot) => snapshot.page(part, after).await,
        }
    }
}

impl Database {
    /// Whether all collections, including unknown ones, and the outbox are empty.
    pub async fn is_empty(&self) -> Result<bool> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.is_empty_database().await,
            Engine::Mongo(mongo) => mongo.is_empty_database().await,
        }
    }

    /// Deletes all collections, also those of a format that this release does not read. The
    /// database must not be in use, and must be opened again.
    pub async fn clear(&self) -> Result<()> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.clear().await,
            Engine::Mongo(mongo) => mongo.clear().await,
        }
    }

    /// Checks that this program may write, also in a database of another format. Call it before
    /// [`Database::clear`] when several databases must change together.
    pub async fn check_writable(&self) -> Result<()> {
        match &self.0.engine {
            // A shop on SQLite is restored into new files only.
            Engine::Sqlite(_) => Ok(()),
            Engine::Mongo(mongo) => mongo.check_writable().await,
        }
    }

    async fn import(&self, items: Vec<Item>) -> Result<()> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.import(items).await,
            Engine::Mongo(mongo) => mongo.import(items).await,
        }
    }
}
