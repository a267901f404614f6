//! The documents of the shop, which each process keeps in memory. A change by this instance is seen
//! at once, one by another instance within [`MAX_AGE`].

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use souk_store::Database;
use souk_types::Result;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::shop::{Revision, ShopStore};
use crate::domain::settings::Settings;
use crate::domain::shop::ShopConfig;

/// Age of the copy in memory from which its revision is compared with the database.
const MAX_AGE: Duration = Duration::from_secs(1);

/// The documents of the shop, in the database and in memory.
pub(crate) struct ShopCache {
    pub(crate) store: ShopStore,
    /// The settings of the operator's file, until an admin stores others.
    initial_settings: Option<Settings>,
    copy: RwLock<Option<Copy>>,
    /// Held while the copy is refreshed, so that one request does it.
    refresh: Mutex<()>,
}

#[derive(Clone)]
struct Copy {
    documents: Arc<ShopConfig>,
    revision: Revision,
    checked_at: Instant,
}

impl ShopCache {
    pub(crate) fn open(database: &Database, initial_settings: Option<Settings>) -> Result<Self> {
        let store = ShopStore::open(database)?;
        Ok(Self { store, initial_settings, copy: RwLock::default(), refresh: Mutex::default() })
    }

    fn copy(&self) -> Option<Copy> {
        self.copy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self) -> Option<Arc<ShopConfig>> {
        self.copy().filter(|copy| copy.checked_at.elapsed() < MAX_AGE).map(|copy| copy.documents)
    }

    /// Returns the documents of a shop that has not been set up.
    pub(crate) fn defaults(&self) -> Result<ShopConfig> {
        let sample = ShopConfig::sample()?;
        Ok(match &self.initial_settings {
            Some(settings) => ShopConfig { settings: settings.clone(), ..sample },
            None => sample,
        })
    }

    /// Returns the documents, at most [`MAX_AGE`] old.
    pub(crate) async fn get(&self) -> Result<Arc<ShopConfig>> {
        if let Some(documents) = self.fresh() {
            return Ok(documents);
        }
        let _refreshing = self.refresh.lock().await;
        match self.fresh() {
            Some(documents) => Ok(documents),
            None => self.refresh().await,
        }
    }

    async fn refresh(&self) -> Result<Arc<ShopConfig>> {
        let checked_at = Instant::now();
        // Before the documents: they are at least as new.
        let revision = self.store.revision().await?;
        let documents = match self.copy().filter(|copy| copy.revision == revision) {
            Some(copy) => copy.documents,
            None => Arc::new(self.store.load(self.defaults()?).await?),
        };
        let copy = Copy { documents: Arc::clone(&documents), revision, checked_at };
        *self.copy.write().unwrap_or_else(PoisonError::into_inner) = Some(copy);
        Ok(documents)
    }

    /// Makes a change, and the copy in memory newer than it.
    pub(crate) async fn change<R>(&self, change: impl Future<Output = Result<R>>) -> Result<R> {
        let changed = change.await?;
        let _refreshing = self.refresh.lock().await;
        *self.copy.write().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use souk_store::Durability;
    use souk_types::{EntityTags, Precondition};
    use tempfile::TempDir;

    use super::*;

    async fn name(cache: &ShopCache) -> String {
        cache.get().await.unwrap().settings.name.to_string()
    }

    fn named(name: &str) -> Settings {
        Settings { name: name.to_owned().try_into().unwrap(), ..Settings::sample().unwrap() }
    }

    #[tokio::test]
    async fn a_change_is_seen_here_at_once_and_elsewhere_within_a_second() {
        let folder = TempDir::new().unwrap();
        let database = Database::sqlite("shopping", &folder.path().join("db"), Durability::Process).unwrap();
        let here = ShopCache::open(&database, None).unwrap();
        let elsewhere = ShopCache::open(&database, Some(named("File"))).unwrap();
        assert_eq!((name(&here).await, name(&elsewhere).await), ("Souk".to_owned(), "File".to_owned()));
        let any = || Precondition::new(Some(EntityTags::Any));
        here.change(here.store.put_settings(named("Tea House"), &any())).await.unwrap();
        let changed_at = Instant::now();
        assert_eq!(name(&here).await, "Tea House");
        while name(&elsewhere).await != "Tea House" {
            assert!(changed_at.elapsed() < 2 * MAX_AGE, "the change is not seen");
            tokio::task::yield_now().await;
        }
        let stale = Precondition::new(EntityTags::parse("\"0\""));
        assert!(elsewhere.change(elsewhere.store.put_settings(named("Other"), &stale)).await.is_err());
        assert_eq!(name(&elsewhere).await, "Tea House");
        database.close().await;
    }
}
