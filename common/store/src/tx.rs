//! Several documents at once. Nothing is locked: reads are remembered with their versions, writes are kept back, and the
//! commit is refused when anything that was read has changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::commit::{Change, Commit, Stored, Write};
use super::{Collection, Database, Document, Events};
use souk_bus::{Event, EventId};
use souk_types::{Error, Result};

/// Reads and writes that will be committed together. A handle: clones are the same transaction.
#[derive(Clone)]
pub struct Tx {
    database: Database,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    touched: BTreeMap<(&'static str, String), Touched>,
    events: Events,
}

struct Touched {
    stored: Option<Stored>,
    write: Option<Write>,
}

impl Touched {
    /// As it will be after the commit, as JSON text.
    fn current(&self) -> Option<&str> {
        match &self.write {
            Some(Write { change: Change::Put { text, .. }, .. }) => Some(text),
            Some(Write { change: Change::Delete, .. }) => None,
            Some(Write { change: Change::ReadGuard, .. }) | None => {
                self.stored.as_ref().map(|stored| stored.text.as_str())
            }
        }
    }
}

impl Tx {
    pub(super) fn new(database: Database) -> Self {
        Self { database, state: Arc::default() }
    }

    /// One document, as this transaction sees it.
    pub async fn get<T: Document>(&self, _from: &Collection<T>, id: T::Id) -> Result<Option<T>> {
        let key = self.touch::<T>(id).await?;
        let state = self.state();
        let current = state.touched.get(&key).and_then(Touched::current);
        current.map(|text| serde_json::from_str(text).map_err(Error::internal)).transpose()
    }

    /// Keeps a document, new or changed.
    pub async fn put<T: Document>(&self, _to: &Collection<T>, id: T::Id, document: &T) -> Result<()> {
        self.replace(id, Some(document)).await
    }

    /// Deletes a document, if it is there.
    pub async fn delete<T: Document>(&self, _from: &Collection<T>, id: T::Id) -> Result<()> {
        self.replace::<T>(id, None).await
    }

    /// Announces an event with this commit.
    pub fn publish<E: Event>(&self, event: &E) -> Result<EventId> {
        self.state().events.publish(event)
    }

    /// Makes sure that it is known what is stored; what was read once is not read again.
    async fn touch<T: Document>(&self, id: T::Id) -> Result<(&'static str, String)> {
        let key = (T::COLLECTION, id.to_string());
        if !self.state().touched.contains_key(&key) {
            let stored = self.database.load(T::COLLECTION, &key.1).await?;
            self.state().touched.insert(key.clone(), Touched { stored, write: None });
        }
        Ok(key)
    }

    async fn replace<T: Document>(&self, id: T::Id, document: Option<&T>) -> Result<()> {
        let key = self.touch::<T>(id).await?;
        if let Some(touched) = self.state().touched.get_mut(&key) {
            touched.write = Write::between(key.1, touched.stored.as_ref(), document)?;
        }
        Ok(())
    }

    pub(super) fn into_commit(self, handles: Option<EventId>) -> Commit {
        let State { touched, events } = std::mem::take(&mut *self.state());
        let guard = |collection, id, touched: Touched| {
            touched.write.unwrap_or_else(|| Write::read_guard(collection, id, touched.stored.as_ref()))
        };
        let mut writes: Vec<Write> =
            touched.into_iter().map(|((collection, id), touched)| guard(collection, id, touched)).collect();
        // What a deleted document had of a unique index is free for the others.
        writes.sort_by_key(|write| !matches!(write.change, Change::Delete));
        Commit { writes, events: events.0, handles, ..Commit::default() }
    }

    /// Writes nothing and makes sure that what was read is still so.
    pub(super) fn into_guard(self) -> Commit {
        let touched = std::mem::take(&mut *self.state()).touched;
        let guard = |((collection, id), touched): ((&'static str, String), Touched)| {
            Write::read_guard(collection, id, touched.stored.as_ref())
        };
        Commit { writes: touched.into_iter().map(guard).collect(), ..Commit::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
