//! Serves the calls of one service. The server acknowledges a message when all of its calls have
//! started. So a slow call does not delay others, and a call that crashes its instance is not
//! redelivered to another one. Replies are sent on the serving connection. Waiting replies to one
//! caller are sent as one message.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::types::ShortString;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::batching::{BatchingQueue, Entry, message};
use super::connection::{BROKER_TIMEOUT, Connection, publish};
use super::consumer::{QueueConsumer, acknowledge, panic_message};
use super::topology::declare_service;
use super::wire::{self, CALLS, Call, MAX_BODY, REPLIES};
use super::{InFlight, Shared};
use crate::{Bytes, RequestHandler, lock, request_context};
use souk_types::{Error, Result, failpoint};

/// Calls of one service that run at the same time in this process.
const MAX_RUNNING: usize = 256;
/// Unacknowledged messages: enough for [`MAX_RUNNING`] calls, few enough to leave work to others.
const PREFETCH: u16 = 32;
/// Largest assumed difference of two machines' clocks; see [`remaining_time`].
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5);

pub(super) struct RpcServer {
    shared: Arc<Shared>,
    service: &'static str,
    queue: String,
    handlers: Mutex<HashMap<&'static str, RequestHandler>>,
    permits: Arc<Semaphore>,
}

impl RpcServer {
    pub(super) fn new(shared: Arc<Shared>, service: &'static str) -> Arc<Self> {
        let queue = shared.names.rpc_queue(service);
        let permits = Arc::new(Semaphore::new(MAX_RUNNING));
        Arc::new(Self { shared, service, queue, handlers: Mutex::default(), permits })
    }

    pub(super) fn add(&self, name: &'static str, handler: RequestHandler) {
        lock(&self.handlers).insert(name, handler);
    }

    /// Starts the calls of a message, each as a task, as soon as there are permits.
    async fn start_calls(self: &Arc<Self>, delivery: &Delivery, in_flight: &InFlight) {
        let Some(caller) = self.reply_address(delivery) else {
            self.shared.count(|counters| counters.refused += 1);
            return tracing::warn!(queue = self.queue, "a message of calls has no reply address");
        };
        if !wire::is_readable(delivery, CALLS) {
            let mut ids: Vec<u64> = wire::ids(&delivery.data).take(MAX_RUNNING).collect();
            if ids.is_empty() {
                ids.push(wire::UNKNOWN_ID);
            }
            for id in ids {
                self.refuse(&caller, id, unreadable(), in_flight).await;
            }
            return;
        }
        let (arrival, clock) = (Instant::now(), wire::now());
        for call in wire::calls(&delivery.data) {
            match call {
                Ok(call) => match self.check_sender(delivery, call.name) {
                    Ok(()) => self.start_call(call, &caller, arrival, clock, in_flight).await,
                    Err(error) => self.refuse(&caller, call.id, error, in_flight).await,
                },
                Err(id) => self.refuse(&caller, id, unreadable(), in_flight).await,
            }
        }
    }

    async fn start_call(
        self: &Arc<Self>,
        call: Call<'_>,
        caller: &Arc<str>,
        arrival: Instant,
        clock: u64,
        in_flight: &InFlight,
    ) {
        let deadline = remaining_time(call.time_left, call.deadline, clock).map(|time| arrival + time);
        let permit = match deadline {
            Some(deadline) => timeout_at(deadline, Arc::clone(&self.permits).acquire_owned()).await.ok(),
            None => None,
        };
        let (Some(deadline), Some(Ok(permit))) = (deadline.filter(|deadline| *deadline > Instant::now()), permit)
        else {
            self.shared.count(|counters| counters.expired += 1);
            return tracing::debug!(call = call.name, "an expired call was dropped");
        };
        let (id, name, body) = (call.id, call.name.to_owned(), call.body.to_vec());
        let (server, caller, in_flight) = (Arc::clone(self), Arc::clone(caller), in_flight.clone());
        tokio::spawn(request_context::scope(call.request, async move {
            let reply = server.run_handler(&name, body).await;
            drop(permit);
            failpoint!("reply.{name}.before");
            server.reply(&caller, id, &reply, deadline, Reply { name, _in_flight: in_flight }).await;
        }));
    }

    async fn run_handler(&self, name: &str, body: Bytes) -> Result<Bytes> {
        let Some(handler) = lock(&self.handlers).get(name).cloned() else {
            self.shared.count(|counters| counters.refused += 1);
            return Err(Error::unavailable(self.service).caused_by(format!("{name} is not served by this version")));
        };
        let reply = AssertUnwindSafe(async move { handler(body).await }).catch_unwind().await;
        match reply {
            Ok(Ok(body)) if body.len() > MAX_BODY => {
                Err(Error::internal(format!("the reply to {name} is larger than {MAX_BODY} bytes")))
            }
            Ok(reply) => reply,
            Err(panic) => Err(Error::internal(format!("{name}: {}", panic_message(&*panic)))),
        }
    }

    /// Without a serving connection it waits for the next one, until the caller's deadline.
    async fn reply(&self, caller: &Arc<str>, id: u64, reply: &Result<Bytes>, deadline: Instant, data: Reply) {
        let mut serving = self.shared.serving.subscribe();
        let connected = timeout_at(deadline, serving.wait_for(Option::is_some)).await;
        match connected.ok().and_then(|sender| sender.ok()?.clone()) {
            Some(sender) => sender.queue.push(caller, wire::reply_line(id, reply), data),
            None => self.shared.count(|counters| counters.lost_replies += 1),
        }
    }

    fn check_sender(&self, delivery: &Delivery, call: &str) -> Result<()> {
        let checked = self.shared.senders.check(&delivery.properties, |access| access.calls.contains(&call));
        checked.map(drop).map_err(|reason| Error::forbidden("This service may not make this call.").caused_by(reason))
    }

    /// Returns the exchange and the key of replies to the caller, and the token of its connection,
    /// separated by tabs.
    fn reply_address(&self, delivery: &Delivery) -> Option<Arc<str>> {
        let key = delivery.properties.reply_to().as_ref().map(ShortString::as_str)?;
        let (exchange, token) = (self.shared.names.replies(self.service), wire::token(delivery));
        Some(format!("{exchange}\t{key}\t{token}").into())
    }

    async fn refuse(&self, caller: &Arc<str>, id: u64, error: Error, in_flight: &InFlight) {
        self.shared.count(|counters| counters.refused += 1);
        tracing::warn!(queue = self.queue, call = id, %error, "a call was refused");
        let reply = Err(error);
        let data = Reply { name: String::new(), _in_flight: in_flight.clone() };
        self.reply(caller, id, &reply, Instant::now() + BROKER_TIMEOUT, data).await;
    }
}

impl QueueConsumer for RpcServer {
    fn queue(&self) -> &str {
        &self.queue
    }

    fn prefetch(&self) -> u16 {
        PREFETCH
    }

    async fn connection(&self) -> Option<Arc<Connection>> {
        let mut serving = self.shared.serving.subscribe();
        serving.wait_for(Option::is_some).await.ok()?.as_ref().map(|sender| Arc::clone(&sender.connection))
    }

    async fn declare(&self, connection: &Connection, channel: &Channel) -> Result<()> {
        declare_service(connection, channel, &self.shared.names, self.service).await
    }

    async fn handle(self: Arc<Self>, delivery: Delivery, channel: Channel, in_flight: InFlight) {
        self.start_calls(&delivery, &in_flight).await;
        // Lets ready replies be sent together with the acknowledgement.
        tokio::task::yield_now().await;
        failpoint!("ack.call.before");
        acknowledge(&channel, &delivery).await;
        failpoint!("ack.call.after");
    }
}

pub(super) struct ReplySender {
    pub(super) connection: Arc<Connection>,
    channel: Channel,
    queue: BatchingQueue<Reply>,
}

struct Reply {
    /// The request's name, for failpoints.
    name: String,
    _in_flight: InFlight,
}

impl ReplySender {
    pub(super) async fn start(shared: Arc<Shared>, connection: Arc<Connection>) -> Result<Arc<Self>> {
        // Confirms would be useless, because a reply ends with the connection that waits for it.
        let channel = connection.channel().await?;
        let (sending, replying) = (Arc::clone(&connection), channel.clone());
        let queue = BatchingQueue::start(move |caller, replies| {
            send(Arc::clone(&shared), Arc::clone(&sending), replying.clone(), caller, replies)
        });
        Ok(Arc::new(Self { connection, channel, queue }))
    }

    /// Waits until the broker has passed on all replies, of which none is in flight any more.
    pub(super) async fn close(&self) {
        // The broker confirms the end of a channel after everything that was sent on it.
        if let Err(error) = self.connection.bounded(self.channel.close(200, "OK".into())).await {
            tracing::debug!(%error, "the broker did not confirm the last replies");
        }
        self.connection.close().await;
    }
}

/// Sends replies to one caller as one message and waits until they are written to the socket.
async fn send(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    channel: Channel,
    caller: Arc<str>,
    replies: Vec<Entry<Reply>>,
) {
    let mut columns = caller.splitn(3, '\t');
    let mut column = || columns.next().unwrap_or_default();
    let (exchange, key, token) = (column(), column(), column());
    let properties = shared.senders.sign(wire::properties(REPLIES, &token.into()));
    match publish(&channel, (exchange, key), false, &message(&replies), properties, BROKER_TIMEOUT).await {
        Ok(_) => {
            for reply in replies {
                failpoint!("reply.{}.after", reply.data.name);
            }
        }
        Err(error) => {
            shared.count(|counters| counters.lost_replies += replies.len() as u64);
            connection.fail_unless_blocked(&error.to_string());
        }
    }
}

fn unreadable() -> Error {
    Error::malformed("The message cannot be read.")
}

/// Returns the time that is left of a call on its arrival, or `None` when it has expired. The call
/// had `time_left` when it was sent; it expires at `deadline` by the caller's clock. `deadline` and
/// this machine's `clock` are in milliseconds since 1970.
///
/// With equal clocks the deadline decides. The broker drops calls that expire in its queue, so an
/// impossible deadline means that the clocks differ. Then the call keeps the time that it had when
/// it was sent. A call counts as expired only when its deadline passed more than [`MAX_CLOCK_SKEW`]
/// ago, for example because this process was stopped.
fn remaining_time(time_left: Duration, deadline: u64, clock: u64) -> Option<Duration> {
    let skew = u64::try_from(MAX_CLOCK_SKEW.as_millis()).unwrap_or(u64::MAX);
    if deadline.saturating_add(skew) < clock {
        return None;
    }
    if deadline <= clock {
        return Some(time_left);
    }
    // One millisecond less, because clocks are read in whole milliseconds.
    Some(Duration::from_millis(deadline - clock - 1).min(time_left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ() {
        let (time_left, sent) = (2_000, 1_763_728_187_000);
        for (case, clock, expected) in [
            ("equal clocks, no time under way", sent, Some(1_999)),
            ("equal clocks, half a second under way", sent + 500, Some(1_499)),
            ("this clock is behind", sent - 60_000, Some(2_000)),
            ("this clock is ahead by less than the time left", sent + 1_998, Some(1)),
            ("this clock is ahead by more", sent + 4_000, Some(2_000)),
            ("the largest skew", sent + 7_000, Some(2_000)),
            ("an expired call", sent + 7_001, None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(remaining_time(Duration::from_millis(time_left), sent + time_left, clock), expected, "{case}");
        }
    }
}
