//! Names on the broker, and how exchanges and queues are declared. The broker refuses a second
//! declaration with other arguments, so each declaration is written once, here.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};
use uuid::Uuid;

use super::connection::Connection;
use super::retry::DELAYS;
use souk_types::Result;

/// Header of an event: the version of the protocol.
pub(super) const VERSION: &str = "souk-version";
pub(super) const REQUEST: &str = "souk-request";
/// Header: the listeners of the event, separated by commas.
pub(super) const LISTENERS: &str = "souk-listeners";
pub(super) const ATTEMPTS: &str = "souk-attempts";
/// Header: failed attempts that count towards the limit.
pub(super) const REFUSALS: &str = "souk-refusals";
/// Header: time of the first failure, in milliseconds since 1970.
pub(super) const FIRST_FAILURE: &str = "souk-first-failure";
/// Header: time of the last failure, in milliseconds since 1970.
pub(super) const LAST_FAILURE: &str = "souk-last-failure";
pub(super) const REASON: &str = "souk-reason";
/// Header of a dead letter: the queue that it comes from, and to which a replay returns it.
pub(super) const QUEUE: &str = "souk-queue";

/// Messages, of up to 128 calls each, that may wait in an RPC queue. More calls would time out.
const RPC_MAX_LENGTH: i64 = 1024;
/// Bytes that may wait in an RPC queue.
const RPC_MAX_BYTES: i64 = 64 * 1024 * 1024;
/// Milliseconds until the broker deletes an RPC queue whose service died before it consumed.
const RPC_EXPIRES: i64 = 10_000;

/// Broadcasts that may wait for one process. The broker drops the oldest when there are more.
const BROADCASTS_MAX_LENGTH: i64 = 1_000;
/// Milliseconds for which a broadcast may wait.
const BROADCAST_TTL: i64 = 5_000;

/// Delivery limit of a dead-letter queue. Listing its messages takes and requeues them, and since
/// RabbitMQ 4.0 a queue without this argument drops a message after 20 of these.
const DEAD_LETTER_DELIVERIES: i64 = i32::MAX as i64;

/// Ending of the name of a dead-letter queue.
const DEAD_LETTERS: &str = ".dead";

/// Deliveries without acknowledgement after which the broker itself dead-letters an event: its
/// handler kills the process each time. A retry is a new message and counts from zero.
pub(super) const MAX_DELIVERIES: u32 = 20;

/// Names on the broker, with the prefix of this deployment.
#[derive(Debug, Clone)]
pub(super) struct Names(pub(super) String);

impl Names {
    pub(super) fn rpc_queue(&self, service: &str) -> String {
        format!("{}{service}.rpc", self.0)
    }

    /// Returns the exchange through which callers reach a service. Only the service binds a queue.
    pub(super) fn calls(&self, service: &str) -> String {
        format!("{}{service}.calls", self.0)
    }

    /// Returns the exchange through which a service replies. Only the service publishes to it.
    pub(super) fn replies(&self, service: &str) -> String {
        format!("{}{service}.replies", self.0)
    }

    /// Returns a new name for the queue of one connection of `caller` for the replies of `service`.
    /// It cannot be guessed, so no other caller can bind a queue of its own under it.
    pub(super) fn reply_queue(&self, caller: &str, service: &str) -> String {
        format!("{}{caller}.replies.{service}.{}", self.0, Uuid::new_v4())
    }

    pub(super) fn exchange(&self, owner: &str) -> String {
        format!("{}{owner}.events", self.0)
    }

    /// Returns the queue of the events of `owner` for `listener`, shared by its instances.
    pub(super) fn event_queue(&self, listener: &str, owner: &str) -> String {
        format!("{}{listener}.{owner}", self.0)
    }

    pub(super) fn prefixed(&self, queue: &str) -> String {
        format!("{}{queue}", self.0)
    }

    /// Returns the exchange of all broadcasts.
    pub(super) fn broadcasts(&self) -> String {
        format!("{}souk.broadcasts", self.0)
    }

    /// Returns the queue of the broadcasts for one process of a service.
    pub(super) fn broadcast_queue(&self, service: &str, process: &str) -> String {
        format!("{}{service}.broadcasts.{process}", self.0)
    }

    /// The exclusive queue that serves as the lock of an operator.
    pub(super) fn dead_letter_lock(&self) -> String {
        format!("{}souk.dlq", self.0)
    }
}

pub(super) fn dead_letter_queue(queue: &str) -> String {
    format!("{queue}{DEAD_LETTERS}")
}

pub(super) fn is_dead_letter_queue(queue: &str) -> bool {
    queue.ends_with(DEAD_LETTERS)
}

/// Returns the exchange through which events return to an event queue, or come to its retry and
/// dead-letter queues. The routing key is the name of the queue. With the broker's default exchange
/// instead, a listener could write into every queue.
pub(super) fn failures_exchange(queue: &str) -> String {
    format!("{queue}.failures")
}

pub(super) fn retry_queue(queue: &str, delay: Duration) -> String {
    format!("{queue}.retry.{}", delay.as_millis())
}

/// Declares the exchanges and the queue of a service's calls. The queue disappears with its last
/// consumer, so callers of a service without instances fail at once.
pub(super) async fn declare_service(
    connection: &Connection,
    channel: &Channel,
    names: &Names,
    service: &str,
) -> Result<()> {
    let queue = names.rpc_queue(service);
    let options = QueueDeclareOptions { durable: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let arguments = table(&[
        // A virtual host may have another default type, and only classic queues can disappear.
        ("x-queue-type", text("classic")),
        ("x-max-length", AMQPValue::LongLongInt(RPC_MAX_LENGTH)),
        ("x-max-length-bytes", AMQPValue::LongLongInt(RPC_MAX_BYTES)),
        ("x-overflow", text("reject-publish")),
        ("x-expires", AMQPValue::LongLongInt(RPC_EXPIRES)),
    ]);
    connection.bounded(channel.queue_declare(queue.as_str().into(), options, arguments)).await?;
    // A caller that sees the exchange of calls binds a queue to that of replies.
    declare_durable_exchange(connection, channel, &names.replies(service), ExchangeKind::Direct).await?;
    let calls = names.calls(service);
    declare_durable_exchange(connection, channel, &calls, ExchangeKind::Direct).await?;
    bind(connection, channel, &queue, &calls, &queue).await
}

/// Declares the queue of one connection for the replies of `service`, which ends with the
/// connection, and returns its name.
pub(super) async fn declare_reply_queue(
    connection: &Connection,
    channel: &Channel,
    names: &Names,
    caller: &str,
    service: &str,
) -> Result<String> {
    let queue = names.reply_queue(caller, service);
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let arguments = table(&[("x-queue-type", text("classic"))]);
    connection.bounded(channel.queue_declare(queue.as_str().into(), options, arguments)).await?;
    bind(connection, channel, &queue, &names.replies(service), &queue).await?;
    Ok(queue)
}

/// Declares the exchange of the broadcasts, unless it exists. The users of services may not: it
/// belongs to all of them, so that none can delete it, and comes with the users.
pub(super) async fn declare_broadcasts(connection: &Connection, channel: &Channel, names: &Names) -> Result<()> {
    if connection.has_exchange(&names.broadcasts()).await? {
        return Ok(());
    }
    declare_durable_exchange(connection, channel, &names.broadcasts(), ExchangeKind::Fanout).await
}

/// Declares the queue of the broadcasts for one process. It disappears with its consumer. It is not
/// exclusive: after a lost connection, the broker may still hold the queue for the former one.
pub(super) async fn declare_broadcast_queue(
    connection: &Connection,
    channel: &Channel,
    names: &Names,
    queue: &str,
) -> Result<()> {
    declare_broadcasts(connection, channel, names).await?;
    let options = QueueDeclareOptions { durable: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let arguments = table(&[
        ("x-queue-type", text("classic")),
        ("x-max-length", AMQPValue::LongLongInt(BROADCASTS_MAX_LENGTH)),
        ("x-message-ttl", AMQPValue::LongLongInt(BROADCAST_TTL)),
        ("x-expires", AMQPValue::LongLongInt(RPC_EXPIRES)),
    ]);
    connection.bounded(channel.queue_declare(queue.into(), options, arguments)).await?;
    bind(connection, channel, queue, &names.broadcasts(), "").await
}

/// Declares the queues of `listener` for the events of `owner`, and binds them if the exchange of
/// the events exists. The owner, who alone may declare it, does the same before it publishes, so
/// that a listener that has never run misses nothing.
pub(super) async fn declare_listener(
    connection: &Connection,
    channel: &Channel,
    names: &Names,
    listener: &str,
    owner: &str,
) -> Result<()> {
    let queue = names.event_queue(listener, owner);
    let failures = failures_exchange(&queue);
    declare_durable_exchange(connection, channel, &failures, ExchangeKind::Direct).await?;
    let limit = |deliveries: i64| ("x-delivery-limit", AMQPValue::LongLongInt(deliveries));
    let dead_letters = dead_letter_queue(&queue);
    let (to_queue, to_dead_letters) = ((&*failures, &*queue), (&*failures, &*dead_letters));
    // What an operator rejects there returns to the queue.
    declare_quorum_queue(connection, channel, &dead_letters, to_queue, limit(DEAD_LETTER_DELIVERIES)).await?;
    for delay in DELAYS {
        let ttl = ("x-message-ttl", AMQPValue::LongLongInt(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)));
        declare_quorum_queue(connection, channel, &retry_queue(&queue, delay), to_queue, ttl).await?;
    }
    declare_quorum_queue(connection, channel, &queue, to_dead_letters, limit(MAX_DELIVERIES.into())).await?;
    let events = names.exchange(owner);
    if !connection.has_exchange(&events).await? {
        return Ok(());
    }
    bind(connection, channel, &queue, &events, "").await
}

pub(super) async fn declare_exchange(
    connection: &Connection,
    channel: &Channel,
    names: &Names,
    owner: &str,
) -> Result<()> {
    declare_durable_exchange(connection, channel, &names.exchange(owner), ExchangeKind::Fanout).await
}

async fn declare_durable_exchange(
    connection: &Connection,
    channel: &Channel,
    exchange: &str,
    kind: ExchangeKind,
) -> Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    connection.bounded(channel.exchange_declare(exchange.into(), kind, options, FieldTable::default())).await
}

async fn bind(connection: &Connection, channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
    connection.bounded(channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments)).await
}

/// Declares a queue that is replicated to most nodes, and binds it to the exchange of failures. A
/// message that expires, exceeds its delivery limit or is rejected moves to `next`, a queue behind
/// that exchange; the broker deletes it here after `next` has stored it.
async fn declare_quorum_queue(
    connection: &Connection,
    channel: &Channel,
    queue: &str,
    (failures, next): (&str, &str),
    argument: (&str, AMQPValue),
) -> Result<()> {
    let arguments = table(&[
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-exchange", text(failures)),
        ("x-dead-letter-routing-key", text(next)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
        argument,
    ]);
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    connection.bounded(channel.queue_declare(queue.into(), options, arguments)).await?;
    bind(connection, channel, queue, failures, queue).await
}

pub(super) fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert((*name).into(), value.clone());
    }
    table
}

pub(super) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}
