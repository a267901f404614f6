//! The engine of a fleet: MongoDB. Any number of processes share a database; the version guard of
//! every write prevents lost updates.
//!
//! A stored document is `{_id, version, write, doc, words, events}`: `write` is the id of the last
//! write, `words` the full-text index, `events` its part of the outbox, if its type publishes. A
//! deleted document stays without `doc` until its events are published. A commit of several
//! documents is a transaction, which needs a replica set.

mod bulk;
mod connection;
mod copy;
mod counts;
mod endpoint;
mod filter;
mod format;
mod orphaned;
mod outbox;
mod query;
mod schema;
mod users;
mod value;
mod write;

use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::{RawDocument, RawDocumentBuf, doc};
use mongodb::options::{CollectionOptions, ReadConcern};
use mongodb::{Collection, Database};
use tokio::sync::Mutex;

use self::connection::{Connection, Failure, SERVER_TIMEOUT};
pub(super) use self::copy::Snapshot;
use self::orphaned::LastCheck;
use self::schema::{FORMAT, Schema};
pub use self::users::MongoUsers;
use super::Index;
use super::commit::{Refusal, Stored};
use souk_types::{Error, Result};

pub(super) struct Mongo {
    connection: Arc<Connection>,
    schema: Schema,
    last_check: LastCheck,
    /// Serializes bulk updates, which would conflict with each other.
    bulk: Arc<Mutex<()>>,
}

/// Delay before an unreachable server is asked again for the format version.
const FORMAT_RETRY_DELAY: Duration = Duration::from_millis(500);

impl Mongo {
    /// Opens a database without contacting the server.
    pub(super) fn open(name: &'static str, uri: &str, database: &str) -> Result<Self> {
        let connection = Arc::new(Connection::new(name, uri, database)?);
        let schema = Schema::new(Arc::clone(&connection));
        Ok(Self { schema, connection, last_check: LastCheck::default(), bulk: Arc::default() })
    }

    /// A conflict may come from an orphaned transaction, so it triggers a search for those.
    fn explain(&self, failure: Failure) -> Refusal {
        if failure.may_be_locked() && self.last_check.is_due() {
            let connection = Arc::clone(&self.connection);
            tokio::spawn(async move { orphaned::abort_orphaned(&connection).await });
        }
        self.connection.explain(failure)
    }

    pub(super) fn prepare(
        &self,
        collection: &'static str,
        indexes: &'static [Index],
        searched: &'static [&'static str],
        publishes: bool,
    ) {
        let declared = self.schema.declare(collection, indexes, searched, publishes);
        // Without a runtime, the first use creates the indexes.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.schema.start(&declared);
        }
    }

    pub(super) async fn close(&self) {
        self.connection.close().await;
    }

    pub(super) fn dns_error(&self) -> Option<String> {
        self.connection.dns_error()
    }

    pub(super) async fn incompatible(&self) -> Error {
        loop {
            match self.connection.check_primary().await {
                Ok(()) => std::future::pending().await,
                Err(error) if error.is_outage() => tokio::time::sleep(FORMAT_RETRY_DELAY).await,
                Err(error) => return error,
            }
        }
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.connection.check_primary().await?;
        self.schema.all_ready().await
    }

    /// Loads a document. A result for a client must be majority-committed. A document that is
    /// loaded `to_change` must be the newest; the guarded write checks it.
    pub(super) async fn load(&self, collection: &'static str, id: &str, to_change: bool) -> Result<Option<Stored>> {
        self.load_with(collection, id, if to_change { ReadConcern::local() } else { ReadConcern::majority() }).await
    }

    async fn load_with(&self, collection: &'static str, id: &str, concern: ReadConcern) -> Result<Option<Stored>> {
        let by_id = doc! {"_id": id};
        let found = self
            .connection
            .read(move |database| async move {
                let documents = read_with::<RawDocumentBuf>(&database, collection, concern);
                // A projection that excludes the events would cost the server more.
                Ok(documents.find_one(by_id).max_time(SERVER_TIMEOUT).await?)
            })
            .await?;
        found.map_or(Ok(None), |raw| stored(&raw))
    }
}

/// A failover rolls nothing back that is read from this collection.
fn majority<T: Send + Sync>(database: &Database, collection: &str) -> Collection<T> {
    read_with(database, collection, ReadConcern::majority())
}

/// Returns the names of all collections except the server's own and the format version, sorted.
async fn user_collections(database: &Database) -> std::result::Result<Vec<String>, Failure> {
    let mut names = database.list_collection_names().await?;
    names.retain(|name| !name.starts_with("system.") && name != FORMAT);
    names.sort_unstable();
    Ok(names)
}

fn read_with<T: Send + Sync>(database: &Database, collection: &str, concern: ReadConcern) -> Collection<T> {
    database.collection_with_options(collection, CollectionOptions::builder().read_concern(concern).build())
}

/// Decodes a stored document; `None` when it is deleted.
fn stored(raw: &RawDocument) -> Result<Option<Stored>> {
    let (mut version, mut doc) = (None, None);
    for member in raw {
        match member.map_err(Error::internal)? {
            (name, value) if name == "version" => version = value.as_i64().or_else(|| value.as_i32().map(i64::from)),
            (name, value) if name == "doc" => doc = Some(value),
            _ => {}
        }
    }
    let Some(doc) = doc else { return Ok(None) };
    let version = version.ok_or_else(|| Error::internal("a stored document has no version"))?;
    Ok(Some(Stored { version, text: value::to_json(doc)? }))
}
