//! What messages say about themselves, and how they are given to the broker: with its confirmation, or without.

use std::time::Duration;

use futures_util::FutureExt;
use lapin::message::Delivery;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, ShortString};
use lapin::{BasicProperties, Channel, Confirmation};

use super::link::away;
use super::names;
use super::wire::MAX_MESSAGE;
use souk_types::Result;

/// The broker writes an event to the disks of most of its nodes before it confirms; a busy disk is no reason to begin anew.
pub(super) const KEPT_WITHIN: Duration = Duration::from_secs(5);

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

/// Gives a message to the connection, which writes it as soon as it can: nobody waits for it to be written, or hears that it was not.
pub(super) fn hand_over(
    channel: &Channel,
    queue: &str,
    mandatory: bool,
    message: &[u8],
    properties: BasicProperties,
) -> Result<()> {
    let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
    let publishing = channel.basic_publish("".into(), queue.into(), options, message, properties);
    publishing.now_or_never().map_or(Ok(()), |written| written.map(drop).map_err(away))
}

/// What each message of calls or replies says about itself.
pub(super) fn properties(kind: &str, token: &ShortString) -> BasicProperties {
    BasicProperties::default().with_type(kind.into()).with_correlation_id(token.clone())
}

/// Whether a message is of this type, which says the version, and of a size that can be understood.
pub(super) fn is_ours(delivery: &Delivery, kind: &str) -> bool {
    let is = delivery.properties.kind().as_ref().map(ShortString::as_str);
    is == Some(kind) && delivery.data.len() <= MAX_MESSAGE
}

/// The version of the protocol that an event is written in.
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

/// The id of an event's message, for the log.
pub(super) fn message_id(delivery: &Delivery) -> &str {
    delivery.properties.message_id().as_ref().map_or("none", ShortString::as_str)
}

/// The caller's token, which its replies must carry; with the call's id it says in the log which call it was.
pub(super) fn caller(delivery: &Delivery) -> &str {
    delivery.properties.correlation_id().as_ref().map_or("", ShortString::as_str)
}
