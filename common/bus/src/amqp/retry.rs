//! What becomes of an event that was not handled: pure rules, and the headers in which an event carries its history.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::names::{ATTEMPTS, FIRST_FAILURE, LAST_FAILURE, QUEUE, REASON, REFUSALS, table, text};
use super::wire;
use crate::EventId;

/// An event that failed comes again after these, the last one over and over: a conflict is over in moments, and what waits
/// for a database is handled within 5 s of its return.
pub(super) const DELAYS: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5)];
/// A listener may refuse an event so often before it is parked, after 11 s: what is broken stays so, and a person must look.
const MAX_REFUSALS: u32 = 5;
/// Characters of a reason: a header is no place for a stack trace.
const MAX_REASON: usize = 1000;

/// The headers that tell of failures.
const HISTORY: [&str; 6] = [ATTEMPTS, REFUSALS, FIRST_FAILURE, LAST_FAILURE, REASON, QUEUE];

/// Why an event was not handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It cannot be read; no attempt will help.
    Unreadable(String),
    /// The listener refuses it, or panicked.
    Refused(String),
    /// The listener lacks something for now, such as its database.
    Transient(String),
}

impl Failure {
    pub(super) fn reason(&self) -> &str {
        let (Self::Unreadable(reason) | Self::Refused(reason) | Self::Transient(reason)) = self;
        reason
    }
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Again(Duration),
    Park,
}

/// The failures of an event so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct History {
    pub(super) attempts: u32,
    refusals: u32,
    first: u64,
}

impl History {
    /// What the headers of an event say.
    pub(super) fn of(properties: &BasicProperties) -> Self {
        let number = |name| match properties.headers().as_ref()?.inner().get(name)? {
            AMQPValue::LongLongInt(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        let count = |name| number(name).and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
        Self { attempts: count(ATTEMPTS), refusals: count(REFUSALS), first: number(FIRST_FAILURE).unwrap_or_default() }
    }

    /// Adds a failure at `now`, in milliseconds since 1970, and decides.
    pub(super) fn add(&mut self, failure: &Failure, now: u64) -> Fate {
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts == 1 {
            self.first = now;
        }
        match failure {
            Failure::Unreadable(_) => return Fate::Park,
            Failure::Refused(_) => self.refusals = self.refusals.saturating_add(1),
            Failure::Transient(_) => {}
        }
        if self.refusals >= MAX_REFUSALS {
            return Fate::Park;
        }
        let step = usize::try_from(self.attempts - 1).unwrap_or(usize::MAX).min(DELAYS.len() - 1);
        Fate::Again(DELAYS[step])
    }

    /// The event as it is put into a retry or a dead-letter queue: with its id, its type and our headers, and without what
    /// could make it vanish or go elsewhere.
    pub(super) fn properties(&self, delivery: &Delivery, queue: &str, failure: &Failure) -> BasicProperties {
        let now = wire::now();
        let number = |number: u64| AMQPValue::LongLongInt(i64::try_from(number).unwrap_or(i64::MAX));
        let reason: String = failure.reason().chars().take(MAX_REASON).collect();
        let mut headers = table(&[
            (ATTEMPTS, number(self.attempts.into())),
            (REFUSALS, number(self.refusals.into())),
            (FIRST_FAILURE, number(self.first)),
            (LAST_FAILURE, number(now)),
            (REASON, text(&reason)),
            (QUEUE, text(queue)),
        ]);
        for (name, value) in ours(&delivery.properties) {
            if !headers.contains_key(name.as_str()) {
                headers.insert(name.clone(), value.clone());
            }
        }
        kept(&delivery.properties, headers)
    }
}

/// A dead letter as it is put back to its queue: as it was before its first failure, so that all attempts are open to it.
pub(super) fn afresh(parked: &BasicProperties) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in ours(parked).filter(|(name, _)| !HISTORY.contains(&name.as_str())) {
        headers.insert(name.clone(), value.clone());
    }
    kept(parked, headers)
}

fn ours(properties: &BasicProperties) -> impl Iterator<Item = (&ShortString, &AMQPValue)> {
    let headers = properties.headers().iter().flat_map(FieldTable::inner);
    headers.filter(|(name, _)| name.as_str().starts_with("souk-"))
}

/// What makes a message this event, and these headers. One that came without an id is given one, for a person to name it by.
fn kept(before: &BasicProperties, headers: FieldTable) -> BasicProperties {
    let id = before.message_id().clone().unwrap_or_else(|| EventId::new().to_string().into());
    let mut properties =
        BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers).with_message_id(id);
    if let Some(kind) = before.kind().clone() {
        properties = properties.with_type(kind);
    }
    if let Some(content) = before.content_type().clone() {
        properties = properties.with_content_type(content);
    }
    if let Some(timestamp) = before.timestamp() {
        properties = properties.with_timestamp(*timestamp);
    }
    properties
}

/// The broker keeps the message on disk.
pub(super) const PERSISTENT: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Failure {
        Failure::Refused("no".to_owned())
    }

    fn transient() -> Failure {
        Failure::Transient("the database is away".to_owned())
    }

    fn fates(failures: &[Failure]) -> Vec<Fate> {
        let mut history = History::default();
        failures.iter().map(|failure| history.add(failure, 7)).collect()
    }

    #[test]
    fn a_refusal_is_tried_again_and_then_parked() {
        let [soon, later, late] = DELAYS.map(Fate::Again);
        assert_eq!(fates(&[const { Failure::Refused(String::new()) }; 5]), [soon, later, late, late, Fate::Park]);
    }

    #[test]
    fn what_is_a_matter_of_waiting_is_never_parked() {
        let fates = fates(&vec![transient(); 10_000]);
        assert!(fates.iter().all(|fate| *fate != Fate::Park));
        assert_eq!(fates.last(), Some(&Fate::Again(DELAYS[2])));
    }

    #[test]
    fn waiting_does_not_use_up_refusals() {
        let mut failures = vec![transient(); 100];
        failures.extend(vec![refused(); 5]);
        let fates = fates(&failures);
        assert_eq!(fates.iter().position(|fate| *fate == Fate::Park), Some(104));
    }

    #[test]
    fn what_cannot_be_read_is_parked_at_once() {
        assert_eq!(fates(&[Failure::Unreadable("no JSON".to_owned())]), [Fate::Park]);
    }

    #[test]
    fn a_history_travels_in_headers() {
        let mut history = History::default();
        history.add(&refused(), 7);
        history.add(&transient(), 8);
        let delivery = Delivery::mock(1, "".into(), "".into(), false, Vec::new());
        let properties = history.properties(&delivery, "kitchen.shop", &transient());
        assert_eq!(History::of(&properties), history);
        assert_eq!((history.attempts, history.refusals, history.first), (2, 1, 7));
    }

    #[test]
    fn put_back_it_has_its_id_and_no_history() {
        let mut delivery = Delivery::mock(1, "".into(), "".into(), false, Vec::new());
        let headers = table(&[("souk-request", text("r-1")), ("x-death", text("once"))]);
        delivery.properties = BasicProperties::default().with_message_id("7".into()).with_headers(headers);
        let mut history = History::default();
        history.add(&refused(), 7);
        let again = afresh(&history.properties(&delivery, "kitchen.shop", &refused()));
        assert_eq!(History::of(&again), History::default());
        assert_eq!(again.message_id().as_ref().map(ShortString::as_str), Some("7"));
        let headers: Vec<_> =
            again.headers().iter().flat_map(FieldTable::inner).map(|(name, _)| name.as_str()).collect();
        assert_eq!(headers, ["souk-request"]);
    }

    #[test]
    fn what_has_no_id_gets_one_and_keeps_it() {
        let delivery = Delivery::mock(1, "".into(), "".into(), false, Vec::new());
        let parked = History::default().properties(&delivery, "kitchen.shop", &refused());
        assert!(parked.message_id().is_some());
        assert_eq!(afresh(&parked).message_id(), parked.message_id());
    }
}
