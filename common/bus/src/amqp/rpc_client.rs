//! Calls to other services on the publishing connection. Calls that wait for the same service are
//! sent as one message, `mandatory` and with a publisher confirm. The replies of each service come
//! to a queue of their own, so that no service can reply in the place of another. When the
//! connection ends, its pending calls fail at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::types::ShortString;
use lapin::{Channel, Confirmation, Consumer};
use tokio::sync::{OnceCell, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::Shared;
use super::batching::{self, BatchingQueue, message};
use super::connection::{BROKER_TIMEOUT, Connection, publish};
use super::rpc_route::RpcRoute;
use super::wire::{self, CALLS, REPLIES};
use crate::{Bytes, lock, request_context};
use souk_types::{Error, Result};

/// Calls of this process that may wait for a reply.
const MAX_PENDING: usize = 8192;

pub(super) struct RpcClient {
    pending: Arc<PendingCalls>,
    queue: BatchingQueue<QueuedCall>,
}

struct QueuedCall {
    id: u64,
    deadline: Instant,
}

pub(super) enum CallOutcome {
    Replied(Result<Bytes>),
    /// The call did not reach the service; with the reason.
    Undelivered(&'static str),
}

/// A call that waits for its outcome. Dropping it abandons the call.
pub(super) struct PendingCall {
    id: u64,
    pending: Arc<PendingCalls>,
    /// Closed when the connection ends.
    pub(super) outcome: oneshot::Receiver<CallOutcome>,
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        lock(&self.pending.calls).remove(&self.id);
    }
}

struct PendingCalls {
    shared: Arc<Shared>,
    calls: Mutex<HashMap<u64, Waiting>>,
    last_id: AtomicU64,
    /// Names this connection in its calls. A reply with another token is not accepted.
    token: ShortString,
}

struct Waiting {
    /// The service whose reply it waits for.
    service: Arc<str>,
    outcome: oneshot::Sender<CallOutcome>,
}

/// Sends the calls of one connection.
struct CallSender {
    connection: Arc<Connection>,
    channel: Channel,
    pending: Arc<PendingCalls>,
    /// By service.
    routes: Mutex<HashMap<Arc<str>, Arc<OnceCell<RpcRoute>>>>,
}

impl RpcClient {
    pub(super) async fn start(shared: Arc<Shared>, connection: &Arc<Connection>) -> Result<Self> {
        let channel = connection.confirming_channel().await?;
        let pending = Arc::new(PendingCalls {
            shared,
            calls: Mutex::default(),
            last_id: AtomicU64::default(),
            token: Uuid::now_v7().to_string().into(),
        });
        let (connection, sending) = (Arc::clone(connection), Arc::clone(&pending));
        let sender = Arc::new(CallSender { connection, channel, pending: sending, routes: Mutex::default() });
        let queue = BatchingQueue::start(move |service, calls| Arc::clone(&sender).send(service, calls));
        Ok(Self { pending, queue })
    }

    /// Sends a call to a service. Errors: `Busy` when too many calls are pending.
    pub(super) fn call(&self, service: &Arc<str>, name: &str, deadline: Instant, body: &[u8]) -> Result<PendingCall> {
        let call = PendingCalls::register(&self.pending, service)?;
        let time_left = deadline.saturating_duration_since(Instant::now());
        let line = wire::Call {
            id: call.id,
            name,
            deadline: wire::now().saturating_add(u64::try_from(time_left.as_millis()).unwrap_or(u64::MAX)),
            time_left,
            request: request_context::current(),
            body,
        };
        self.queue.push(service, line.to_line(), QueuedCall { id: call.id, deadline });
        Ok(call)
    }
}

impl CallSender {
    async fn send(self: Arc<Self>, service: Arc<str>, mut calls: Vec<batching::Entry<QueuedCall>>) {
        let pending = &self.pending;
        let route = match self.route(&service).await {
            Ok(Some(route)) => route,
            Ok(None) => return pending.undelivered(ids(&calls), "no instance serves it"),
            Err(error) => return self.refused(ids(&calls), &error),
        };
        // The first calls of a connection have waited for the route.
        let now = Instant::now();
        calls.retain(|call| call.data.deadline > now);
        let Some(deadline) = calls.iter().map(|call| call.data.deadline).max() else { return };
        let message = message(&calls);
        // Rounded up: the broker must not drop a call before its deadline.
        let expiration = ((deadline - now).as_millis() + 1).to_string();
        let properties = wire::properties(CALLS, &pending.token)
            .with_reply_to(route.reply_to.as_str().into())
            .with_expiration(expiration.into());
        let properties = pending.shared.senders.sign(properties);
        let destination = (&*route.exchange, &*route.key);
        match publish(&self.channel, destination, true, &message, properties, BROKER_TIMEOUT).await {
            Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) => {
                // lapin pairs returned messages with confirms by order, so this may be another
                // message of the channel. The ids in it say which calls it carried.
                pending.undelivered(wire::ids(&returned.delivery.data), "no instance serves it");
            }
            Ok(Confirmation::Nack(None)) => pending.undelivered(ids(&calls), "too many calls wait for it"),
            Ok(_) => {}
            Err(error) => self.refused(ids(&calls), &error),
        }
    }

    /// Returns the route to a service, which is prepared once; `None` before it first runs.
    async fn route(self: &Arc<Self>, service: &Arc<str>) -> Result<Option<RpcRoute>> {
        let cell = Arc::clone(lock(&self.routes).entry(Arc::clone(service)).or_default());
        if let Some(route) = cell.get() {
            return Ok(Some(route.clone()));
        }
        let shared = &self.pending.shared;
        if !self.connection.has_exchange(&shared.names.calls(service)).await? {
            return Ok(None);
        }
        let prepare = async {
            let (route, replies) = RpcRoute::prepare(&self.connection, &shared.names, &shared.service, service).await?;
            let (pending, connection) = (Arc::clone(&self.pending), Arc::downgrade(&self.connection));
            tokio::spawn(receive_replies(replies, Arc::clone(service), pending, connection));
            Ok(route)
        };
        cell.get_or_try_init(|| prepare).await.map(|route| Some(route.clone()))
    }

    fn refused(&self, ids: impl Iterator<Item = u64>, error: &Error) {
        self.connection.fail_unless_blocked(&error.to_string());
        self.pending.undelivered(ids, "the broker does not accept messages");
    }
}

fn ids(calls: &[batching::Entry<QueuedCall>]) -> impl Iterator<Item = u64> {
    calls.iter().map(|call| call.data.id)
}

/// Passes the replies of a service on until the connection ends.
async fn receive_replies(
    mut replies: Consumer,
    service: Arc<str>,
    pending: Arc<PendingCalls>,
    connection: Weak<Connection>,
) {
    let reason = loop {
        match replies.next().await {
            Some(Ok(delivery)) => pending.replied(&service, &delivery),
            Some(Err(error)) => break error.to_string(),
            None => break "the consumer of replies was cancelled".to_owned(),
        }
    };
    if let Some(connection) = connection.upgrade() {
        connection.fail(&reason);
    }
    lock(&pending.calls).clear();
}

impl PendingCalls {
    fn register(pending: &Arc<Self>, service: &Arc<str>) -> Result<PendingCall> {
        let (sender, outcome) = oneshot::channel();
        let id = pending.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut calls = lock(&pending.calls);
        if calls.len() >= MAX_PENDING {
            return Err(Error::busy("Too many calls are waiting."));
        }
        calls.insert(id, Waiting { service: Arc::clone(service), outcome: sender });
        Ok(PendingCall { id, pending: Arc::clone(pending), outcome })
    }

    fn undelivered(&self, ids: impl Iterator<Item = u64>, reason: &'static str) {
        for id in ids {
            self.shared.count(|counters| counters.undelivered += 1);
            if let Some(call) = lock(&self.calls).remove(&id) {
                // An error means that the caller was cancelled.
                let _ = call.outcome.send(CallOutcome::Undelivered(reason));
            }
        }
    }

    fn replied(&self, service: &str, delivery: &Delivery) {
        if wire::token(delivery) != self.token.as_str() || !wire::is_readable(delivery, REPLIES) {
            return self.stray(delivery);
        }
        for reply in wire::replies(&delivery.data) {
            let (id, reply) = match reply {
                Ok((id, reply)) => (id, reply.map(<[u8]>::to_vec)),
                Err(id) => (id, Err(Error::internal("the reply cannot be read"))),
            };
            let call = self.take(id, service);
            if call.is_none_or(|call| call.outcome.send(CallOutcome::Replied(reply)).is_err()) {
                self.stray(delivery);
            }
        }
    }

    /// Removes and returns a call that waits for a reply of `service`.
    fn take(&self, id: u64, service: &str) -> Option<Waiting> {
        match lock(&self.calls).entry(id) {
            Entry::Occupied(call) if *call.get().service == *service => Some(call.remove()),
            _ => None,
        }
    }

    fn stray(&self, delivery: &Delivery) {
        self.shared.count(|counters| counters.stray_replies += 1);
        tracing::debug!(token = wire::token(delivery), "a reply to no pending call");
    }
}
