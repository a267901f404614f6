//! Commits that the store passes to an engine: guarded writes of documents as JSON text.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;

use super::{Document, Index};
use souk_bus::{EventId, EventMessage};
use souk_types::format::{self, Format};
use souk_types::{Cursor, Error, Result};

#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// Grows with each write of this document. Otherwise opaque.
    pub(super) version: i64,
    /// JSON text.
    pub(super) text: String,
}

impl Stored {
    pub(super) fn decode<T: Document>(&self) -> Result<T> {
        decode(&self.text)
    }
}

/// Reads a document from JSON text of either format.
pub(super) fn decode<T: Document>(text: &str) -> Result<T> {
    format::decode(text.as_bytes(), T::CHANGE.as_ref()).map_err(unreadable)
}

pub(super) fn unreadable(error: serde_json::Error) -> Error {
    Error::internal(format!("a stored document cannot be read: {error}"))
}

pub(super) struct FoundPage {
    pub(super) items: Vec<(String, Stored)>,
    pub(super) next: Option<Cursor>,
}

#[derive(Default)]
pub(super) struct Commit {
    pub(super) writes: Vec<Write>,
    pub(super) events: Vec<EventMessage>,
    /// The event that this commit handles, for the inbox; a second commit of it gets
    /// `Refusal::Repeated`.
    pub(super) handled: Option<EventId>,
    /// Events that leave the outbox, a table of SQLite.
    pub(super) delete_published: Vec<EventId>,
    pub(super) rules: Vec<BulkRule>,
    pub(super) secure_delete: bool,
}

pub(super) struct BulkRule {
    pub(super) collection: &'static str,
    pub(super) id: String,
    pub(super) rule: Rule,
}

/// Returns the write for the stored state, if one is needed. May be called more than once. An error
/// rolls back the commit.
pub(super) type Rule = Box<dyn FnMut(Option<&Stored>) -> Result<Option<Write>> + Send>;

impl Commit {
    pub(super) fn only_reads(&self) -> bool {
        self.events.is_empty()
            && self.delete_published.is_empty()
            && self.handled.is_none()
            && self.rules.is_empty()
            && !self.secure_delete
            && self.writes.iter().all(|write| matches!(write.change, Change::ReadGuard))
    }

    pub(super) fn is_bulk(&self) -> bool {
        !self.rules.is_empty()
    }

    pub(super) fn written(&self) -> Vec<&'static str> {
        let writes = self.writes.iter().filter(|write| !matches!(write.change, Change::ReadGuard));
        writes.map(|write| write.collection).chain(self.rules.iter().map(|ruled| ruled.collection)).collect()
    }
}

pub(super) struct Write {
    pub(super) collection: &'static str,
    pub(super) id: String,
    /// The guard: the version that the write is computed from, `None` for a missing document.
    pub(super) expected: Option<i64>,
    /// The next version, for an engine that does not count versions itself.
    pub(super) next: i64,
    pub(super) change: Change,
}

pub(super) enum Change {
    Put {
        text: String,
        /// Whether an indexed field has changed.
        reindex: bool,
        /// Whether a searched field has changed.
        reindex_text: bool,
        /// Whether the list of an [`Index::each`] has changed.
        relist: bool,
    },
    Delete,
    /// Writes nothing; the version must be unchanged.
    ReadGuard,
}

impl Write {
    pub(super) fn read_guard(collection: &'static str, id: String, stored: Option<&Stored>) -> Self {
        let expected = stored.map(|stored| stored.version);
        Self { collection, id, expected, next: next_version(expected), change: Change::ReadGuard }
    }

    /// Returns the write that leads from `stored` to `new`, which is written in `format`; `None`
    /// when they are equal.
    pub(super) fn between<T: Document>(
        id: String,
        stored: Option<&Stored>,
        new: Option<&T>,
        format: Format,
    ) -> Result<Option<Self>> {
        let expected = stored.map(|stored| stored.version);
        let change = match (stored, new) {
            (None, None) => return Ok(None),
            (Some(_), None) => Change::Delete,
            (stored, Some(new)) => {
                let text = text_of(new, format)?;
                match stored {
                    Some(stored) if stored.text == text => return Ok(None),
                    Some(stored) => {
                        let [reindex, reindex_text, relist] = changed::<T>(&stored.text, &text)?;
                        Change::Put { text, reindex, reindex_text, relist }
                    }
                    None => Change::Put { text, reindex: true, reindex_text: true, relist: true },
                }
            }
        };
        Ok(Some(Self { collection: T::COLLECTION, id, expected, next: next_version(expected), change }))
    }

    pub(super) fn after(&self) -> Option<Stored> {
        match &self.change {
            Change::Put { text, .. } => Some(Stored { version: self.next, text: text.clone() }),
            Change::Delete | Change::ReadGuard => None,
        }
    }
}

/// Returns the JSON text of a document, with the fields that are derived from it.
fn text_of<T: Document>(document: &T, format: Format) -> Result<String> {
    #[derive(Serialize)]
    struct WithDerived<'d, T> {
        #[serde(flatten)]
        document: &'d T,
        derived: Value,
    }

    match document.derived()? {
        Some(derived) => format::encode(&WithDerived { document, derived }, T::CHANGE.as_ref(), format),
        None => format::encode(document, T::CHANGE.as_ref(), format),
    }
}

/// Returns the clock in microseconds, and more than `expected`. A version must never repeat,
/// because an old guard would match. That includes a document that is deleted and created again,
/// and a write that a failover rolls back.
pub(super) fn next_version(expected: Option<i64>) -> i64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros();
    i64::try_from(now).unwrap_or_default().max(expected.map_or(1, |version| version + 1))
}

/// Whether an indexed field, a searched field and an indexed list differ. Most writes, such as
/// holds on stock, change no searched one.
fn changed<T: Document>(old: &str, new: &str) -> Result<[bool; 3]> {
    if T::INDEXES.is_empty() && T::SEARCHED.is_empty() {
        return Ok([false; 3]);
    }
    let read = |text| serde_json::from_str::<Value>(text).map_err(Error::internal);
    let (old, new) = (read(old)?, read(new)?);
    let differs = |field: &str| {
        let path = format!("/{}", field.replace('.', "/"));
        old.pointer(&path) != new.pointer(&path)
    };
    let indexed = |each: bool| T::INDEXES.iter().filter(move |index| index.each == each).flat_map(Index::fields);
    Ok([indexed(false).any(differs), T::SEARCHED.iter().copied().any(differs), indexed(true).any(differs)])
}

#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// A version guard failed: load and apply again.
    Stale,
    /// The inbox has one of the events.
    Repeated,
    Failed(Error),
}

impl Refusal {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Stale => Error::busy("Too many concurrent changes; try again."),
            Self::Repeated => Error::internal("the inbox refused a commit that handles no event"),
            Self::Failed(error) => error,
        }
    }
}
