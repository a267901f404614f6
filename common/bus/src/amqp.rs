//! The transport over RabbitMQ: the operations of the bus and the state that its parts share.
//!
//! Up to three connections: one publishes calls and events and receives replies, one serves calls
//! and sends replies, one consumes events and broadcasts. A broker that is short of memory blocks
//! every connection that publishes. The one that consumes events publishes nothing, so it can still
//! acknowledge.

mod batching;
mod broadcasts;
mod circuit_breaker;
mod connection;
mod consumer;
mod counters;
mod dead_letters;
mod event_consumer;
mod event_publisher;
mod options;
mod permissions;
mod queues;
mod retry;
mod rpc_client;
mod rpc_route;
mod rpc_server;
mod senders;
mod supervisor;
mod topology;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use self::broadcasts::{BroadcastConsumer, BroadcastPublisher};
use self::circuit_breaker::{Outcome, RpcTarget};
use self::connection::{Connection, OnChannelError};
use self::consumer::{QueueConsumer, keep_consuming};
pub use self::counters::Counters;
pub use self::dead_letters::{DeadLetter, DeadLetterFilter, DeadLetters, EventCounts};
use self::event_consumer::EventConsumer;
use self::event_publisher::{EventPublisher, declare_event};
pub use self::options::AmqpOptions;
use self::options::Broker;
pub use self::permissions::{BrokerPermissions, OPERATOR, broker_permissions};
pub use self::queues::QueueState;
use self::rpc_client::{CallOutcome, RpcClient};
use self::rpc_server::{ReplySender, RpcServer};
use self::senders::Senders;
use self::supervisor::supervise;
use self::topology::Names;
use super::{
    BroadcastHandler, Bytes, EventDescriptor, EventHandler, EventMessage, RequestHandler, lock, owner, unregistered,
};
use souk_types::{Error, Result};

/// Time for work in flight to end when the bus is closed. Closing takes less than 5 s in all.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) struct Amqp {
    shared: Arc<Shared>,
    /// For a connection of its own to the dead letters.
    options: AmqpOptions,
    rpc_servers: Mutex<HashMap<&'static str, Arc<RpcServer>>>,
    /// By listener and owner.
    event_consumers: Mutex<HashMap<(&'static str, &'static str), Arc<EventConsumer>>>,
    broadcasts: OnceLock<Arc<BroadcastConsumer>>,
    /// Whether the connection that consumes events and broadcasts is being kept open.
    keeps_consuming: Once,
    listeners: Mutex<HashMap<&'static str, &'static [&'static str]>>,
    rpc_targets: Mutex<HashMap<&'static str, Arc<RpcTarget>>>,
    /// Whether each queue is being consumed, and whether those of each event have been declared.
    consuming: Mutex<Vec<watch::Receiver<bool>>>,
}

struct Shared {
    broker: Broker,
    name: String,
    service: String,
    names: Names,
    senders: Senders,
    counters: Mutex<Counters>,
    /// Whether the bus has stopped consuming. It still sends calls.
    stopping: watch::Sender<bool>,
    closed: watch::Sender<bool>,
    publishing: Slot<Publisher>,
    serving: Slot<ReplySender>,
    consuming_events: Slot<Connection>,
    in_flight: watch::Sender<usize>,
}

type Slot<T> = watch::Sender<Option<Arc<T>>>;

struct Publisher {
    connection: Arc<Connection>,
    rpc: RpcClient,
    events: EventPublisher,
    broadcasts: BroadcastPublisher,
}

impl Amqp {
    pub(super) fn start(options: AmqpOptions) -> Result<Self> {
        // An error means that the process has installed a provider before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let broker = options::parse(&options.url)?;
        let shared = Arc::new(Shared {
            senders: Senders::new(broker.user(), &options.prefix),
            broker,
            name: options.name.clone(),
            service: options.service.clone(),
            names: Names(options.prefix.clone()),
            counters: Mutex::default(),
            stopping: watch::Sender::new(false),
            closed: watch::Sender::new(false),
            publishing: watch::Sender::new(None),
            serving: watch::Sender::new(None),
            consuming_events: watch::Sender::new(None),
            in_flight: watch::Sender::new(0),
        });
        let set_up = {
            let shared = Arc::clone(&shared);
            move |connection| Publisher::start(Arc::clone(&shared), connection)
        };
        tokio::spawn(supervise(Arc::clone(&shared), "publishing", shared.publishing.clone(), set_up));
        Ok(Self {
            shared,
            options,
            rpc_servers: Mutex::default(),
            event_consumers: Mutex::default(),
            broadcasts: OnceLock::new(),
            keeps_consuming: Once::new(),
            listeners: Mutex::default(),
            rpc_targets: Mutex::default(),
            consuming: Mutex::default(),
        })
    }

    pub(super) async fn call(&self, name: &'static str, body: Bytes, deadline: Instant) -> Result<Bytes> {
        if body.len() > wire::MAX_BODY {
            return Err(Error::internal(format!("{name} is larger than {} bytes", wire::MAX_BODY)));
        }
        let target = self.rpc_target(owner(name));
        let unavailable = |reason: &str| Error::unavailable(target.service).caused_by(format!("{name}: {reason}"));
        let publisher = self.shared.publisher().ok_or_else(|| unavailable("the broker is not connected"))?;
        let mut attempt = target.attempt().ok_or_else(|| unavailable("the circuit breaker is open"))?;
        let mut call = publisher.rpc.call(&target.destination, name, deadline, &body)?;
        match timeout_at(deadline, &mut call.outcome).await {
            Ok(Ok(CallOutcome::Replied(reply))) => {
                attempt.outcome = Outcome::Replied;
                reply
            }
            Ok(Ok(CallOutcome::Undelivered(reason))) => Err(unavailable(reason)),
            Ok(Err(_)) => Err(unavailable("the connection to the broker ended")),
            Err(_) => {
                attempt.outcome = Outcome::TimedOut;
                Err(unavailable("timed out"))
            }
        }
    }

    pub(super) fn serve(&self, name: &'static str, handler: RequestHandler) {
        let mut servers = lock(&self.rpc_servers);
        let service = owner(name);
        if let Some(server) = servers.get(service) {
            return server.add(name, handler);
        }
        if servers.is_empty() {
            let shared = Arc::clone(&self.shared);
            let set_up = move |connection| ReplySender::start(Arc::clone(&shared), connection);
            tokio::spawn(supervise(Arc::clone(&self.shared), "serving", self.shared.serving.clone(), set_up));
        }
        let server = RpcServer::new(Arc::clone(&self.shared), service);
        server.add(name, handler);
        servers.insert(service, Arc::clone(&server));
        self.consume(server);
    }

    pub(super) fn publishes(&self, event: &'static str, listeners: &'static [&'static str]) {
        lock(&self.listeners).insert(event, listeners);
        let is_declared = watch::Sender::new(false);
        lock(&self.consuming).push(is_declared.subscribe());
        tokio::spawn(declare_event(Arc::clone(&self.shared), event, listeners, is_declared));
    }

    pub(super) fn subscribe(&self, event: &'static str, listener: &'static str, handler: EventHandler) {
        let mut consumers = lock(&self.event_consumers);
        let key = (listener, owner(event));
        if let Some(consumer) = consumers.get(&key) {
            return consumer.add(event, handler);
        }
        self.keep_consuming_connection();
        let consumer = EventConsumer::new(Arc::clone(&self.shared), listener, key.1);
        consumer.add(event, handler);
        consumers.insert(key, Arc::clone(&consumer));
        self.consume(consumer);
    }

    pub(super) fn on_broadcast(&self, name: &'static str, handler: BroadcastHandler) {
        let consumer = self.broadcasts.get_or_init(|| {
            self.keep_consuming_connection();
            let consumer = BroadcastConsumer::new(Arc::clone(&self.shared));
            let is_consuming = watch::Sender::new(false);
            tokio::spawn(keep_consuming(Arc::clone(&self.shared), Arc::clone(&consumer), is_consuming));
            consumer
        });
        consumer.add(name, handler);
    }

    pub(super) async fn broadcast(&self, name: &'static str, body: &[u8]) -> Result<()> {
        let disconnected = || Error::unavailable("messaging").caused_by("the broker is not connected");
        let publisher = self.shared.publisher().ok_or_else(disconnected)?;
        publisher.broadcasts.publish(&self.shared, name, body).await
    }

    pub(super) async fn queues(&self, services: &[&str], events: &[EventDescriptor]) -> Result<Vec<QueueState>> {
        let name = format!("{} queues", self.shared.name);
        let open = |endpoint| Connection::open(endpoint, &name, OnChannelError::KeepConnection);
        let connection = self.shared.broker.try_endpoints(open).await?;
        let queues = queues::read(&connection, &self.shared.names, services, events).await;
        connection.close().await;
        queues
    }

    pub(super) fn unanswered_services(&self) -> Vec<&'static str> {
        let targets = lock(&self.rpc_targets);
        let mut services: Vec<_> =
            targets.values().filter(|target| target.is_unanswered()).map(|target| target.service).collect();
        services.sort_unstable();
        services
    }

    /// Waits while the broker is disconnected, because a failure would only delay the event.
    pub(super) async fn publish(&self, message: &EventMessage) -> Result<()> {
        let listeners = lock(&self.listeners).get(message.name.as_str()).copied();
        let listeners = listeners.ok_or_else(|| unregistered(&message.name))?;
        loop {
            let closed = || Error::unavailable("messaging").caused_by("the bus is closed");
            let publisher = self.shared.unblocked_publisher().await.ok_or_else(closed)?;
            match publisher.events.publish(&self.shared, message, listeners).await {
                Err(error) if !publisher.connection.is_up() => {
                    tracing::debug!(event = %message.id, %error, "an event waits for the broker");
                }
                outcome => return outcome,
            }
        }
    }

    pub(super) async fn ready(&self) {
        let consuming = lock(&self.consuming).clone();
        // An error means that the bus was closed. That also ends the wait.
        let _ = self.shared.publishing.subscribe().wait_for(Option::is_some).await;
        for mut is_consuming in consuming {
            let _ = is_consuming.wait_for(|is_consuming| *is_consuming).await;
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.shared.publisher().is_some() && lock(&self.consuming).iter().all(|is_consuming| *is_consuming.borrow())
    }

    pub(super) fn dns_error(&self) -> Option<String> {
        self.shared.broker.dns_error()
    }

    pub(super) fn counters(&self) -> Counters {
        *lock(&self.shared.counters)
    }

    pub(super) async fn dead_letters(&self, events: &[EventDescriptor], lock_timeout: Duration) -> Result<DeadLetters> {
        DeadLetters::open_within(lock_timeout, self.options.clone(), events).await
    }

    pub(super) fn stop_consuming(&self) {
        self.shared.stopping.send_replace(true);
    }

    /// Waits for work in flight, [`DRAIN_TIMEOUT`] at most, and disconnects.
    pub(super) async fn close(&self) {
        self.stop_consuming();
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        let consuming = lock(&self.consuming).clone();
        let drained = async {
            for mut is_consuming in consuming {
                let _ = is_consuming.wait_for(|is_consuming| !is_consuming).await;
            }
            let _ = self.shared.in_flight.subscribe().wait_for(|messages| *messages == 0).await;
        };
        if timeout_at(deadline, drained).await.is_err() {
            let messages = *self.shared.in_flight.borrow();
            tracing::warn!(messages, "still in flight when the bus was closed");
        }
        let serving = self.shared.serving.borrow().clone();
        let consuming_events = self.shared.consuming_events.borrow().clone();
        let publishing = self.shared.publishing.borrow().clone();
        tokio::join!(
            async {
                if let Some(replies) = serving {
                    replies.close().await;
                }
            },
            async {
                if let Some(connection) = consuming_events {
                    connection.close().await;
                }
            },
        );
        if let Some(publisher) = publishing {
            publisher.connection.close().await;
        }
        self.shared.closed.send_replace(true);
    }

    /// Opens the connection for events and broadcasts, once.
    fn keep_consuming_connection(&self) {
        self.keeps_consuming.call_once(|| {
            let slot = self.shared.consuming_events.clone();
            let set_up = |connection| std::future::ready(Ok(connection));
            tokio::spawn(supervise(Arc::clone(&self.shared), "events", slot, set_up));
        });
    }

    fn consume(&self, queue: Arc<impl QueueConsumer>) {
        let is_consuming = watch::Sender::new(false);
        lock(&self.consuming).push(is_consuming.subscribe());
        tokio::spawn(keep_consuming(Arc::clone(&self.shared), queue, is_consuming));
    }

    fn rpc_target(&self, service: &'static str) -> Arc<RpcTarget> {
        let mut targets = lock(&self.rpc_targets);
        Arc::clone(targets.entry(service).or_insert_with(|| RpcTarget::new(service)))
    }
}

impl Drop for Amqp {
    fn drop(&mut self) {
        self.shared.stopping.send_replace(true);
        self.shared.closed.send_replace(true);
    }
}

impl Publisher {
    async fn start(shared: Arc<Shared>, connection: Arc<Connection>) -> Result<Arc<Self>> {
        let rpc = RpcClient::start(shared, &connection).await?;
        let events = EventPublisher::start(Arc::clone(&connection)).await?;
        let broadcasts = BroadcastPublisher::start(Arc::clone(&connection)).await?;
        Ok(Arc::new(Self { connection, rpc, events, broadcasts }))
    }
}

impl Shared {
    fn publisher(&self) -> Option<Arc<Publisher>> {
        self.publishing.borrow().clone().filter(|publisher| publisher.connection.is_up())
    }

    /// Waits until the publishing connection is up. `None` once the bus is closed.
    async fn unblocked_publisher(&self) -> Option<Arc<Publisher>> {
        let (mut publishing, mut closed) = (self.publishing.subscribe(), self.closed.subscribe());
        let up = async {
            loop {
                let publisher = publishing.wait_for(Option::is_some).await.ok()?.clone()?;
                if publisher.connection.unblocked().await {
                    return Some(publisher);
                }
                // The connection has ended; the supervisor replaces it.
                publishing.changed().await.ok()?;
            }
        };
        tokio::select! {
            publisher = up => publisher,
            _ = closed.wait_for(|closed| *closed) => None,
        }
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut lock(&self.counters));
    }

    /// Counts a message as in flight until all clones of the result are dropped.
    fn in_flight(self: &Arc<Self>) -> InFlight {
        self.in_flight.send_modify(|messages| *messages += 1);
        InFlight(Arc::new(InFlightGuard(Arc::clone(self))))
    }
}

#[derive(Clone)]
struct InFlight(#[expect(dead_code, reason = "held for its Drop")] Arc<InFlightGuard>);

struct InFlightGuard(Arc<Shared>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.in_flight.send_modify(|messages| *messages -= 1);
    }
}
