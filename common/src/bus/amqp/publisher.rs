//! What leaves through the publishing connection, and the replies that come back on it. It lives as long as its connection;
//! calls that wait for a reply when it ends are told at once.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Consumer};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::counters::Counting;
use super::lanes::{Lanes, Parked, Weigh, spawn};
use super::link::{Health, Link, PATIENCE, away};
use super::listener::JSON;
use super::names::{self, Names, declare_events, declare_listening, table, text};
use super::replies::REPLIES;
use super::retry::PERSISTENT;
use super::wire::{self, LINES, MAX_MESSAGE, VERSION};
use crate::bus::{Bytes, Message, owner};
use crate::error::{Error, Result};
use crate::request_id::RequestId;

/// Calls of this process that may wait for replies: twice what one service lets wait, and some ten megabytes at most.
const MAX_PENDING: usize = 8192;
/// The broker writes an event to the disks of most of its nodes before it confirms; a busy disk is no reason to begin anew.
const KEPT_WITHIN: Duration = Duration::from_secs(5);
/// The broker's address for replies to this channel.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// What the type of a message says.
pub(super) const CALLS: &str = "calls";

pub(super) type Answer = Result<Bytes>;

pub(super) struct Publisher {
    pub(super) link: Arc<Link>,
    calls: Channel,
    events: Channel,
    /// One at a time: lapin may pair what was returned with another message's confirmation, and an event must not count as put
    /// away because another one was.
    puts: tokio::sync::Mutex<Channel>,
    /// The events whose listeners are declared.
    declared: tokio::sync::Mutex<HashSet<String>>,
    counting: Arc<Counting>,
    /// Names this connection in its calls; a reply without it is not for us.
    token: ShortString,
    pending: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    last_id: AtomicU64,
    outgoing: Lanes<Outgoing>,
}

/// A call on its way out.
pub(super) struct Outgoing {
    pub(super) id: u64,
    pub(super) name: &'static str,
    pub(super) request: Option<RequestId>,
    pub(super) deadline: Instant,
    pub(super) body: Bytes,
}

impl Weigh for Outgoing {
    fn weight(&self) -> usize {
        // The columns in front of it.
        self.body.len() + 100
    }
}

/// A call that waits for its reply, for as long as this lives.
pub(super) struct Pending<'p> {
    publisher: &'p Publisher,
    id: u64,
    pub(super) answer: oneshot::Receiver<Answer>,
}

impl Pending<'_> {
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.publisher.pending().remove(&self.id);
    }
}

impl Publisher {
    /// Opens the channels and begins to listen for replies, before any call can leave.
    pub(super) async fn start(link: Arc<Link>, counting: Arc<Counting>) -> Result<Arc<Self>> {
        let calls = link.confirming_channel().await?;
        let (events, puts) = (link.confirming_channel().await?, link.confirming_channel().await?);
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming = calls.basic_consume(REPLY_TO.into(), "replies".into(), options, FieldTable::default());
        let answers = link.bounded(consuming).await?;
        let publisher = Arc::new(Self {
            link,
            calls,
            events,
            puts: puts.into(),
            declared: tokio::sync::Mutex::default(),
            counting,
            token: Uuid::now_v7().to_string().into(),
            pending: Mutex::default(),
            // Where it starts is left to chance, so that the ids of an earlier process are not those of this one.
            last_id: AtomicU64::new(RandomState::new().hash_one(0) >> 16),
            outgoing: Lanes::default(),
        });
        tokio::spawn(receive(answers, Arc::downgrade(&publisher)));
        Ok(publisher)
    }

    /// Whether the broker takes messages.
    pub(super) fn is_up(&self) -> bool {
        *self.link.health().borrow() == Health::Up
    }

    /// Keeps a place for a reply. Errors: `Busy` when too many wait.
    pub(super) fn expect(&self) -> Result<Pending<'_>> {
        let (answered, answer) = oneshot::channel();
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut pending = self.pending();
        if pending.len() >= MAX_PENDING {
            return Err(Error::busy("Too many calls are waiting."));
        }
        pending.insert(id, answered);
        Ok(Pending { publisher: self, id, answer })
    }

    /// Sends a call to a queue, together with others that wait for it. One that is alone has left when this returns; whether
    /// it arrived is looked into when what is returned is dropped.
    pub(super) fn send(self: &Arc<Self>, queue: &Arc<str>, call: Outgoing) -> Option<Parked> {
        if !self.outgoing.add(queue, call) {
            return None;
        }
        let pump = Arc::clone(self).pump_calls(Arc::clone(queue));
        if self.pending().len() == 1 {
            return Some(Parked::start(pump));
        }
        spawn(pump);
        None
    }

    /// Says goodbye to the broker.
    pub(super) async fn close(&self) {
        self.link.close().await;
        self.give_up();
    }

    async fn pump_calls(self: Arc<Self>, queue: Arc<str>) {
        while let Some(batch) = self.outgoing.next(&queue) {
            let (now, clock) = (Instant::now(), wire::now());
            let mut message = Vec::with_capacity(batch.iter().map(Weigh::weight).sum());
            let mut longest = Duration::ZERO;
            let mut ids = Vec::with_capacity(batch.len());
            {
                let pending = self.pending();
                // Without those who have gone away meanwhile.
                for call in batch.iter().filter(|call| call.deadline > now && pending.contains_key(&call.id)) {
                    let left = call.deadline - now;
                    longest = longest.max(left);
                    ids.push(call.id);
                    let deadline = clock.saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
                    let (id, name, request) = (call.id, call.name, call.request.clone());
                    wire::Call { id, name, deadline, left, request, body: &call.body }.write(&mut message);
                }
            }
            if ids.is_empty() {
                continue;
            }
            let properties = properties(CALLS, &self.token, clock)
                .with_reply_to(REPLY_TO.into())
                // Rounded up: the broker drops what nobody waits for any more, and nothing that somebody does.
                .with_expiration((longest.as_millis() + 1).to_string().into());
            match publish(&self.calls, ("", &queue), true, &message, properties, PATIENCE).await {
                Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) => {
                    // It may be another message of this channel: lapin pairs them by order. Its lines say whose it is.
                    self.undeliverable(wire::ids(&returned.delivery.data), "nobody serves");
                }
                Ok(Confirmation::Nack(None)) => self.undeliverable(ids.into_iter(), "too many calls wait for it"),
                Ok(_) => {}
                Err(error) if self.link.fail_unless_blocked(&error.to_string()) => self.give_up(),
                Err(_) => self.undeliverable(ids.into_iter(), "the broker takes no messages"),
            }
        }
    }

    /// Announces an event, and waits until the broker keeps it for each of its listeners. These are declared first, so that
    /// one which has never been up misses nothing.
    pub(super) async fn announce(
        &self,
        names: &Names,
        message: &Message,
        listeners: &'static [&'static str],
    ) -> Result<()> {
        let owner = owner(&message.name);
        self.declare(names, owner, &message.name, listeners).await?;
        let mut headers =
            table(&[(names::VERSION, AMQPValue::LongUInt(VERSION)), (names::LISTENERS, text(&listeners.join(",")))]);
        if let Some(request) = &message.request {
            headers.insert(names::REQUEST.into(), text(request.as_str()));
        }
        let properties = BasicProperties::default()
            .with_content_type(JSON.into())
            .with_type(message.name.as_str().into())
            .with_message_id(message.id.to_string().into())
            .with_timestamp(wire::now() / 1000)
            .with_delivery_mode(PERSISTENT)
            .with_headers(headers);
        let exchange = names.events(owner);
        match publish(&self.events, (&exchange, ""), false, &message.body, properties, KEPT_WITHIN).await? {
            Confirmation::Ack(_) => Ok(()),
            refused => Err(away(format!("{exchange} takes no more: {refused:?}"))),
        }
    }

    async fn declare(&self, names: &Names, owner: &str, event: &str, listeners: &[&str]) -> Result<()> {
        let mut declared = self.declared.lock().await;
        if declared.contains(event) {
            return Ok(());
        }
        // A refusal ends the channel, which is why it is none of the others.
        let channel = self.link.channel().await?;
        declare_events(&self.link, &channel, names, owner).await?;
        for listener in listeners {
            declare_listening(&self.link, &channel, names, listener, owner).await?;
        }
        declared.insert(event.to_owned());
        Ok(())
    }

    /// Puts an event into a queue and waits until the broker keeps it there.
    pub(super) async fn put(&self, queue: &str, event: &[u8], properties: BasicProperties) -> Result<()> {
        let channel = self.puts.lock().await;
        put(&channel, queue, event, properties).await
    }

    fn undeliverable(&self, ids: impl Iterator<Item = u64>, why: &'static str) {
        for id in ids {
            self.counting.undeliverable.add();
            if let Some(answered) = self.pending().remove(&id) {
                // The call names the service; who went away meanwhile is not told.
                let _ = answered.send(Err(Error::unavailable("").caused_by(why)));
            }
        }
    }

    /// Tells all who wait that no reply will come.
    pub(super) fn give_up(&self) {
        self.pending().clear();
    }

    fn take(&self, delivery: &Delivery) {
        let ours = delivery.properties.correlation_id().as_ref() == Some(&self.token);
        if !ours || !is_ours(delivery, REPLIES) {
            self.stray(delivery);
            return;
        }
        for reply in wire::replies(&delivery.data) {
            let (id, answer) = match reply {
                Ok((id, answer)) => (id, answer.map(<[u8]>::to_vec)),
                Err(id) => (id, Err(Error::internal("the reply cannot be read"))),
            };
            let waiting = self.pending().remove(&id);
            if waiting.is_none_or(|answered| answered.send(answer).is_err()) {
                self.stray(delivery);
            }
        }
    }

    fn stray(&self, delivery: &Delivery) {
        self.counting.stray_replies.add();
        tracing::debug!(message = message_id(delivery), "a reply that nobody waits for");
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts an event into a queue by a channel that confirms, and waits until the broker keeps it there.
pub(super) async fn put(channel: &Channel, queue: &str, event: &[u8], properties: BasicProperties) -> Result<()> {
    match publish(channel, ("", queue), true, event, properties, KEPT_WITHIN).await? {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => Err(away(format!("there is no queue {queue}"))),
        _ => Err(away(format!("{queue} takes no more"))),
    }
}

/// Publishes to an exchange with a routing key, and waits for the broker's confirmation.
pub(super) async fn publish(
    channel: &Channel,
    (exchange, key): (&str, &str),
    mandatory: bool,
    message: &[u8],
    properties: BasicProperties,
    within: Duration,
) -> Result<Confirmation> {
    let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
    let confirmed =
        async { channel.basic_publish(exchange.into(), key.into(), options, message, properties).await?.await };
    let confirmed = tokio::time::timeout(within, confirmed).await;
    confirmed.map_err(|_| away("the broker does not confirm"))?.map_err(away)
}

/// Passes replies on until the connection ends.
async fn receive(mut answers: Consumer, publisher: std::sync::Weak<Publisher>) {
    let why = loop {
        match answers.next().await {
            Some(Ok(delivery)) => {
                let Some(publisher) = publisher.upgrade() else { return };
                publisher.take(&delivery);
            }
            Some(Err(error)) => break error.to_string(),
            None => break "the consumer of replies was cancelled".to_owned(),
        }
    };
    if let Some(publisher) = publisher.upgrade() {
        publisher.link.fail(&why);
        publisher.give_up();
    }
}

/// What each message of calls or replies says about itself.
pub(super) fn properties(kind: &str, token: &ShortString, now: u64) -> BasicProperties {
    let headers = table(&[(names::VERSION, AMQPValue::LongUInt(VERSION))]);
    BasicProperties::default()
        .with_content_type(LINES.into())
        .with_type(kind.into())
        .with_correlation_id(token.clone())
        .with_message_id(Uuid::now_v7().to_string().into())
        .with_timestamp(now / 1000)
        .with_headers(headers)
}

/// Whether a message is of this kind and of a version and size that can be understood.
pub(super) fn is_ours(delivery: &Delivery, kind: &str) -> bool {
    let properties = &delivery.properties;
    let is = |property: &Option<ShortString>, wanted: &str| property.as_ref().is_some_and(|is| is.as_str() == wanted);
    is(properties.content_type(), LINES)
        && is(properties.kind(), kind)
        && version(properties) == Some(VERSION)
        && delivery.data.len() <= MAX_MESSAGE
}

/// The version of the protocol that a message is written in.
pub(super) fn version(properties: &BasicProperties) -> Option<u32> {
    let headers = properties.headers().as_ref()?;
    match headers.inner().get(names::VERSION)? {
        AMQPValue::LongUInt(version) => Some(*version),
        // As other clients write a number.
        AMQPValue::LongInt(version) => u32::try_from(*version).ok(),
        AMQPValue::LongLongInt(version) => u32::try_from(*version).ok(),
        AMQPValue::ShortShortUInt(version) => Some(u32::from(*version)),
        _ => None,
    }
}

/// For the log.
pub(super) fn message_id(delivery: &Delivery) -> &str {
    delivery.properties.message_id().as_ref().map_or("none", ShortString::as_str)
}
