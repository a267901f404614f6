//! A query for a page of the mails.

use souk_contract::shopping::OrderId;
use souk_types::Paging;
use souk_types::input::{Fields, Input};

use super::mail::Status;

/// `?status&order&after&limit`. Filters are combined with "and".
#[derive(Debug, Default)]
pub(crate) struct MailQuery {
    pub(crate) status: Option<Status>,
    /// Selects the mails about this order.
    pub(crate) order: Option<OrderId>,
    pub(crate) paging: Paging,
}

impl MailQuery {
    /// Returns the query for the mails in a status.
    pub(crate) fn in_status(status: Status) -> Self {
        Self { status: Some(status), ..Self::default() }
    }
}

impl Input for MailQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            status: fields.optional("status"),
            order: fields.optional("order"),
            paging: Paging::read(fields).unwrap_or_default(),
        })
    }
}
