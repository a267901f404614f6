//! The timeline of an order, in words for the shop's staff.

use souk_contract::shopping::{TimelineEntry, TimelineKind};

use super::staff::Staff;
use super::{moment, reason_text, status_key};
use crate::api::admin_orders::AdminOrder;
use crate::api::order::OrderStatus;
use crate::locale::Language;

/// An entry of the timeline.
pub(super) struct Event {
    pub(super) at: String,
    pub(super) text: String,
    /// The admin who acted.
    pub(super) by: Option<String>,
}

/// An entry about what the services did.
pub(super) struct Technical {
    pub(super) at: String,
    pub(super) service: String,
    pub(super) what: String,
    pub(super) outcome: String,
}

/// Returns what people see of an order: its states, and what admins did, newest first.
pub(super) fn events(language: Language, staff: &Staff<'_>, order: &AdminOrder) -> Vec<Event> {
    let event = |entry: &TimelineEntry| {
        let text = match entry.kind {
            TimelineKind::State => state_text(language, entry),
            TimelineKind::Admin => {
                language.text_of_code("code-admin-", &entry.what).unwrap_or_else(|| entry.what.clone())
            }
            _ => return None,
        };
        let by = entry.by.map(|by| staff.name(Some(by)));
        Some(Event { at: moment(language, entry.at), text, by })
    };
    order.timeline.iter().rev().filter_map(event).collect()
}

/// Returns what the services did, oldest first.
pub(super) fn technical(language: Language, order: &AdminOrder) -> Vec<Technical> {
    let is_technical = |entry: &&TimelineEntry| !matches!(entry.kind, TimelineKind::State | TimelineKind::Admin);
    let row = |entry: &TimelineEntry| Technical {
        at: moment(language, entry.at),
        service: entry.service.clone(),
        what: entry.what.clone(),
        outcome: entry.outcome.clone(),
    };
    order.timeline.iter().filter(is_technical).map(row).collect()
}

fn state_text(language: Language, entry: &TimelineEntry) -> String {
    let status: Option<OrderStatus> = serde_json::from_value(entry.what.as_str().into()).ok();
    let status = status.map_or_else(|| entry.what.clone(), |status| language.text(status_key(status)).to_string());
    if entry.outcome == "ok" { status } else { format!("{status}: {}", reason_text(language, &entry.outcome)) }
}
