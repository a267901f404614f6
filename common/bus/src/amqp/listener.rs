//! Hears events: from the queue of a listening service, by name, to the handlers. An event is acknowledged when its handler has
//! returned, and so after the handler's commit; whoever dies before has not heard it. One that fails goes into a retry or a
//! dead-letter queue first, and is acknowledged when it is safe there. It may therefore come twice.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, ShortString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::acks::Acks;
use super::consumer::Work;
use super::link::Link;
use super::message::{message_id, version};
use super::names::{self, LISTENERS, REQUEST, declare_listening};
use super::retry::{Failure, Fate, History};
use super::server::what;
use super::supervisor::BackOff;
use super::wire::{self, MAX_BODY, VERSION};
use super::{Phase, Shared};
use crate::request_context;
use crate::{EventMessage, HANDLING_TIMEOUT, Listener, Unheard};
use souk_types::Result;
use souk_types::failpoint;
use souk_types::mutant::Mutant;

/// Events of one queue that are handled at the same time, and that the broker hands over before the first is done: enough to
/// fill a database's group commit, few enough that another instance gets its share.
const HANDS: u16 = 32;
/// After a failure that is a matter of waiting, a hand rests for so long: when everything fails, because the database is away,
/// [`HANDS`] events are tried each second and the rest waits in the queue.
const REST: Duration = Duration::from_secs(1);
/// What the content type of an event says.
pub(super) const JSON: &str = "application/json";

pub(super) struct Listening {
    shared: Arc<Shared>,
    listener: &'static str,
    owner: &'static str,
    queue: String,
    handlers: RwLock<HashMap<&'static str, Vec<Listener>>>,
    hands: Arc<Semaphore>,
}

impl Listening {
    pub(super) fn new(shared: Arc<Shared>, listener: &'static str, owner: &'static str) -> Arc<Self> {
        let queue = shared.names.listening(listener, owner);
        let hands = Arc::new(Semaphore::new(usize::from(HANDS)));
        Arc::new(Self { shared, listener, owner, queue, handlers: RwLock::default(), hands })
    }

    pub(super) fn add(&self, name: &'static str, hear: Listener) {
        self.handlers.write().unwrap_or_else(PoisonError::into_inner).entry(name).or_default().push(hear);
    }

    /// A hand for one more event; none when the bus takes no more work.
    async fn hand(&self) -> Option<OwnedSemaphorePermit> {
        let mut phase = self.shared.phase.subscribe();
        tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase != Phase::Open) => None,
            hand = Arc::clone(&self.hands).acquire_owned() => hand.ok(),
        }
    }

    async fn hear(&self, delivery: &Delivery) -> Result<(), Failure> {
        let message = read(delivery).map_err(Failure::Unreadable)?;
        let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner).get(message.name.as_str()).cloned();
        let Some(handlers) = handlers else {
            // The exchange carries all that its owner announces. What is meant for this service, and unknown to it, is of a
            // later version: another instance may know it.
            if is_meant_for(delivery, self.listener) {
                return Err(Failure::Refused(format!("{} is not known here", message.name)));
            }
            self.shared.counting.ignored_events.add();
            return Ok(());
        };
        for hear in handlers {
            let work = AssertUnwindSafe(hear(message.clone())).catch_unwind();
            let work = tokio::time::timeout(HANDLING_TIMEOUT, request_context::scope(message.request.clone(), work));
            match work.await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(Unheard::Unreadable(why)))) => return Err(Failure::Unreadable(why)),
                Ok(Ok(Err(Unheard::Failed(error)))) if error.is_outage() => {
                    return Err(Failure::Transient(error.to_string()));
                }
                Ok(Ok(Err(Unheard::Failed(error)))) => return Err(Failure::Refused(error.to_string())),
                Ok(Err(panic)) => return Err(Failure::Refused(format!("panicked: {}", what(&*panic)))),
                Err(_) => return Err(Failure::Transient(format!("took over {HANDLING_TIMEOUT:?}"))),
            }
        }
        Ok(())
    }

    /// Puts an event where it waits for its next attempt or for a person. `true` when it is safe there.
    async fn put_away(&self, delivery: &Delivery, failure: &Failure) -> bool {
        let mut history = History::of(&delivery.properties);
        let fate = history.add(failure, wire::now());
        let queue = match fate {
            Fate::Again(delay) => names::retry(&self.queue, delay),
            Fate::Park => names::dead(&self.queue),
        };
        let properties = history.properties(delivery, &self.queue, failure);
        let mut back_off = BackOff::default();
        // Once its channel is gone the broker hands it to somebody else.
        while delivery.acker.usable() {
            let Some(publisher) = self.shared.unblocked().await else { return false };
            match publisher.put(&queue, &delivery.data, properties.clone()).await {
                Ok(()) => {
                    self.tell(delivery, fate, &history, failure);
                    return true;
                }
                Err(error) => tracing::warn!(queue, message = message_id(delivery), %error, "could not be put away"),
            }
            tokio::time::sleep(back_off.next()).await;
        }
        false
    }

    fn tell(&self, delivery: &Delivery, fate: Fate, history: &History, failure: &Failure) {
        let (queue, message, attempts, reason) =
            (&self.queue, message_id(delivery), history.attempts, failure.reason());
        match fate {
            Fate::Again(delay) => {
                self.shared.counting.retried_events.add();
                tracing::warn!(queue, message, attempts, reason, again_in = ?delay, "an event was not handled");
            }
            Fate::Park => {
                self.shared.counting.dead_lettered_events.add();
                tracing::error!(queue, message, attempts, reason, "an event was parked");
            }
        }
    }
}

impl Work for Listening {
    async fn link(&self) -> Option<Arc<Link>> {
        self.shared.hearing.subscribe().wait_for(Option::is_some).await.ok()?.clone()
    }

    fn queue(&self) -> &str {
        &self.queue
    }

    fn prefetch(&self) -> u16 {
        HANDS
    }

    async fn declare(&self, link: &Link, channel: &Channel) -> Result<()> {
        declare_listening(link, channel, &self.shared.names, self.listener, self.owner).await
    }

    fn take(self: &Arc<Self>, delivery: Delivery, acks: &Arc<Acks>) {
        let (listening, in_hand, acks) = (Arc::clone(self), self.shared.in_hand(), Arc::clone(acks));
        tokio::spawn(async move {
            // Without a hand it goes back to the queue when the channel is closed.
            let Some(hand) = listening.hand().await else { return };
            let too_early = Mutant::AckBeforeCommit.is_active();
            if too_early {
                let_go(&acks, &delivery).await;
            }
            let outcome = listening.hear(&delivery).await;
            let is_safe = match &outcome {
                Ok(()) => true,
                Err(failure) => listening.put_away(&delivery, failure).await,
            };
            if is_safe && !too_early {
                let_go(&acks, &delivery).await;
            }
            drop(in_hand);
            if let Err(Failure::Transient(_)) = outcome {
                tokio::time::sleep(REST).await;
            }
            drop(hand);
        });
    }
}

/// Acknowledges an event: it is handled, or safe elsewhere.
async fn let_go(acks: &Acks, delivery: &Delivery) {
    let event = delivery.properties.kind().as_ref().map_or("none", ShortString::as_str);
    failpoint!("ack.{event}.before");
    acks.acknowledge(delivery).await;
    failpoint!("ack.{event}.after");
}

/// The event of a message; else why it cannot be read.
fn read(delivery: &Delivery) -> Result<EventMessage, String> {
    let properties = &delivery.properties;
    match version(properties) {
        Some(VERSION) => {}
        version => return Err(format!("version {version:?} of the protocol, and this is {VERSION}")),
    }
    if delivery.data.len() > MAX_BODY {
        return Err(format!("larger than {MAX_BODY} bytes"));
    }
    if properties.content_type().as_ref().map(ShortString::as_str) != Some(JSON) {
        return Err(format!("the content type is not {JSON}"));
    }
    let name = properties.kind().as_ref().ok_or("it has no type")?;
    let id = properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
    let id = id.ok_or("its message id is no event's id")?;
    let request = header(delivery, REQUEST).and_then(|request| request.parse().ok());
    Ok(EventMessage { id, name: name.to_string(), request, body: delivery.data.clone() })
}

fn is_meant_for(delivery: &Delivery, listener: &str) -> bool {
    header(delivery, LISTENERS).is_some_and(|listeners| listeners.split(',').any(|one| one == listener))
}

fn header<'d>(delivery: &'d Delivery, name: &str) -> Option<&'d str> {
    match delivery.properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => str::from_utf8(text.as_bytes()).ok(),
        _ => None,
    }
}
