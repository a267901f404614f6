//! Write coalescing. Concurrent updates of one document are applied one after another to one loaded
//! copy, which is written once. Callers in one process never conflict.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::commit::{Commit, Refusal, Stored, Write};
use super::database::{MAX_ATTEMPTS, conflict_delays};
use super::recent::Recent;
use super::{Database, Document, Events};
use souk_bus::request_context;
use souk_types::format::Format;
use souk_types::{Error, ErrorKind, RequestId, Result};

/// Queued updates of one document; further ones fail with `busy`. At 10,000 updates/s the last one
/// has waited half a second.
const MAX_QUEUED: usize = 5_000;
/// Updates in one write. More would delay the first of them.
const MAX_BATCH: usize = 256;

pub(super) struct Coalescer<T> {
    /// Queued updates by document id. An entry exists while a task writes the document.
    queues: Mutex<Queues<T>>,
    recent: Mutex<Recent>,
}

type Queues<T> = HashMap<String, Vec<Box<dyn QueuedUpdate<T>>>>;

impl<T> Default for Coalescer<T> {
    fn default() -> Self {
        Self { queues: Mutex::default(), recent: Mutex::default() }
    }
}

/// A queued update with its result type erased.
trait QueuedUpdate<T>: Send {
    /// Runs the rule and returns whether it succeeded. May be called again on newer state.
    fn apply(&mut self, slot: &mut Option<T>, events: &mut Events) -> bool;
    fn is_wanted(&self) -> bool;
    /// Answers with the result of the rule, after the write.
    fn succeed(self: Box<Self>);
    /// Also answers failed rules: they may have seen state that was not written.
    fn fail(self: Box<Self>, error: &Error);
}

struct Update<R, F> {
    rule: F,
    /// Request of the caller. The rule runs in another task, and its events carry the request id.
    request: Option<RequestId>,
    outcome: Result<R>,
    answer: oneshot::Sender<Result<R>>,
}

impl<T, R: Send, F: FnMut(&mut Option<T>, &mut Events) -> Result<R> + Send> QueuedUpdate<T> for Update<R, F> {
    fn apply(&mut self, slot: &mut Option<T>, events: &mut Events) -> bool {
        // A panic of one rule must not fail the other updates, nor leave the document locked.
        let rule = AssertUnwindSafe(|| request_context::sync_scope(self.request.clone(), || (self.rule)(slot, events)));
        self.outcome = catch_unwind(rule).unwrap_or_else(|_| Err(Error::internal("a rule panicked")));
        self.outcome.is_ok()
    }

    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    // A failed send means that the caller no longer waits.
    fn succeed(self: Box<Self>) {
        let _ = self.answer.send(self.outcome);
    }

    fn fail(self: Box<Self>, error: &Error) {
        let _ = self.answer.send(Err(error.clone()));
    }
}

impl<T: Document> Coalescer<T> {
    pub(super) async fn upsert<R: Send + 'static>(
        self: &Arc<Self>,
        database: &Database,
        id: String,
        rule: impl FnMut(&mut Option<T>, &mut Events) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let (answer, answered) = oneshot::channel();
        let request = request_context::current();
        let update = Box::new(Update { rule, request, outcome: Err(Error::internal("not applied")), answer });
        if self.enqueue(&id, update)? {
            // Runs in a task, so that the other updates do not depend on this caller.
            let (coalescer, database) = (Arc::clone(self), database.clone());
            tokio::spawn(async move { coalescer.write_queue(&database, &id).await });
        }
        answered.await.map_err(|_| Error::internal("an update was dropped"))?
    }

    /// Returns `true` when no task writes this document yet.
    fn enqueue(&self, id: &str, update: Box<dyn QueuedUpdate<T>>) -> Result<bool> {
        let mut queues = self.lock();
        match queues.get_mut(id) {
            Some(queue) if queue.len() >= MAX_QUEUED => {
                Err(Error::busy("Too many concurrent changes of one document; try again.")
                    .caused_by(format!("{} {id}", T::COLLECTION)))
            }
            Some(queue) => {
                queue.push(update);
                Ok(false)
            }
            None => {
                queues.insert(id.to_owned(), vec![update]);
                Ok(true)
            }
        }
    }

    async fn write_queue(&self, database: &Database, id: &str) {
        let mut cached = self.recent().take(id, Instant::now());
        while let Some(batch) = self.next(id) {
            let batch = batch.into_iter().filter(|update| update.is_wanted()).collect();
            cached = self.write_batch(database, id, batch, cached).await.unwrap_or_else(|error| {
                // Retrying each of the other queued updates would delay the last ones too much.
                if error.kind() == ErrorKind::Unavailable {
                    for update in self.take_all(id) {
                        update.fail(&error);
                    }
                }
                None
            });
        }
        if let Some(stored) = cached {
            self.recent().put(id, stored, Instant::now());
        }
    }

    /// Remembers the state that this process has written or read. SQLite needs none: a read is
    /// cheap.
    pub(super) fn remember(&self, database: &Database, id: &str, written: Option<Stored>) {
        if let Some(stored) = written.filter(|_| database.is_remote()) {
            self.recent().put(id, stored, Instant::now());
        }
    }

    /// Forgets the state of a document that a transaction is about to write.
    pub(super) fn forget(&self, id: &str) {
        self.recent().take(id, Instant::now());
    }

    fn take_all(&self, id: &str) -> Vec<Box<dyn QueuedUpdate<T>>> {
        self.lock().get_mut(id).map(std::mem::take).unwrap_or_default()
    }

    fn next(&self, id: &str) -> Option<Vec<Box<dyn QueuedUpdate<T>>>> {
        let mut queues = self.lock();
        let queue = queues.get_mut(id).filter(|queue| !queue.is_empty());
        let next = queue.map(|queue| queue.drain(..queue.len().min(MAX_BATCH)).collect());
        if next.is_none() {
            queues.remove(id);
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Queues<T>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the stored state if it can replace the next read.
    async fn write_batch(
        &self,
        database: &Database,
        id: &str,
        mut batch: Vec<Box<dyn QueuedUpdate<T>>>,
        cached: Option<Stored>,
    ) -> Result<Option<Stored>> {
        match self.apply_and_commit(database, id, &mut batch, cached).await {
            Ok(stored) => {
                batch.into_iter().for_each(QueuedUpdate::succeed);
                Ok(stored)
            }
            // One update violates a unique index; the others are written alone.
            Err(error) if error.is_duplicate() && batch.len() > 1 => {
                let mut outcome = Ok(None);
                for update in batch {
                    // The caller has got its error; the loop continues with the next update.
                    outcome = Box::pin(self.write_batch(database, id, vec![update], None)).await;
                }
                outcome
            }
            Err(error) => {
                for update in batch {
                    update.fail(&error);
                }
                Err(error)
            }
        }
    }

    /// `cached` is the state that this process wrote last. On MongoDB it replaces a read; a stale
    /// one fails the version guard.
    ///
    /// Results without a write are guarded too: on MongoDB they may rest on state that is rolled
    /// back.
    async fn apply_and_commit(
        &self,
        database: &Database,
        id: &str,
        batch: &mut [Box<dyn QueuedUpdate<T>>],
        mut cached: Option<Stored>,
    ) -> Result<Option<Stored>> {
        for delay in conflict_delays().take(MAX_ATTEMPTS) {
            let format = database.format().await?;
            let (stored, is_cached) = match cached.take() {
                Some(stored) => (Some(stored), true),
                None => (database.load(T::COLLECTION, id).await?, false),
            };
            // A panic must not leave the document locked.
            let applied = catch_unwind(AssertUnwindSafe(|| apply(id, stored.as_ref(), batch, format)));
            let mut commit =
                applied.unwrap_or_else(|_| Err(Error::internal("reading or writing a document panicked")))?;
            if commit.only_reads() {
                commit.writes.push(Write::read_guard(T::COLLECTION, id.to_owned(), stored.as_ref()));
            }
            if is_cached && commit.writes.is_empty() {
                continue;
            }
            let after = match commit.writes.first() {
                Some(write) if database.is_remote() => {
                    if commit.only_reads() {
                        stored
                    } else {
                        write.after()
                    }
                }
                _ => None,
            };
            match database.commit(commit).await {
                Err(Refusal::Stale) if is_cached => self.recent().set_contended(id, Instant::now()),
                Err(Refusal::Stale) => tokio::time::sleep(delay).await,
                outcome => return outcome.map(|()| after).map_err(Refusal::into_error),
            }
        }
        Err(Refusal::Stale.into_error().caused_by(format!("{MAX_ATTEMPTS} attempts on {} {id}", T::COLLECTION)))
    }
}

fn apply<T: Document>(
    id: &str,
    stored: Option<&Stored>,
    batch: &mut [Box<dyn QueuedUpdate<T>>],
    format: Format,
) -> Result<Commit> {
    let mut slot: Option<T> = stored.map(Stored::decode).transpose()?;
    let mut events = Events::new(format);
    for update in batch {
        let (mut copy, mut published) = (slot.clone(), Events::new(format));
        if update.apply(&mut copy, &mut published) {
            slot = copy;
            events.messages.append(&mut published.messages);
        }
    }
    let write = Write::between(id.to_owned(), stored, slot.as_ref(), format)?;
    Ok(Commit { writes: write.into_iter().collect(), events: events.messages, ..Commit::default() })
}
