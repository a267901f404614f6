//! The transport inside one process. It carries bytes, runs each handler as a task of its own,
//! bounds how many run and wait, and keeps deadlines, so services behave as they do over a broker.
//! It stores nothing: an event that a listener did not handle stays in the publisher's outbox, and
//! the relay publishes it again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{
    BroadcastHandler, Bytes, EventHandler, EventMessage, HANDLER_TIMEOUT, HandlerError, RequestHandler, lock, owner,
    unregistered,
};
use crate::request_context;
use souk_types::{Error, Result, failpoint};

/// Concurrent calls of one request type.
const MAX_RUNNING: usize = 256;
/// Calls of one request type that may wait for a permit. More calls would time out.
const MAX_WAITING: usize = 4096;

#[derive(Default)]
pub(super) struct Local {
    servers: Mutex<HashMap<&'static str, Arc<Server>>>,
    subscriptions: Mutex<HashMap<&'static str, Vec<(&'static str, EventHandler)>>>,
    broadcasts: Mutex<HashMap<&'static str, Vec<BroadcastHandler>>>,
    /// The services that run, or will run, in this process.
    services: &'static [&'static str],
    listeners: Mutex<HashMap<&'static str, &'static [&'static str]>>,
}

struct Server {
    handler: RequestHandler,
    /// Permits of waiting and running calls.
    queue_permits: Semaphore,
    permits: Arc<Semaphore>,
}

impl Local {
    pub(super) fn new(services: &'static [&'static str]) -> Self {
        Self { services, ..Self::default() }
    }

    pub(super) fn publishes(&self, event: &'static str, listeners: &'static [&'static str]) {
        lock(&self.listeners).insert(event, listeners);
    }

    pub(super) fn serve(&self, name: &'static str, handler: RequestHandler) {
        let queue_permits = Semaphore::new(MAX_RUNNING + MAX_WAITING);
        let server = Server { handler, queue_permits, permits: Arc::new(Semaphore::new(MAX_RUNNING)) };
        lock(&self.servers).insert(name, Arc::new(server));
    }

    pub(super) fn subscribe(&self, event: &'static str, listener: &'static str, handler: EventHandler) {
        lock(&self.subscriptions).entry(event).or_default().push((listener, handler));
    }

    pub(super) fn on_broadcast(&self, name: &'static str, handler: BroadcastHandler) {
        lock(&self.broadcasts).entry(name).or_default().push(handler);
    }

    pub(super) fn broadcast(&self, name: &'static str, body: &[u8]) {
        let handlers = lock(&self.broadcasts).get(name).cloned().unwrap_or_default();
        for handler in handlers {
            handler(body, None);
        }
    }

    pub(super) async fn call(&self, name: &'static str, body: Bytes, deadline: Instant) -> Result<Bytes> {
        let reply = tokio::time::timeout_at(deadline, self.execute(name, body, deadline)).await;
        reply.unwrap_or_else(|_| Err(Error::unavailable(owner(name)).caused_by(format!("{name} timed out"))))
    }

    async fn execute(&self, name: &'static str, body: Bytes, deadline: Instant) -> Result<Bytes> {
        let server = lock(&self.servers).get(name).cloned();
        let server =
            server.ok_or_else(|| Error::unavailable(owner(name)).caused_by(format!("{name} is not served")))?;
        let queued = server.queue_permits.try_acquire();
        let _queued = queued.map_err(|_| Error::busy("Too many calls are waiting.").caused_by(name))?;
        let permit = Arc::clone(&server.permits).acquire_owned().await.map_err(Error::internal)?;
        let work = (server.handler)(body);
        // A task: when the caller is cancelled the handler continues, as in another process.
        let task = tokio::spawn(request_context::scope(request_context::current(), async move {
            let _permit = permit;
            if Instant::now() >= deadline {
                return Err(Error::unavailable(owner(name)).caused_by(format!("{name} expired before it started")));
            }
            let reply = work.await;
            failpoint!("reply.{name}.before");
            reply
        }));
        let outcome = task.await;
        failpoint!("reply.{name}.after");
        match outcome {
            Ok(reply) => reply.map_err(|error| without_cause(&error)),
            Err(panic) => Err(Error::internal(format!("{name}: {panic}"))),
        }
    }

    pub(super) async fn publish(&self, message: &EventMessage) -> Result<()> {
        let subscriptions = lock(&self.subscriptions).get(message.name.as_str()).cloned().unwrap_or_default();
        let listeners = lock(&self.listeners).get(message.name.as_str()).copied();
        let listeners = listeners.ok_or_else(|| unregistered(&message.name))?;
        if let Some(missing) = self.missing_listener(listeners, &subscriptions) {
            return Err(Error::unavailable(missing).caused_by("it has not subscribed yet"));
        }
        let mut handlers = JoinSet::new();
        for (listener, handler) in subscriptions {
            let work = request_context::scope(message.request.clone(), handler(message.clone()));
            let name = message.name.clone();
            handlers.spawn(async move {
                match tokio::time::timeout(HANDLER_TIMEOUT, work).await {
                    Ok(Ok(())) => {
                        failpoint!("ack.{name}.before");
                        Ok(())
                    }
                    Ok(Err(HandlerError::Unreadable(reason))) => Err(format!("{listener}: {reason}")),
                    Ok(Err(HandlerError::Failed(error))) => Err(format!("{listener}: {error}")),
                    Err(_) => Err(format!("{listener} took over {HANDLER_TIMEOUT:?}")),
                }
            });
        }
        let mut failures = Vec::new();
        while let Some(outcome) = handlers.join_next().await {
            match outcome {
                Ok(Ok(())) => failpoint!("ack.{}.after", message.name),
                Ok(Err(failure)) => failures.push(failure),
                Err(panic) => failures.push(panic.to_string()),
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Error::internal(failures.join("; "))) }
    }

    /// Returns a listener of the event in this process that has not subscribed yet.
    fn missing_listener(
        &self,
        listeners: &[&'static str],
        subscriptions: &[(&'static str, EventHandler)],
    ) -> Option<&'static str> {
        let mut local = listeners.iter().copied().filter(|name| self.services.contains(name));
        local.find(|listener| subscriptions.iter().all(|(subscribed, _)| subscribed != listener))
    }
}

/// Returns the error as another process would receive it: without its cause.
fn without_cause(error: &Error) -> Error {
    serde_json::to_vec(error)
        .and_then(|bytes| serde_json::from_slice(&bytes))
        .unwrap_or_else(|invalid| Error::internal(format!("{error} ({invalid})")))
}
