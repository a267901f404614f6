//! The state of the service.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use souk_bus::Bus;
use tokio::time::Instant;

use crate::api::Api;
use crate::api::catalogue::Categories;
use crate::api::shop::Shop;
use crate::monitor::Monitor;
use crate::options::Options;
use crate::product_lists::ProductLists;
use crate::sitemap::SitemapCache;
use crate::upload::UploadLimit;

/// Age from which the name of the shop and its categories are read again.
const MAX_AGE: Duration = Duration::from_secs(30);

/// The state of the service `web`. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) bus: Bus,
    pub(crate) options: Arc<Options>,
    pub(crate) shop: Arc<ShopCache>,
    pub(crate) lists: ProductLists,
    pub(crate) sitemap: Arc<SitemapCache>,
    pub(crate) monitor: Monitor,
    pub(crate) uploads: UploadLimit,
}

/// What every page shows of the shop, as it was last read. While the services are down, pages show
/// the last known values.
#[derive(Default)]
pub(crate) struct ShopCache {
    shop: Cache<Shop>,
    categories: Cache<Categories>,
}

#[derive(Default)]
struct Cache<T>(Mutex<Cached<T>>);

#[derive(Default)]
struct Cached<T> {
    value: Arc<T>,
    /// When the value was last asked for.
    asked_at: Option<Instant>,
}

impl ShopCache {
    /// Reads the values again if they are too old. One request reads; others go on with the old
    /// values meanwhile.
    pub(crate) async fn refresh(&self, api: Api<'_>) {
        let api = api.for_all();
        tokio::join!(self.shop.refresh(|| api.shop()), self.categories.refresh(|| api.categories()));
    }

    /// Returns the public settings of the shop and its categories.
    pub(crate) fn cached(&self) -> (Arc<Shop>, Arc<Categories>) {
        (Arc::clone(&self.shop.lock().value), Arc::clone(&self.categories.lock().value))
    }
}

impl<T> Cache<T> {
    /// After an error, too, the next reading is due after [`MAX_AGE`].
    async fn refresh<F: Future<Output = crate::api::Result<T>>>(&self, read: impl FnOnce() -> F) {
        {
            let mut cached = self.lock();
            if cached.asked_at.is_some_and(|at| at.elapsed() < MAX_AGE) {
                return;
            }
            cached.asked_at = Some(Instant::now());
        }
        match read().await {
            Ok(value) => self.lock().value = Arc::new(value),
            Err(problem) => tracing::warn!(%problem, "what every page shows of the shop cannot be read"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cached<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
