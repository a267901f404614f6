//! Calls to other services on the publishing connection. Calls that wait for the same service are
//! sent as one message, `mandatory` and with a publisher confirm. Replies come by direct reply-to.
//! When the connection ends, its pending calls fail at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::BasicConsumeOptions;
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Confirmation, Consumer};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::Shared;
use super::batching::{BatchingQueue, Entry, message};
use super::connection::{BROKER_TIMEOUT, Connection, publish};
use super::wire::{self, CALLS, REPLIES};
use crate::{Bytes, lock, request_context};
use souk_types::{Error, Result};

/// Calls of this process that may wait for a reply.
const MAX_PENDING: usize = 8192;
/// The broker's pseudo-queue for direct replies to a channel.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

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
    calls: Mutex<HashMap<u64, oneshot::Sender<CallOutcome>>>,
    last_id: AtomicU64,
    /// Names this connection in its calls. A reply with another token is not accepted.
    token: ShortString,
}

impl RpcClient {
    pub(super) async fn start(shared: Arc<Shared>, connection: &Arc<Connection>) -> Result<Self> {
        let channel = connection.confirming_channel().await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming = channel.basic_consume(REPLY_TO.into(), "replies".into(), options, FieldTable::default());
        let replies = connection.bounded(consuming).await?;
        let pending = Arc::new(PendingCalls {
            shared,
            calls: Mutex::default(),
            last_id: AtomicU64::default(),
            token: Uuid::now_v7().to_string().into(),
        });
        tokio::spawn(receive_replies(replies, Arc::clone(&pending), Arc::downgrade(connection)));
        let (connection, sending) = (Arc::clone(connection), Arc::clone(&pending));
        let queue = BatchingQueue::start(move |queue, calls| {
            send(Arc::clone(&connection), channel.clone(), Arc::clone(&sending), queue, calls)
        });
        Ok(Self { pending, queue })
    }

    /// Sends a call to an RPC queue. Errors: `Busy` when too many calls are pending.
    pub(super) fn call(&self, queue: &Arc<str>, name: &str, deadline: Instant, body: &[u8]) -> Result<PendingCall> {
        let call = PendingCalls::register(&self.pending)?;
        let time_left = deadline.saturating_duration_since(Instant::now());
        let line = wire::Call {
            id: call.id,
            name,
            deadline: wire::now().saturating_add(u64::try_from(time_left.as_millis()).unwrap_or(u64::MAX)),
            time_left,
            request: request_context::current(),
            body,
        };
        self.queue.push(queue, line.to_line(), QueuedCall { id: call.id, deadline });
        Ok(call)
    }
}

async fn send(
    connection: Arc<Connection>,
    channel: Channel,
    pending: Arc<PendingCalls>,
    queue: Arc<str>,
    mut calls: Vec<Entry<QueuedCall>>,
) {
    let now = Instant::now();
    calls.retain(|call| call.data.deadline > now);
    let Some(deadline) = calls.iter().map(|call| call.data.deadline).max() else { return };
    let ids = || calls.iter().map(|call| call.data.id);
    let message = message(&calls);
    // Rounded up: the broker must not drop a call before its deadline.
    let expiration = ((deadline - now).as_millis() + 1).to_string();
    let properties =
        wire::properties(CALLS, &pending.token).with_reply_to(REPLY_TO.into()).with_expiration(expiration.into());
    match publish(&channel, ("", &queue), true, &message, properties, BROKER_TIMEOUT).await {
        Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) => {
            // lapin pairs returned messages with confirms by order, so this may be another message
            // of the channel. The ids in the returned message itself say which calls it carried.
            pending.undelivered(wire::ids(&returned.delivery.data), "no instance serves it");
        }
        Ok(Confirmation::Nack(None)) => pending.undelivered(ids(), "too many calls wait for it"),
        Ok(_) => {}
        Err(error) => {
            connection.fail_unless_blocked(&error.to_string());
            pending.undelivered(ids(), "the broker does not accept messages");
        }
    }
}

/// Passes replies on until the connection ends.
async fn receive_replies(mut replies: Consumer, pending: Arc<PendingCalls>, connection: Weak<Connection>) {
    let reason = loop {
        match replies.next().await {
            Some(Ok(delivery)) => pending.replied(&delivery),
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
    fn register(pending: &Arc<Self>) -> Result<PendingCall> {
        let (sender, outcome) = oneshot::channel();
        let id = pending.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut calls = lock(&pending.calls);
        if calls.len() >= MAX_PENDING {
            return Err(Error::busy("Too many calls are waiting."));
        }
        calls.insert(id, sender);
        Ok(PendingCall { id, pending: Arc::clone(pending), outcome })
    }

    fn undelivered(&self, ids: impl Iterator<Item = u64>, reason: &'static str) {
        for id in ids {
            self.shared.count(|counters| counters.undelivered += 1);
            if let Some(call) = lock(&self.calls).remove(&id) {
                // An error means that the caller was cancelled.
                let _ = call.send(CallOutcome::Undelivered(reason));
            }
        }
    }

    fn replied(&self, delivery: &Delivery) {
        if wire::token(delivery) != self.token.as_str() || !wire::is_readable(delivery, REPLIES) {
            return self.stray(delivery);
        }
        for reply in wire::replies(&delivery.data) {
            let (id, reply) = match reply {
                Ok((id, reply)) => (id, reply.map(<[u8]>::to_vec)),
                Err(id) => (id, Err(Error::internal("the reply cannot be read"))),
            };
            let call = lock(&self.calls).remove(&id);
            if call.is_none_or(|call| call.send(CallOutcome::Replied(reply)).is_err()) {
                self.stray(delivery);
            }
        }
    }

    fn stray(&self, delivery: &Delivery) {
        self.shared.count(|counters| counters.stray_replies += 1);
        tracing::debug!(token = wire::token(delivery), "a reply to no pending call");
    }
}
