//! The documents of one type: reads, queries and updates.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::coalesce::Coalescer;
use super::commit::{BulkRule, Commit, Refusal, Rule, Stored, Write};
use super::database::Engine;
use super::{Database, Document, Due, Events, Filter, Find, Index};
use souk_types::{Error, Page, Result};

const SCAN_PAGE: usize = 500;

/// The documents of one type. Cheap to clone; clones share the write coalescing.
pub struct Collection<T: Document> {
    pub(super) database: Database,
    pub(super) coalescer: Arc<Coalescer<T>>,
}

impl<T: Document> Clone for Collection<T> {
    fn clone(&self) -> Self {
        Self { database: self.database.clone(), coalescer: Arc::clone(&self.coalescer) }
    }
}

impl<T: Document> Collection<T> {
    /// Returns one document.
    pub async fn get(&self, id: T::Id) -> Result<Option<T>> {
        let id = id.to_string();
        let stored = match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.load(T::COLLECTION, &id)?,
            Engine::Mongo(mongo) => mongo.load(T::COLLECTION, &id, false).await?,
        };
        stored.map(|stored| stored.decode()).transpose()
    }

    /// Like [`Self::get`], for a document that this process probably updates next: that update then
    /// needs no read of its own.
    pub async fn get_for_update(&self, id: T::Id) -> Result<Option<T>> {
        let Engine::Mongo(mongo) = &self.database.0.engine else { return self.get(id).await };
        let id = id.to_string();
        let Some(stored) = mongo.load(T::COLLECTION, &id, false).await? else { return Ok(None) };
        let document = stored.decode()?;
        self.coalescer.remember(&self.database, &id, Some(stored));
        Ok(Some(document))
    }

    /// Returns the documents that exist, in no particular order.
    pub async fn get_many(&self, ids: &[T::Id]) -> Result<Vec<T>> {
        let ids = ids.iter().map(ToString::to_string).collect();
        let found = match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.load_many(T::COLLECTION, ids).await?,
            Engine::Mongo(mongo) => mongo.load_many(T::COLLECTION, ids).await?,
        };
        found.iter().map(Stored::decode).collect()
    }

    /// Returns a page of the documents of one index, in the order of the index.
    pub async fn find(&self, find: Find) -> Result<Page<T>> {
        find.check(T::INDEXES)?;
        let found = match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.find(T::COLLECTION, find).await?,
            Engine::Mongo(mongo) => mongo.find(T::COLLECTION, find).await?,
        };
        let items = found.items.iter().map(|(_, stored)| stored.decode()).collect::<Result<_>>()?;
        Ok(Page { items, next: found.next })
    }

    /// Returns a page of the documents that are in all index ranges of a filter, ordered by id.
    pub async fn filter(&self, filter: Filter) -> Result<Page<T>> {
        filter.check(T::INDEXES)?;
        let found = match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.filter(T::COLLECTION, filter).await?,
            Engine::Mongo(mongo) => mongo.filter(T::COLLECTION, filter).await?,
        };
        let items = found.items.iter().map(|(_, stored)| stored.decode()).collect::<Result<_>>()?;
        Ok(Page { items, next: found.next })
    }

    /// Returns the due documents, by an index that is ordered by a due time.
    #[must_use]
    pub fn due(&self, index: &'static Index) -> Due<T> {
        Due { collection: self.clone(), index }
    }

    /// Returns the documents that have one of these values in a unique index of one field.
    pub async fn get_many_by(&self, index: &'static Index, values: Vec<String>) -> Result<Vec<T>> {
        let found = match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.get_many_by(T::COLLECTION, index, values).await?,
            Engine::Mongo(mongo) => mongo.get_many_by(T::COLLECTION, index, values).await?,
        };
        found.iter().map(Stored::decode).collect()
    }

    /// Calls `visit` with every document. Documents may change during the scan.
    pub async fn scan(&self, mut visit: impl FnMut(&str, T) + Send) -> Result<()> {
        let mut after = String::new();
        loop {
            let some = match &self.database.0.engine {
                Engine::Sqlite(sqlite) => sqlite.scan(T::COLLECTION, after.clone(), SCAN_PAGE).await?,
                Engine::Mongo(mongo) => mongo.scan(T::COLLECTION, after.clone(), SCAN_PAGE).await?,
            };
            let Some((last, _)) = some.last() else { return Ok(()) };
            after.clone_from(last);
            for (id, stored) in &some {
                visit(id, stored.decode()?);
            }
        }
    }

    /// Changes many documents in one commit, each by its own rule (see [`Collection::upsert`]). The
    /// rules run inside the commit, and other writers wait meanwhile. A rule may run more than
    /// once. An error of one rule rolls back all.
    ///
    /// On MongoDB, more than 500 documents take several commits, after every rule has succeeded
    /// once. An outage in between does not undo the first commits, so the caller must be able to
    /// finish the update by repeating all of it.
    pub async fn bulk_update<F>(&self, rules: Vec<(T::Id, F)>) -> Result<()>
    where
        F: FnMut(&mut Option<T>) -> Result<()> + Send + 'static,
    {
        let format = self.database.format().await?;
        let prepare = |(id, mut rule): (T::Id, F)| {
            let id = id.to_string();
            let key = id.clone();
            let rule: Rule = Box::new(move |stored| {
                let changed = AssertUnwindSafe(|| {
                    let mut slot: Option<T> = stored.map(Stored::decode).transpose()?;
                    rule(&mut slot)?;
                    Write::between(key.clone(), stored, slot.as_ref(), format)
                });
                // The rule runs on the thread of the writer, which must survive a panic.
                catch_unwind(changed).unwrap_or_else(|_| Err(Error::internal("a rule panicked")))
            });
            BulkRule { collection: T::COLLECTION, id, rule }
        };
        let commit = Commit { rules: rules.into_iter().map(prepare).collect(), ..Commit::default() };
        self.database.commit(commit).await.map_err(Refusal::into_error)
    }

    /// Whether the collection has no document.
    pub async fn is_empty(&self) -> Result<bool> {
        match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.is_empty(T::COLLECTION).await,
            Engine::Mongo(mongo) => mongo.is_empty(T::COLLECTION).await,
        }
    }

    /// Counts the documents for each value of an indexed field.
    pub async fn count_by(&self, field: &'static str) -> Result<Vec<(String, i64)>> {
        match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.count_by(T::COLLECTION, field).await,
            Engine::Mongo(mongo) => mongo.count_by(T::COLLECTION, field).await,
        }
    }

    /// Inserts a document. Errors: [`Error::is_duplicate`] when the id or a unique value exists.
    pub async fn insert(&self, id: T::Id, document: T) -> Result<()> {
        if self.insert_if_absent(id, document).await? { Ok(()) } else { Err(Error::duplicate("id")) }
    }

    /// Inserts a document by one write, without a read, and returns `true`; or returns `false` when
    /// the id exists. Errors: [`Error::is_duplicate`] when a unique value exists.
    pub async fn insert_if_absent(&self, id: T::Id, document: T) -> Result<bool> {
        let write = Write::between(id.to_string(), None, Some(&document), self.database.format().await?)?;
        let written = write.as_ref().and_then(Write::after);
        let commit = Commit { writes: write.into_iter().collect(), ..Commit::default() };
        match self.database.commit(commit).await {
            Ok(()) => {
                self.coalescer.remember(&self.database, &id.to_string(), written);
                return Ok(true);
            }
            // The id exists, or another writer is about to insert it.
            Err(Refusal::Stale) => {}
            Err(refusal) => return Err(refusal.into_error()),
        }
        self.upsert(id, move |slot, _| {
            let absent = slot.is_none();
            slot.get_or_insert_with(|| document.clone());
            Ok(absent)
        })
        .await
    }

    /// Changes a document by a rule. The rule may run more than once, always on the current state.
    /// An error of the rule changes nothing. Errors: the rule's, `NotFound`.
    pub async fn update<R: Send + 'static>(
        &self,
        id: T::Id,
        mut rule: impl FnMut(&mut T, &mut Events) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.upsert(id, move |slot, events| match slot {
            Some(document) => rule(document, events),
            None => Err(Error::not_found(T::NOUN)),
        })
        .await
    }

    /// Like [`Collection::update`], but the slot may be empty, and an emptied one is deleted.
    pub async fn upsert<R: Send + 'static>(
        &self,
        id: T::Id,
        rule: impl FnMut(&mut Option<T>, &mut Events) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.coalescer.upsert(&self.database, id.to_string(), rule).await
    }
}
