//! Consumes the events of one owner for one listening service. The consumer acknowledges an event
//! after its handler has committed and returned. It stores a failed event in a retry or dead-letter
//! queue before it acknowledges it. After a crash in between, the broker redelivers the event:
//! delivery is at least once.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, ShortString};
use lapin::{BasicProperties, Channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Connection;
use super::consumer::{QueueConsumer, acknowledge, message_id, panic_message};
use super::event_publisher::JSON;
use super::retry::{Failure, Fate, History};
use super::supervisor::BackOff;
use super::topology::{self, LISTENERS, REQUEST, dead_letter_queue, declare_listener, failures_exchange, retry_queue};
use super::wire::{self, MAX_BODY, VERSION};
use super::{InFlight, Shared};
use crate::{EventHandler, EventMessage, HANDLER_TIMEOUT, HandlerError, lock, request_context};
use souk_contract::access::ServiceAccess;
use souk_types::mutant::Mutant;
use souk_types::{Result, failpoint};

/// Events of one queue that are handled at the same time: enough to fill a database's group commit,
/// few enough to leave work to other instances.
const MAX_RUNNING: u16 = 32;
/// Time for which a handler keeps its permit after a transient failure. During an outage of the
/// database, [`MAX_RUNNING`] events are tried per second, and the others wait in the queue.
const PAUSE_AFTER_OUTAGE: Duration = Duration::from_secs(1);

pub(super) struct EventConsumer {
    shared: Arc<Shared>,
    listener: &'static str,
    owner: &'static str,
    queue: String,
    handlers: Mutex<HashMap<&'static str, Vec<EventHandler>>>,
    permits: Arc<Semaphore>,
}

impl EventConsumer {
    pub(super) fn new(shared: Arc<Shared>, listener: &'static str, owner: &'static str) -> Arc<Self> {
        let queue = shared.names.event_queue(listener, owner);
        let permits = Arc::new(Semaphore::new(usize::from(MAX_RUNNING)));
        Arc::new(Self { shared, listener, owner, queue, handlers: Mutex::default(), permits })
    }

    pub(super) fn add(&self, event: &'static str, handler: EventHandler) {
        lock(&self.handlers).entry(event).or_default().push(handler);
    }

    /// Waits for a permit. `None` when the bus stops consuming.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let mut stopping = self.shared.stopping.subscribe();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => None,
            permit = Arc::clone(&self.permits).acquire_owned() => permit.ok(),
        }
    }

    async fn run_handlers(&self, delivery: &Delivery) -> Result<(), Failure> {
        let may_send = |access: &ServiceAccess| [self.owner, self.listener].contains(&access.service);
        self.shared.senders.check(&delivery.properties, may_send).map_err(Failure::Unreadable)?;
        let message = read(delivery).map_err(Failure::Unreadable)?;
        let Some(handlers) = lock(&self.handlers).get(message.name.as_str()).cloned() else {
            // The exchange carries all events of its owner. An event that names this listener and
            // has no handler here belongs to a later version, which another instance may run.
            if names_listener(&delivery.properties, self.listener) {
                return Err(Failure::Refused(format!("{} is not handled by this version", message.name)));
            }
            self.shared.count(|counters| counters.ignored_events += 1);
            return Ok(());
        };
        for handler in handlers {
            let work = AssertUnwindSafe(handler(message.clone())).catch_unwind();
            let work = request_context::scope(message.request.clone(), work);
            match tokio::time::timeout(HANDLER_TIMEOUT, work).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(HandlerError::Unreadable(reason)))) => return Err(Failure::Unreadable(reason)),
                Ok(Ok(Err(HandlerError::Failed(error)))) if error.is_outage() => {
                    return Err(Failure::Transient(error.to_string()));
                }
                Ok(Ok(Err(HandlerError::Failed(error)))) => return Err(Failure::Refused(error.to_string())),
                Ok(Err(panic)) => return Err(Failure::Refused(format!("panicked: {}", panic_message(&*panic)))),
                Err(_) => return Err(Failure::Transient(format!("took over {HANDLER_TIMEOUT:?}"))),
            }
        }
        Ok(())
    }

    /// Stores a failed event in a retry or dead-letter queue. Returns whether it was stored.
    async fn store_failed(&self, delivery: &Delivery, failure: &Failure) -> bool {
        let mut history = History::of(&delivery.properties);
        let fate = history.add(failure, wire::now());
        let queue = match fate {
            Fate::Retry(delay) => retry_queue(&self.queue, delay),
            Fate::DeadLetter => dead_letter_queue(&self.queue),
        };
        let properties = history.properties(&delivery.properties, &self.queue, failure);
        let properties = self.shared.senders.sign(properties);
        let exchange = failures_exchange(&self.queue);
        let mut back_off = BackOff::default();
        // When the channel has ended the broker redelivers the event.
        while delivery.acker.usable() {
            let Some(publisher) = self.shared.unblocked_publisher().await else { return false };
            match publisher.events.store((&exchange, &queue), &delivery.data, properties.clone()).await {
                Ok(()) => {
                    let (queue, message) = (&self.queue, message_id(delivery));
                    let (attempts, reason) = (history.attempts, failure.reason());
                    if let Fate::Retry(delay) = fate {
                        self.shared.count(|counters| counters.retried_events += 1);
                        tracing::warn!(queue, message, attempts, reason, ?delay, "an event failed and will be retried");
                    } else {
                        self.shared.count(|counters| counters.dead_lettered_events += 1);
                        tracing::error!(queue, message, attempts, reason, "an event was dead-lettered");
                    }
                    return true;
                }
                Err(error) => {
                    tracing::warn!(queue, message = message_id(delivery), %error, "cannot store a failed event");
                }
            }
            tokio::time::sleep(back_off.next()).await;
        }
        false
    }
}

impl QueueConsumer for EventConsumer {
    fn queue(&self) -> &str {
        &self.queue
    }

    fn prefetch(&self) -> u16 {
        MAX_RUNNING
    }

    async fn connection(&self) -> Option<Arc<Connection>> {
        self.shared.consuming_events.subscribe().wait_for(Option::is_some).await.ok()?.clone()
    }

    async fn declare(&self, connection: &Connection, channel: &Channel) -> Result<()> {
        declare_listener(connection, channel, &self.shared.names, self.listener, self.owner).await
    }

    async fn handle(self: Arc<Self>, delivery: Delivery, channel: Channel, in_flight: InFlight) {
        // Without a permit the broker requeues the event when the channel closes.
        let Some(permit) = self.permit().await else { return };
        let acknowledges_first = Mutant::AckBeforeCommit.is_active();
        if acknowledges_first {
            acknowledge_event(&channel, &delivery).await;
        }
        let outcome = self.run_handlers(&delivery).await;
        let is_safe = match &outcome {
            Ok(()) => true,
            Err(failure) => self.store_failed(&delivery, failure).await,
        };
        if is_safe && !acknowledges_first {
            acknowledge_event(&channel, &delivery).await;
        }
        drop(in_flight);
        if let Err(Failure::Transient(_)) = outcome {
            tokio::time::sleep(PAUSE_AFTER_OUTAGE).await;
        }
        drop(permit);
    }
}

async fn acknowledge_event(channel: &Channel, delivery: &Delivery) {
    let event = delivery.properties.kind().as_ref().map_or("none", ShortString::as_str);
    failpoint!("ack.{event}.before");
    acknowledge(channel, delivery).await;
    failpoint!("ack.{event}.after");
}

fn read(delivery: &Delivery) -> Result<EventMessage, String> {
    let properties = &delivery.properties;
    let version = version(properties);
    if version != Some(VERSION) {
        return Err(format!("version {version:?} of the protocol instead of {VERSION}"));
    }
    if delivery.data.len() > MAX_BODY {
        return Err(format!("larger than {MAX_BODY} bytes"));
    }
    if properties.content_type().as_ref().map(ShortString::as_str) != Some(JSON) {
        return Err(format!("the content type is not {JSON}"));
    }
    let name = properties.kind().as_ref().ok_or("it has no type")?;
    let id = properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
    let id = id.ok_or("its message id is not an event id")?;
    let request = text_header(properties, REQUEST).and_then(|request| request.parse().ok());
    Ok(EventMessage { id, name: name.to_string(), request, body: delivery.data.clone() })
}

fn version(properties: &BasicProperties) -> Option<u32> {
    match properties.headers().as_ref()?.inner().get(topology::VERSION)? {
        AMQPValue::LongUInt(version) => Some(*version),
        _ => None,
    }
}

fn names_listener(properties: &BasicProperties, listener: &str) -> bool {
    text_header(properties, LISTENERS).is_some_and(|listeners| listeners.split(',').any(|name| name == listener))
}

fn text_header<'p>(properties: &'p BasicProperties, name: &str) -> Option<&'p str> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => str::from_utf8(text.as_bytes()).ok(),
        _ => None,
    }
}
