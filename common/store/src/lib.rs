//! Documents of a service. One document is one consistency boundary: [`Collection::update`] runs a
//! pure rule on it. The store coalesces concurrent updates of a document into one write, guards
//! every write by the document's version, and commits events with the write that publishes them.
//! [`Database::run`] changes several documents in one commit; it is the exception. Both engines
//! pass one conformance suite, `tests/conformance/tests/store.rs`.

mod coalesce;
mod collection;
mod commit;
mod copy;
mod counts;
mod database;
mod documents;
mod due;
mod events;
mod filter;
mod find;
mod format;
pub mod jobs;
mod mongo;
pub mod outbox;
mod recent;
mod references;
mod retry;
mod rewrite;
mod sqlite;
mod tx;
mod words;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use souk_types::Result;
use souk_types::format::FormatChange;

pub use self::collection::Collection;
pub use self::copy::{CopyStats, KEYS, Snapshot};
pub use self::counts::Total;
pub use self::database::{Database, Durability};
pub use self::due::Due;
pub use self::events::Events;
pub use self::filter::Filter;
pub use self::find::{Direction, Find, Index, MAX_PAGE_BYTES};
pub use self::format::Mark;
pub use self::mongo::MongoUsers;
pub use self::references::{PersonalDataReference, ReferenceSearch};
pub use self::retry::{Backoff, RetrySchedule};
pub use self::tx::Tx;
pub use self::words::{of_query as query_words, of_text as index_words};

/// A stored type: its collection and its indexes.
pub trait Document: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// Type of the id.
    type Id: fmt::Display + Copy + Send + Sync + 'static;
    /// Name of the collection.
    const COLLECTION: &'static str;
    /// Name of one document in error messages.
    const NOUN: &'static str = "document";
    /// Indexes besides the id.
    const INDEXES: &'static [Index] = &[];
    /// Paths of the text fields that [`Find::matching`] searches.
    const SEARCHED: &'static [&'static str] = &[];

    /// Returns fields for indexes that follow from the document. Each write stores them next to the
    /// document's own fields, as `derived`.
    fn derived(&self) -> Result<Option<serde_json::Value>> {
        Ok(None)
    }

    /// Whether MongoDB stores events in these documents until the relay has published them, which
    /// saves a write. Set it for a type whose updates publish; the relay looks at all of these. A
    /// commit without such a document stores its events in a document of their own.
    const PUBLISHES: bool = false;

    /// How the stored documents differ from those of the previous release.
    const CHANGE: Option<FormatChange> = None;
}
