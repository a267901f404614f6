//! The documents of a database as JSON, for an operator who looks into it.

use std::sync::PoisonError;

use serde_json::Value;
use souk_types::{Error, Result};

use crate::Database;
use crate::commit::unreadable;
use crate::copy::KEYS;
use crate::database::Engine;

impl Database {
    /// Returns the names of the collections that were opened, without [`KEYS`].
    #[must_use]
    pub fn collections(&self) -> Vec<&'static str> {
        let collections = self.0.collections.lock().unwrap_or_else(PoisonError::into_inner);
        collections.keys().copied().filter(|name| *name != KEYS).collect()
    }

    /// Returns documents of a collection by their ids, from the one after `after` on, each with its
    /// id. Errors: `not-found` for a collection that [`Database::collections`] does not name.
    pub async fn documents(&self, collection: &str, after: &str, limit: usize) -> Result<Vec<(String, Value)>> {
        let known = self.collections().into_iter().find(|name| *name == collection);
        let collection = known.ok_or_else(|| Error::not_found("collection"))?;
        let found = match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.scan(collection, after.to_owned(), limit).await?,
            Engine::Mongo(mongo) => mongo.scan(collection, after.to_owned(), limit).await?,
        };
        let json = |text: &str| serde_json::from_str(text).map_err(unreadable);
        found.into_iter().map(|(id, stored)| Ok((id, json(&stored.text)?))).collect()
    }
}
