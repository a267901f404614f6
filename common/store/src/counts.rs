//! Counts and sums, which read entries of an index and no document.

use souk_types::{CappedCount, Error, Result};

use super::database::Engine;
use super::{Collection, Document, Filter, Find, Index};

/// Index entries up to which a list is counted: one more than the largest count shows that there
/// are more.
pub(super) const MAX_ENTRIES: usize = CappedCount::MAX + 1;

/// The documents of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// The text that the documents have in common.
    pub group: String,
    /// The number of documents.
    pub count: u64,
    /// The sum of their numbers.
    pub sum: u64,
}

impl<T: Document> Collection<T> {
    /// Counts the documents that a filter selects, up to [`CappedCount::MAX`].
    pub async fn count(&self, filter: Filter) -> Result<CappedCount> {
        filter.check(T::INDEXES)?;
        let found = match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.count(T::COLLECTION, filter).await?,
            Engine::Mongo(mongo) => mongo.count(T::COLLECTION, filter).await?,
        };
        Ok(CappedCount::of(found))
    }

    /// Counts the documents that a query selects, up to [`CappedCount::MAX`].
    pub async fn count_found(&self, find: Find) -> Result<CappedCount> {
        find.check(T::INDEXES)?;
        let found = match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.count_found(T::COLLECTION, find).await?,
            Engine::Mongo(mongo) => mongo.count_found(T::COLLECTION, find).await?,
        };
        Ok(CappedCount::of(found))
    }

    /// Counts the documents of each group, and adds up a number of theirs, from the group `from`
    /// to the group `to`, or to the last one. The index has one equal field, the text of the group,
    /// and is ordered by the number. The cost is that of one index entry for each document.
    pub async fn totals(&self, index: &'static Index, from: &str, to: Option<&str>) -> Result<Vec<Total>> {
        let (&[group], Some(number)) = (index.equal, index.order) else {
            return Err(Error::internal(format!("the index {} has no groups of numbers", index.name)));
        };
        index.require_declared(T::INDEXES)?;
        let groups = (from.to_owned(), to.map(str::to_owned));
        match &self.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.totals(T::COLLECTION, index, [group, number], groups).await,
            Engine::Mongo(mongo) => mongo.totals(T::COLLECTION, index, [group, number], groups).await,
        }
    }
}

impl Index {
    /// Errors: the index is not declared.
    fn require_declared(&self, declared: &[Self]) -> Result<()> {
        if declared.iter().any(|index| index.name == self.name) {
            return Ok(());
        }
        Err(Error::internal(format!("the index {} is not declared", self.name)))
    }
}
