//! Lists of products that many visitors see, kept for a moment, so that a popular list costs
//! `products` one request a second. The page of a product always reads the product itself.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::api::catalogue::{Product, ProductQuery, Sort};
use crate::api::{Api, List, Result};

/// The age of a list at most. A change of the catalogue is visible in lists after this time.
const MAX_AGE: Duration = Duration::from_secs(1);
/// The age of related products at most: which they are matters less than the time of a page.
const MAX_RELATED_AGE: Duration = Duration::from_secs(30);
/// Lists of each kind that are kept. A list has at most 24 products.
const MAX_LISTS: u64 = 200;
/// Products that are kept as related to those of a category.
const RELATED: usize = 5;

type Lists = Cache<String, Arc<List<Product>>>;

/// Cheap to clone; clones share the lists.
#[derive(Clone)]
pub(crate) struct ProductLists {
    recent: Lists,
    related: Lists,
}

impl Default for ProductLists {
    fn default() -> Self {
        let lists = |age| Lists::builder().max_capacity(MAX_LISTS).time_to_live(age).build();
        Self { recent: lists(MAX_AGE), related: lists(MAX_RELATED_AGE) }
    }
}

impl ProductLists {
    /// Returns a page of products, at most a second old.
    pub(crate) async fn list(&self, api: Api<'_>, query: ProductQuery<'_>) -> Result<Arc<List<Product>>> {
        read(&self.recent, api, query).await
    }

    /// Returns the newest products of a category, at most five, at most 30 s old.
    pub(crate) async fn related(&self, api: Api<'_>, category: &str) -> Result<Arc<List<Product>>> {
        let query =
            ProductQuery { category: Some(category), sort: Sort::Newest, limit: RELATED, ..ProductQuery::default() };
        read(&self.related, api, query).await
    }
}

/// Visitors who ask for one list at the same time wait for one request.
async fn read(lists: &Lists, api: Api<'_>, query: ProductQuery<'_>) -> Result<Arc<List<Product>>> {
    let target = query.target();
    let read = async { api.for_all().product_list(&target).await.map(Arc::new) };
    lists.try_get_with_by_ref(&target, read).await.map_err(|problem| (*problem).clone())
}
