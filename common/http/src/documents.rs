//! The documents of a service's database, for admins who look into it: read-only, one page at a
//! time, with the texts masked.

use serde::Serialize;
use serde_json::Value;
use souk_store::Database;
use souk_types::input::{Fields, Input};
use souk_types::{Result, mask_texts};

/// Documents on one page.
const PAGE_SIZE: usize = 20;

/// `?collection&after`: the name of a collection, and the id after which its page begins.
pub struct DocumentsQuery {
    collection: Option<String>,
    after: String,
}

impl Input for DocumentsQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let collection = fields.optional("collection");
        Some(Self { collection, after: fields.optional("after").unwrap_or_default() })
    }
}

/// A page of documents.
#[derive(Debug, Serialize)]
pub struct DocumentsPage {
    /// The names of the collections, in alphabetical order.
    collections: Vec<&'static str>,
    /// Documents by id; empty without a collection.
    items: Vec<Value>,
    /// The id after which the next page begins.
    next: Option<String>,
}

/// Reads a page of documents. Their ids, numbers, moments and some codes are shown; all other texts
/// may be personal or secret, and are masked. Errors: `not-found` for an unknown collection.
pub async fn read(database: &Database, query: &DocumentsQuery) -> Result<DocumentsPage> {
    let collections = database.collections();
    let Some(collection) = &query.collection else {
        return Ok(DocumentsPage { collections, items: Vec::new(), next: None });
    };
    let found = database.documents(collection, &query.after, PAGE_SIZE).await?;
    let next = if found.len() == PAGE_SIZE { found.last().map(|(id, _)| id.clone()) } else { None };
    let items = found.into_iter().map(|(_, document)| mask_texts(document)).collect();
    Ok(DocumentsPage { collections, items, next })
}
