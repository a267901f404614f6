//! The format of the documents of a database. A database carries its number from its first use, so
//! that a release refuses data that it would misread.

use std::sync::atomic::{AtomicU16, Ordering};

use souk_types::format::Format;
use souk_types::{Error, Result};

use crate::Database;
use crate::database::Engine;

/// What a database says of its documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The newest format that a document may have. Instances write it.
    pub format: Format,
    /// Whether documents of the format before may be left.
    pub is_rewriting: bool,
}

impl Mark {
    pub(super) const CURRENT: Self = Self { format: Format::CURRENT, is_rewriting: false };

    /// Checks what a database says. Errors: this release cannot read its documents.
    pub(super) fn accept(database: &str, number: Option<i64>, is_rewriting: bool) -> Result<Self> {
        let refused = |problem: String| {
            let remedy = "nothing was changed. Run the build that wrote the data, or start with an empty database: \
                          docs/operations.md";
            Error::internal(format!("the data of {database} {problem}; {remedy}"))
        };
        let (previous, current) = (Format::PREVIOUS.number(), Format::CURRENT.number());
        let Some(format) = number.and_then(Format::readable) else {
            let found =
                number.map_or_else(|| "no format version".to_owned(), |number| format!("format version {number}"));
            return Err(refused(format!("has {found}, and this build reads {previous} and {current}")));
        };
        if is_rewriting && format < Format::CURRENT {
            return Err(refused(format!(
                "is partly in the format before {previous}: its build must finish souk migrate run"
            )));
        }
        Ok(Self { format, is_rewriting })
    }
}

impl Mark {
    /// Returns what holds for documents that were read after this mark and before a later one.
    pub(super) fn until(self, later: Self) -> Self {
        let is_rewriting = self.is_rewriting || later.is_rewriting || self.format < later.format;
        Self { format: later.format, is_rewriting }
    }
}

/// The format that a process writes to a MongoDB, once it has checked that of the database.
#[derive(Default)]
pub(super) struct WrittenFormat(AtomicU16);

impl WrittenFormat {
    pub(super) fn get(&self) -> Option<Format> {
        Format::readable(self.0.load(Ordering::Relaxed).into())
    }

    /// Sets the format unless a later look at the database has set it.
    pub(super) fn set_first(&self, format: Format) {
        let _ = self.0.compare_exchange(0, format.number(), Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(super) fn set(&self, format: Format) {
        self.0.store(format.number(), Ordering::Relaxed);
    }
}

impl Database {
    /// Returns the format in which this process writes documents and events. SQLite reads it from
    /// the file; on MongoDB it is what [`Database::refresh_format`] has found last.
    pub async fn format(&self) -> Result<Format> {
        let known = match &self.0.engine {
            Engine::Sqlite(_) => None,
            Engine::Mongo(mongo) => mongo.written_format(),
        };
        match known {
            Some(format) => Ok(format),
            None => self.refresh_format().await,
        }
    }

    /// Like [`Database::format`], after another look at the database: another process may have
    /// begun to rewrite it.
    pub async fn refresh_format(&self) -> Result<Format> {
        Ok(self.mark().await?.format)
    }

    /// Returns what the database says of its documents.
    pub async fn mark(&self) -> Result<Mark> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.mark(),
            Engine::Mongo(mongo) => mongo.mark().await,
        }
    }

    pub(super) async fn set_mark(&self, mark: Mark) -> Result<()> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.set_mark(mark).await,
            Engine::Mongo(mongo) => mongo.set_mark(mark).await,
        }
    }
}
