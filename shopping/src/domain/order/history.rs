//! What has happened to one order: its states, each with time and reason, for its customer; and every call, payment and retry
//! beside them, for whoever must explain it. Both are kept with the order and written with it.

use std::borrow::Cow;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use souk_bus::request_context;
use souk_contract::shopping::{TimelineEntry, TimelineKind};
use souk_types::{RequestId, Result, Timestamp};

use super::Status;

/// Entries that are kept: some ten times what an order has that goes well. Of more, the ones in the middle go.
const MOST: usize = 100;

/// One state of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where it stood.
    pub status: Status,
    /// Since when.
    pub at: Timestamp,
    /// Why, in a word, where it was not the ordinary way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
}

/// Something that was done for an order, or heard of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    at: Timestamp,
    kind: TimelineKind,
    what: Cow<'static, str>,
    outcome: Cow<'static, str>,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<RequestId>,
}

impl Entry {
    pub(crate) fn new(
        kind: TimelineKind,
        what: impl Into<Cow<'static, str>>,
        outcome: impl Into<Cow<'static, str>>,
    ) -> Self {
        let request = request_context::current();
        Self { at: Timestamp::now(), kind, what: what.into(), outcome: outcome.into(), ms: None, request }
    }

    /// Waits for something, and makes an entry of how it went.
    pub(crate) async fn of<T>(
        kind: TimelineKind,
        what: &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> (Result<T>, Self) {
        let begun = Instant::now();
        let outcome = work.await;
        let said = match &outcome {
            Ok(_) => Cow::Borrowed("ok"),
            Err(error) => Cow::Owned(error.code().to_owned()),
        };
        let mut entry = Self::new(kind, what, said);
        entry.ms = Some(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        (outcome, entry)
    }
}

/// What is kept of all that happened.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Journal(Vec<Entry>);

impl Journal {
    pub(super) fn add(&mut self, entry: Entry) {
        if self.0.len() >= MOST {
            self.0.remove(MOST / 2);
        }
        self.0.push(entry);
    }

    pub(super) fn told(&self) -> impl Iterator<Item = TimelineEntry> + '_ {
        self.0.iter().map(|entry| TimelineEntry {
            at: entry.at,
            service: "shopping".into(),
            kind: entry.kind,
            what: entry.what.to_string(),
            outcome: entry.outcome.to_string(),
            ms: entry.ms,
            request_id: entry.request.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept() {
        let mut journal = Journal::default();
        for number in 0..3 * MOST {
            journal.add(Entry::new(TimelineKind::Call, number.to_string(), "ok"));
        }
        let told: Vec<String> = journal.told().map(|happened| happened.what).collect();
        assert_eq!((told.len(), &*told[0], &*told[MOST - 1]), (MOST, "0", "299"));
    }
}
