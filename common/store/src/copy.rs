//! Whole databases, as they were together at one moment, put into others: backups, and a shop that moves from one engine to another.
//! Documents go as the JSON that they are, whatever their collection, with the events that wait in the outbox and the ids of those that
//! were handled; versions begin anew, and indexes are made by whoever opens a collection. What is copied where is the caller's to say.

use super::{Database, Engine, mongo, sqlite};
use souk_bus::{EventId, EventMessage};
use souk_types::{Error, Result};

/// Documents, events or ids that are read and written together: one or two megabytes, as documents are.
pub(super) const TOGETHER: usize = 500;

/// What was in a database at one moment. The moment is kept for as long as this lives: SQLite cannot cut its WAL meanwhile, and MongoDB
/// keeps what it needs for five minutes, or for `minSnapshotHistoryWindowInSeconds`.
pub struct Snapshot {
    of: &'static str,
    source: Source,
}

enum Source {
    Sqlite(sqlite::Snapshot),
    Mongo(mongo::Snapshot),
}

/// One thing that a database has.
pub(super) enum Piece {
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

/// What came of a copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyStats {
    /// Documents of all collections.
    pub documents: usize,
    /// Events that wait in the outbox.
    pub events: usize,
    /// Events that were handled in the last days.
    pub handled: usize,
}

impl Snapshot {
    /// What is in these databases now: no commit to any of them is in one and not in another that was before it. They must be of one engine, and
    /// those of MongoDB on one replica set. Errors: they are not, or one cannot be reached.
    pub async fn of(databases: &[&Database]) -> Result<Vec<Self>> {
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
            _ => return Err(Error::internal("databases of several engines have no moment in common")),
        };
        Ok(sources.into_iter().zip(databases).map(|(source, database)| Self { of: database.name(), source }).collect())
    }

    /// The service whose database it is of.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.of
    }

    /// Whether all of it can be read: what a file that is damaged says. To be asked before anything is taken away for its sake.
    pub async fn verify(&self) -> Result<()> {
        match &self.source {
            Source::Sqlite(snapshot) => snapshot.verify().await,
            // The server looks after its files itself.
            Source::Mongo(_) => Ok(()),
        }
    }

    /// Puts all of it into a database that is empty and that nobody works with; collections are opened afterwards. What fails half-way leaves
    /// a part there, and [`Database::clear`] takes it away. Errors: a conflict when it is not empty.
    pub async fn copy_to(&self, target: &Database) -> Result<CopyStats> {
        if !target.is_empty().await? {
            return Err(Error::conflict("not-empty", format!("The database of {} is not empty.", target.name())));
        }
        // Collections without a document, and what was noted of them.
        target.clear().await?;
        let mut copied = CopyStats::default();
        for part in self.parts().await? {
            let mut after = String::new();
            loop {
                let (pieces, last) = self.page(&part, &after).await?;
                for piece in &pieces {
                    match piece {
                        Piece::Document { .. } => copied.documents += 1,
                        Piece::Event(_) => copied.events += 1,
                        Piece::Handled(_) => copied.handled += 1,
                    }
                }
                target.import(pieces).await?;
                let Some(last) = last else { break };
                after = last;
            }
        }
        Ok(copied)
    }

    /// The collections, and where events are.
    async fn parts(&self) -> Result<Vec<String>> {
        match &self.source {
            Source::Sqlite(snapshot) => snapshot.parts().await,
            Source::Mongo(snapshot) => snapshot.parts().await,
        }
    }

    /// Some of a part, after one of its ids, and the last of their ids; no id when there was nothing more.
    async fn page(&self, part: &str, after: &str) -> Result<(Vec<Piece>, Option<String>)> {
        match &self.source {
            Source::Sqlite(snapshot) => snapshot.page(part, after).await,
            Source::Mongo(snapshot) => snapshot.page(part, after).await,
        }
    }
}

impl Database {
    /// Whether there is no document in any collection, whether this version knows it or not, and no event in the outbox.
    pub async fn is_empty(&self) -> Result<bool> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.is_empty_database().await,
            Engine::Mongo(mongo) => mongo.is_empty_database().await,
        }
    }

    /// Takes everything away, collections and all. Nobody may work with it meanwhile, and it has to be opened again to be worked with.
    pub async fn clear(&self) -> Result<()> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.clear().await,
            Engine::Mongo(mongo) => mongo.clear().await,
        }
    }

    async fn import(&self, pieces: Vec<Piece>) -> Result<()> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.import(pieces).await,
            Engine::Mongo(mongo) => mongo.import(pieces).await,
        }
    }
}
