//! Dead letters: events that a listener could not handle. They wait in `<queue>.dead` for an
//! operator, who lists, replays or discards them with `souk dlq` or on a page for admins.
//!
//! RabbitMQ has no way to read a queue without taking its messages: [`DeadLetters`] takes each
//! message with `basic.get` and requeues it. When the process of an operator dies, the broker
//! requeues its messages. A lock lets one operator work at a time, because the messages that one
//! operator has taken are invisible to the others.

use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicRejectOptions, QueueDeclareOptions};
use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::connection::{BROKER_TIMEOUT, Connection, OnChannelError, disconnected};
use super::options::{self, AmqpOptions};
use super::queues;
use super::retry::{DELAYS, History};
use super::supervisor::BackOff;
use super::topology::{
    FIRST_FAILURE, LAST_FAILURE, MAX_DELIVERIES, Names, REASON, REQUEST, dead_letter_queue, retry_queue,
};
use crate::EventDescriptor;
use souk_types::{Error, Result, Timestamp};

/// Time to wait for another operator, who needs about a second to list some dead letters.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Placeholder for a missing id. Only dead letters that the broker itself stored may lack an id.
const NO_ID: &str = "-";

/// The dead letters of a deployment, for an operator who holds the lock.
pub struct DeadLetters {
    connection: Arc<Connection>,
    names: Names,
    /// The event queues of the contract, without prefix.
    queues: Vec<String>,
}

/// Selects dead letters; the default selects all.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    /// Selects an event by its id. Each listener may have a dead letter of it.
    pub id: Option<String>,
    /// Selects a queue. It may be absent from the current contract.
    pub queue: Option<String>,
    /// Selects the first ones. Without a limit, a long queue takes long.
    pub limit: Option<usize>,
}

/// An event that no retry will handle.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The event queue that it comes from, without prefix: `shopping.customer`.
    pub queue: String,
    /// The event's name.
    pub event: Option<String>,
    /// The event's id, the same in every delivery and in every queue.
    pub id: String,
    /// Failed attempts.
    pub attempts: u32,
    /// Error of the last attempt.
    pub reason: String,
    /// The request that caused the event.
    pub request: Option<String>,
    /// When it was published, to the second.
    pub published_at: Option<Timestamp>,
    /// When it first failed.
    pub first_failed_at: Option<Timestamp>,
    /// When it last failed and was stored here.
    pub dead_lettered_at: Option<Timestamp>,
    /// All headers of the message, as JSON; times are text.
    pub headers: Map<String, Value>,
    /// The body of the event. It is JSON unless the event is unreadable.
    pub body: Vec<u8>,
}

/// Numbers of events on a broker, without those that are being handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// In the queues of their listeners, or waiting for a retry.
    pub waiting: u32,
    /// In dead-letter queues.
    pub dead_letters: u32,
}

impl DeadLetters {
    /// Connects and waits for the lock. `events` determine the queues. Errors: the broker cannot be
    /// reached, or another operator has held the lock for 10 s.
    pub async fn open(options: AmqpOptions, events: &[EventDescriptor]) -> Result<Self> {
        Self::open_within(LOCK_TIMEOUT, options, events).await
    }

    /// Like [`Self::open`], with another time to wait for the lock.
    pub(crate) async fn open_within(
        lock_timeout: Duration,
        options: AmqpOptions,
        events: &[EventDescriptor],
    ) -> Result<Self> {
        // An error means that the process has installed a provider before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let broker = options::parse(&options.url)?;
        let open = |endpoint| Connection::open(endpoint, &options.name, OnChannelError::KeepConnection);
        let connection = broker.try_endpoints(open).await;
        let connection = connection
            .map_err(|error| disconnected(format!("{broker} cannot be reached: {}", error.operator_message())))?;
        let dead_letters = Self { connection, names: Names(options.prefix), queues: queues::event_queues(events) };
        if let Err(error) = dead_letters.wait_for_lock(lock_timeout).await {
            dead_letters.close().await;
            return Err(error);
        }
        Ok(dead_letters)
    }

    /// Passes dead letters to `report`, in the order of their queues, and leaves them in place.
    pub async fn list(&self, filter: &DeadLetterFilter, report: impl FnMut(DeadLetter) + Send) -> Result<()> {
        self.for_each(filter, Action::Keep, report).await.map(drop)
    }

    /// Returns dead letters to their queues; all attempts are available to them again. Passes each
    /// to `report`; returns their number.
    pub async fn replay(&self, filter: &DeadLetterFilter, report: impl FnMut(DeadLetter) + Send) -> Result<u32> {
        self.for_each(filter, Action::Replay, report).await
    }

    /// Deletes dead letters for good. Passes each deleted one to `report`; returns their number.
    pub async fn discard(&self, filter: &DeadLetterFilter, report: impl FnMut(DeadLetter) + Send) -> Result<u32> {
        self.for_each(filter, Action::Discard, report).await
    }

    /// Counts the events that wait for their listeners, and the dead letters.
    pub async fn count(&self) -> Result<EventCounts> {
        let mut counts = EventCounts::default();
        for queue in &self.queues {
            let queue = self.names.prefixed(queue);
            counts.waiting += self.length(&queue).await?.unwrap_or_default();
            for delay in DELAYS {
                counts.waiting += self.length(&retry_queue(&queue, delay)).await?.unwrap_or_default();
            }
            counts.dead_letters += self.length(&dead_letter_queue(&queue)).await?.unwrap_or_default();
        }
        Ok(counts)
    }

    /// Releases the lock and disconnects.
    pub async fn close(&self) {
        self.connection.close().await;
    }

    /// The lock is a queue that only one connection can declare, and that ends with the connection.
    async fn wait_for_lock(&self, timeout: Duration) -> Result<()> {
        let (start, mut back_off) = (Instant::now(), BackOff::default());
        loop {
            let channel = self.connection.channel().await?;
            let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
            let declaring = channel.queue_declare(self.names.dead_letter_lock().into(), options, FieldTable::default());
            if self.connection.bounded_unless(AMQPSoftError::RESOURCELOCKED, declaring).await?.is_some() {
                return Ok(());
            }
            if start.elapsed() > timeout {
                return Err(Error::busy("Another operator is working on the dead letters of this broker; try again."));
            }
            tokio::time::sleep(back_off.next()).await;
        }
    }

    /// Applies `action` to each selected dead letter of this moment. Returns the number removed.
    async fn for_each(
        &self,
        filter: &DeadLetterFilter,
        action: Action,
        mut report: impl FnMut(DeadLetter) + Send,
    ) -> Result<u32> {
        let queues = match &filter.queue {
            Some(queue) => vec![self.event_queue(queue).await?],
            None => self.queues.clone(),
        };
        let (mut removed, mut left) = (0, filter.limit.unwrap_or(usize::MAX));
        for queue in queues {
            if left == 0 {
                break;
            }
            let target = self.names.prefixed(&queue);
            let source = dead_letter_queue(&target);
            // Counted first, because a replayed event that fails again returns to this queue.
            let Some(length) = self.length(&source).await? else { continue };
            if length > 0 && action == Action::Replay && self.length(&target).await?.is_none() {
                return Err(disconnected(format!("there is no queue {target}")));
            }
            let channel = self.connection.channel().await?;
            // Taken and not acknowledged.
            let (mut taken, mut last_tag) = (0, 0);
            let outcome = async {
                for _ in 0..length {
                    if left == 0 {
                        break;
                    }
                    let get = channel.basic_get(source.as_str().into(), BasicGetOptions::default());
                    let Some(message) = self.connection.bounded(get).await? else { break };
                    let dead_letter = DeadLetter::read(&queue, &message.delivery);
                    (taken, last_tag) = (taken + 1, message.delivery.delivery_tag);
                    if filter.id.as_ref().is_none_or(|id| *id == dead_letter.id) {
                        left -= 1;
                        if self.apply(action, &message.delivery).await? {
                            taken -= 1;
                            removed += 1;
                        }
                        report(dead_letter);
                    }
                }
                Ok(())
            };
            let outcome = outcome.await;
            let requeued = self.requeue(&channel, &source, taken, last_tag).await;
            outcome.and(requeued)?;
        }
        Ok(removed)
    }

    /// Returns whether it removed the dead letter.
    async fn apply(&self, action: Action, delivery: &Delivery) -> Result<bool> {
        match action {
            Action::Keep => return Ok(false),
            // The broker moves it to the queue that failed.
            Action::Replay => {
                self.connection.bounded(delivery.reject(BasicRejectOptions { requeue: false })).await?;
            }
            Action::Discard => {
                self.connection.bounded(delivery.ack(BasicAckOptions::default())).await?;
            }
        }
        Ok(true)
    }

    /// Returns the event queue that an operator names, with or without prefix and `.dead`.
    async fn event_queue(&self, name: &str) -> Result<String> {
        let name = name.strip_prefix(&self.names.0).unwrap_or(name);
        let name = name.strip_suffix(".dead").unwrap_or(name).to_owned();
        let is_known = self.queues.contains(&name);
        if is_known || self.length(&dead_letter_queue(&self.names.prefixed(&name))).await?.is_some() {
            return Ok(name);
        }
        let reason = format!("there are no dead letters of a queue {name}, only of {}", self.queues.join(", "));
        Err(Error::not_found("queue").caused_by(reason))
    }

    /// Counts the messages that no consumer has taken; `None` without such a queue.
    async fn length(&self, queue: &str) -> Result<Option<u32>> {
        Ok(queues::length(&self.connection, queue).await?.map(|(messages, _)| messages))
    }

    /// Waits until the messages are visible, so that the next operator does not miss them.
    async fn requeue(&self, channel: &Channel, queue: &str, taken: u32, last_tag: u64) -> Result<()> {
        if taken > 0 {
            let options = BasicNackOptions { multiple: true, requeue: true };
            self.connection.bounded(channel.basic_nack(last_tag, options)).await?;
            let (start, mut back_off) = (Instant::now(), BackOff::default());
            while self.length(queue).await?.unwrap_or_default() < taken {
                if start.elapsed() > BROKER_TIMEOUT {
                    return Err(disconnected(format!("{queue} does not show its requeued messages yet")));
                }
                tokio::time::sleep(back_off.next()).await;
            }
        }
        // The broker confirms the end of a channel after everything that was sent on it.
        self.connection.bounded(channel.close(200, "OK".into())).await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Keep,
    Replay,
    Discard,
}

impl DeadLetter {
    fn read(queue: &str, delivery: &Delivery) -> Self {
        let properties = &delivery.properties;
        let mut headers = Map::new();
        for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
            let value = match (name.as_str(), value) {
                (FIRST_FAILURE | LAST_FAILURE, AMQPValue::LongLongInt(millis)) => time(*millis),
                _ => json(value),
            };
            headers.insert(name.to_string(), value);
        }
        let property = |property: &Option<ShortString>| property.as_ref().map(ToString::to_string);
        let text = |name: &str| headers.get(name).and_then(Value::as_str).map(str::to_owned);
        let at = |name: &str| serde_json::from_value(headers.get(name)?.clone()).ok();
        let mut dead_letter = Self {
            queue: queue.to_owned(),
            event: property(properties.kind()),
            id: property(properties.message_id()).unwrap_or_else(|| NO_ID.to_owned()),
            attempts: History::written(properties).attempts,
            reason: text(REASON).unwrap_or_default(),
            request: text(REQUEST),
            published_at: properties
                .timestamp()
                .and_then(|seconds| Timestamp::from_unix_millis(seconds.checked_mul(1000)?)),
            first_failed_at: at(FIRST_FAILURE),
            dead_lettered_at: at(LAST_FAILURE),
            body: delivery.data.clone(),
            headers: Map::new(),
        };
        if let Some(at) = exceeded_delivery_limit(&headers) {
            dead_letter.attempts = dead_letter.attempts.saturating_add(MAX_DELIVERIES);
            dead_letter.reason =
                format!("it was delivered {MAX_DELIVERIES} times and never acknowledged: it kills its consumer");
            dead_letter.dead_lettered_at = at.or(dead_letter.dead_lettered_at);
        }
        Self { headers, ..dead_letter }
    }
}

/// Returns when the broker itself stored the dead letter because of its delivery limit;
/// `Some(None)` when the time is missing. RabbitMQ records this in `x-death`. A dead letter that
/// Souk stores has no such header.
fn exceeded_delivery_limit(headers: &Map<String, Value>) -> Option<Option<Timestamp>> {
    let last = headers.get("x-death")?.as_array()?.first()?;
    let at = last.get("time").and_then(|time| serde_json::from_value(time.clone()).ok());
    (last.get("reason")? == "delivery_limit").then_some(at)
}

/// Milliseconds since 1970 as RFC 3339; unchanged when they are out of range.
fn time(millis: i64) -> Value {
    let time = u64::try_from(millis).ok().and_then(Timestamp::from_unix_millis);
    time.map_or_else(|| millis.into(), |time| time.to_string().into())
}

fn json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::ShortShortInt(value) => (*value).into(),
        AMQPValue::ShortShortUInt(value) => (*value).into(),
        AMQPValue::ShortInt(value) => (*value).into(),
        AMQPValue::ShortUInt(value) => (*value).into(),
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongUInt(value) => (*value).into(),
        AMQPValue::LongLongInt(value) => (*value).into(),
        AMQPValue::Float(value) => (*value).into(),
        AMQPValue::Double(value) => (*value).into(),
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into(),
        AMQPValue::Timestamp(seconds) => i64::try_from(seconds.saturating_mul(1000)).map_or(Value::Null, time),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(json).collect(),
        AMQPValue::FieldTable(table) => {
            table.inner().iter().map(|(name, value)| (name.to_string(), json(value))).collect()
        }
        AMQPValue::DecimalValue(value) => format!("{value:?}").into(),
        AMQPValue::Void => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_records_an_exceeded_delivery_limit() {
        let headers = |reason: &str| {
            let death = serde_json::json!([{"reason": reason, "queue": "a.b", "time": "2026-11-21T10:14:29.000Z"}]);
            Map::from_iter([("x-death".to_owned(), death)])
        };
        let at = exceeded_delivery_limit(&headers("delivery_limit")).unwrap();
        assert_eq!(at.map(|at| at.to_string()).as_deref(), Some("2026-11-21T10:14:29.000Z"));
        assert!(exceeded_delivery_limit(&headers("expired")).is_none());
        assert!(exceeded_delivery_limit(&Map::new()).is_none());
    }
}
