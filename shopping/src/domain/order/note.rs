//! Notes of the shop's staff about an order. Customers never see them.

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_types::input::{Fields, Input};
use souk_types::{Error, MultilineText, Result, Timestamp};

use super::Order;

/// Maximum number of notes on one order.
const MAX_NOTES: usize = 100;

/// The text of a note.
pub(crate) type NoteText = MultilineText<1, 2000>;

/// A note, as it is stored and as admins see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Note {
    at: Timestamp,
    /// The admin; `None` when the account is deleted.
    by: Option<CustomerId>,
    text: NoteText,
}

pub(crate) struct NewNote(pub(crate) NoteText);

impl Input for NewNote {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self(fields.required("text")?))
    }
}

impl Note {
    pub(super) fn by(&self) -> Option<CustomerId> {
        self.by
    }

    pub(super) fn erase_admin(&mut self, admin: CustomerId) {
        self.by = self.by.filter(|by| *by != admin);
    }
}

impl Order {
    /// Errors: `too-many-notes`.
    pub(crate) fn add_note(&mut self, text: NoteText, admin: CustomerId, now: Timestamp) -> Result<()> {
        if self.notes.len() >= MAX_NOTES {
            return Err(Error::conflict("too-many-notes", format!("An order has at most {MAX_NOTES} notes.")));
        }
        self.notes.push(Note { at: now, by: Some(admin), text });
        Ok(())
    }
}
