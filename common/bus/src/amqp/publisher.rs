//! What leaves through the publishing connection, and the replies that come back on it. It lives as long as its connection;
//! calls that wait for a reply when it ends are told at once.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::{BasicReturnMessage, Delivery};
use lapin::options::BasicConsumeOptions;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Consumer};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::counters::Counting;
use super::lanes::{Lanes, Weigh, spawn};
use super::link::{Health, Link, PATIENCE, away};
use super::listener::JSON;
use super::message::{KEPT_WITHIN, caller, hand_over, is_ours, properties, publish, put};
use super::names::{self, Names, declare_events, declare_listening, table, text};
use super::retry::PERSISTENT;
use super::wire::{self, CALLS, REPLIES, VERSION};
use crate::{Bytes, EventMessage, owner};
use souk_types::{Error, RequestId, Result};

/// Calls of this process that may wait for replies: twice what one service lets wait, and some ten megabytes at most.
const MAX_PENDING: usize = 8192;
/// The broker's address for replies to this channel.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

pub(super) type Answer = Result<Bytes>;

pub(super) struct Publisher {
    pub(super) link: Arc<Link>,
    /// For calls that travel together. The broker confirms them, which is also what says when the next ones leave.
    calls: Channel,
    /// For a call that no other one of this process waits beside: its reply is the confirmation.
    alone: Channel,
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

impl Outgoing {
    /// Writes its line; returns how long it has.
    fn write(&self, message: &mut Vec<u8>, now: Instant, clock: u64) -> Duration {
        let left = self.deadline.saturating_duration_since(now);
        let deadline = clock.saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        let (id, name, request) = (self.id, self.name, self.request.clone());
        wire::Call { id, name, deadline, left, request, body: &self.body }.write(message);
        left
    }
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
        let (calls, alone) = (link.confirming_channel().await?, link.channel().await?);
        let (events, puts) = (link.confirming_channel().await?, link.confirming_channel().await?);
        // Replies come to the channel that the call left by.
        let answers = [hear_replies(&link, &calls).await?, hear_replies(&link, &alone).await?];
        let publisher = Arc::new(Self {
            link,
            calls,
            alone,
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
        for answers in answers {
            tokio::spawn(receive(answers, Arc::downgrade(&publisher)));
        }
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

    /// Sends a call to a queue: together with others that wait for it, or at once when no other waits for a reply. `true`: it left
    /// alone, and whether it arrived is known by its reply only; see [`Publisher::look_for_returned`].
    pub(super) fn send(self: &Arc<Self>, queue: &Arc<str>, call: Outgoing) -> bool {
        let is_alone = self.pending().len() == 1;
        if is_alone {
            let (mut message, now) = (Vec::with_capacity(call.weight()), Instant::now());
            let left = call.write(&mut message, now, wire::now());
            if let Err(error) = hand_over(&self.alone, queue, true, &message, self.calling(left)) {
                self.failed(&error, &[call.id]);
            }
        } else if self.outgoing.add(queue, call) {
            spawn(Arc::clone(self).pump_calls(Arc::clone(queue)));
        }
        is_alone
    }

    /// Looks whether calls that left alone came back, because nobody serves their queue. The broker is asked for a sign of life
    /// first, by a message to nowhere: without one the connection is given up, and with it all that came back before is here.
    pub(super) async fn look_for_returned(&self) {
        let sign = publish(&self.calls, ("", ""), false, &[], BasicProperties::default(), PATIENCE).await;
        self.confirmed(sign, &[]);
        // Nothing is confirmed on that channel: this takes what lapin has collected, and waits for nothing.
        match self.alone.wait_for_confirms().await {
            Ok(returned) => returned.iter().for_each(|message| self.returned(message)),
            Err(error) => tracing::debug!(%error, "what came back cannot be looked at"),
        }
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
                    longest = longest.max(call.write(&mut message, now, clock));
                    ids.push(call.id);
                }
            }
            if ids.is_empty() {
                continue;
            }
            let outcome = publish(&self.calls, ("", &queue), true, &message, self.calling(longest), PATIENCE).await;
            self.confirmed(outcome, &ids);
        }
    }

    /// The properties of calls of which the last expires after this.
    fn calling(&self, longest: Duration) -> BasicProperties {
        // Rounded up: the broker drops what nobody waits for any more, and nothing that somebody does.
        let expiration = (longest.as_millis() + 1).to_string();
        properties(CALLS, &self.token).with_reply_to(REPLY_TO.into()).with_expiration(expiration.into())
    }

    /// What the broker says of calls.
    fn confirmed(&self, outcome: Result<Confirmation>, ids: &[u64]) {
        match outcome {
            Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) => {
                // It may be another message of this channel: lapin pairs them by order. Its lines say whose it is.
                self.returned(&returned);
            }
            Ok(Confirmation::Nack(None)) => self.undeliverable(ids.iter().copied(), "too many calls wait for it"),
            Ok(_) => {}
            Err(error) => self.failed(&error, ids),
        }
    }

    fn returned(&self, message: &BasicReturnMessage) {
        self.undeliverable(wire::ids(&message.delivery.data), "nobody serves");
    }

    /// These calls could not be sent.
    fn failed(&self, error: &Error, ids: &[u64]) {
        if self.link.fail_unless_blocked(&error.to_string()) {
            self.give_up();
        } else {
            self.undeliverable(ids.iter().copied(), "the broker takes no messages");
        }
    }

    /// Announces an event, and waits until the broker keeps it for each of its listeners. These are declared first, so that
    /// one which has never been up misses nothing.
    pub(super) async fn announce(
        &self,
        names: &Names,
        message: &EventMessage,
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
        tracing::debug!(caller = caller(delivery), "a reply that nobody waits for");
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to hear the replies to what leaves by a channel, before any call does.
async fn hear_replies(link: &Link, channel: &Channel) -> Result<Consumer> {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    link.bounded(channel.basic_consume(REPLY_TO.into(), "replies".into(), options, FieldTable::default())).await
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
