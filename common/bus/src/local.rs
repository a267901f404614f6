//! The transport inside one process. It carries bytes, runs handlers as tasks of their own, bounds how many run and wait,
//! and keeps deadlines, so that what works here works over a broker. It stores nothing: an event that a listener could not
//! handle stays in the sender's outbox and comes again from there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Bytes, EventMessage, HANDLING_TIMEOUT, Listener, Responder, Unheard, owner};
use crate::request_context;
use souk_types::failpoint;
use souk_types::{Error, Result};

/// Calls of one name that run at the same time; as a broker's prefetch, it bounds what one consumer takes on.
const PREFETCH: usize = 256;
/// Calls of one name that may wait for their turn. More would not be answered in time anyway.
const MAX_WAITING: usize = 4096;

#[derive(Default)]
pub(super) struct Local {
    queues: RwLock<HashMap<&'static str, Arc<Queue>>>,
    listeners: RwLock<HashMap<&'static str, Vec<(&'static str, Listener)>>>,
    /// The services that are, or will be, in this process.
    services: &'static [&'static str],
    /// Who has to hear an event.
    announced: RwLock<HashMap<&'static str, &'static [&'static str]>>,
}

struct Queue {
    responder: Responder,
    running: Arc<Semaphore>,
    present: AtomicUsize,
}

/// Counts a call in for as long as it lives, also when its caller goes away.
struct Present<'q>(&'q AtomicUsize);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Local {
    pub(super) fn of(services: &'static [&'static str]) -> Self {
        Self { services, ..Self::default() }
    }

    pub(super) fn announces(&self, name: &'static str, listeners: &'static [&'static str]) {
        self.announced.write().unwrap_or_else(PoisonError::into_inner).insert(name, listeners);
    }

    /// A service of this process that has to hear an event and does not listen yet.
    fn missing(&self, name: &str, listening: &[(&'static str, Listener)]) -> Option<&'static str> {
        let announced = self.announced.read().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        let here = announced.unwrap_or_default().iter().copied().filter(|listener| self.services.contains(listener));
        here.into_iter().find(|listener| listening.iter().all(|(there, _)| there != listener))
    }

    pub(super) fn serve(&self, name: &'static str, responder: Responder) {
        let queue = Queue { responder, running: Arc::new(Semaphore::new(PREFETCH)), present: AtomicUsize::new(0) };
        self.queues.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(queue));
    }

    pub(super) fn subscribe(&self, name: &'static str, listener: &'static str, hear: Listener) {
        let mut listeners = self.listeners.write().unwrap_or_else(PoisonError::into_inner);
        listeners.entry(name).or_default().push((listener, hear));
    }

    pub(super) async fn call(&self, name: &'static str, body: Bytes, deadline: Instant) -> Result<Bytes> {
        let answer = tokio::time::timeout_at(deadline, self.carry_out(name, body, deadline)).await;
        answer.unwrap_or_else(|_| Err(Error::unavailable(owner(name)).caused_by(format!("{name} timed out"))))
    }

    async fn carry_out(&self, name: &'static str, body: Bytes, deadline: Instant) -> Result<Bytes> {
        let queue = self.queues.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let queue = queue.ok_or_else(|| Error::unavailable(owner(name)).caused_by(format!("nobody serves {name}")))?;
        if queue.present.fetch_add(1, Ordering::Relaxed) >= PREFETCH + MAX_WAITING {
            queue.present.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::busy("Too many calls are waiting.").caused_by(name));
        }
        let _present = Present(&queue.present);
        let turn = Arc::clone(&queue.running).acquire_owned().await.map_err(Error::internal)?;
        let work = (queue.responder)(body);
        // A task of its own: the caller may give up, the work it has begun goes on, as it would in another process.
        let request = request_context::current();
        let task = tokio::spawn(request_context::scope(request, async move {
            let _turn = turn;
            if Instant::now() >= deadline {
                return Err(Error::unavailable(owner(name)).caused_by(format!("{name} expired before its turn")));
            }
            let reply = work.await;
            failpoint!("reply.{name}.before");
            reply
        }));
        let outcome = task.await;
        failpoint!("reply.{name}.after");
        match outcome {
            // What crosses a wire is what `Error` serializes: the cause stays with its service.
            Ok(reply) => reply.map_err(|error| across(&error)),
            Err(panic) => Err(Error::internal(format!("{name}: {panic}"))),
        }
    }

    pub(super) async fn publish(&self, message: &EventMessage) -> Result<()> {
        let listeners =
            self.listeners.read().unwrap_or_else(PoisonError::into_inner).get(message.name.as_str()).cloned();
        let listeners = listeners.unwrap_or_default();
        if let Some(missing) = self.missing(&message.name, &listeners) {
            return Err(Error::unavailable(missing).caused_by("it does not listen yet"));
        }
        let mut handling = JoinSet::new();
        for (listener, hear) in listeners {
            let work = request_context::scope(message.request.clone(), hear(message.clone()));
            let name = message.name.clone();
            handling.spawn(async move {
                match tokio::time::timeout(HANDLING_TIMEOUT, work).await {
                    Ok(Ok(())) => {
                        failpoint!("ack.{name}.before");
                        Ok(())
                    }
                    Ok(Err(Unheard::Unreadable(why))) => Err(format!("{listener}: {why}")),
                    Ok(Err(Unheard::Failed(error))) => Err(format!("{listener}: {error}")),
                    Err(_) => Err(format!("{listener} took over {HANDLING_TIMEOUT:?}")),
                }
            });
        }
        let mut failures = Vec::new();
        while let Some(outcome) = handling.join_next().await {
            match outcome {
                Ok(Ok(())) => failpoint!("ack.{}.after", message.name),
                Ok(Err(failure)) => failures.push(failure),
                Err(panic) => failures.push(panic.to_string()),
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Error::internal(failures.join("; "))) }
    }
}

fn across(error: &Error) -> Error {
    serde_json::to_vec(error)
        .and_then(|bytes| serde_json::from_slice(&bytes))
        .unwrap_or_else(|broken| Error::internal(format!("{error} ({broken})")))
}
