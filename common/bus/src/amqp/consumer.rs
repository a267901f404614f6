//! Keeps one queue consumed: starts again whenever that ends, until the bus stops consuming.

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer};
use tokio::sync::watch;

use super::connection::{BROKER_TIMEOUT, Connection};
use super::supervisor::BackOff;
use super::{InFlight, Shared};
use souk_types::Result;

pub(super) trait QueueConsumer: Send + Sync + 'static {
    fn queue(&self) -> &str;
    /// Messages that the broker delivers before the first of them is acknowledged.
    fn prefetch(&self) -> u16;
    /// Waits for the connection to consume on. `None` when the bus was dropped.
    fn connection(&self) -> impl Future<Output = Option<Arc<Connection>>> + Send;
    fn declare(&self, connection: &Connection, channel: &Channel) -> impl Future<Output = Result<()>> + Send;
    /// Handles a message and acknowledges it on `channel`. Each message has a task of its own.
    fn handle(
        self: Arc<Self>,
        delivery: Delivery,
        channel: Channel,
        in_flight: InFlight,
    ) -> impl Future<Output = ()> + Send;
}

/// Consumes until the bus stops consuming. Sets `is_consuming` while there is a consumer.
pub(super) async fn keep_consuming<C: QueueConsumer>(
    shared: Arc<Shared>,
    queue: Arc<C>,
    is_consuming: watch::Sender<bool>,
) {
    let mut stopping = shared.stopping.subscribe();
    let mut back_off = BackOff::default();
    loop {
        let connection = tokio::select! {
            connection = queue.connection() => connection,
            _ = stopping.wait_for(|stopping| *stopping) => None,
        };
        let Some(connection) = connection else { return };
        match start(&connection, &*queue).await {
            Ok((channel, consumer)) => {
                back_off.reset();
                is_consuming.send_replace(true);
                let handle = |delivery| {
                    let (queue, channel, in_flight) = (Arc::clone(&queue), channel.clone(), shared.in_flight());
                    tokio::spawn(queue.handle(delivery, channel, in_flight));
                };
                let ended = consume(&connection, &channel, consumer, handle, &mut stopping).await;
                is_consuming.send_replace(false);
                let Some(reason) = ended else { return };
                tracing::warn!(queue = queue.queue(), reason, "a consumer ended");
            }
            Err(error) => tracing::warn!(queue = queue.queue(), %error, "cannot consume a queue"),
        }
        tokio::time::sleep(back_off.next()).await;
    }
}

async fn start<C: QueueConsumer>(connection: &Connection, queue: &C) -> Result<(Channel, Consumer)> {
    let channel = connection.channel().await?;
    queue.declare(connection, &channel).await?;
    connection.bounded(channel.basic_qos(queue.prefetch(), BasicQosOptions::default())).await?;
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(queue.queue().into(), "".into(), options, FieldTable::default());
    let consumer = connection.bounded(consuming).await?;
    Ok((channel, consumer))
}

/// Handles messages until the consumer ends (returns the reason) or the bus stops consuming
/// (returns `None`). Each handler holds the channel, so the channel stays open until the last
/// message is acknowledged.
async fn consume(
    connection: &Connection,
    channel: &Channel,
    mut consumer: Consumer,
    handle: impl Fn(Delivery),
    stopping: &mut watch::Receiver<bool>,
) -> Option<String> {
    let mut ended = std::pin::pin!(connection.ended());
    let mut stopping = std::pin::pin!(stopping.wait_for(|stopping| *stopping));
    loop {
        tokio::select! {
            delivery = consumer.next() => match delivery {
                Some(Ok(delivery)) => handle(delivery),
                Some(Err(error)) => return Some(error.to_string()),
                None => return Some("the broker cancelled it".to_owned()),
            },
            reason = &mut ended => return Some(reason),
            _ = &mut stopping => break,
        }
    }
    let cancelling = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
    if let Ok(Ok(())) = tokio::time::timeout(BROKER_TIMEOUT, cancelling).await {
        // Handles messages that the broker sent before it cancelled the consumer.
        while let Some(Ok(delivery)) = consumer.next().await {
            handle(delivery);
        }
    }
    None
}

/// Acknowledges a message and waits until that is written to the socket. An error means that the
/// connection has ended and the broker redelivers the message.
pub(super) async fn acknowledge(channel: &Channel, delivery: &Delivery) {
    // `delivery.ack` would go through a task of lapin.
    if let Err(error) = channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await {
        tracing::debug!(message = message_id(delivery), %error, "an acknowledgement failed");
    }
}

pub(super) fn message_id(delivery: &Delivery) -> &str {
    delivery.properties.message_id().as_ref().map_or("none", ShortString::as_str)
}

pub(super) fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic")
}
