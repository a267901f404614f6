//! The transport over RabbitMQ. This file is what the bus calls, and what the parts share; each part is a file in `amqp/`.
//!
//! Three connections: one publishes calls and events and hears the replies, one serves (calls in, replies out), one hears
//! events. A broker that is short of memory stops whatever a publishing connection sends; the last publishes nothing, so that
//! events are acknowledged all the same. `supervisor` keeps each for ever; the last two are made when they are needed.

mod acks;
mod breaker;
mod callee;
mod consumer;
mod counters;
mod dead_letters;
mod lanes;
mod link;
mod listener;
mod message;
mod names;
mod options;
mod publisher;
mod replies;
mod retry;
mod server;
mod supervisor;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use self::breaker::Outcome;
use self::callee::Callee;
use self::consumer::{Work, keep_consuming};
pub use self::counters::Counters;
use self::counters::Counting;
pub use self::dead_letters::{DeadLetter, DeadLetterFilter, DeadLetters, EventCounts};
use self::link::{Health, Link};
use self::listener::Listening;
use self::names::Names;
pub use self::options::AmqpOptions;
use self::options::Broker;
use self::publisher::{Outgoing, Publisher};
use self::replies::Replies;
use self::server::Service;
use super::{Bytes, EventMessage, Listener, Responder, owner};
use crate::request_context;
use souk_types::{Error, ErrorKind, Result};

/// After this it is looked whether a call that left alone has come back: late enough to spare nearly all the look, and soon enough
/// for those whose callee is gone.
const RETURNED_WITHIN: Duration = Duration::from_millis(50);
/// Work in hand is given so long to end when the bus is closed; with the rest of closing that makes less than 5 s.
const FINISH: Duration = Duration::from_secs(3);

pub(super) struct Amqp {
    shared: Arc<Shared>,
    services: Mutex<HashMap<&'static str, Arc<Service>>>,
    /// By who listens, and to whom.
    listening: Mutex<HashMap<(&'static str, &'static str), Arc<Listening>>>,
    /// The events that this process announces, and who listens to them.
    announced: Mutex<HashMap<&'static str, &'static [&'static str]>>,
    callees: Mutex<HashMap<&'static str, Arc<Callee>>>,
    /// For each consumer, whether it consumes.
    consumers: Mutex<Vec<watch::Receiver<bool>>>,
}

/// What every part of the transport knows.
struct Shared {
    broker: Arc<Broker>,
    name: String,
    names: Names,
    counting: Arc<Counting>,
    phase: watch::Sender<Phase>,
    closed: watch::Sender<bool>,
    publishing: watch::Sender<Option<Arc<Publisher>>>,
    serving: watch::Sender<Option<Arc<Replies>>>,
    hearing: watch::Sender<Option<Arc<Link>>>,
    /// Messages that are being worked on.
    in_hand: watch::Sender<usize>,
}

/// How far the bus is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// No more work is taken in; calls still go out.
    Finishing,
}

impl Amqp {
    /// Begins to connect, and returns at once. Errors: the URL cannot be used.
    pub(super) fn start(options: AmqpOptions) -> Result<Self> {
        let broker = Arc::new(options::parse(&options.url)?);
        let shared = Arc::new(Shared {
            broker,
            name: options.name,
            names: Names(options.prefix),
            counting: Arc::default(),
            phase: watch::Sender::new(Phase::Open),
            closed: watch::Sender::new(false),
            publishing: watch::Sender::new(None),
            serving: watch::Sender::new(None),
            hearing: watch::Sender::new(None),
            in_hand: watch::Sender::new(0),
        });
        let counting = Arc::clone(&shared.counting);
        shared.keep("publishes", &shared.publishing, move |link| Publisher::start(link, Arc::clone(&counting)));
        Ok(Self {
            shared,
            services: Mutex::default(),
            listening: Mutex::default(),
            announced: Mutex::default(),
            callees: Mutex::default(),
            consumers: Mutex::default(),
        })
    }

    pub(super) async fn call(&self, name: &'static str, body: Bytes, deadline: Instant) -> Result<Bytes> {
        if body.len() > wire::MAX_BODY {
            return Err(Error::internal(format!("{name} is larger than {} bytes", wire::MAX_BODY)));
        }
        let callee = self.callee(owner(name));
        let unavailable = |why: &str| Error::unavailable(callee.name).caused_by(format!("{name}: {why}"));
        let publisher = self.shared.publisher().ok_or_else(|| unavailable("the broker cannot be reached"))?;
        let mut attempt = callee.attempt().ok_or_else(|| unavailable("it has not answered lately"))?;
        let mut pending = publisher.expect()?;
        let call = Outgoing { id: pending.id(), name, request: request_context::current(), deadline, body };
        let mut answer = None;
        if publisher.send(&callee.queue, call) {
            answer = timeout(RETURNED_WITHIN, &mut pending.answer).await.ok();
            if answer.is_none() {
                let publisher = Arc::clone(&publisher);
                tokio::spawn(async move { publisher.look_for_returned().await });
            }
        }
        let answer = match answer {
            Some(answer) => Ok(answer),
            None => timeout_at(deadline, &mut pending.answer).await,
        };
        match answer {
            // It never got there: the publisher says why, we say who.
            Ok(Ok(Err(error))) if error.kind() == ErrorKind::Unavailable && error.cause().is_some() => {
                Err(unavailable(error.cause().unwrap_or_default()))
            }
            Ok(Ok(answer)) => {
                attempt.outcome = Outcome::Answered;
                answer
            }
            Ok(Err(_)) => Err(unavailable("the connection to the broker ended")),
            Err(_) => {
                attempt.outcome = Outcome::TimedOut;
                Err(unavailable("timed out"))
            }
        }
    }

    pub(super) fn serve(&self, name: &'static str, responder: Responder) {
        let mut services = lock(&self.services);
        let service = owner(name);
        if let Some(service) = services.get(service) {
            return service.add(name, responder);
        }
        if services.is_empty() {
            let counting = Arc::clone(&self.shared.counting);
            self.shared.keep("serves", &self.shared.serving, move |link| Replies::start(link, Arc::clone(&counting)));
        }
        let serving = Service::new(Arc::clone(&self.shared), service);
        serving.add(name, responder);
        services.insert(service, Arc::clone(&serving));
        self.consume(serving);
    }

    pub(super) fn announces(&self, event: &'static str, listeners: &'static [&'static str]) {
        lock(&self.announced).insert(event, listeners);
    }

    pub(super) fn subscribe(&self, event: &'static str, listener: &'static str, hear: Listener) {
        let mut listening = lock(&self.listening);
        let key = (listener, owner(event));
        if let Some(listening) = listening.get(&key) {
            return listening.add(event, hear);
        }
        if listening.is_empty() {
            self.shared.keep("hears", &self.shared.hearing, |link| std::future::ready(Ok(link)));
        }
        let new = Listening::new(Arc::clone(&self.shared), listener, key.1);
        new.add(event, hear);
        listening.insert(key, Arc::clone(&new));
        self.consume(new);
    }

    /// Waits for as long as the broker is away: an event has time, and a failure would only delay it.
    pub(super) async fn publish(&self, message: &EventMessage) -> Result<()> {
        let listeners = lock(&self.announced).get(message.name.as_str()).copied();
        let unannounced = || Error::internal(format!("{} leaves without `Bus::announces`: who listens?", message.name));
        let listeners = listeners.ok_or_else(unannounced)?;
        loop {
            let closed = || Error::unavailable("messaging").caused_by("the bus is closed");
            let publisher = self.shared.unblocked().await.ok_or_else(closed)?;
            match publisher.announce(&self.shared.names, message, listeners).await {
                Err(error) if !publisher.is_up() => {
                    tracing::debug!(event = %message.id, %error, "waits for the broker");
                }
                outcome => return outcome,
            }
        }
    }

    /// Waits until the connections are there and everything that was registered is being consumed.
    pub(super) async fn ready(&self) {
        let consumers = lock(&self.consumers).clone();
        // An end of the bus ends the waiting, too.
        let _ = self.shared.publishing.subscribe().wait_for(Option::is_some).await;
        for mut consuming in consumers {
            let _ = consuming.wait_for(|consuming| *consuming).await;
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.shared.publisher().is_some() && lock(&self.consumers).iter().all(|consuming| *consuming.borrow())
    }

    /// Why nobody knows where the broker is, if that is so.
    pub(super) fn dns_error(&self) -> Option<String> {
        self.shared.broker.dns_error()
    }

    pub(super) fn counters(&self) -> Counters {
        self.shared.counting.read()
    }

    /// Takes in no more work. What is in hand goes on, and may call.
    pub(super) fn stop_consuming(&self) {
        self.shared.phase.send_replace(Phase::Finishing);
    }

    /// Finishes what is in hand, [`FINISH`] at most, and says goodbye to the broker.
    pub(super) async fn close(&self) {
        self.stop_consuming();
        let deadline = Instant::now() + FINISH;
        let consumers = lock(&self.consumers).clone();
        let finished = async {
            for mut consuming in consumers {
                let _ = consuming.wait_for(|consuming| !consuming).await;
            }
            let _ = self.shared.in_hand.subscribe().wait_for(|messages| *messages == 0).await;
        };
        if timeout_at(deadline, finished).await.is_err() {
            let messages = *self.shared.in_hand.borrow();
            tracing::warn!(messages, "still in hand when the bus was closed");
        }
        let (publisher, replies, hearing) = (
            self.shared.publishing.borrow().clone(),
            self.shared.serving.borrow().clone(),
            self.shared.hearing.borrow().clone(),
        );
        tokio::join!(
            async {
                if let Some(replies) = replies {
                    replies.close().await;
                }
            },
            async {
                if let Some(link) = hearing {
                    link.close().await;
                }
            },
        );
        if let Some(publisher) = publisher {
            publisher.close().await;
        }
        self.shared.closed.send_replace(true);
    }

    fn consume(&self, work: Arc<impl Work>) {
        let consuming = watch::Sender::new(false);
        lock(&self.consumers).push(consuming.subscribe());
        tokio::spawn(keep_consuming(Arc::clone(&self.shared), work, consuming));
    }

    fn callee(&self, service: &'static str) -> Arc<Callee> {
        let mut callees = lock(&self.callees);
        let callee = callees.entry(service).or_insert_with(|| Callee::new(service, &self.shared.names));
        Arc::clone(callee)
    }
}

impl Drop for Amqp {
    fn drop(&mut self) {
        self.shared.phase.send_replace(Phase::Finishing);
        self.shared.closed.send_replace(true);
    }
}

impl Shared {
    /// Keeps a connection from now on.
    fn keep<T: Send + Sync + 'static, F>(
        &self,
        role: &str,
        current: &watch::Sender<Option<Arc<T>>>,
        establish: impl Fn(Arc<Link>) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<Arc<T>>> + Send + 'static,
    {
        tokio::spawn(supervisor::keep(
            Arc::clone(&self.broker),
            format!("{} {role}", self.name),
            Arc::clone(&self.counting),
            current.clone(),
            self.closed.subscribe(),
            establish,
        ));
    }

    /// The publishing connection, when it is there and the broker takes messages.
    fn publisher(&self) -> Option<Arc<Publisher>> {
        self.publishing.borrow().clone().filter(|publisher| publisher.is_up())
    }

    /// The publishing connection, as soon as it is there and the broker takes messages; none once the bus is closed.
    async fn unblocked(&self) -> Option<Arc<Publisher>> {
        let (mut publishing, mut closed) = (self.publishing.subscribe(), self.closed.subscribe());
        let up = async {
            loop {
                let publisher = publishing.wait_for(Option::is_some).await.ok()?.clone()?;
                let mut health = publisher.link.health();
                let up = health
                    .wait_for(|health| *health != Health::Blocked)
                    .await
                    .is_ok_and(|health| *health == Health::Up);
                if up {
                    return Some(publisher);
                }
                // It has ended, and its successor comes.
                publishing.changed().await.ok()?;
            }
        };
        tokio::select! {
            publisher = up => publisher,
            _ = closed.wait_for(|closed| *closed) => None,
        }
    }

    /// What sends replies; while there is no connection it waits for one until nobody waits for the reply any more.
    async fn replies(&self, deadline: Instant) -> Option<Arc<Replies>> {
        let there = self.serving.borrow().clone();
        if there.is_some() {
            return there;
        }
        let mut serving = self.serving.subscribe();
        let up = async { serving.wait_for(Option::is_some).await.ok().and_then(|replies| replies.clone()) };
        timeout_at(deadline, up).await.ok().flatten()
    }

    /// Counts a message as in hand, for as long as the result lives.
    fn in_hand(self: &Arc<Self>) -> InHand {
        self.in_hand.send_modify(|messages| *messages += 1);
        InHand(Arc::clone(self))
    }
}

struct InHand(Arc<Shared>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.in_hand.send_modify(|messages| *messages -= 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
