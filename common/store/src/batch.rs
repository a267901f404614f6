//! Idempotent handling of frequent events. Deliveries that arrive while a transaction runs share
//! the next one, so batches grow with the load and no event waits for a timer.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::database::Attempt;
use super::{Database, Tx};
use souk_bus::{Delivery, EventId, request_context};
use souk_types::mutant::Mutant;
use souk_types::{Error, RequestId, Result};

/// Events in one transaction, which then takes some 10 ms.
const MAX_BATCH: usize = 64;

type Work<E> = dyn Fn(Tx, Arc<E>) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync;

/// Handles the events of one type, each once. Cheap to clone.
pub struct BatchHandler<E>(Arc<Inner<E>>);

struct Inner<E> {
    database: Database,
    work: Box<Work<E>>,
    queue: Mutex<Queue<E>>,
}

struct Queue<E> {
    waiting: Vec<Waiting<E>>,
    /// Whether a task handles events.
    is_running: bool,
}

struct Waiting<E> {
    id: EventId,
    event: Arc<E>,
    request: Option<RequestId>,
    answer: oneshot::Sender<Result<()>>,
}

impl<E> Clone for BatchHandler<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: Send + Sync + 'static> BatchHandler<E> {
    /// `work` gets a transaction that other events share. As in [`Database::run`], it may run more
    /// than once and must have no other side effects.
    pub fn new<F>(database: &Database, work: impl Fn(Tx, Arc<E>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let work: Box<Work<E>> = Box::new(move |tx, event| Box::pin(work(tx, event)));
        let queue = Mutex::new(Queue { waiting: Vec::new(), is_running: false });
        Self(Arc::new(Inner { database: database.clone(), work, queue }))
    }

    /// Handles a delivery, like [`Database::handle_once`]. When a batch fails, its events are
    /// handled one by one, so that each has an outcome of its own.
    pub async fn handle_once(&self, delivery: Delivery<E>) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        let Delivery { id, event } = delivery;
        let waiting = Waiting { id, event: Arc::new(event), request: request_context::current(), answer };
        if self.enqueue(waiting) {
            let handler = self.clone();
            // A task, so that the other events do not depend on this caller.
            tokio::spawn(async move {
                while let Some(batch) = handler.next() {
                    handler.handle(batch).await;
                }
            });
        }
        answered.await.map_err(|_| Error::internal("an event was dropped"))?
    }

    /// Returns `true` when no task handles events yet.
    fn enqueue(&self, waiting: Waiting<E>) -> bool {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.push(waiting);
        !std::mem::replace(&mut queue.is_running, true)
    }

    fn next(&self) -> Option<Vec<Waiting<E>>> {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let size = queue.waiting.len().min(MAX_BATCH);
        queue.is_running = size > 0;
        queue.is_running.then(|| queue.waiting.drain(..size).collect())
    }

    async fn handle(&self, batch: Vec<Waiting<E>>) {
        if batch.len() > 1 {
            match self.handle_together(&batch).await {
                Ok(true) => return answer_all(batch, &Ok(())),
                // One by one, each event would wait for the same timeout.
                Err(error) if error.is_outage() => return answer_all(batch, &Err(error)),
                Ok(false) | Err(_) => {}
            }
        }
        for waiting in batch {
            let handled = self.0.database.handle(waiting.id, |tx| self.apply(tx, &waiting)).await;
            // The caller may have stopped waiting.
            let _ = waiting.answer.send(handled);
        }
    }

    /// Returns `false` when the inbox has one of the events.
    async fn handle_together(&self, batch: &[Waiting<E>]) -> Result<bool> {
        let ids: Vec<EventId> = batch.iter().map(|waiting| waiting.id).collect();
        let recorded = if Mutant::NoInbox.is_active() { &[] } else { ids.as_slice() };
        let work = |tx: Tx| async move {
            for waiting in batch {
                self.apply(tx.clone(), waiting).await?;
            }
            Ok(())
        };
        Ok(matches!(self.0.database.attempt(recorded, work).await?, Attempt::Committed(())))
    }

    async fn apply(&self, tx: Tx, waiting: &Waiting<E>) -> Result<()> {
        let work = request_context::scope(waiting.request.clone(), (self.0.work)(tx, Arc::clone(&waiting.event)));
        // A panic must not leave the other events without an answer.
        let outcome = AssertUnwindSafe(work).catch_unwind().await;
        outcome.unwrap_or_else(|_| Err(Error::internal("a handler panicked")))
    }
}

fn answer_all<E>(batch: Vec<Waiting<E>>, outcome: &Result<()>) {
    for waiting in batch {
        let _ = waiting.answer.send(outcome.clone());
    }
}
