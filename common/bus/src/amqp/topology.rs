//! Names on the broker, and how exchanges and queues are declared. The broker refuses a second
//! declaration with other arguments, so each declaration is written once, here.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

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

    /// Returns the queue of the broadcasts for one process.
    pub(super) fn broadcast_queue(&self, process: &str) -> String {
        format!("{}souk.broadcasts.{process}", self.0)
    }

    /// The exclusive queue that serves as the lock of an operator.
    pub(super) fn dead_letter_lock(&self) -> String {
        format!("{}souk.dlq", self.0)
    }
}

pub(super) fn dead_letter_queue(queue: &str) -> String {
    format!("{queue}.dead")
}

pub(super) fn retry_queue(queue: &str, delay: Duration) -> String {
    format!("{queue}.retry.{}", delay.as_millis())
}

/// It disappears with its last consumer, so callers of a service without instances fail at once.
pub(super) async fn declare_rpc_queue(connection: &Connection, channel: &Channel, queue: &str) -> Result<()> {
    let options = QueueDeclareOptions { durable: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let arguments = table(&[
        // A virtual host may have another default type, and only classic queues can disappear.
        ("x-queue-type", text("classic")),
        ("x-max-length", AMQPValue::LongLongInt(RPC_MAX_LENGTH)),
        ("x-max-length-bytes", AMQPValue::LongLongInt(RPC_MAX_BYTES)),
        ("x-overflow", text("reject-publish")),
        ("x-expires", AMQPValue::LongLongInt(RPC_EXPIRES)),
    ]);
    connection.bounded(channel.queue_declare(queue.into(), options, arguments)).await.map(drop)
}

pub(super) async fn declare_broadcasts(connection: &Connection, channel: &Channel, names: &Names) -> Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let exchange = names.broadcasts().into();
    connection.bounded(channel.exchange_declare(exchange, ExchangeKind::Fanout, options, FieldTable::default())).await
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
    let exchange = names.broadcasts().into();
    let binding =
        channel.queue_bind(queue.into(), exchange, "".into(), QueueBindOptions::default(), FieldTable::default());
    connection.bounded(binding).await
}

/// Declares exchange and queues of `listener` for the events of `owner`. The publisher declares
/// them too, so that a listener that has never run misses nothing.
pub(super) async fn declare_listener(
    connection: &Connection,
    channel: &Channel,
    names: &Names,
    listener: &str,
    owner: &str,
) -> Result<()> {
    declare_exchange(connection, channel, names, owner).await?;
    let queue = names.event_queue(listener, owner);
    let limit = |deliveries: i64| ("x-delivery-limit", AMQPValue::LongLongInt(deliveries));
    let dead_letters = dead_letter_queue(&queue);
    declare_quorum_queue(connection, channel, &dead_letters, None, limit(DEAD_LETTER_DELIVERIES)).await?;
    for delay in DELAYS {
        let ttl = ("x-message-ttl", AMQPValue::LongLongInt(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)));
        declare_quorum_queue(connection, channel, &retry_queue(&queue, delay), Some(&queue), ttl).await?;
    }
    declare_quorum_queue(connection, channel, &queue, Some(&dead_letters), limit(MAX_DELIVERIES.into())).await?;
    let (queue, exchange) = (queue.into(), names.exchange(owner).into());
    let binding = channel.queue_bind(queue, exchange, "".into(), QueueBindOptions::default(), FieldTable::default());
    connection.bounded(binding).await
}

pub(super) async fn declare_exchange(
    connection: &Connection,
    channel: &Channel,
    names: &Names,
    owner: &str,
) -> Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let exchange = names.exchange(owner).into();
    connection.bounded(channel.exchange_declare(exchange, ExchangeKind::Fanout, options, FieldTable::default())).await
}

/// Declares a queue that is replicated to most nodes. A message that expires or exceeds its
/// delivery limit moves to `next`; the broker deletes it here after `next` has stored it.
async fn declare_quorum_queue(
    connection: &Connection,
    channel: &Channel,
    queue: &str,
    next: Option<&str>,
    argument: (&str, AMQPValue),
) -> Result<()> {
    let mut arguments = vec![("x-queue-type", text("quorum")), argument];
    if let Some(next) = next {
        arguments.extend([
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(next)),
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
        ]);
    }
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    connection.bounded(channel.queue_declare(queue.into(), options, table(&arguments))).await.map(drop)
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
