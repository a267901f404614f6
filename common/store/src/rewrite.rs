//! Rewrites documents in the current format, while other processes read and write them.

use std::sync::PoisonError;

use futures_util::{StreamExt, TryStreamExt, stream};
use souk_types::format::Format;
use souk_types::{Error, Result};

use crate::commit::{Commit, Refusal, Stored, Write};
use crate::database::{Engine, MAX_ATTEMPTS, conflict_delays};
use crate::format::Mark;
use crate::{Database, Document};

/// Documents that are read at a time.
const PAGE_SIZE: usize = 500;
/// Documents that are written at a time: few, because the shop writes as well.
const CONCURRENT_WRITES: usize = 4;

/// Returns the write that brings a document of one collection into the current format; `None` when
/// it is as this release writes it.
pub(crate) type Rewrite = fn(&str, &Stored) -> Result<Option<Write>>;

pub(crate) fn rewrite<T: Document>(id: &str, stored: &Stored) -> Result<Option<Write>> {
    let document: T = stored.decode()?;
    Write::between(id.to_owned(), Some(stored), Some(&document), Format::CURRENT)
}

impl Database {
    /// Makes all processes write the current format. Each learns it about a second later.
    pub async fn begin_rewriting(&self) -> Result<()> {
        let mark = self.mark().await?;
        if mark.format < Format::CURRENT {
            self.set_mark(Mark { format: Format::CURRENT, is_rewriting: true }).await?;
        }
        Ok(())
    }

    /// Counts the documents of each opened collection that this release writes differently.
    pub async fn count_outdated(&self) -> Result<Vec<(&'static str, usize)>> {
        let mut counts = Vec::new();
        for (collection, rewrite) in self.rewrites() {
            let (mut count, mut after) = (0, String::new());
            while let Some(page) = self.page(collection, &mut after).await? {
                for (id, stored) in &page {
                    count += usize::from(rewrite(id, stored)?.is_some());
                }
            }
            counts.push((collection, count));
        }
        Ok(counts)
    }

    /// Rewrites the outdated documents of all opened collections, and returns how many they were.
    /// Calls `progress` with a collection and the number of its documents that were read so far.
    pub async fn rewrite(&self, mut progress: impl FnMut(&'static str, usize)) -> Result<usize> {
        let mut rewritten = 0;
        for (collection, rewrite) in self.rewrites() {
            let (mut read, mut after) = (0, String::new());
            while let Some(page) = self.page(collection, &mut after).await? {
                read += page.len();
                let outdated = page.into_iter().filter_map(|(id, stored)| match rewrite(&id, &stored) {
                    Ok(None) => None,
                    Ok(Some(_)) => Some(Ok(id)),
                    Err(error) => Some(Err(error)),
                });
                let writes = stream::iter(outdated)
                    .map(|id| async move { self.rewrite_one(collection, &id?, rewrite).await })
                    .buffer_unordered(CONCURRENT_WRITES);
                rewritten += writes.try_fold(0, |sum, ()| async move { Ok(sum + 1) }).await?;
                progress(collection, read);
            }
        }
        Ok(rewritten)
    }

    /// Records that no document of an earlier format is left.
    pub async fn finish_rewriting(&self) -> Result<()> {
        self.set_mark(Mark::CURRENT).await
    }

    async fn rewrite_one(&self, collection: &'static str, id: &str, rewrite: Rewrite) -> Result<()> {
        for delay in conflict_delays().take(MAX_ATTEMPTS) {
            let Some(stored) = self.load(collection, id).await? else { return Ok(()) };
            let Some(write) = rewrite(id, &stored)? else { return Ok(()) };
            match self.commit(Commit { writes: vec![write], ..Commit::default() }).await {
                Err(Refusal::Stale) => tokio::time::sleep(delay).await,
                written => return written.map_err(Refusal::into_error),
            }
        }
        Err(Error::busy("Too many concurrent changes; try again.").caused_by(format!("{collection} {id}")))
    }

    fn rewrites(&self) -> Vec<(&'static str, Rewrite)> {
        let collections = self.0.collections.lock().unwrap_or_else(PoisonError::into_inner);
        collections.iter().map(|(collection, rewrite)| (*collection, *rewrite)).collect()
    }

    /// Returns the documents after an id, which it moves on; `None` at the end.
    async fn page(&self, collection: &'static str, after: &mut String) -> Result<Option<Vec<(String, Stored)>>> {
        let page = match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.scan(collection, after.clone(), PAGE_SIZE).await?,
            Engine::Mongo(mongo) => mongo.scan(collection, after.clone(), PAGE_SIZE).await?,
        };
        let Some((last, _)) = page.last() else { return Ok(None) };
        after.clone_from(last);
        Ok(Some(page))
    }
}
