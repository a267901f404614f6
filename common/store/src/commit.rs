//! What passes between the store and an engine: documents as JSON text with a version, and commits.

use std::time::SystemTime;

use serde::de::DeserializeOwned;

use super::Document;
use souk_bus::{EventId, EventMessage};
use souk_types::{Cursor, Error, Result};

/// A document as an engine keeps it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// Another after each write of this document, and larger. Only an engine knows more.
    pub(super) version: i64,
    /// JSON.
    pub(super) text: String,
}

impl Stored {
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.text)
            .map_err(|error| Error::internal(format!("a stored document cannot be read: {error}")))
    }
}

/// A page as an engine finds it.
pub(super) struct Found {
    /// With their ids.
    pub(super) items: Vec<(String, Stored)>,
    pub(super) next: Option<Cursor>,
}

/// Writes that happen together or not at all, with the events that tell of them.
#[derive(Default)]
pub(super) struct Commit {
    pub(super) writes: Vec<Write>,
    pub(super) events: Vec<EventMessage>,
    /// The event that this commit is the effect of; recorded, and refused as `Repeated` the second time.
    pub(super) handles: Option<EventId>,
    /// Published events, to be taken out of the outbox.
    pub(super) delete_published: Vec<EventId>,
    /// Documents to be changed as they are found, not as they were read.
    pub(super) rules: Vec<Ruled>,
    /// Afterwards, nothing of what was deleted or overwritten may be left in the files.
    pub(super) secure_delete: bool,
}

/// One document of a bulk change: its rule runs inside the commit, on the state that it finds there.
pub(super) struct Ruled {
    pub(super) collection: &'static str,
    pub(super) id: String,
    pub(super) rule: Rule,
}

/// From what is stored to the write, if one is needed; an engine may have to ask more than once. An error refuses the whole commit.
pub(super) type Rule = Box<dyn FnMut(Option<&Stored>) -> Result<Option<Write>> + Send>;

impl Commit {
    /// Whether nothing changes, so that all there is to do is to see that what was read is so.
    pub(super) fn only_reads(&self) -> bool {
        self.events.is_empty()
            && self.delete_published.is_empty()
            && self.handles.is_none()
            && self.rules.is_empty()
            && !self.secure_delete
            && self.writes.iter().all(|write| matches!(write.change, Change::ReadGuard))
    }

    /// Whether it may change a great many documents.
    pub(super) fn is_bulk(&self) -> bool {
        !self.rules.is_empty()
    }

    /// The collections that it changes, in the order of the writes.
    pub(super) fn written(&self) -> Vec<&'static str> {
        let writes = self.writes.iter().filter(|write| !matches!(write.change, Change::ReadGuard));
        writes.map(|write| write.collection).chain(self.rules.iter().map(|ruled| ruled.collection)).collect()
    }
}

/// One guarded write.
pub(super) struct Write {
    pub(super) collection: &'static str,
    pub(super) id: String,
    /// The version it was computed from, `None` for a document that was not there: the guard.
    pub(super) expected: Option<i64>,
    /// The version that it leads to, where the engine does not count by itself.
    pub(super) next: i64,
    pub(super) change: Change,
}

pub(super) enum Change {
    Put {
        text: String,
        /// Whether an indexed or searched field differs from what is stored.
        reindex: bool,
    },
    Delete,
    /// Read only; it must still be as it was.
    ReadGuard,
}

impl Write {
    /// Writes nothing, and guards what was read.
    pub(super) fn read_guard(collection: &'static str, id: String, stored: Option<&Stored>) -> Self {
        let expected = stored.map(|stored| stored.version);
        Self { collection, id, expected, next: next_version(expected), change: Change::ReadGuard }
    }

    /// The write that leads from `stored` to `new`, `None` when they are the same.
    pub(super) fn between<T: Document>(id: String, stored: Option<&Stored>, new: Option<&T>) -> Result<Option<Self>> {
        let expected = stored.map(|stored| stored.version);
        let change = match (stored, new) {
            (None, None) => return Ok(None),
            (Some(_), None) => Change::Delete,
            (stored, Some(new)) => {
                let text = serde_json::to_string(new).map_err(Error::internal)?;
                match stored {
                    Some(stored) if stored.text == text => return Ok(None),
                    Some(stored) => Change::Put { reindex: reindex::<T>(&stored.text, &text)?, text },
                    None => Change::Put { text, reindex: true },
                }
            }
        };
        Ok(Some(Self { collection: T::COLLECTION, id, expected, next: next_version(expected), change }))
    }

    /// What is stored once this is written, if anything is.
    pub(super) fn after(&self) -> Option<Stored> {
        match &self.change {
            Change::Put { text, .. } => Some(Stored { version: self.next, text: text.clone() }),
            Change::Delete | Change::ReadGuard => None,
        }
    }
}

/// From the clock, in microseconds: a version must not come again when a document is deleted and made anew, nor when a write is lost with its
/// primary and another takes its place, or a guard from before would fit.
pub(super) fn next_version(expected: Option<i64>) -> i64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros();
    i64::try_from(now).unwrap_or_default().max(expected.map_or(1, |version| version + 1))
}

/// Most writes (a hold on stock) change no field that anything is found by; then no index has to be written.
fn reindex<T: Document>(old: &str, new: &str) -> Result<bool> {
    let mut fields = T::INDEXES.iter().flat_map(super::Index::fields).chain(T::SEARCHED.iter().copied()).peekable();
    if fields.peek().is_none() {
        return Ok(false);
    }
    let read = |text| serde_json::from_str::<serde_json::Value>(text).map_err(Error::internal);
    let (old, new) = (read(old)?, read(new)?);
    let pointer = |field: &str| format!("/{}", field.replace('.', "/"));
    Ok(fields.map(pointer).any(|path| old.pointer(&path) != new.pointer(&path)))
}

/// Why an engine did not commit.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// A document is not as expected: load again, apply again.
    Stale,
    /// The event was handled before.
    Repeated,
    /// A unique index, or the engine itself.
    Failed(Error),
}

impl Refusal {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Stale => Error::busy("Too many changes at once; try again."),
            Self::Repeated => Error::internal("an event was handled twice outside of a listener"),
            Self::Failed(error) => error,
        }
    }
}
