//! The database of a service, on one of two engines.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use souk_bus::{Delivery, Event, EventId, EventMessage};
use souk_types::failpoint;
use souk_types::format;
use souk_types::{Error, Result};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::coalesce::Coalescer;
use crate::commit::{Commit, Refusal, Stored};
use crate::events::{PendingEvent, PublishedEvent};
use crate::mongo::Mongo;
use crate::references::ReferenceSearch;
use crate::rewrite::{Rewrite, rewrite};
use crate::sqlite::Sqlite;
use crate::{Collection, Document, Tx};

/// A database of one service. Cheap to clone.
#[derive(Clone)]
pub struct Database(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) name: &'static str,
    pub(crate) engine: Engine,
    /// The collections that were opened.
    pub(crate) collections: Mutex<BTreeMap<&'static str, Rewrite>>,
    /// Passes events from a commit to the relay, if one runs.
    pub(crate) relay: OnceLock<mpsc::Sender<PendingEvent>>,
    pub(crate) events_deleted: Notify,
    pub(crate) background: TaskTracker,
    pub(crate) closing: CancellationToken,
}

pub(crate) enum Engine {
    Sqlite(Sqlite),
    Mongo(Mongo),
}

/// The durability of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Commits survive a power cut: a commit is on disk before it is reported.
    Disk,
    /// Commits may be lost when the machine fails. For data that is not needed after the process.
    Process,
}

/// Interval of checks whether an event is delivered. Another process may deliver it.
const DELIVERY_POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Time for background tasks to finish work in flight when the database closes.
const BACKGROUND_STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// Committed events that wait in memory for the relay. It finds further ones in the database.
const MAX_EVENTS_FOR_RELAY: usize = 1_024;
/// Attempts of a commit that conflicts with other writers.
pub(crate) const MAX_ATTEMPTS: usize = 50;

impl Database {
    /// Opens or creates an SQLite file. Several processes may open one file. Errors: the file has
    /// a format that this release does not read.
    pub fn sqlite(name: &'static str, file: &Path, durability: Durability) -> Result<Self> {
        Ok(Self::on(name, Engine::Sqlite(Sqlite::open(name, file, durability)?)))
    }

    /// Uses the database `database` of a MongoDB replica set at `mongodb://`, `mongodb+srv://` or
    /// `srv://`. Does not wait for the server: until it is reachable, every operation fails with
    /// `Unavailable`. Errors: the URI is invalid.
    pub fn mongodb(name: &'static str, uri: &str, database: &str) -> Result<Self> {
        // An error means that the program has installed a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self::on(name, Engine::Mongo(Mongo::open(name, uri, database)?)))
    }

    fn on(name: &'static str, engine: Engine) -> Self {
        Self(Arc::new(Inner {
            name,
            engine,
            collections: Mutex::default(),
            relay: OnceLock::new(),
            events_deleted: Notify::new(),
            background: TaskTracker::new(),
            closing: CancellationToken::new(),
        }))
    }

    /// Stops background work, then closes the connections. Call it before the runtime ends:
    /// MongoDB's driver closes its sessions in a task, and SQLite moves the WAL into the file.
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

    /// Runs a task that [`Database::close`] waits for. It must end soon.
    pub fn spawn_background(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.background.spawn(task);
    }

    pub(crate) fn closing(&self) -> impl Future<Output = ()> + '_ {
        self.0.closing.cancelled()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.0.closing.is_cancelled()
    }

    /// Returns the name of the service.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Opens a collection. SQLite creates missing indexes at once, MongoDB in the background.
    pub fn collection<T: Document>(&self) -> Result<Collection<T>> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.prepare(T::COLLECTION, T::INDEXES, T::SEARCHED)?,
            Engine::Mongo(mongo) => mongo.prepare(T::COLLECTION, T::INDEXES, T::SEARCHED, T::PUBLISHES),
        }
        self.0.collections.lock().unwrap_or_else(PoisonError::into_inner).insert(T::COLLECTION, rewrite::<T>);
        Ok(Collection { database: self.clone(), coalescer: Arc::new(Coalescer::default()) })
    }

    /// Returns the error of the last DNS look-up of the server, if it failed.
    #[must_use]
    pub fn dns_error(&self) -> Option<String> {
        match &self.0.engine {
            Engine::Sqlite(_) => None,
            Engine::Mongo(mongo) => mongo.dns_error(),
        }
    }

    /// Waits until the database refuses all operations, because this release does not read its
    /// format; for ever when it does. SQLite has checked it when the file was opened.
    pub async fn incompatible(&self) -> Error {
        match &self.0.engine {
            Engine::Sqlite(_) => std::future::pending().await,
            Engine::Mongo(mongo) => mongo.incompatible().await,
        }
    }

    /// Checks that the database answers, accepts writes and has all indexes.
    pub async fn ping(&self) -> Result<()> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.pending_events(1).await.map(|_| ()),
            Engine::Mongo(mongo) => mongo.ping().await,
        }
    }

    /// Counts the events in the outbox, up to `most`.
    pub async fn count_pending_events(&self, most: usize) -> Result<usize> {
        self.pending_events(most).await.map(|events| events.len())
    }

    /// Returns the events of one type in the outbox.
    pub async fn pending_events_of<E: Event>(&self) -> Result<Vec<Delivery<E>>> {
        let pending = self.pending_events(usize::MAX).await?;
        let these = pending.into_iter().map(|pending| pending.message).filter(|message| message.name == E::NAME);
        these
            .map(|EventMessage { id, body, .. }| {
                Ok(Delivery { id, event: format::decode(&body, E::CHANGE.as_ref()).map_err(Error::internal)? })
            })
            .collect()
    }

    /// Finds every document that contains one of the words, ignoring case, in all collections,
    /// including unknown ones. Reads the whole database.
    pub async fn find_references(&self, words: &[String]) -> Result<ReferenceSearch> {
        let words: Arc<[String]> = words.iter().map(|word| word.to_lowercase()).collect();
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.find_references(words).await,
            Engine::Mongo(mongo) => mongo.find_references(&words).await,
        }
    }

    /// Changes several documents in one commit. When another writer changes a document that `work`
    /// has read, `work` runs again on the new state, so it must have no other side effects.
    ///
    /// Do not use it on documents with many concurrent writers, such as stock: the transactions
    /// would conflict without end.
    pub async fn run<R, F>(&self, work: impl Fn(Tx) -> F) -> Result<R>
    where
        F: Future<Output = Result<R>>,
    {
        match self.attempt(None, work).await? {
            Attempt::Committed(result) => Ok(result),
            Attempt::Repeated => Err(Error::internal("a run without an event cannot repeat")),
        }
    }

    /// Like [`Database::run`], once for each event: the commit also records it in the inbox. A
    /// repeated delivery may run `work` again, without an effect. An event that only inserts a
    /// document needs no record: [`Collection::insert_if_absent`] under the id of the event. The
    /// inbox keeps events for 7 days.
    pub async fn handle_once<E, F>(&self, delivery: &Delivery<E>, work: impl Fn(Tx) -> F) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let event = delivery.id;
        // It is rare that the event is handled already, so this is checked only when it matters.
        let handled = match self.attempt(Some(event), work).await {
            Ok(Attempt::Committed(())) => return Ok(()),
            // The record may not be majority-committed yet.
            Ok(Attempt::Repeated) => self.is_handled(event, true).await?,
            Err(error) if error.is_outage() => return Err(error),
            // The state may be that after the event.
            Err(error) => return if self.is_handled(event, false).await? { Ok(()) } else { Err(error) },
        };
        if handled {
            Ok(())
        } else {
            Err(Refusal::Stale.into_error().caused_by("the record of an event was rolled back"))
        }
    }

    /// The commit records `handled` in the inbox, or fails when it is there.
    async fn attempt<R, F>(&self, handled: Option<EventId>, work: impl Fn(Tx) -> F) -> Result<Attempt<R>>
    where
        F: Future<Output = Result<R>>,
    {
        for delay in conflict_delays().take(MAX_ATTEMPTS) {
            let tx = Tx::new(self.clone(), self.format().await?);
            let outcome = work(tx.clone()).await;
            if let Err(error) = &outcome
                && error.is_outage()
            {
                return outcome.map(Attempt::Committed);
            }
            // An error of `work` must also rest on a consistent state.
            let commit = if outcome.is_ok() { tx.into_commit(handled) } else { tx.into_guard() };
            match self.commit(commit).await {
                Ok(()) => return outcome.map(Attempt::Committed),
                Err(Refusal::Repeated) => return Ok(Attempt::Repeated),
                Err(Refusal::Stale) => tokio::time::sleep(delay).await,
                Err(Refusal::Failed(error)) => return Err(error),
            }
        }
        Err(Refusal::Stale.into_error().caused_by(format!("{} attempts in {}", MAX_ATTEMPTS, self.name())))
    }

    /// Waits until an event has left the outbox. Returns `false` after the timeout.
    pub async fn wait_until_delivered(&self, event: EventId, within: Duration) -> bool {
        let delivered = async {
            loop {
                let change = self.0.events_deleted.notified();
                tokio::pin!(change);
                change.as_mut().enable();
                if let Ok(false) = self.is_pending(event).await {
                    return;
                }
                let _ = tokio::time::timeout(DELIVERY_POLL_INTERVAL, change).await;
            }
        };
        tokio::time::timeout(within, delivered).await.is_ok()
    }

    /// Removes the traces of deleted and overwritten data from the files. Waits for the disk.
    pub async fn secure_delete(&self) -> Result<()> {
        self.commit(Commit { secure_delete: true, ..Commit::default() }).await.map_err(Refusal::into_error)
    }

    pub(crate) async fn commit(&self, commit: Commit) -> std::result::Result<(), Refusal> {
        // SQLite shows committed data only, but several reads must be consistent.
        let unchecked_reads = usize::from(!self.is_remote());
        if commit.only_reads() && commit.writes.len() <= unchecked_reads {
            return Ok(());
        }
        let written = if failpoint::BUILT_IN { commit.written() } else { Vec::new() };
        for collection in &written {
            failpoint!("commit.{collection}.before");
        }
        let events = match &self.0.engine {
            Engine::Sqlite(sqlite) => {
                let events = commit.events.iter().cloned().map(PendingEvent::without_location).collect();
                sqlite.commit(commit).await?;
                events
            }
            Engine::Mongo(mongo) => mongo.commit(commit).await?,
        };
        for collection in &written {
            failpoint!("commit.{collection}.after");
        }
        self.pass_to_relay(events);
        Ok(())
    }

    pub(crate) async fn load(&self, collection: &'static str, id: &str) -> Result<Option<Stored>> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.load(collection, id),
            Engine::Mongo(mongo) => mongo.load(collection, id, true).await,
        }
    }

    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.0.engine, Engine::Mongo(_))
    }

    pub(crate) async fn is_pending(&self, event: EventId) -> Result<bool> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.is_pending(&event.to_string()),
            Engine::Mongo(mongo) => mongo.is_pending(event).await,
        }
    }

    /// `newest` waits until the record is majority-committed.
    async fn is_handled(&self, event: EventId, newest: bool) -> Result<bool> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.is_handled(&event.to_string()),
            Engine::Mongo(mongo) => mongo.is_handled(event, newest).await,
        }
    }

    /// Returns events of the outbox, oldest first.
    pub(crate) async fn pending_events(&self, limit: usize) -> Result<Vec<PendingEvent>> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => {
                let messages = sqlite.pending_events(limit).await?;
                Ok(messages.into_iter().map(PendingEvent::without_location).collect())
            }
            Engine::Mongo(mongo) => mongo.pending_events(limit).await,
        }
    }

    pub(crate) async fn delete_published(&self, published: &[PublishedEvent]) -> Result<()> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => {
                let delete_published = published.iter().map(|event| event.id).collect();
                let commit = Commit { delete_published, ..Commit::default() };
                sqlite.commit(commit).await.map_err(Refusal::into_error)?;
            }
            Engine::Mongo(mongo) => mongo.delete_published(published).await?,
        }
        self.0.events_deleted.notify_waiters();
        Ok(())
    }

    /// Returns the receiver of the events that this handle commits; `None` for a second relay.
    pub(crate) fn start_relay(&self) -> Option<mpsc::Receiver<PendingEvent>> {
        let (sender, receiver) = mpsc::channel(MAX_EVENTS_FOR_RELAY);
        self.0.relay.set(sender).is_ok().then_some(receiver)
    }

    pub(crate) fn pass_to_relay(&self, events: Vec<PendingEvent>) {
        if let Some(relay) = self.0.relay.get() {
            for event in events {
                // The relay finds the others in the database.
                let _ = relay.try_send(event);
            }
        }
    }
}

/// Delays after a write conflict, with jitter so that two writers do not collide again.
pub(crate) fn conflict_delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_micros(500))
        .with_max_delay(Duration::from_millis(16))
        .with_jitter()
        .without_max_times()
        .build()
}

pub(crate) enum Attempt<R> {
    Committed(R),
    /// The inbox has the event.
    Repeated,
}
