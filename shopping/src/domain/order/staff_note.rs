//! Notes of the shop's staff about an order. Customers never see them.

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_types::input::{Fields, Input};
use souk_types::{Error, IdempotencyKey, KeyedRequest, MultilineText, Result, Timestamp};

use super::Order;

/// Maximum number of notes on one order.
const MAX_NOTES: usize = 100;

/// The text of a note.
pub(crate) type NoteText = MultilineText<1, 2000>;

/// A note of the staff.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StaffNote {
    at: Timestamp,
    /// The admin; `None` when the account is deleted.
    by: Option<CustomerId>,
    text: NoteText,
    /// The request that added it, if it had an idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<KeyedRequest>,
}

/// A note as admins see it.
#[derive(Debug, Serialize)]
pub(crate) struct NoteView {
    at: Timestamp,
    by: Option<CustomerId>,
    text: NoteText,
}

pub(crate) struct NewNote(pub(crate) NoteText);

impl Input for NewNote {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self(fields.required("text")?))
    }
}

impl StaffNote {
    pub(super) fn by(&self) -> Option<CustomerId> {
        self.by
    }

    pub(super) fn view(&self) -> NoteView {
        NoteView { at: self.at, by: self.by, text: self.text.clone() }
    }

    pub(super) fn erase_admin(&mut self, admin: CustomerId) {
        self.by = self.by.filter(|by| *by != admin);
    }
}

impl Order {
    /// Adds a note. Returns false when a request with the same key has added it before. Errors:
    /// `too-many-notes`, `key-reused`.
    pub(crate) fn add_note(
        &mut self,
        text: NoteText,
        key: Option<IdempotencyKey>,
        admin: CustomerId,
        now: Timestamp,
    ) -> Result<bool> {
        let request = key.map(|key| KeyedRequest::new(key, &text)).transpose()?;
        if let Some(request) = &request {
            for earlier in self.notes.iter().filter_map(|note| note.request.as_ref()) {
                if request.repeats(earlier)? {
                    return Ok(false);
                }
            }
        }
        if self.notes.len() >= MAX_NOTES {
            return Err(Error::conflict("too-many-notes", format!("An order has at most {MAX_NOTES} notes.")));
        }
        self.notes.push(StaffNote { at: now, by: Some(admin), text, request });
        Ok(true)
    }
}
