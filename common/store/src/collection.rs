//! The documents of one type: what a service does with its store, day in, day out. What holds them together, and which engine
//! keeps them, is the [`Database`]'s.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::coalesce::Coalescer;
use super::commit::{Commit, Refusal, Rule, Ruled, Stored, Write};
use super::{Database, Document, Due, Engine, Events, Find, Index};
use souk_types::{Error, Page, Result};

/// Documents that are read at once when all are.
const SCANNED_TOGETHER: usize = 500;

/// The documents of one type. Cheap to clone; clones share what makes updates of one document travel together.
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
    /// One document.
    pub async fn get(&self, id: T::Id) -> Result<Option<T>> {
        let id = id.to_string();
        let stored = match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.load(T::COLLECTION, &id)?,
            Engine::Mongo(mongo) => mongo.load(T::COLLECTION, &id, false).await?,
        };
        stored.map(|stored| stored.decode()).transpose()
    }

    /// Those of the documents that exist, in no particular order.
    pub async fn get_many(&self, ids: &[T::Id]) -> Result<Vec<T>> {
        let ids = ids.iter().map(ToString::to_string).collect();
        let found = match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.load_many(T::COLLECTION, ids).await?,
            Engine::Mongo(mongo) => mongo.load_many(T::COLLECTION, ids).await?,
        };
        found.iter().map(Stored::decode).collect()
    }

    /// A page of documents along an index.
    pub async fn find(&self, find: Find) -> Result<Page<T>> {
        find.check(T::INDEXES)?;
        let found = match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.find(T::COLLECTION, find).await?,
            Engine::Mongo(mongo) => mongo.find(T::COLLECTION, find).await?,
        };
        let items = found.items.iter().map(|(_, stored)| stored.decode()).collect::<Result<_>>()?;
        Ok(Page { items, next: found.next })
    }

    /// The documents that are due, by an index that is ordered by a due time: the work of a background job.
    #[must_use]
    pub fn due(&self, index: &'static Index) -> Due<T> {
        Due { collection: self.clone(), index }
    }

    /// The documents that have one of these values in a unique index of one field, in no particular order.
    pub async fn get_many_by(&self, index: &'static Index, values: Vec<String>) -> Result<Vec<T>> {
        let found = match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.get_many_by(T::COLLECTION, index, values).await?,
            Engine::Mongo(mongo) => mongo.get_many_by(T::COLLECTION, index, values).await?,
        };
        found.iter().map(Stored::decode).collect()
    }

    /// Every document, for whoever checks the books: not at one moment, but each as it is when its turn comes. Tells of each with its id.
    pub async fn scan(&self, mut tell: impl FnMut(&str, T) + Send) -> Result<()> {
        let mut after = String::new();
        loop {
            let some = match &self.database.0.engine {
                Engine::Sqlite(sqlite) => sqlite.scan(T::COLLECTION, after.clone(), SCANNED_TOGETHER).await?,
                Engine::Mongo(mongo) => mongo.scan(T::COLLECTION, after.clone(), SCANNED_TOGETHER).await?,
            };
            let Some((last, _)) = some.last() else { return Ok(()) };
            after.clone_from(last);
            for (id, stored) in &some {
                tell(id, stored.decode()?);
            }
        }
    }

    /// Changes many documents at once, all or nothing, each by its own rule (see [`Collection::upsert`]). The rules run inside the commit,
    /// on what they find there, so that no other writer can come in between; meanwhile other writers wait. A rule may run more
    /// than once, and its last run counts. An error of one rule is the error of all.
    ///
    /// On MongoDB, more than 500 documents are several commits, once all rules have agreed: then what fails in between leaves the first of
    /// them done, and doing the same again must be able to finish it.
    pub async fn bulk_update<F>(&self, rules: Vec<(T::Id, F)>) -> Result<()>
    where
        F: FnMut(&mut Option<T>) -> Result<()> + Send + 'static,
    {
        let prepare = |(id, mut rule): (T::Id, F)| {
            let id = id.to_string();
            let key = id.clone();
            let rule: Rule = Box::new(move |stored| {
                let changed = AssertUnwindSafe(|| {
                    let mut slot: Option<T> = stored.map(Stored::decode).transpose()?;
                    rule(&mut slot)?;
                    Write::between(key.clone(), stored, slot.as_ref())
                });
                // It runs where everything is written, and that must go on.
                catch_unwind(changed).unwrap_or_else(|_| Err(Error::internal("a rule panicked")))
            });
            Ruled { collection: T::COLLECTION, id, rule }
        };
        let commit = Commit { rules: rules.into_iter().map(prepare).collect(), ..Commit::default() };
        self.database.commit(commit).await.map_err(Refusal::into_error)
    }

    /// Whether there is no document at all.
    pub async fn is_empty(&self) -> Result<bool> {
        match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.is_empty(T::COLLECTION).await,
            Engine::Mongo(mongo) => mongo.is_empty(T::COLLECTION).await,
        }
    }

    /// How many documents there are for each value of an indexed field, by value.
    pub async fn count_by(&self, field: &'static str) -> Result<Vec<(String, i64)>> {
        match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.count_by(T::COLLECTION, field).await,
            Engine::Mongo(mongo) => mongo.count_by(T::COLLECTION, field).await,
        }
    }

    /// Keeps a new document. Errors: `duplicate` ([`Error::is_duplicate`]) when a unique index has its value, or its id exists.
    pub async fn insert(&self, id: T::Id, document: T) -> Result<()> {
        self.upsert(id, move |slot, _| {
            if slot.is_some() {
                return Err(Error::duplicate("id"));
            }
            *slot = Some(document.clone());
            Ok(())
        })
        .await
    }

    /// Changes a document by a rule. `rule` may run more than once, always on the current state; when it fails, nothing
    /// is changed. Errors: the rule's, `NotFound`.
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

    /// As [`Collection::update`], for a rule that may also make the document (the slot is empty) or delete it (empties the slot).
    pub async fn upsert<R: Send + 'static>(
        &self,
        id: T::Id,
        rule: impl FnMut(&mut Option<T>, &mut Events) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.coalescer.upsert(&self.database, id.to_string(), rule).await
    }
}
