//! Optimistic transactions over several documents. Reads remember versions, writes are buffered,
//! and the commit fails when a document that was read has changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::commit::{Change, Commit, Stored, Write, decode};
use super::{Collection, Database, Document, Events};
use souk_bus::{Event, EventId};
use souk_types::Result;
use souk_types::format::Format;

/// Reads and writes of one commit. Clones are handles of the same transaction.
#[derive(Clone)]
pub struct Tx {
    database: Database,
    format: Format,
    state: Arc<Mutex<State>>,
}

struct State {
    touched: BTreeMap<(&'static str, String), Touched>,
    events: Events,
}

struct Touched {
    stored: Option<Stored>,
    write: Option<Write>,
}

impl Touched {
    /// Returns the JSON text after the commit.
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
    /// Documents and events are written in `format`.
    pub(super) fn new(database: Database, format: Format) -> Self {
        let state = State { touched: BTreeMap::new(), events: Events::new(format) };
        Self { database, format, state: Arc::new(Mutex::new(state)) }
    }

    /// Returns a document as this transaction sees it.
    pub async fn get<T: Document>(&self, _from: &Collection<T>, id: T::Id) -> Result<Option<T>> {
        let key = self.touch::<T>(id).await?;
        let state = self.state();
        let current = state.touched.get(&key).and_then(Touched::current);
        current.map(decode).transpose()
    }

    /// Writes a document, new or changed.
    pub async fn put<T: Document>(&self, to: &Collection<T>, id: T::Id, document: &T) -> Result<()> {
        to.coalescer.forget(&id.to_string());
        self.replace(id, Some(document)).await
    }

    /// Deletes a document, if it is there.
    pub async fn delete<T: Document>(&self, from: &Collection<T>, id: T::Id) -> Result<()> {
        from.coalescer.forget(&id.to_string());
        self.replace::<T>(id, None).await
    }

    /// Publishes an event with this commit.
    pub fn publish<E: Event>(&self, event: &E) -> Result<EventId> {
        self.state().events.publish(event)
    }

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
            touched.write = Write::between(key.1, touched.stored.as_ref(), document, self.format)?;
        }
        Ok(())
    }

    pub(super) fn into_commit(self, handled: Option<EventId>) -> Commit {
        let State { touched, events } = &mut *self.state();
        let (touched, events) = (std::mem::take(touched), std::mem::take(&mut events.messages));
        let guard = |collection, id, touched: Touched| {
            touched.write.unwrap_or_else(|| Write::read_guard(collection, id, touched.stored.as_ref()))
        };
        let mut writes: Vec<Write> =
            touched.into_iter().map(|((collection, id), touched)| guard(collection, id, touched)).collect();
        // A deletion frees its values in unique indexes for the other writes.
        writes.sort_by_key(|write| !matches!(write.change, Change::Delete));
        Commit { writes, events, handled, ..Commit::default() }
    }

    /// Writes nothing and checks that the documents read are unchanged.
    pub(super) fn into_guard(self) -> Commit {
        let touched = std::mem::take(&mut self.state().touched);
        let guard = |((collection, id), touched): ((&'static str, String), Touched)| {
            Write::read_guard(collection, id, touched.stored.as_ref())
        };
        Commit { writes: touched.into_iter().map(guard).collect(), ..Commit::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
