//! The history of an order: status changes for its customer, and a log of calls, payments, events
//! and retries for admins. Both are stored with the order.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::shopping::{TimelineEntry, TimelineKind};
use souk_types::{RequestId, Timestamp};

use super::{Order, OrderStatus, StatusReason};

/// Maximum number of log entries, about ten times those of a normal order. Beyond it, the entries
/// in the middle are removed.
const MAX_ENTRIES: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatusChange {
    pub(crate) status: OrderStatus,
    pub(crate) at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<StatusReason>,
}

impl StatusChange {
    fn timeline_entry(&self) -> TimelineEntry {
        TimelineEntry {
            at: self.at,
            service: "shopping".to_owned(),
            kind: TimelineKind::State,
            what: wire_name(&self.status),
            outcome: self.reason.as_ref().map_or_else(|| "ok".to_owned(), wire_name),
            ms: None,
            request_id: None,
            by: None,
        }
    }
}

/// Returns the name that serde writes for an enum value without fields.
pub(super) fn wire_name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        other => format!("{other:?}"),
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LogEntry {
    at: Timestamp,
    kind: TimelineKind,
    what: Cow<'static, str>,
    outcome: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
    /// The admin who acted; `None` also when the account is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<CustomerId>,
}

impl LogEntry {
    pub(crate) fn new(
        at: Timestamp,
        request_id: Option<RequestId>,
        kind: TimelineKind,
        what: impl Into<Cow<'static, str>>,
        outcome: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { at, kind, what: what.into(), outcome: outcome.into(), ms: None, request_id, by: None }
    }

    pub(crate) fn with_duration(mut self, duration: Duration) -> Self {
        self.ms = Some(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        self
    }

    pub(crate) fn by(mut self, admin: CustomerId) -> Self {
        self.by = Some(admin);
        self
    }

    pub(crate) fn with_outcome(mut self, outcome: String) -> Self {
        self.outcome = Cow::Owned(outcome);
        self
    }

    fn timeline_entry(&self) -> TimelineEntry {
        TimelineEntry {
            at: self.at,
            service: "shopping".to_owned(),
            kind: self.kind,
            what: self.what.to_string(),
            outcome: self.outcome.to_string(),
            ms: self.ms,
            request_id: self.request_id.clone(),
            by: self.by,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct OrderLog(Vec<LogEntry>);

impl OrderLog {
    pub(super) fn add(&mut self, entry: LogEntry) {
        if self.0.len() >= MAX_ENTRIES {
            self.0.remove(MAX_ENTRIES / 2);
        }
        self.0.push(entry);
    }

    pub(super) fn admins(&self) -> impl Iterator<Item = CustomerId> {
        self.0.iter().filter_map(|entry| entry.by)
    }

    pub(super) fn erase_admin(&mut self, admin: CustomerId) {
        for entry in &mut self.0 {
            entry.by = entry.by.filter(|by| *by != admin);
        }
    }
}

impl Order {
    /// Returns the timeline entries of this service: the status changes, then the log.
    pub(crate) fn timeline(&self) -> Vec<TimelineEntry> {
        let changes = self.history.iter().map(StatusChange::timeline_entry);
        changes.chain(self.log.0.iter().map(LogEntry::timeline_entry)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_keeps_its_first_and_last_entries() {
        let mut log = OrderLog::default();
        for number in 0..3 * MAX_ENTRIES {
            log.add(LogEntry::new(Timestamp::now(), None, TimelineKind::Call, number.to_string(), "ok"));
        }
        let kept: Vec<String> = log.0.iter().map(|entry| entry.what.to_string()).collect();
        assert_eq!((kept.len(), &*kept[0], &*kept[MAX_ENTRIES - 1]), (MAX_ENTRIES, "0", "299"));
    }
}
