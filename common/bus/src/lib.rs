//! Requests and events between services. A message is a serde struct with a constant name. There is
//! one [`Bus`]; its transport is chosen at start-up: inside the process, or RabbitMQ.
//!
//! Both transports carry bytes, keep deadlines and may deliver an event more than once. Both pass
//! the suite in `tests/conformance/tests/bus.rs`. Only the outbox relay of `souk-store` publishes
//! events, so no event is published without its write.

mod amqp;
pub mod discovery;
mod local;
pub mod request_context;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use souk_contract::EVENTS;
use souk_types::format::{self, Format};
use souk_types::{Error, ErrorKind, RequestId, Result, failpoint};
use tokio::time::Instant;

pub use self::amqp::{
    AmqpOptions, BrokerPermissions, Counters, DeadLetter, DeadLetterFilter, DeadLetters, EventCounts, OPERATOR,
    QueueState, broker_permissions,
};
pub use souk_contract::{Broadcast, Delivery, Event, EventDescriptor, EventId, Request};

/// Timeout of a call. An HTTP request may need two calls in a row within its
/// [`REQUEST_TIMEOUT`](souk_contract::api::REQUEST_TIMEOUT).
pub const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeout of an event handler; the event is redelivered afterwards.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(30);

/// A serialized event on its way from the outbox to its listeners.
#[derive(Debug, Clone)]
pub struct EventMessage {
    /// The id, the same in every delivery.
    pub id: EventId,
    /// The event's name on the wire.
    pub name: String,
    /// The request that caused the event.
    pub request: Option<RequestId>,
    /// The event as JSON.
    pub body: Vec<u8>,
}

type Bytes = Vec<u8>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type RequestHandler = Arc<dyn Fn(Bytes) -> BoxFuture<Result<Bytes>> + Send + Sync>;
/// Also takes the service that sent it, which only the broker knows.
type BroadcastHandler = Arc<dyn Fn(&[u8], Option<&'static str>) + Send + Sync>;
type EventHandler = Arc<dyn Fn(EventMessage) -> BoxFuture<Result<(), HandlerError>> + Send + Sync>;

enum HandlerError {
    /// The body cannot be parsed, so a retry cannot help.
    Unreadable(String),
    Failed(Error),
}

/// Sends requests and events to other services and receives theirs. Cheap to clone.
#[derive(Clone)]
pub struct Bus(Arc<Inner>);

struct Inner {
    transport: Transport,
    /// The number of the format in which messages are written.
    format: AtomicU16,
}

enum Transport {
    Local(local::Local),
    Amqp(amqp::Amqp),
}

impl Bus {
    /// Creates a bus inside this process. It delivers an event to the current subscribers.
    #[must_use]
    pub fn local() -> Self {
        Self::local_with_services(&[])
    }

    /// A bus inside this process waits for all listeners among `services` before it delivers.
    #[must_use]
    pub fn local_with_services(services: &'static [&'static str]) -> Self {
        Self::over(Transport::Local(local::Local::new(services)))
    }

    /// Creates a bus over RabbitMQ, which connects and reconnects in the background. Needs a Tokio
    /// runtime. Errors: the URL is invalid.
    pub fn amqp(options: AmqpOptions) -> Result<Self> {
        Ok(Self::over(Transport::Amqp(amqp::Amqp::start(options)?)))
    }

    fn over(transport: Transport) -> Self {
        Self(Arc::new(Inner { transport, format: AtomicU16::new(Format::PREVIOUS.number()) }))
    }

    /// Returns the format in which requests, replies and broadcasts are written.
    #[must_use]
    pub fn format(&self) -> Format {
        Format::readable(self.0.format.load(Ordering::Relaxed).into()).unwrap_or(Format::PREVIOUS)
    }

    /// Writes messages in this format from now on. A process does not go back to an earlier one.
    pub fn write_format(&self, format: Format) {
        self.0.format.fetch_max(format.number().min(Format::CURRENT.number()), Ordering::Relaxed);
    }

    /// Calls the service that owns `request` and waits for its reply, [`CALL_TIMEOUT`] at most.
    ///
    /// Errors: the handler's own; `Unavailable` when no instance serves the request, or none
    /// replies in time. After a timeout the request may still have been executed.
    pub async fn call<R: Request>(&self, request: R) -> Result<R::Reply> {
        self.call_within(CALL_TIMEOUT, request).await
    }

    /// Calls as [`Bus::call`] does, with another timeout: a request that itself calls other
    /// services or a payment provider takes longer.
    pub async fn call_within<R: Request>(&self, timeout: Duration, request: R) -> Result<R::Reply> {
        let deadline = Instant::now() + timeout;
        let body = format::encode(&request, R::CHANGE.as_ref(), self.format())?.into_bytes();
        failpoint!("call.{}.before", R::NAME);
        let reply = match &self.0.transport {
            Transport::Local(local) => local.call(R::NAME, body, deadline).await?,
            Transport::Amqp(amqp) => amqp.call(R::NAME, body, deadline).await?,
        };
        failpoint!("call.{}.after", R::NAME);
        format::decode(&reply, R::REPLY_CHANGE.as_ref())
            .map_err(|error| Error::internal(format!("reply to {}: {error}", R::NAME)))
    }

    /// Answers every request `R` with `handler`, concurrently. An expired request is dropped.
    pub fn serve<R: Request, F, A>(&self, handler: F)
    where
        F: Fn(R) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R::Reply>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        // Weak: the bus holds the handler.
        let bus = Arc::downgrade(&self.0);
        let handler: RequestHandler = Arc::new(move |body: Bytes| {
            let format = bus.upgrade().map_or(Format::PREVIOUS, |inner| Self(inner).format());
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let start = Instant::now();
                let reply = async {
                    let request = format::decode(&body, R::CHANGE.as_ref())
                        .map_err(|error| Error::malformed(format!("{} cannot be read: {error}", R::NAME)))?;
                    format::encode(&handler(request).await?, R::REPLY_CHANGE.as_ref(), format).map(String::into_bytes)
                };
                let reply = reply.await;
                log_call(R::NAME, start, reply.as_ref().err());
                reply
            })
        });
        match &self.0.transport {
            Transport::Local(local) => local.serve(R::NAME, handler),
            Transport::Amqp(amqp) => amqp.serve(R::NAME, handler),
        }
    }

    /// Registers an event that this process publishes. Each listener of `E` will receive it, even
    /// one that has never run.
    pub fn publishes<E: Event>(&self) {
        self.register(&EventDescriptor::of::<E>());
    }

    /// Registers all events of a service that the contract lists, like [`Self::publishes`].
    pub fn publishes_events_of(&self, service: &str) {
        EVENTS.iter().filter(|event| owner(event.event) == service).for_each(|event| self.register(event));
    }

    fn register(&self, EventDescriptor { event, listeners }: &EventDescriptor) {
        match &self.0.transport {
            Transport::Local(local) => local.publishes(event, listeners),
            Transport::Amqp(amqp) => amqp.publishes(event, listeners),
        }
    }

    /// Handles every event `E` from now on for the service `listener`. A failed one is redelivered.
    ///
    /// # Panics
    /// When `E::LISTENERS` does not name `listener`: the publisher would not store events for it
    /// while it is down.
    pub fn subscribe<E: Event, F, A>(&self, listener: &'static str, handler: F)
    where
        F: Fn(Delivery<E>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<()>> + Send + 'static,
    {
        assert!(E::LISTENERS.contains(&listener), "{listener} subscribes to {} and is not in its LISTENERS", E::NAME);
        let handler = Arc::new(handler);
        let handler: EventHandler = Arc::new(move |message: EventMessage| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let event = format::decode(&message.body, E::CHANGE.as_ref())
                    .map_err(|error| HandlerError::Unreadable(format!("{} cannot be read: {error}", E::NAME)))?;
                let start = Instant::now();
                handler(Delivery { id: message.id, event }).await.map_err(HandlerError::Failed)?;
                tracing::info!(event = E::NAME, id = %message.id, listener, ms = elapsed_ms(start), "event");
                Ok(())
            })
        });
        match &self.0.transport {
            Transport::Local(local) => local.subscribe(E::NAME, listener, handler),
            Transport::Amqp(amqp) => amqp.subscribe(E::NAME, listener, handler),
        }
    }

    /// Publishes an event. `Ok` means that each of its listeners will receive it.
    pub async fn publish(&self, message: &EventMessage) -> Result<()> {
        failpoint!("publish.{}.before", message.name);
        match &self.0.transport {
            Transport::Local(local) => local.publish(message).await?,
            Transport::Amqp(amqp) => amqp.publish(message).await?,
        }
        failpoint!("publish.{}.after", message.name);
        Ok(())
    }

    /// Sends a message to every instance that listens now, this one included. `Ok` does not mean
    /// that one received it. Errors: the broker is not connected.
    pub async fn broadcast<B: Broadcast>(&self, message: &B) -> Result<()> {
        let body = format::encode(message, B::CHANGE.as_ref(), self.format())?.into_bytes();
        match &self.0.transport {
            Transport::Local(local) => local.broadcast(B::NAME, &body),
            Transport::Amqp(amqp) => amqp.broadcast(B::NAME, &body).await?,
        }
        Ok(())
    }

    /// Passes every broadcast `B` to `handler`, from now on, while the broker is connected. A
    /// handler must not block: the next broadcast waits for it.
    pub fn on_broadcast<B: Broadcast>(&self, handler: impl Fn(B) + Send + Sync + 'static) {
        let handler: BroadcastHandler =
            Arc::new(move |body, sender| match format::decode::<B>(body, B::CHANGE.as_ref()) {
                Ok(message) => match (message.service(), sender) {
                    (Some(service), Some(sender)) if service != sender => {
                        tracing::warn!(
                            broadcast = B::NAME,
                            sender,
                            "a broadcast in the name of another service was refused"
                        );
                    }
                    _ => handler(message),
                },
                // Another version of a service may run.
                Err(error) => tracing::debug!(broadcast = B::NAME, %error, "a broadcast cannot be read"),
            });
        match &self.0.transport {
            Transport::Local(local) => local.on_broadcast(B::NAME, handler),
            Transport::Amqp(amqp) => amqp.on_broadcast(B::NAME, handler),
        }
    }

    /// Returns the services that have stopped answering: calls to them fail at once.
    #[must_use]
    pub fn unanswered_services(&self) -> Vec<&'static str> {
        self.as_amqp().map(amqp::Amqp::unanswered_services).unwrap_or_default()
    }

    /// Returns the queues of `services` and of `events` on the broker, in the order of their names;
    /// `None` for a bus inside the process, which has no queues. Opens a connection of its own.
    /// Errors: the broker cannot be reached.
    pub async fn queues(&self, services: &[&str], events: &[EventDescriptor]) -> Result<Option<Vec<QueueState>>> {
        match self.as_amqp() {
            Some(amqp) => amqp.queues(services, events).await.map(Some),
            None => Ok(None),
        }
    }

    /// Waits until the bus is connected and every handler registered so far receives messages.
    pub async fn ready(&self) {
        if let Some(amqp) = self.as_amqp() {
            amqp.ready().await;
        }
    }

    /// Whether messages can be sent and received now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.as_amqp().is_none_or(amqp::Amqp::is_connected)
    }

    /// Returns the error of the last DNS look-up of the broker, if it failed.
    #[must_use]
    pub fn dns_error(&self) -> Option<String> {
        self.as_amqp()?.dns_error()
    }

    /// Connects to the dead letters of these events, and waits for their lock. Returns `None`
    /// inside one process, which has none. The caller closes the connection. Errors: those of
    /// [`DeadLetters::open`].
    pub async fn dead_letters(
        &self,
        events: &[EventDescriptor],
        lock_timeout: Duration,
    ) -> Result<Option<DeadLetters>> {
        match self.as_amqp() {
            Some(amqp) => amqp.dead_letters(events, lock_timeout).await.map(Some),
            None => Ok(None),
        }
    }

    /// Stops consuming requests and events. Work in flight continues and may call.
    pub fn stop_consuming(&self) {
        if let Some(amqp) = self.as_amqp() {
            amqp.stop_consuming();
        }
    }

    /// Stops consuming, waits for work in flight and disconnects. Takes less than 5 s.
    pub async fn close(&self) {
        if let Some(amqp) = self.as_amqp() {
            amqp.close().await;
        }
    }

    /// Returns the counters of this bus; the transport inside the process counts nothing.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.as_amqp().map(amqp::Amqp::counters).unwrap_or_default()
    }

    fn as_amqp(&self) -> Option<&amqp::Amqp> {
        match &self.0.transport {
            Transport::Local(_) => None,
            Transport::Amqp(amqp) => Some(amqp),
        }
    }
}

/// Returns the error for an event that its service does not register.
fn unregistered(event: &str) -> Error {
    Error::internal(format!("{event} was not registered by `Bus::publishes`"))
}

/// Returns the service that owns a message: `products` for `products.get`.
fn owner(name: &str) -> &str {
    name.split_once('.').map_or(name, |(service, _)| service)
}

/// Ignores the panic of another holder: no critical section here leaves a partial change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Only an internal error is logged as an error; an outage is logged where it happens.
fn log_call(call: &str, start: Instant, error: Option<&Error>) {
    let ms = elapsed_ms(start);
    match error {
        None => tracing::debug!(call, ms, "call"),
        Some(error) if error.kind() == ErrorKind::Internal && error.cause().is_some() => {
            tracing::error!(call, ms, %error, "call");
        }
        Some(error) if error.is_outage() => tracing::warn!(call, ms, %error, "call"),
        Some(error) => tracing::debug!(call, ms, code = error.code(), "call"),
    }
}

/// Milliseconds since `start`, with three decimals.
#[must_use]
pub fn elapsed_ms(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 1e6).round() / 1e3
}
