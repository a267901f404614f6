//! Decides between retry and dead letter, and writes the history of failures into headers.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use super::event_publisher::PERSISTENT;
use super::topology::{
    ATTEMPTS, FIRST_FAILURE, LAST_FAILURE, QUEUE, REASON, REFUSALS, is_dead_letter_queue, table, text,
};
use super::wire;
use crate::EventId;

/// Delays of the first, second and every later retry. The first is long enough for a write conflict
/// to end. The last is short enough to handle events within 5 s after an outage of the database.
pub(super) const DELAYS: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5)];
/// Refusals after which an event is dead-lettered, 11 s after the first.
const MAX_REFUSALS: u32 = 5;
/// Characters of an error in a header.
const MAX_REASON: usize = 1000;

const HISTORY: [&str; 6] = [ATTEMPTS, REFUSALS, FIRST_FAILURE, LAST_FAILURE, REASON, QUEUE];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It cannot be read, so a retry cannot help.
    Unreadable(String),
    /// The handler refused it, or panicked.
    Refused(String),
    /// A dependency of the handler is unavailable, such as its database.
    Transient(String),
}

impl Failure {
    pub(super) fn reason(&self) -> &str {
        let (Self::Unreadable(reason) | Self::Refused(reason) | Self::Transient(reason)) = self;
        reason
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Retry(Duration),
    DeadLetter,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct History {
    pub(super) attempts: u32,
    refusals: u32,
    /// Time of the first failure, in milliseconds since 1970.
    first: u64,
}

impl History {
    /// An event that an operator has replayed has none, so that all attempts are available again.
    pub(super) fn of(properties: &BasicProperties) -> Self {
        if is_replayed(properties) {
            return Self::default();
        }
        Self::written(properties)
    }

    /// Returns the history in the headers of a dead letter.
    pub(super) fn written(properties: &BasicProperties) -> Self {
        let number = |name| match properties.headers().as_ref()?.inner().get(name)? {
            AMQPValue::LongLongInt(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        let count = |name| number(name).and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
        Self { attempts: count(ATTEMPTS), refusals: count(REFUSALS), first: number(FIRST_FAILURE).unwrap_or_default() }
    }

    /// Adds a failure at `now`, in milliseconds since 1970, and returns the decision.
    pub(super) fn add(&mut self, failure: &Failure, now: u64) -> Fate {
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts == 1 {
            self.first = now;
        }
        match failure {
            Failure::Unreadable(_) => return Fate::DeadLetter,
            Failure::Refused(_) => self.refusals = self.refusals.saturating_add(1),
            Failure::Transient(_) => {}
        }
        if self.refusals >= MAX_REFUSALS {
            return Fate::DeadLetter;
        }
        let step = usize::try_from(self.attempts - 1).unwrap_or(usize::MAX).min(DELAYS.len() - 1);
        Fate::Retry(DELAYS[step])
    }

    /// Returns the properties of the event in a retry or dead-letter queue.
    pub(super) fn properties(&self, event: &BasicProperties, queue: &str, failure: &Failure) -> BasicProperties {
        let number = |number: u64| AMQPValue::LongLongInt(i64::try_from(number).unwrap_or(i64::MAX));
        let reason: String = failure.reason().chars().take(MAX_REASON).collect();
        let history = table(&[
            (ATTEMPTS, number(self.attempts.into())),
            (REFUSALS, number(self.refusals.into())),
            (FIRST_FAILURE, number(self.first)),
            (LAST_FAILURE, number(wire::now())),
            (REASON, text(&reason)),
            (QUEUE, text(queue)),
        ]);
        identity(event, history)
    }
}

/// Whether the event returned from a dead-letter queue since it was last stored by Souk: the broker
/// notes in `x-death` that an operator rejected it there.
fn is_replayed(properties: &BasicProperties) -> bool {
    let deaths = properties.headers().as_ref().and_then(|headers| headers.inner().get("x-death"));
    let Some(AMQPValue::FieldArray(deaths)) = deaths else { return false };
    deaths.as_slice().iter().any(|death| {
        let AMQPValue::FieldTable(death) = death else { return false };
        let has = |name: &str, is: &dyn Fn(&str) -> bool| match death.inner().get(name) {
            Some(AMQPValue::LongString(text)) => str::from_utf8(text.as_bytes()).is_ok_and(is),
            _ => false,
        };
        has("reason", &|reason| reason == "rejected") && has("queue", &is_dead_letter_queue)
    })
}

/// Returns the properties that identify an event, its `souk-` headers, and `history` in place of
/// its history. Other properties are left out, because they could make the message expire or
/// reroute it. An event without an id gets one, so that an operator can name it.
fn identity(event: &BasicProperties, history: FieldTable) -> BasicProperties {
    let mut headers = history;
    for (name, value) in event.headers().iter().flat_map(FieldTable::inner) {
        if name.as_str().starts_with("souk-") && !HISTORY.contains(&name.as_str()) {
            headers.insert(name.clone(), value.clone());
        }
    }
    let id = event.message_id().clone().unwrap_or_else(|| EventId::new().to_string().into());
    let mut properties =
        BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers).with_message_id(id);
    if let Some(kind) = event.kind().clone() {
        properties = properties.with_type(kind);
    }
    if let Some(content_type) = event.content_type().clone() {
        properties = properties.with_content_type(content_type);
    }
    if let Some(timestamp) = event.timestamp() {
        properties = properties.with_timestamp(*timestamp);
    }
    properties
}

#[cfg(test)]
mod tests {
    use lapin::types::ShortString;

    use super::*;

    fn refused() -> Failure {
        Failure::Refused("no".to_owned())
    }

    fn transient() -> Failure {
        Failure::Transient("the database is down".to_owned())
    }

    fn fates(failures: &[Failure]) -> Vec<Fate> {
        let mut history = History::default();
        failures.iter().map(|failure| history.add(failure, 7)).collect()
    }

    #[test]
    fn a_refused_event_is_retried_and_then_dead_lettered() {
        let [first, second, later] = DELAYS.map(Fate::Retry);
        assert_eq!(fates(&vec![refused(); 5]), [first, second, later, later, Fate::DeadLetter]);
    }

    #[test]
    fn a_transient_failure_never_dead_letters() {
        let fates = fates(&vec![transient(); 10_000]);
        assert!(fates.iter().all(|fate| *fate != Fate::DeadLetter));
        assert_eq!(fates.last(), Some(&Fate::Retry(DELAYS[2])));
    }

    #[test]
    fn transient_failures_do_not_count_as_refusals() {
        let fates = fates(&[vec![transient(); 100], vec![refused(); 5]].concat());
        assert_eq!(fates.iter().position(|fate| *fate == Fate::DeadLetter), Some(104));
    }

    #[test]
    fn an_unreadable_event_is_dead_lettered_at_once() {
        assert_eq!(fates(&[Failure::Unreadable("no JSON".to_owned())]), [Fate::DeadLetter]);
    }

    #[test]
    fn headers_carry_the_history() {
        let mut history = History::default();
        history.add(&refused(), 7);
        history.add(&transient(), 8);
        let properties = history.properties(&BasicProperties::default(), "kitchen.shop", &transient());
        assert_eq!(History::of(&properties), history);
        assert_eq!((history.attempts, history.refusals, history.first), (2, 1, 7));
    }

    /// Returns an event as the broker moves it on from a queue.
    fn moved(event: &BasicProperties, reason: &str, queue: &str) -> BasicProperties {
        let mut headers = event.headers().clone().unwrap_or_default();
        let death = AMQPValue::FieldTable(table(&[("reason", text(reason)), ("queue", text(queue))]));
        headers.insert("x-death".into(), AMQPValue::FieldArray(vec![death].into()));
        event.clone().with_headers(headers)
    }

    #[test]
    fn a_replayed_event_has_its_id_and_no_history() {
        let headers = table(&[("souk-request", text("r-1"))]);
        let event = BasicProperties::default().with_message_id("7".into()).with_headers(headers);
        let mut history = History::default();
        history.add(&refused(), 7);
        let failed = history.properties(&event, "kitchen.shop", &refused());
        let retried = moved(&failed, "expired", "kitchen.shop.retry.200");
        assert_eq!(History::of(&retried).attempts, 1);
        let replayed = moved(&failed, "rejected", "kitchen.shop.dead");
        assert_eq!((History::of(&replayed).attempts, History::written(&replayed).attempts), (0, 1));
        let failed = History::of(&replayed).properties(&replayed, "kitchen.shop", &refused());
        assert_eq!(failed.message_id().as_ref().map(ShortString::as_str), Some("7"));
        let headers = failed.headers().clone().unwrap_or_default();
        assert!(headers.contains_key("souk-request") && !headers.contains_key("x-death"), "{headers:?}");
    }

    #[test]
    fn an_event_without_an_id_gets_one_that_stays() {
        let dead_letter = History::default().properties(&BasicProperties::default(), "kitchen.shop", &refused());
        assert!(dead_letter.message_id().is_some());
        let again = History::default().properties(&dead_letter, "kitchen.shop", &refused());
        assert_eq!(again.message_id(), dead_letter.message_id());
    }
}
