//! Documents with a due time, for background jobs.

use souk_types::{Cursor, Page, PageLimit, Paging, Result, Timestamp};

use super::commit::Stored;
use super::database::Engine;
use super::{Collection, Document, Index};

const PAGE: u64 = 100;

/// The due documents of a collection. A document without a due time is never due.
pub struct Due<T: Document> {
    pub(super) collection: Collection<T>,
    pub(super) index: &'static Index,
}

impl<T: Document> Due<T> {
    /// Returns a page of documents that are due at `now`, with their ids, longest overdue first.
    pub async fn page(&self, now: Timestamp, after: Option<Cursor>) -> Result<Page<(String, T)>> {
        let paging = Paging { after, limit: PageLimit::try_from(PAGE).unwrap_or_default() };
        let find = self.index.all().up_to(now.to_string()).page(paging);
        find.check(T::INDEXES)?;
        let found = match &self.collection.database.0.engine {
            Engine::Sqlite(sqlite) => sqlite.find(T::COLLECTION, find).await?,
            Engine::Mongo(mongo) => mongo.find(T::COLLECTION, find).await?,
        };
        let decode = |(id, stored): (String, Stored)| Ok((id, stored.decode()?));
        Ok(Page { items: found.items.into_iter().map(decode).collect::<Result<_>>()?, next: found.next })
    }
}
