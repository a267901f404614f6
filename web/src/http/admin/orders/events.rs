//! The timeline of an order, in words for the shop's staff.

use souk_contract::customer::CustomerId;
use souk_contract::shopping::{TimelineEntry, TimelineKind};

use super::{Admin, moment, reason_text, status_key};
use crate::api::admin_orders::AdminOrder;
use crate::api::order::OrderStatus;
use crate::locale::{Key, Language};

/// Letters of an account's id that tell two admins apart.
const SHORT_ID: usize = 8;

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
pub(super) fn events(language: Language, admin: &Admin, order: &AdminOrder) -> Vec<Event> {
    let event = |entry: &TimelineEntry| {
        let text = match entry.kind {
            TimelineKind::State => state_text(language, entry),
            TimelineKind::Admin => {
                language.text_of_code("code-admin-", &entry.what).unwrap_or_else(|| entry.what.clone())
            }
            _ => return None,
        };
        let by = entry.by.map(|by| name_of(language, admin, Some(by)));
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

/// Returns how an admin is called: by the e-mail address for the one who looks, else by the end of
/// the account's id, because no admin sees the addresses of other accounts.
pub(super) fn name_of(language: Language, admin: &Admin, by: Option<CustomerId>) -> String {
    match by {
        Some(by) if by == admin.id => admin.email.clone(),
        Some(by) => {
            let id = by.to_string();
            let end = id.get(id.len().saturating_sub(SHORT_ID)..).unwrap_or_default().to_owned();
            language.text(Key("orders-by-other")).arg("id", end).to_string()
        }
        None => language.text(Key("orders-by-deleted")).to_string(),
    }
}

fn state_text(language: Language, entry: &TimelineEntry) -> String {
    let status: Option<OrderStatus> = serde_json::from_value(entry.what.as_str().into()).ok();
    let status = status.map_or_else(|| entry.what.clone(), |status| language.text(status_key(status)).to_string());
    if entry.outcome == "ok" { status } else { format!("{status}: {}", reason_text(language, &entry.outcome)) }
}
