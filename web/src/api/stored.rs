//! The documents of the services, with their texts masked.

use serde::Deserialize;
use serde_json::Value;

use super::{Api, Result, Service, Token};
use crate::links::encode;

/// A page of documents.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StoredPage {
    /// The names of the collections.
    pub(crate) collections: Vec<String>,
    pub(crate) items: Vec<Value>,
    /// The id after which the next page begins.
    pub(crate) next: Option<String>,
}

impl Api<'_> {
    /// Returns a page of documents. Errors: 404 for an unknown collection.
    pub(crate) async fn stored(
        self,
        token: &Token,
        service: Service,
        collection: Option<&str>,
        after: Option<&str>,
    ) -> Result<StoredPage> {
        let part = |name: &str, value: Option<&str>| value.map(|value| format!("{name}={}", encode(value)));
        let parts: Vec<String> = [part("collection", collection), part("after", after)].into_iter().flatten().collect();
        self.get(service, format!("/admin/documents?{}", parts.join("&"))).token(token).send().await
    }
}
