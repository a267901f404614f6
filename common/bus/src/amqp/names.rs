//! What things are called on the broker, and how they are declared. Whoever declares something a second time must do so in
//! the same words, or the broker refuses; so it is written here once.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use super::link::Link;
use super::retry::DELAYS;
use souk_types::Result;

/// The header of an event with the version of the protocol.
pub(super) const VERSION: &str = "souk-version";
/// The header with the request that an event comes from.
pub(super) const REQUEST: &str = "souk-request";
/// The header with the services that an event is meant for, separated by commas.
pub(super) const LISTENERS: &str = "souk-listeners";
/// The header with how often an event was tried and failed.
pub(super) const ATTEMPTS: &str = "souk-attempts";
/// The header with how many of these were not a matter of waiting.
pub(super) const REFUSALS: &str = "souk-refusals";
/// The header with the time of the first failure, in milliseconds since 1970.
pub(super) const FIRST_FAILURE: &str = "souk-first-failure";
/// The header with the time of the last one.
pub(super) const LAST_FAILURE: &str = "souk-last-failure";
/// The header with what the last failure said.
pub(super) const REASON: &str = "souk-reason";
/// The header of a parked event with the queue that it comes from, and goes back to when it is replayed.
pub(super) const QUEUE: &str = "souk-queue";

/// Messages (of up to 128 calls each) that may wait for a service. More would not be answered in time anyway.
const RPC_LENGTH: i64 = 1024;
/// Bytes that may wait for a service.
const RPC_BYTES: i64 = 64 * 1024 * 1024;
/// A queue for calls that nobody has consumed for so long is deleted, in milliseconds: its service may have died between
/// declaring and consuming, and callers must not wait for it.
const RPC_UNUSED: i64 = 10_000;

/// So often a dead letter may be looked at: whoever looks takes it and gives it back, and from RabbitMQ 4.0 on a queue that says
/// nothing of it throws away what came back 20 times.
const LOOKS: i64 = i32::MAX as i64;

/// So often an event may be handed out and not come back, acknowledged or put away, before the broker parks it: what kills its
/// consumer each time must end somewhere. What is retried or parked by us counts from zero.
pub(super) const DELIVERIES: u32 = 20;

/// Names with the bus's prefix.
#[derive(Debug, Clone)]
pub(super) struct Names(pub(super) String);

impl Names {
    /// The queue for calls of a service.
    pub(super) fn calls(&self, service: &str) -> String {
        format!("{}{service}.rpc", self.0)
    }

    /// The exchange for what a service announces.
    pub(super) fn events(&self, owner: &str) -> String {
        format!("{}{owner}.events", self.0)
    }

    /// The queue for what a service hears of another; its instances share it.
    pub(super) fn listening(&self, listener: &str, owner: &str) -> String {
        format!("{}{listener}.{owner}", self.0)
    }

    /// A queue of this deployment, by its name without prefix.
    pub(super) fn of(&self, queue: &str) -> String {
        format!("{}{queue}", self.0)
    }

    /// The queue that an operator at work on dead letters has to themselves: who has it, has the turn.
    pub(super) fn turn(&self) -> String {
        format!("{}souk.dlq", self.0)
    }
}

/// Where events are put that a listener could not handle.
pub(super) fn dead(queue: &str) -> String {
    format!("{queue}.dead")
}

/// Where events wait before a listener gets them again.
pub(super) fn retry(queue: &str, delay: Duration) -> String {
    format!("{queue}.retry.{}", delay.as_millis())
}

/// Declares the queue for calls of a service: it is there while somebody serves, so that callers know at once when nobody does.
pub(super) async fn declare_calls(link: &Link, channel: &Channel, queue: &str) -> Result<()> {
    let options = QueueDeclareOptions { durable: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let arguments = table(&[
        // Said, because a virtual host may have another type by default, and only this one disappears with its last consumer.
        ("x-queue-type", text("classic")),
        ("x-max-length", AMQPValue::LongLongInt(RPC_LENGTH)),
        ("x-max-length-bytes", AMQPValue::LongLongInt(RPC_BYTES)),
        ("x-overflow", text("reject-publish")),
        ("x-expires", AMQPValue::LongLongInt(RPC_UNUSED)),
    ]);
    link.bounded(channel.queue_declare(queue.into(), options, arguments)).await.map(drop)
}

/// Declares the exchange for what `owner` announces.
pub(super) async fn declare_events(link: &Link, channel: &Channel, names: &Names, owner: &str) -> Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let exchange = names.events(owner).into();
    link.bounded(channel.exchange_declare(exchange, ExchangeKind::Fanout, options, FieldTable::default())).await
}

/// Declares all that `listener` needs to hear `owner`: where events wait for it, where they wait to be tried again, where they
/// end that it cannot handle. Its publisher declares it too, so that a listener that was never up misses nothing.
pub(super) async fn declare_listening(
    link: &Link,
    channel: &Channel,
    names: &Names,
    listener: &str,
    owner: &str,
) -> Result<()> {
    declare_events(link, channel, names, owner).await?;
    let queue = names.listening(listener, owner);
    declare_kept(link, channel, dead(&queue), &[("x-delivery-limit", AMQPValue::LongLongInt(LOOKS))]).await?;
    for delay in DELAYS {
        let back =
            [("x-message-ttl", AMQPValue::LongLongInt(millis(delay))), ("x-dead-letter-routing-key", text(&queue))];
        declare_kept(link, channel, retry(&queue, delay), &back).await?;
    }
    let parked = [
        ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERIES.into())),
        ("x-dead-letter-routing-key", text(&dead(&queue))),
    ];
    declare_kept(link, channel, queue.clone(), &parked).await?;
    let exchange = names.events(owner).into();
    let binding =
        channel.queue_bind(queue.into(), exchange, "".into(), QueueBindOptions::default(), FieldTable::default());
    link.bounded(binding).await
}

/// Declares a queue that survives its broker, on most nodes of a cluster. What leaves it for another queue leaves it when the
/// other one has it.
async fn declare_kept(link: &Link, channel: &Channel, queue: String, arguments: &[(&str, AMQPValue)]) -> Result<()> {
    let mut all = vec![("x-queue-type", text("quorum"))];
    if arguments.iter().any(|(name, _)| *name == "x-dead-letter-routing-key") {
        all.push(("x-dead-letter-exchange", text("")));
        all.push(("x-dead-letter-strategy", text("at-least-once")));
        all.push(("x-overflow", text("reject-publish")));
    }
    all.extend_from_slice(arguments);
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    link.bounded(channel.queue_declare(queue.into(), options, table(&all))).await.map(drop)
}

/// A table of arguments or headers.
pub(super) fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert((*name).into(), value.clone());
    }
    table
}

/// A text in a table.
pub(super) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
