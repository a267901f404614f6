//! Dead letters: events that a listener could not handle, in `<queue>.dead`, where they wait for a person. Here they are looked
//! at, put back and thrown away; `souk dlq` is made of it.
//!
//! To look at a letter is to take it and to give it back. Nothing is lost by that: what its looker does not acknowledge is the
//! queue's again, also when the looker dies. One looks at a time, so that nobody misses what another has in hand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, QueueDeclareOptions};
use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::link::{Link, PATIENCE, Refusal, away};
use super::message::put;
use super::names::{self, DELIVERIES, FIRST_FAILURE, LAST_FAILURE, Names, REASON, REQUEST};
use super::options::{self, AmqpOptions};
use super::retry::{DELAYS, History, afresh};
use super::supervisor::BackOff;
use crate::{EventDescriptor, owner};
use souk_types::{Error, Result, Timestamp};

/// Who finds another at work waits for so long, and is then told; a look at some letters is over within a second.
const TURN: Duration = Duration::from_secs(10);
/// The id of a letter that has none; only one that the broker itself has parked can be so.
const NO_ID: &str = "-";

/// The dead letters of a deployment, for one who has the turn to work on them.
pub struct DeadLetters {
    link: Arc<Link>,
    names: Names,
    /// Those that the contract knows, without prefix.
    queues: Vec<String>,
}

/// Which dead letters are meant: all, but for what is said here.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    /// Those of the event with this id; there may be one for each listener.
    pub id: Option<String>,
    /// Those of this queue, which may also be one that no contract names any more.
    pub queue: Option<String>,
}

/// An event that waits for a person.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The queue that failed and that it goes back to, without the deployment's prefix: `shopping.customer`.
    pub queue: String,
    /// The event's name.
    pub event: Option<String>,
    /// The event's id, the same in every delivery and in every queue.
    pub id: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What the last attempt said.
    pub reason: String,
    /// The request that it comes from.
    pub request: Option<String>,
    /// When it was announced, to the second.
    pub published_at: Option<Timestamp>,
    /// When it failed first.
    pub first_failed_at: Option<Timestamp>,
    /// When it failed last, and so was put here.
    pub dead_lettered_at: Option<Timestamp>,
    /// All headers of the message, as JSON; moments are text.
    pub headers: Map<String, Value>,
    /// What the event says; JSON, unless that is what is wrong with it.
    pub body: Vec<u8>,
}

impl DeadLetters {
    /// Connects, and waits for its turn. `events` say which queues there are. Errors: there is no broker, or somebody else
    /// has been at work for 10 s.
    pub async fn open(options: AmqpOptions, events: &[EventDescriptor]) -> Result<Self> {
        // As in each program: it is an error only when there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let broker = options::parse(&options.url)?;
        let link = broker.reach(|place| Link::open(place, &options.name, Refusal::EndsChannel)).await;
        let link = link.map_err(|error| away(format!("{broker} cannot be reached: {}", error.operator_message())))?;
        let letters = Self { link, names: Names(options.prefix), queues: queues(events) };
        letters.wait_for_turn().await?;
        Ok(letters)
    }

    /// Shows letters, in the order of their queues, and leaves them where they are.
    pub async fn list(&self, which: &DeadLetterFilter, show: impl FnMut(DeadLetter) + Send) -> Result<()> {
        self.walk(which, &Deed::Look, show).await.map(drop)
    }

    /// Puts letters back to the queues that failed, as they were before their first failure. Each is taken away from here when
    /// the broker has it there: who dies in between leaves it in both, and its id is the same. Tells each that is put back, and
    /// how many there were.
    pub async fn replay(&self, which: &DeadLetterFilter, done: impl FnMut(DeadLetter) + Send) -> Result<u32> {
        let channel = self.link.confirming_channel().await?;
        self.walk(which, &Deed::Replay(channel), done).await
    }

    /// Throws letters away, for good. Tells each that is gone, and how many there were.
    pub async fn discard(&self, which: &DeadLetterFilter, done: impl FnMut(DeadLetter) + Send) -> Result<u32> {
        self.walk(which, &Deed::Drop, done).await
    }

    /// How many events wait for their listeners, and how many are dead.
    pub async fn count(&self) -> Result<EventCounts> {
        let mut counted = EventCounts::default();
        for queue in &self.queues {
            let queue = self.names.of(queue);
            let retries = DELAYS.iter().map(|delay| names::retry(&queue, *delay));
            for place in std::iter::once(queue.clone()).chain(retries) {
                counted.waiting += self.letters(&place).await?.unwrap_or_default();
            }
            counted.dead_letters += self.letters(&names::dead(&queue)).await?.unwrap_or_default();
        }
        Ok(counted)
    }

    /// Ends the turn.
    pub async fn close(&self) {
        self.link.close().await;
    }

    /// The turn is a queue that only one connection can have, and that goes with it.
    async fn wait_for_turn(&self) -> Result<()> {
        let (begun, mut back_off) = (Instant::now(), BackOff::default());
        loop {
            let channel = self.link.channel().await?;
            let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
            let declaring = channel.queue_declare(self.names.turn().into(), options, FieldTable::default());
            if self.link.unless(AMQPSoftError::RESOURCELOCKED, declaring).await?.is_some() {
                return Ok(());
            }
            if begun.elapsed() > TURN {
                return Err(Error::busy("Somebody else is working on the dead letters of this broker; try again."));
            }
            tokio::time::sleep(back_off.next()).await;
        }
    }

    /// Takes every letter that is there now in hand, one after another, and gives back those that stay. Tells of each that it
    /// was done with, and how many are gone.
    async fn walk(
        &self,
        which: &DeadLetterFilter,
        deed: &Deed,
        mut tell: impl FnMut(DeadLetter) + Send,
    ) -> Result<u32> {
        let queues = match &which.queue {
            Some(queue) => vec![self.known(queue).await?],
            None => self.queues.clone(),
        };
        let mut gone = 0;
        for queue in queues {
            let place = names::dead(&self.names.of(&queue));
            // What is put back and fails again comes to the end of the queue, and must not be met there.
            let Some(letters) = self.letters(&place).await? else { continue };
            let channel = self.link.channel().await?;
            let mut held = Held::default();
            let outcome = async {
                for _ in 0..letters {
                    let getting = channel.basic_get(place.as_str().into(), BasicGetOptions::default());
                    let Some(message) = self.link.bounded(getting).await? else { break };
                    let letter = DeadLetter::read(&queue, &message.delivery);
                    held.add(&message.delivery);
                    if which.id.as_ref().is_none_or(|id| *id == letter.id) {
                        if self.carry_out(deed, &queue, &message.delivery).await? == Fate::Goes {
                            held.letters -= 1;
                            gone += 1;
                        }
                        tell(letter);
                    }
                }
                Ok(())
            };
            let outcome = outcome.await;
            let given_back = self.give_back(&channel, &place, &held).await;
            outcome.and(given_back)?;
        }
        Ok(gone)
    }

    async fn carry_out(&self, deed: &Deed, queue: &str, delivery: &Delivery) -> Result<Fate> {
        match deed {
            Deed::Look => return Ok(Fate::Stays),
            Deed::Replay(channel) => {
                put(channel, &self.names.of(queue), &delivery.data, afresh(&delivery.properties)).await?;
            }
            Deed::Drop => {}
        }
        self.link.bounded(delivery.ack(BasicAckOptions::default())).await?;
        Ok(Fate::Goes)
    }

    /// A queue by the name that an operator gives it: with or without prefix and `.dead`. Errors: the contract does not name it,
    /// and the broker does not have it.
    async fn known(&self, name: &str) -> Result<String> {
        let name = name.strip_prefix(&self.names.0).unwrap_or(name);
        let name = name.strip_suffix(".dead").unwrap_or(name).to_owned();
        if self.queues.contains(&name) || self.letters(&names::dead(&self.names.of(&name))).await?.is_some() {
            return Ok(name);
        }
        let why = format!("there are no dead letters of a queue {name}, only of {}", self.queues.join(", "));
        Err(Error::not_found("queue").caused_by(why))
    }

    /// How many letters a queue has that nobody has in hand; `None` when there is no such queue yet.
    async fn letters(&self, place: &str) -> Result<Option<u32>> {
        let channel = self.link.channel().await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let looking = channel.queue_declare(place.into(), options, FieldTable::default());
        let queue = self.link.unless(AMQPSoftError::NOTFOUND, looking).await?;
        Ok(queue.map(|queue| queue.message_count()))
    }

    /// Gives back all that is still held, in order, and waits until it can be seen again: whoever comes next must not miss it.
    async fn give_back(&self, channel: &Channel, place: &str, held: &Held) -> Result<()> {
        if held.letters > 0 {
            let options = BasicNackOptions { multiple: true, requeue: true };
            self.link.bounded(channel.basic_nack(held.last, options)).await?;
            let (begun, mut back_off) = (Instant::now(), BackOff::default());
            while self.letters(place).await?.unwrap_or_default() < held.letters {
                if begun.elapsed() > PATIENCE {
                    return Err(away(format!("{place} does not show again what was looked at; it will in a moment")));
                }
                tokio::time::sleep(back_off.next()).await;
            }
        }
        // The broker says goodbye when it has done what came before.
        self.link.bounded(channel.close(200, "OK".into())).await
    }
}

/// Events on a broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// In the queues of their listeners, or put off for another try; without those in somebody's hands.
    pub waiting: u32,
    /// Parked.
    pub dead_letters: u32,
}

/// The queues that events wait in for their listeners, without prefix.
fn queues(events: &[EventDescriptor]) -> Vec<String> {
    let names = Names(String::new());
    let of = |event: &EventDescriptor| {
        let owner = owner(event.event);
        event.listeners.iter().map(|listener| names.listening(listener, owner)).collect::<Vec<_>>()
    };
    events.iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What is done with a letter.
enum Deed {
    Look,
    /// By a channel that confirms, and that holds no letters: a refusal ends it.
    Replay(Channel),
    Drop,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    /// It is acknowledged.
    Goes,
}

/// What this channel has taken and not acknowledged.
#[derive(Debug, Default)]
struct Held {
    letters: u32,
    last: u64,
}

impl Held {
    fn add(&mut self, delivery: &Delivery) {
        self.letters += 1;
        self.last = delivery.delivery_tag;
    }
}

impl DeadLetter {
    fn read(queue: &str, delivery: &Delivery) -> Self {
        let properties = &delivery.properties;
        let mut headers = Map::new();
        for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
            let is_moment = matches!(name.as_str(), FIRST_FAILURE | LAST_FAILURE);
            headers.insert(name.to_string(), if is_moment { moment(value) } else { plain(value) });
        }
        let text = |property: &Option<ShortString>| property.as_ref().map(ToString::to_string);
        let said = |name: &str| headers.get(name).and_then(Value::as_str).map(str::to_owned);
        let at = |name: &str| serde_json::from_value(headers.get(name)?.clone()).ok();
        let killed = Killed::of(&headers);
        let attempts = History::of(properties).attempts;
        Self {
            queue: queue.to_owned(),
            event: text(properties.kind()),
            id: text(properties.message_id()).unwrap_or_else(|| NO_ID.to_owned()),
            attempts: if killed.is_some() { attempts.saturating_add(DELIVERIES) } else { attempts },
            reason: killed.as_ref().map(|_| Killed::reason()).or_else(|| said(REASON)).unwrap_or_default(),
            request: said(REQUEST),
            published_at: properties
                .timestamp()
                .and_then(|seconds| Timestamp::from_unix_millis(seconds.checked_mul(1000)?)),
            first_failed_at: at(FIRST_FAILURE),
            dead_lettered_at: killed.and_then(|killed| killed.at).or_else(|| at(LAST_FAILURE)),
            headers,
            body: delivery.data.clone(),
        }
    }
}

/// A letter that the broker has put here by itself, because it was handed out again and again and never came back.
struct Killed {
    at: Option<Timestamp>,
}

impl Killed {
    /// What RabbitMQ notes of the last queue that it has moved a message from. What we park has no such note.
    fn of(headers: &Map<String, Value>) -> Option<Self> {
        let last = headers.get("x-death")?.as_array()?.first()?;
        let at = last.get("time").and_then(|time| serde_json::from_value(time.clone()).ok());
        (last.get("reason")? == "delivery_limit").then_some(Self { at })
    }

    fn reason() -> String {
        format!("it was handed out {DELIVERIES} times and never acknowledged: it takes its consumer down")
    }
}

/// Milliseconds since 1970, as a moment; unchanged what is none.
fn moment(value: &AMQPValue) -> Value {
    let moment = match value {
        AMQPValue::LongLongInt(millis) => u64::try_from(*millis).ok().and_then(Timestamp::from_unix_millis),
        _ => None,
    };
    moment.map_or_else(|| plain(value), |moment| moment.to_string().into())
}

/// A header's value as JSON.
fn plain(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::ShortShortInt(value) => (*value).into(),
        AMQPValue::ShortShortUInt(value) => (*value).into(),
        AMQPValue::ShortInt(value) => (*value).into(),
        AMQPValue::ShortUInt(value) => (*value).into(),
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongUInt(value) => (*value).into(),
        AMQPValue::LongLongInt(value) => (*value).into(),
        AMQPValue::Float(value) => (*value).into(),
        AMQPValue::Double(value) => (*value).into(),
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into(),
        AMQPValue::Timestamp(seconds) => {
            let moment = seconds.checked_mul(1000).and_then(Timestamp::from_unix_millis);
            moment.map_or_else(|| (*seconds).into(), |moment| moment.to_string().into())
        }
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(plain).collect(),
        AMQPValue::FieldTable(table) => {
            let entries = table.inner().iter().map(|(name, value)| (name.to_string(), plain(value)));
            Value::Object(entries.collect())
        }
        AMQPValue::DecimalValue(value) => format!("{value:?}").into(),
        AMQPValue::Void => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_says_where_dead_letters_may_be() {
        let places = ["customer.products", "customer.shopping", "products.customer", "shopping.customer"];
        assert_eq!(queues(souk_contract::EVENTS), places);
    }

    #[test]
    fn what_the_broker_parked_says_so() {
        let headers = |reason: &str| {
            let death = serde_json::json!([{"reason": reason, "queue": "a.b", "time": "2026-11-21T10:14:29.000Z"}]);
            Map::from_iter([("x-death".to_owned(), death)])
        };
        let killed = Killed::of(&headers("delivery_limit")).unwrap();
        assert_eq!(killed.at.map(|at| at.to_string()).as_deref(), Some("2026-11-21T10:14:29.000Z"));
        assert!(Killed::of(&headers("expired")).is_none());
        assert!(Killed::of(&Map::new()).is_none());
    }
}
