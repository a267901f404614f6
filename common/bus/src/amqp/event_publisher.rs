//! Publishes events to the exchange of their owner, or into a retry or dead-letter queue.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::{Mutex, watch};

use super::Shared;
use super::connection::{Connection, disconnected, publish};
use super::supervisor::BackOff;
use super::topology::{self, Names, declare_exchange, declare_listener, table, text};
use super::wire::{self, VERSION};
use crate::{EventMessage, owner};
use souk_types::Result;

/// Timeout of the confirm of an event, which most nodes of the broker write to disk first.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const JSON: &str = "application/json";
/// Delivery mode of a message that the broker writes to disk.
pub(super) const PERSISTENT: u8 = 2;

pub(super) struct EventPublisher {
    connection: Arc<Connection>,
    events: Channel,
    /// Used for one message at a time: lapin may pair a returned message with the confirm of
    /// another one, and an event must not count as stored because of another event's confirm.
    queues: Mutex<Channel>,
    /// Listeners and owners whose queues are declared.
    declared: Mutex<HashSet<(String, String)>>,
}

impl EventPublisher {
    pub(super) async fn start(connection: Arc<Connection>) -> Result<Self> {
        let events = connection.confirming_channel().await?;
        let queues = Mutex::new(connection.confirming_channel().await?);
        Ok(Self { connection, events, queues, declared: Mutex::default() })
    }

    /// Declares the listeners' queues first, so a listener that has never run misses nothing.
    pub(super) async fn publish(
        &self,
        shared: &Shared,
        message: &EventMessage,
        listeners: &'static [&'static str],
    ) -> Result<()> {
        let names = &shared.names;
        let owner = owner(&message.name);
        self.declare(names, owner, listeners).await?;
        let mut headers = table(&[
            (topology::VERSION, AMQPValue::LongUInt(VERSION)),
            (topology::LISTENERS, text(&listeners.join(","))),
        ]);
        if let Some(request) = &message.request {
            headers.insert(topology::REQUEST.into(), text(request.as_str()));
        }
        let properties = shared
            .senders
            .sign(BasicProperties::default())
            .with_content_type(JSON.into())
            .with_type(message.name.as_str().into())
            .with_message_id(message.id.to_string().into())
            .with_timestamp(wire::now() / 1000)
            .with_delivery_mode(PERSISTENT)
            .with_headers(headers);
        let exchange = names.exchange(owner);
        match publish(&self.events, (&exchange, ""), false, &message.body, properties, CONFIRM_TIMEOUT).await {
            Ok(Confirmation::Ack(_)) => Ok(()),
            Ok(refused) => Err(disconnected(format!("{exchange} does not accept events: {refused:?}"))),
            Err(error) => {
                // A new connection declares the exchange again, if someone has deleted it.
                if !self.events.status().connected() {
                    self.connection.fail_unless_blocked(&error.to_string());
                }
                Err(error)
            }
        }
    }

    /// Declares the exchange of `owner`, and the queues of `listeners` behind it, once.
    async fn declare(&self, names: &Names, owner: &str, listeners: &[&str]) -> Result<()> {
        let mut declared = self.declared.lock().await;
        for listener in listeners {
            let pair = ((*listener).to_owned(), owner.to_owned());
            if declared.contains(&pair) {
                continue;
            }
            // A channel of its own, because a refusal closes it.
            let channel = self.connection.channel().await?;
            declare_exchange(&self.connection, &channel, names, owner).await?;
            declare_listener(&self.connection, &channel, names, listener, owner).await?;
            self.connection.bounded(channel.close(200, "OK".into())).await?;
            declared.insert(pair);
        }
        Ok(())
    }

    /// Stores an event in a queue behind `exchange`. Returns when the broker has stored it.
    pub(super) async fn store(
        &self,
        (exchange, queue): (&str, &str),
        event: &[u8],
        properties: BasicProperties,
    ) -> Result<()> {
        let channel = self.queues.lock().await;
        match publish(&channel, (exchange, queue), true, event, properties, CONFIRM_TIMEOUT).await? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => Err(disconnected(format!("there is no queue {queue}"))),
            _ => Err(disconnected(format!("{queue} is full"))),
        }
    }
}

/// Declares the queues of an event. Without the exchange, its listeners have nothing to bind to.
pub(super) async fn declare_event(
    shared: Arc<Shared>,
    event: &'static str,
    listeners: &'static [&'static str],
    is_declared: watch::Sender<bool>,
) {
    let mut back_off = BackOff::default();
    while let Some(publisher) = shared.unblocked_publisher().await {
        match publisher.events.declare(&shared.names, owner(event), listeners).await {
            Ok(()) => {
                is_declared.send_replace(true);
                return;
            }
            Err(error) => tracing::warn!(event, %error, "cannot declare the queues of an event"),
        }
        tokio::time::sleep(back_off.next()).await;
    }
}
