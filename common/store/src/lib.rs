//! The second seam: where a service keeps its documents. One document is one consistency boundary: [`Collection::update`] runs
//! a pure rule on it, and the store owns concurrency: updates that wait together are written together, and every write is
//! guarded by the document's version. No answer rests on what could still be taken back. Events leave with the same write. [`Database::run`] changes several documents
//! at once, the exception.
//!
//! An engine does four things: load, find, commit (a set of guarded writes and events, all or nothing), and keep the outbox.
//! Which engine it is, is decided once, when the database is opened; all pass the suite in `tests/store.rs`.

mod coalesce;
mod collection;
mod commit;
mod copy;
mod due;
mod find;
pub mod jobs;
mod mongo;
pub mod outbox;
mod references;
mod retry;
mod sqlite;
mod tx;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::coalesce::Coalescer;
pub use self::collection::Collection;
use self::commit::{Commit, Refusal, Stored};
pub use self::copy::{CopyStats, Snapshot};
pub use self::due::Due;
pub use self::find::{Direction, Find, Index};
pub use self::references::{PersonalDataReference, ReferenceSearch};
pub use self::retry::{Backoff, RetrySchedule};
pub use self::tx::Tx;
use souk_bus::request_context;
use souk_bus::{Delivery, Event, EventId, EventMessage};
use souk_types::failpoint;
use souk_types::mutant::Mutant;
use souk_types::{Error, Result};

/// Something that is kept: its collection, and what it can be found by besides its id.
pub trait Document: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The type of its id.
    type Id: fmt::Display + Copy + Send + Sync + 'static;
    /// Where it is kept.
    const COLLECTION: &'static str;
    /// What one of them is called, in errors.
    const NOUN: &'static str = "document";
    /// What it can be found by.
    const INDEXES: &'static [Index] = &[];
    /// Paths of the text fields that [`Find::matching`] searches.
    const SEARCHED: &'static [&'static str] = &[];
}

/// A service's own database. Cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    name: &'static str,
    engine: Engine,
    /// There is something new in the outbox.
    published: Notify,
    /// Something left the outbox.
    delivered: Notify,
    /// The relay and the background jobs.
    background: TaskTracker,
    closing: CancellationToken,
}

enum Engine {
    Sqlite(sqlite::Sqlite),
    Mongo(mongo::Mongo),
}

/// How much a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: a commit is on the disk before it is answered.
    Disk,
    /// Nothing: for data that ends with the process.
    Process,
}

/// Whether an event has been delivered is looked up this often, without a nudge: another process may relay it.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Time that background jobs get to finish what is in flight when the database closes.
const BACKGROUND_STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// So often a `run` begins again when other writers were faster, before it gives up.
const MAX_ATTEMPTS: usize = 50;

impl Database {
    /// Opens the embedded engine, in one file, made when it is not there.
    pub fn sqlite(name: &'static str, file: &Path, durability: Durability) -> Result<Self> {
        Ok(Self::on(name, Engine::Sqlite(sqlite::Sqlite::open(name, file, durability)?)))
    }

    /// Uses the database `database` of a MongoDB replica set, at `mongodb://`, `mongodb+srv://`, or `srv://` with a name in DNS. Returns at
    /// once, whether the server is there or not: until it is, everything fails with `Unavailable`, and [`Database::ping`] says why. Errors:
    /// an address that cannot be read.
    pub fn mongodb(name: &'static str, uri: &str, database: &str) -> Result<Self> {
        // A program may have done so already; without it the driver and RabbitMQ's could each bring a provider of their own.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self::on(name, Engine::Mongo(mongo::Mongo::open(name, uri, database)?)))
    }

    fn on(name: &'static str, engine: Engine) -> Self {
        Self(Arc::new(Inner {
            name,
            engine,
            published: Notify::new(),
            delivered: Notify::new(),
            background: TaskTracker::new(),
            closing: CancellationToken::new(),
        }))
    }

    /// Stops the outbox relay and the background jobs, then closes the connections. Call it before the runtime ends:
    /// MongoDB's driver closes its sessions in a task, and SQLite moves the WAL into the one file.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.0.background.close();
        if tokio::time::timeout(BACKGROUND_STOP_TIMEOUT, self.0.background.wait()).await.is_err() {
            tracing::warn!(database = self.0.name, "background jobs are still running; their work is resumed later");
        }
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Mongo(mongo) => mongo.close().await,
        }
    }

    /// Runs a task that [`Database::close`] waits for. The task must end soon after [`Database::closing`].
    fn spawn_background(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.background.spawn(task);
    }

    /// Resolves when [`Database::close`] has been called.
    fn closing(&self) -> impl Future<Output = ()> + '_ {
        self.0.closing.cancelled()
    }

    fn is_closing(&self) -> bool {
        self.0.closing.is_cancelled()
    }

    /// The service whose database it is.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// The collection of `T`, made with its indexes when it is not there; behind a network, later and in the background.
    pub fn collection<T: Document>(&self) -> Result<Collection<T>> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.prepare(T::COLLECTION, T::INDEXES, T::SEARCHED)?,
            Engine::Mongo(mongo) => mongo.prepare(T::COLLECTION, T::INDEXES, T::SEARCHED),
        }
        Ok(Collection { database: self.clone(), coalescer: Arc::new(Coalescer::default()) })
    }

    /// Why nobody knows where its server is, if that is so: its name in DNS leads nowhere.
    #[must_use]
    pub fn dns_error(&self) -> Option<String> {
        match &self.0.engine {
            Engine::Sqlite(_) => None,
            Engine::Mongo(mongo) => mongo.dns_error(),
        }
    }

    /// Whether the database answers, takes writes, and has its indexes.
    pub async fn ping(&self) -> Result<()> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.pending_events(1).await.map(|_| ()),
            Engine::Mongo(mongo) => mongo.ping().await,
        }
    }

    /// How many events wait in the outbox; `most` when there are more.
    pub async fn count_pending_events(&self, most: usize) -> Result<usize> {
        self.pending_events(most).await.map(|events| events.len())
    }

    /// The events of one type that wait in the outbox, for whoever looks at the books.
    pub async fn pending_events_of<E: Event>(&self) -> Result<Vec<Delivery<E>>> {
        let pending = self.pending_events(usize::MAX).await?;
        let these = pending.into_iter().map(|pending| pending.message).filter(|message| message.name == E::NAME);
        these
            .map(|EventMessage { id, body, .. }| {
                Ok(Delivery { id, event: serde_json::from_slice(&body).map_err(Error::internal)? })
            })
            .collect()
    }

    /// Whether an event was handled here, in the last days; for whoever looks at the books.
    pub async fn has_handled(&self, event: EventId) -> Result<bool> {
        self.is_handled(event, false).await
    }

    /// Everything in the database in which one of the words is written, whether this version knows the collection or not; case does not
    /// matter. For whoever makes sure that nothing is left of somebody; it reads all there is.
    pub async fn find_references(&self, words: &[String]) -> Result<ReferenceSearch> {
        let words: Arc<[String]> = words.iter().map(|word| word.to_lowercase()).collect();
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.find_references(words).await,
            Engine::Mongo(mongo) => mongo.find_references(&words).await,
        }
    }

    /// Changes several documents at once, all or nothing. What was read is guarded too: when another writer changed any of it
    /// meanwhile, `work` runs again on the new state, so it must do nothing but read and write through `tx`.
    ///
    /// Never on a document that many write at once (stock): they would keep each other from finishing.
    pub async fn run<R, F>(&self, work: impl Fn(Tx) -> F) -> Result<R>
    where
        F: Future<Output = Result<R>>,
    {
        self.attempt(None, work).await?.ok_or_else(|| Error::internal("a run without an event cannot repeat"))
    }

    /// As [`Database::run`], for a listener: the event's id is recorded in the same commit, and when it is there already
    /// nothing is done, because this event had its effect before.
    pub async fn handle_once<E, F>(&self, delivery: &Delivery<E>, work: impl Fn(Tx) -> F) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        self.attempt(Some(delivery.id), work).await.map(|_| ())
    }

    async fn attempt<R, F>(&self, event: Option<EventId>, work: impl Fn(Tx) -> F) -> Result<Option<R>>
    where
        F: Future<Output = Result<R>>,
    {
        let event = event.filter(|_| !Mutant::NoInbox.is_active());
        let mut recorded = false;
        for delay in conflict_delays().take(MAX_ATTEMPTS) {
            if let Some(event) = event
                && self.is_handled(event, recorded).await?
            {
                return Ok(None);
            }
            let tx = Tx::new(self.clone());
            let outcome = work(tx.clone()).await;
            if let Err(error) = &outcome
                && error.is_outage()
            {
                return outcome.map(Some);
            }
            // A refusal, too, must rest on what was there at one moment.
            let commit = if outcome.is_ok() { tx.into_commit(event) } else { tx.into_guard() };
            match self.commit(commit).await {
                Ok(()) => return outcome.map(Some),
                // By a record that may not be written for good yet.
                Err(Refusal::Repeated) => recorded = true,
                Err(Refusal::Stale) => tokio::time::sleep(delay).await,
                Err(Refusal::Failed(error)) => return Err(error),
            }
        }
        Err(Error::busy("Too many changes at once; try again.").caused_by(format!(
            "{} attempts in {}",
            MAX_ATTEMPTS,
            self.name()
        )))
    }

    /// Waits until an event has been handed to all its listeners; `false` when that took longer than `within`.
    pub async fn wait_until_delivered(&self, event: EventId, within: Duration) -> bool {
        let gone = async {
            loop {
                let change = self.0.delivered.notified();
                tokio::pin!(change);
                change.as_mut().enable();
                if let Ok(false) = self.is_pending(event).await {
                    return;
                }
                let _ = tokio::time::timeout(LOOK_AGAIN, change).await;
            }
        };
        tokio::time::timeout(within, gone).await.is_ok()
    }

    /// Makes sure that what was deleted or overwritten until now is in no file any more. For what a person has a right
    /// to see gone; it waits for the disk.
    pub async fn secure_delete(&self) -> Result<()> {
        self.commit(Commit { secure_delete: true, ..Commit::default() }).await.map_err(Refusal::into_error)
    }

    async fn commit(&self, commit: Commit) -> std::result::Result<(), Refusal> {
        // What SQLite shows is written, so one read needs no guard there; several must be from one moment.
        let certain = usize::from(!self.is_remote());
        if commit.only_reads() && commit.writes.len() <= certain {
            return Ok(());
        }
        let emits = !commit.events.is_empty();
        let written = if failpoint::BUILT_IN { commit.written() } else { Vec::new() };
        for collection in &written {
            failpoint!("commit.{collection}.before");
        }
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.commit(commit).await?,
            Engine::Mongo(mongo) => mongo.commit(commit).await?,
        }
        for collection in &written {
            failpoint!("commit.{collection}.after");
        }
        if emits {
            self.0.published.notify_one();
        }
        Ok(())
    }

    /// One document, to be changed by a write that is guarded by what was found.
    async fn load(&self, collection: &'static str, id: &str) -> Result<Option<Stored>> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.load(collection, id),
            Engine::Mongo(mongo) => mongo.load(collection, id, true).await,
        }
    }

    /// Whether a look-up is a round trip.
    fn is_remote(&self) -> bool {
        matches!(self.0.engine, Engine::Mongo(_))
    }

    async fn is_pending(&self, event: EventId) -> Result<bool> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.is_pending(&event.to_string()),
            Engine::Mongo(mongo) => mongo.is_pending(event).await,
        }
    }

    /// `recorded`: there was a record a moment ago, so it is worth waiting until it is written for good.
    async fn is_handled(&self, event: EventId, recorded: bool) -> Result<bool> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.is_handled(&event.to_string()),
            Engine::Mongo(mongo) => mongo.is_handled(event, recorded).await,
        }
    }

    /// Events that wait to be published, oldest first.
    pub(crate) async fn pending_events(&self, limit: usize) -> Result<Vec<Pending>> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => {
                let messages = sqlite.pending_events(limit).await?;
                // A file has one process, but for commands that mend something beside it, and have no relay.
                Ok(messages.into_iter().map(|message| Pending { message, is_ours: true }).collect())
            }
            Engine::Mongo(mongo) => mongo.pending_events(limit).await,
        }
    }

    /// Takes published events out of the outbox.
    pub(crate) async fn delete_published(&self, published: Vec<EventId>) -> Result<()> {
        self.commit(Commit { delete_published: published, ..Commit::default() }).await.map_err(Refusal::into_error)?;
        self.0.delivered.notify_waiters();
        Ok(())
    }

    /// Resolves when there is something new in the outbox.
    pub(crate) fn events_published(&self) -> impl Future<Output = ()> + '_ {
        self.0.published.notified()
    }
}

/// Delays after a write conflict, with jitter so that two writers do not collide again.
fn conflict_delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_micros(500))
        .with_max_delay(Duration::from_millis(16))
        .with_jitter()
        .without_max_times()
        .build()
}

/// An event that waits to be published.
pub(crate) struct Pending {
    pub(crate) message: EventMessage,
    /// Whether it was written through this handle of the database, and not by another process.
    pub(crate) is_ours: bool,
}

/// The events of one write.
#[derive(Debug, Default)]
pub struct Events(Vec<EventMessage>);

impl Events {
    /// Announces an event: it leaves if, and only if, the write is committed.
    pub fn publish<E: Event>(&mut self, event: &E) -> Result<EventId> {
        let id = EventId::new();
        let body = serde_json::to_vec(event).map_err(Error::internal)?;
        self.0.push(EventMessage { id, name: E::NAME.to_owned(), request: request_context::current(), body });
        Ok(id)
    }
}
