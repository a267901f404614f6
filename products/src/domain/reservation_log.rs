//! The log of a reservation, shown in the timeline of its order.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use souk_types::{RequestId, Timestamp};

/// Longest log, several times that of an order without errors. Beyond it, the entries in the middle
/// are dropped.
const MAX_ENTRIES: usize = 40;

#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) at: Timestamp,
    /// `None` for a background job.
    pub(crate) request: Option<RequestId>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ReservationLog(Vec<LogEntry>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LogEntry {
    pub(crate) at: Timestamp,
    pub(crate) what: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<RequestId>,
}

impl ReservationLog {
    pub(crate) fn push(&mut self, what: impl Into<Cow<'static, str>>, cause: &Cause) {
        if self.0.len() >= MAX_ENTRIES {
            self.0.remove(MAX_ENTRIES / 2);
        }
        self.0.push(LogEntry { at: cause.at, what: what.into(), request: cause.request.clone() });
    }

    /// The entries, oldest first.
    pub(crate) fn entries(&self) -> &[LogEntry] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_drops_entries_in_the_middle() {
        let (mut log, cause) = (ReservationLog::default(), Cause { at: Timestamp::now(), request: None });
        for number in 0..MAX_ENTRIES + 10 {
            log.push(number.to_string(), &cause);
        }
        let what: Vec<&str> = log.entries().iter().map(|entry| entry.what.as_ref()).collect();
        assert_eq!((what.len(), what[0], what[MAX_ENTRIES - 1]), (MAX_ENTRIES, "0", "49"));
    }
}
