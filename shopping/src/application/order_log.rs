//! Entries of an order's log, with the current time and request id.

use std::borrow::Cow;
use std::time::Instant;

use souk_bus::{Event, request_context};
use souk_contract::shopping::TimelineKind;
use souk_types::{Result, Timestamp};

use crate::domain::order::history::LogEntry;

pub(super) fn entry(
    kind: TimelineKind,
    what: impl Into<Cow<'static, str>>,
    outcome: impl Into<Cow<'static, str>>,
) -> LogEntry {
    LogEntry::new(Timestamp::now(), request_context::current(), kind, what, outcome)
}

/// Returns an entry for an event that is published in the same write.
pub(super) fn published<E: Event>() -> LogEntry {
    entry(TimelineKind::Event, E::NAME, "published")
}

pub(super) async fn timed<T>(
    kind: TimelineKind,
    what: &'static str,
    action: impl Future<Output = Result<T>>,
) -> (Result<T>, LogEntry) {
    let start = Instant::now();
    let result = action.await;
    let outcome = match &result {
        Ok(_) => Cow::Borrowed("ok"),
        Err(error) => Cow::Owned(error.code().to_owned()),
    };
    (result, entry(kind, what, outcome).with_duration(start.elapsed()))
}
