//! MongoDB: an engine for a fleet. Any number of processes work on one database; what keeps them apart is the version in every write.
//!
//! A document of ours is one of the server's, `{_id, version, write, doc, words, events}`: `doc` is what is kept, as real BSON, `events`
//! those that are not published yet, `words` what a search looks for, `write` the name of the last write. A deleted document stays without
//! its `doc` until its events are gone. One document is changed by one write, several by a transaction, for which the server must be
//! a member of a replica set. Sharding, change streams and MongoDB's own full-text search are not used.
//!
//! Where the servers are is in `endpoint`, connections and limits in `connection`, collections and indexes in `schema`, reading in `query`, writing in `write`, bulk changes in
//! `bulk`, the outbox in `outbox`, copies of whole databases in `copy`, what the dead leave behind in `abandoned`.

mod bulk;
mod connection;
mod copy;
mod endpoint;
mod orphaned;
mod outbox;
mod query;
mod schema;
mod value;
mod words;
mod write;

use std::sync::Arc;

use mongodb::bson::{RawDocument, RawDocumentBuf, doc};
use mongodb::options::{CollectionOptions, ReadConcern};
use mongodb::{Collection, Database};
use tokio::sync::Mutex;
use uuid::Uuid;

use self::connection::{Connection, Failure, ON_THE_SERVER};
pub(super) use self::copy::Snapshot;
use self::orphaned::Looked;
use self::outbox::Known;
use self::schema::Schema;
use super::Index;
use super::commit::{Refusal, Stored};
use souk_types::{Error, Result};

pub(super) struct Mongo {
    connection: Arc<Connection>,
    /// Marks the events that are written through this handle.
    publisher: String,
    schema: Schema,
    known: Known,
    looked: Looked,
    /// One bulk change at a time: two would only begin again and again.
    bulk: Arc<Mutex<()>>,
}

impl Mongo {
    /// Asks nothing of the server, which may come later.
    pub(super) fn open(name: &'static str, uri: &str, database: &str) -> Result<Self> {
        let connection = Arc::new(Connection::new(name, uri, database)?);
        let schema = Schema::new(Arc::clone(&connection));
        let publisher = Uuid::now_v7().to_string();
        Ok(Self {
            schema,
            connection,
            publisher,
            known: Known::default(),
            looked: Looked::default(),
            bulk: Arc::default(),
        })
    }

    /// What a commit's failure is for its caller. When a document was taken, or not to be had in time, somebody may have died over it.
    fn explain(&self, failure: Failure) -> Refusal {
        if failure.is_taken() && self.looked.is_due() {
            let connection = Arc::clone(&self.connection);
            tokio::spawn(async move { orphaned::end_orphaned(&connection).await });
        }
        self.connection.explain(failure)
    }

    pub(super) fn prepare(
        &self,
        collection: &'static str,
        indexes: &'static [Index],
        searched: &'static [&'static str],
    ) {
        let kept = self.schema.declare(collection, indexes, searched);
        // Without a runtime, the first use begins.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.schema.begin(&kept);
        }
    }

    pub(super) async fn close(&self) {
        self.connection.close().await;
    }

    /// Why nobody knows where the server is, if that is so.
    pub(super) fn dns_error(&self) -> Option<String> {
        self.connection.dns_error()
    }

    /// Whether there is a primary and all indexes are made.
    pub(super) async fn ping(&self) -> Result<()> {
        self.connection.greet().await?;
        self.schema.all_ready().await
    }

    /// One document. One that will be shown must have been written for good; one that will be changed must be the newest, and the
    /// write that follows makes it good, or else [`Mongo::confirm`].
    pub(super) async fn load(&self, collection: &'static str, id: &str, to_change: bool) -> Result<Option<Stored>> {
        self.one(collection, id, if to_change { ReadConcern::local() } else { ReadConcern::majority() }).await
    }

    /// Makes sure that a document is the newest as it was read, and written for good: what changes nothing has no write that would. A
    /// linearizable read waits until most members have all that came before it.
    async fn confirm(&self, collection: &'static str, id: &str, expected: Option<i64>) -> Result<(), Refusal> {
        let found = self.one(collection, id, ReadConcern::linearizable()).await.map_err(Refusal::Failed)?;
        if found.map(|stored| stored.version) == expected { Ok(()) } else { Err(Refusal::Stale) }
    }

    async fn one(&self, collection: &'static str, id: &str, concern: ReadConcern) -> Result<Option<Stored>> {
        let one = doc! {"_id": id};
        let found = self
            .connection
            .read(move |database| async move {
                let documents = read_with::<RawDocumentBuf>(&database, collection, concern);
                // All of it: to leave out the events, which are rarely there, costs the server more.
                Ok(documents.find_one(one).max_time(ON_THE_SERVER).await?)
            })
            .await?;
        found.map_or(Ok(None), |raw| stored(&raw))
    }
}

/// A collection as most members have it: what is read there is not taken back when the primary changes.
fn for_good<T: Send + Sync>(database: &Database, collection: &str) -> Collection<T> {
    read_with(database, collection, ReadConcern::majority())
}

fn read_with<T: Send + Sync>(database: &Database, collection: &str, concern: ReadConcern) -> Collection<T> {
    database.collection_with_options(collection, CollectionOptions::builder().read_concern(concern).build())
}

/// What is kept in a document of the server's, if it is not deleted.
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
    let version = version.ok_or_else(|| Error::internal("a document without a version"))?;
    Ok(Some(Stored { version, text: value::to_json(doc)? }))
}
