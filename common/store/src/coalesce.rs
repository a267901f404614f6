//! Updates of one document that wait at the same moment travel together: they are applied one after another to one
//! loaded copy, which is written once, and each caller gets its own answer. So a document that everybody wants costs one
//! write for many, and callers in one process never conflict with each other.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::commit::{Commit, Refusal, Stored, Write};
use super::{Database, Document, Events, MAX_ATTEMPTS, conflict_delays};
use souk_bus::request_context;
use souk_types::{Error, ErrorKind, RequestId, Result};

/// Updates that may wait for one document; the next is told to come back. At 10,000 updates a second the last of them
/// has waited half a second.
const MAX_WAITING: usize = 5_000;
/// Updates written at once. More would make the first of them wait for the last.
const MAX_TOGETHER: usize = 256;

/// The updates that wait, by document id. A document is in the map while somebody works on it.
pub(super) struct Coalescer<T>(Mutex<Queues<T>>);

type Queues<T> = HashMap<String, Vec<Box<dyn Waiting<T>>>>;

impl<T> Default for Coalescer<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// An update that waits, whatever its answer's type.
trait Waiting<T>: Send {
    /// Runs the rule; `true` when it succeeded. May be called again with a fresher copy.
    fn apply(&mut self, slot: &mut Option<T>, events: &mut Events) -> bool;
    /// Whether somebody still wants the answer.
    fn is_wanted(&self) -> bool;
    /// The write is done (or none was needed): the rule's own answer.
    fn settle(self: Box<Self>);
    /// The write failed. That also answers a rule that had failed by itself: what it saw may be what was not written.
    fn fail(self: Box<Self>, error: &Error);
}

struct Update<R, F> {
    rule: F,
    /// The request that asked for it: the rule runs in another task, and its events must know.
    request: Option<RequestId>,
    outcome: Result<R>,
    answer: oneshot::Sender<Result<R>>,
}

impl<T, R: Send, F: FnMut(&mut Option<T>, &mut Events) -> Result<R> + Send> Waiting<T> for Update<R, F> {
    fn apply(&mut self, slot: &mut Option<T>, events: &mut Events) -> bool {
        // A rule that panics must not take along the others that wait, nor leave the document locked.
        let rule = AssertUnwindSafe(|| request_context::sync_scope(self.request.clone(), || (self.rule)(slot, events)));
        self.outcome = catch_unwind(rule).unwrap_or_else(|_| Err(Error::internal("a rule panicked")));
        self.outcome.is_ok()
    }

    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    // An answer that cannot be sent is one that nobody waits for any more.
    fn settle(self: Box<Self>) {
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
            // A task of its own: the others' answers must not depend on this caller staying.
            let (coalescer, database) = (Arc::clone(self), database.clone());
            tokio::spawn(async move { coalescer.work_off(&database, &id).await });
        }
        answered.await.map_err(|_| Error::internal("an update was dropped"))?
    }

    /// `true` when nobody works on this document yet.
    fn enqueue(&self, id: &str, update: Box<dyn Waiting<T>>) -> Result<bool> {
        let mut waiting = self.lock();
        match waiting.get_mut(id) {
            Some(queue) if queue.len() >= MAX_WAITING => {
                Err(Error::busy("Too many changes of one thing at once.").caused_by(format!("{} {id}", T::COLLECTION)))
            }
            Some(queue) => {
                queue.push(update);
                Ok(false)
            }
            None => {
                waiting.insert(id.to_owned(), vec![update]);
                Ok(true)
            }
        }
    }

    async fn work_off(&self, database: &Database, id: &str) {
        let mut written = None;
        while let Some(together) = self.next(id) {
            let together = together.into_iter().filter(|update| update.is_wanted()).collect();
            written = write_together(database, id, together, written).await.unwrap_or_else(|error| {
                // Those behind have waited as long; one after another, the last of them would wait for ever.
                if error.kind() == ErrorKind::Unavailable {
                    for update in self.take_all(id) {
                        update.fail(&error);
                    }
                }
                None
            });
        }
    }

    fn take_all(&self, id: &str) -> Vec<Box<dyn Waiting<T>>> {
        self.lock().get_mut(id).map(std::mem::take).unwrap_or_default()
    }

    /// The updates to write next; forgets the document when there are none.
    fn next(&self, id: &str) -> Option<Vec<Box<dyn Waiting<T>>>> {
        let mut waiting = self.lock();
        let queue = waiting.get_mut(id).filter(|queue| !queue.is_empty());
        let next = queue.map(|queue| queue.drain(..queue.len().min(MAX_TOGETHER)).collect());
        if next.is_none() {
            waiting.remove(id);
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Queues<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers all of them. Returns what is stored now, where it is known and worth knowing.
async fn write_together<T: Document>(
    database: &Database,
    id: &str,
    mut together: Vec<Box<dyn Waiting<T>>>,
    written: Option<Stored>,
) -> Result<Option<Stored>> {
    match apply_and_commit(database, id, &mut together, written).await {
        Ok(stored) => {
            together.into_iter().for_each(Waiting::settle);
            Ok(stored)
        }
        // One of them broke a unique index; the others must not pay for it.
        Err(error) if error.is_duplicate() && together.len() > 1 => {
            let mut outcome = Ok(None);
            for update in together {
                // Its caller has the error; the next one is tried all the same.
                outcome = Box::pin(write_together(database, id, vec![update], None)).await;
            }
            outcome
        }
        Err(error) => {
            for update in together {
                update.fail(&error);
            }
            Err(error)
        }
    }
}

/// `written` is what this process has written last, a moment ago. Where looking it up costs a round trip, it is taken for what is stored: the
/// guard tells if it is not.
///
/// Answers that lead to no write are guarded as well: what they rest on could still be taken back, where that can happen.
async fn apply_and_commit<T: Document>(
    database: &Database,
    id: &str,
    together: &mut [Box<dyn Waiting<T>>],
    mut written: Option<Stored>,
) -> Result<Option<Stored>> {
    for delay in conflict_delays().take(MAX_ATTEMPTS) {
        let (stored, guessed) = match written.take() {
            Some(stored) => (Some(stored), true),
            None => (database.load(T::COLLECTION, id).await?, false),
        };
        // Whatever panics here (a rule does not), the document must not stay locked.
        let applied = catch_unwind(AssertUnwindSafe(|| apply(id, stored.as_ref(), together)));
        let mut commit = applied.unwrap_or_else(|_| Err(Error::internal("reading or writing a document panicked")))?;
        if commit.only_reads() {
            commit.writes.push(Write::read_guard(T::COLLECTION, id.to_owned(), stored.as_ref()));
        }
        if guessed && commit.writes.is_empty() {
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
            Err(Refusal::Stale) if guessed => {}
            Err(Refusal::Stale) => tokio::time::sleep(delay).await,
            outcome => return outcome.map(|()| after).map_err(Refusal::into_error),
        }
    }
    Err(Refusal::Stale.into_error().caused_by(format!("{MAX_ATTEMPTS} attempts on {} {id}", T::COLLECTION)))
}

/// The commit that carries out all that did not fail.
fn apply<T: Document>(id: &str, stored: Option<&Stored>, together: &mut [Box<dyn Waiting<T>>]) -> Result<Commit> {
    let mut slot: Option<T> = stored.map(Stored::decode).transpose()?;
    let mut events = Events::default();
    for update in together {
        let (mut copy, mut published) = (slot.clone(), Events::default());
        if update.apply(&mut copy, &mut published) {
            slot = copy;
            events.0.append(&mut published.0);
        }
    }
    let write = Write::between(id.to_owned(), stored, slot.as_ref())?;
    Ok(Commit { writes: write.into_iter().collect(), events: events.0, ..Commit::default() })
}
