//! The first seam: how services talk. A message is a serde struct with a const name; the compiler finds everyone who
//! sends or handles it. `call` asks and waits for the reply, `subscribe` hears what others announce. Events are announced
//! by `outbox` and nothing else, so that none leaves without the write that it tells about.
//!
//! There is one concrete [`Bus`]; which transport carries it is decided once, at start-up. Every transport carries bytes,
//! keeps deadlines, may deliver an event more than once, and passes the suite in `tests/bus.rs`.

mod amqp;
pub mod discovery;
mod local;
pub mod request_context;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use souk_types::{Error, ErrorKind, RequestId, Result, failpoint};
use tokio::time::Instant;

pub use self::amqp::{AmqpOptions, Counters, DeadLetter, DeadLetterFilter, DeadLetters, EventCounts};
pub use souk_contract::{Delivery, Event, EventDescriptor, EventId, Request};

/// How long a call may take, from the first byte to the reply. A request of a client has 5 s and may need two calls in
/// turn; a database operation inside the call has less.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// A listener that has not handled an event by then gets it again later.
const HANDLING_TIMEOUT: Duration = Duration::from_secs(30);

/// An event on its way: only `outbox` makes one.
#[derive(Debug, Clone)]
pub struct EventMessage {
    /// The same in every delivery.
    pub id: EventId,
    /// The event's name on the wire.
    pub name: String,
    /// The request that made it happen.
    pub request: Option<RequestId>,
    /// The event as JSON.
    pub body: Vec<u8>,
}

type Bytes = Vec<u8>;
type Answering = Pin<Box<dyn Future<Output = Result<Bytes>> + Send>>;
/// What a transport runs for a call: bytes in, bytes out.
type Responder = Arc<dyn Fn(Bytes) -> Answering + Send + Sync>;
type Handling = Pin<Box<dyn Future<Output = Result<(), Unheard>> + Send>>;
/// Why a listener has not handled an event.
enum Unheard {
    /// It cannot be read, whatever is tried.
    Unreadable(String),
    /// The handler's error.
    Failed(Error),
}

/// What a transport runs for an event.
type Listener = Arc<dyn Fn(EventMessage) -> Handling + Send + Sync>;

/// The one way to talk to another service. Cheap to clone.
#[derive(Clone)]
pub struct Bus(Arc<Transport>);

enum Transport {
    Local(local::Local),
    Amqp(amqp::Amqp),
}

impl Bus {
    /// A bus inside this process. An event is delivered to those who listen at that moment.
    #[must_use]
    pub fn local() -> Self {
        Self::local_with_services(&[])
    }

    /// A bus inside this process, in which these services will be. They start one after another, and an event may wait from an
    /// earlier day: it is not delivered before each of them that has to hear it listens.
    #[must_use]
    pub fn local_with_services(services: &'static [&'static str]) -> Self {
        Self(Arc::new(Transport::Local(local::Local::of(services))))
    }

    /// A bus over RabbitMQ. It returns at once and connects, and connects again, for as long as it lives, so that services
    /// and broker start and stop in any order. Needs a Tokio runtime. Errors: the URL cannot be used.
    pub fn amqp(options: AmqpOptions) -> Result<Self> {
        Ok(Self(Arc::new(Transport::Amqp(amqp::Amqp::start(options)?))))
    }

    /// Asks the service that owns `request` and waits for its reply, [`CALL_TIMEOUT`] at most.
    ///
    /// Errors: the handler's own, unchanged; `Unavailable` when nobody serves, or nobody answered in time: then the
    /// request may have been carried out all the same.
    pub async fn call<R: Request>(&self, request: R) -> Result<R::Reply> {
        let deadline = Instant::now() + CALL_TIMEOUT;
        let body = serde_json::to_vec(&request).map_err(Error::internal)?;
        failpoint!("call.{}.before", R::NAME);
        let reply = match &*self.0 {
            Transport::Local(local) => local.call(R::NAME, body, deadline).await?,
            Transport::Amqp(amqp) => amqp.call(R::NAME, body, deadline).await?,
        };
        failpoint!("call.{}.after", R::NAME);
        serde_json::from_slice(&reply).map_err(|error| Error::internal(format!("reply to {}: {error}", R::NAME)))
    }

    /// Answers every `R` from now on. Calls run at the same time; one that has expired before its turn is dropped unread.
    pub fn serve<R: Request, F, A>(&self, handler: F)
    where
        F: Fn(R) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R::Reply>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let responder: Responder = Arc::new(move |body: Bytes| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let begun = Instant::now();
                let answer = async {
                    let request = serde_json::from_slice(&body)
                        .map_err(|error| Error::malformed(format!("{} cannot be read: {error}", R::NAME)))?;
                    serde_json::to_vec(&handler(request).await?).map_err(Error::internal)
                };
                let answer = answer.await;
                log_call(R::NAME, begun, answer.as_ref().err());
                answer
            })
        });
        match &*self.0 {
            Transport::Local(local) => local.serve(R::NAME, responder),
            Transport::Amqp(amqp) => amqp.serve(R::NAME, responder),
        }
    }

    /// Says that this process announces `E`: before it publishes the first one, a transport makes sure that each of its
    /// listeners will get it, also one that has never been up.
    pub fn publishes<E: Event>(&self) {
        match &*self.0 {
            Transport::Local(local) => local.announces(E::NAME, E::LISTENERS),
            Transport::Amqp(amqp) => amqp.announces(E::NAME, E::LISTENERS),
        }
    }

    /// Hears every `E` from now on, in the name of the service `listener`. An event counts as delivered when the handler has
    /// returned `Ok`; otherwise it comes again.
    ///
    /// # Panics
    /// When `E::LISTENERS` does not name the listener: it would hear nothing that was announced while it was down, and that is
    /// a mistake in the contract, to be seen at the first start.
    pub fn subscribe<E: Event, F, A>(&self, listener: &'static str, handler: F)
    where
        F: Fn(Delivery<E>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<()>> + Send + 'static,
    {
        assert!(E::LISTENERS.contains(&listener), "{listener} listens to {} without being in its LISTENERS", E::NAME);
        let handler = Arc::new(handler);
        let hear: Listener = Arc::new(move |message: EventMessage| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let event = serde_json::from_slice(&message.body)
                    .map_err(|error| Unheard::Unreadable(format!("{} cannot be read: {error}", E::NAME)))?;
                let begun = Instant::now();
                handler(Delivery { id: message.id, event }).await.map_err(Unheard::Failed)?;
                tracing::info!(event = E::NAME, id = %message.id, listener, ms = elapsed_ms(begun), "event");
                Ok(())
            })
        });
        match &*self.0 {
            Transport::Local(local) => local.subscribe(E::NAME, listener, hear),
            Transport::Amqp(amqp) => amqp.subscribe(E::NAME, listener, hear),
        }
    }

    /// Waits until everything that was registered so far is reachable for others. At once, where that is this process.
    pub async fn ready(&self) {
        match &*self.0 {
            Transport::Local(_) => {}
            Transport::Amqp(amqp) => amqp.ready().await,
        }
    }

    /// Whether messages can leave and arrive now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        match &*self.0 {
            Transport::Local(_) => true,
            Transport::Amqp(amqp) => amqp.is_connected(),
        }
    }

    /// Why nobody knows where the broker is, if that is so: its name in DNS leads nowhere.
    #[must_use]
    pub fn dns_error(&self) -> Option<String> {
        match &*self.0 {
            Transport::Local(_) => None,
            Transport::Amqp(amqp) => amqp.dns_error(),
        }
    }

    /// Takes in no more calls and events, so that others get them. What is in hand goes on, and may call.
    pub fn stop_consuming(&self) {
        match &*self.0 {
            Transport::Local(_) => {}
            Transport::Amqp(amqp) => amqp.stop_consuming(),
        }
    }

    /// Ends: takes in nothing more, finishes what is in hand, sends its replies, says goodbye. Takes less than 5 s.
    pub async fn close(&self) {
        match &*self.0 {
            Transport::Local(_) => {}
            Transport::Amqp(amqp) => amqp.close().await,
        }
    }

    /// What went wrong so far; nothing is counted inside one process.
    #[must_use]
    pub fn counters(&self) -> Counters {
        match &*self.0 {
            Transport::Local(_) => Counters::default(),
            Transport::Amqp(amqp) => amqp.counters(),
        }
    }

    /// Hands an event over. `Ok` means that every listener has it safe, as a broker's confirm does.
    pub async fn publish(&self, message: &EventMessage) -> Result<()> {
        failpoint!("publish.{}.before", message.name);
        match &*self.0 {
            Transport::Local(local) => local.publish(message).await?,
            Transport::Amqp(amqp) => amqp.publish(message).await?,
        }
        failpoint!("publish.{}.after", message.name);
        Ok(())
    }
}

/// The service in front of the dot.
fn owner(name: &str) -> &str {
    name.split_once('.').map_or(name, |(service, _)| service)
}

/// A call is a line where it is answered, for those who want to follow it; one that could not be is a line for everybody. Only what
/// is our fault is an error: the others know already why.
fn log_call(call: &str, begun: Instant, error: Option<&Error>) {
    let ms = elapsed_ms(begun);
    match error {
        None => tracing::debug!(call, ms, "call"),
        Some(error) if error.kind() == ErrorKind::Internal && error.cause().is_some() => {
            tracing::error!(call, ms, %error, "call");
        }
        Some(error) if error.is_outage() => tracing::warn!(call, ms, %error, "call"),
        Some(error) => tracing::debug!(call, ms, code = error.code(), "call"),
    }
}

/// Milliseconds since then.
#[must_use]
pub fn elapsed_ms(begun: Instant) -> f64 {
    (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3
}
