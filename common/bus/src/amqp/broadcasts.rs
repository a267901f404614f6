//! Broadcasts: a fanout exchange, and a queue for each process that listens. Nothing is stored, and
//! nothing waits for them: readiness and shutdown do not depend on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use lapin::message::Delivery;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel};
use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

use super::connection::{BROKER_TIMEOUT, Connection, publish};
use super::consumer::{QueueConsumer, acknowledge};
use super::event_publisher::JSON;
use super::topology::{declare_broadcast_queue, declare_broadcasts};
use super::{InFlight, Shared};
use crate::{BroadcastHandler, lock};
use souk_types::Result;

/// Broadcasts that the broker delivers before the first of them is acknowledged.
const PREFETCH: u16 = 64;

/// Sends broadcasts on a channel of its own, which has no confirms.
pub(super) struct BroadcastPublisher {
    connection: Arc<Connection>,
    channel: Channel,
    is_declared: AsyncMutex<bool>,
}

impl BroadcastPublisher {
    pub(super) async fn start(connection: Arc<Connection>) -> Result<Self> {
        let channel = connection.channel().await?;
        Ok(Self { connection, channel, is_declared: AsyncMutex::default() })
    }

    /// Returns when the message is written to the socket.
    pub(super) async fn publish(&self, shared: &Shared, name: &str, body: &[u8]) -> Result<()> {
        let names = &shared.names;
        {
            let mut is_declared = self.is_declared.lock().await;
            if !*is_declared {
                declare_broadcasts(&self.connection, &self.channel, names).await?;
                *is_declared = true;
            }
        }
        let properties = BasicProperties::default().with_content_type(JSON.into()).with_type(name.into());
        let properties = shared.senders.sign(properties);
        publish(&self.channel, (&names.broadcasts(), ""), false, body, properties, BROKER_TIMEOUT).await.map(drop)
    }
}

/// Receives the broadcasts for this process.
pub(super) struct BroadcastConsumer {
    shared: Arc<Shared>,
    queue: String,
    handlers: Mutex<HashMap<&'static str, Vec<BroadcastHandler>>>,
}

impl BroadcastConsumer {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Self> {
        let queue = shared.names.broadcast_queue(&shared.service, &Uuid::now_v7().to_string());
        Arc::new(Self { shared, queue, handlers: Mutex::default() })
    }

    pub(super) fn add(&self, name: &'static str, handler: BroadcastHandler) {
        lock(&self.handlers).entry(name).or_default().push(handler);
    }
}

impl QueueConsumer for BroadcastConsumer {
    fn queue(&self) -> &str {
        &self.queue
    }

    fn prefetch(&self) -> u16 {
        PREFETCH
    }

    async fn connection(&self) -> Option<Arc<Connection>> {
        self.shared.consuming_events.subscribe().wait_for(Option::is_some).await.ok()?.clone()
    }

    async fn declare(&self, connection: &Connection, channel: &Channel) -> Result<()> {
        declare_broadcast_queue(connection, channel, &self.shared.names, &self.queue).await
    }

    async fn handle(self: Arc<Self>, delivery: Delivery, channel: Channel, _: InFlight) {
        let name = delivery.properties.kind().as_ref().map_or("", ShortString::as_str);
        match self.shared.senders.check(&delivery.properties, |access| access.broadcasts.contains(&name)) {
            Ok(sender) => {
                let handlers = lock(&self.handlers).get(name).cloned().unwrap_or_default();
                for handler in handlers {
                    handler(&delivery.data, sender);
                }
            }
            Err(reason) => tracing::warn!(broadcast = name, reason, "a broadcast was refused"),
        }
        acknowledge(&channel, &delivery).await;
    }
}
