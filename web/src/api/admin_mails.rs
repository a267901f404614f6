//! The mails to customers, for admins.

use serde::Deserialize;
use serde_json::json;
use souk_contract::EventId;
use souk_contract::shopping::OrderId;
use souk_types::{CappedCount, Timestamp};

use super::{Api, List, Result, Service, Token};
use crate::links::encode;

/// A mail, as its service records it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Mail {
    pub(crate) id: EventId,
    pub(crate) status: MailStatus,
    /// Such as `order-received`; `None` until the first attempt ends.
    pub(crate) kind: Option<String>,
    /// The recipient; `None` until the first attempt ends, and after the retention period.
    pub(crate) to: Option<String>,
    /// The mail that was sent before, if this one sends it again.
    pub(crate) resend_of: Option<EventId>,
    pub(crate) order: Option<OrderId>,
    pub(crate) attempts: u32,
    pub(crate) created: Timestamp,
    pub(crate) next_attempt: Option<Timestamp>,
    pub(crate) sent_at: Option<Timestamp>,
    /// Why the last attempt has failed, in English.
    pub(crate) error: Option<String>,
}

/// The status of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MailStatus {
    Queued,
    Sent,
    Failed,
    Obsolete,
}

impl MailStatus {
    pub(crate) const ALL: [Self; 4] = [Self::Failed, Self::Queued, Self::Sent, Self::Obsolete];

    /// Returns the name in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Obsolete => "obsolete",
        }
    }

    /// Reads the name in the API.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// Numbers of mails.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct MailSummary {
    pub(crate) failed: CappedCount,
}

impl Api<'_> {
    /// Returns a page of the mails, newest first. Errors: 422 for a bad cursor.
    pub(crate) async fn mails(
        self,
        token: &Token,
        status: Option<MailStatus>,
        order: Option<OrderId>,
        limit: usize,
        after: Option<&str>,
    ) -> Result<List<Mail>> {
        let status = status.map(|status| format!("&status={}", status.as_str())).unwrap_or_default();
        let order = order.map(|order| format!("&order={order}")).unwrap_or_default();
        let after = after.map(|after| format!("&after={}", encode(after))).unwrap_or_default();
        self.get(Service::Mail, format!("/?limit={limit}{status}{order}{after}")).token(token).send().await
    }

    /// Counts the mails that need an admin.
    pub(crate) async fn mail_summary(self, token: &Token) -> Result<MailSummary> {
        self.get(Service::Mail, "/summary").token(token).send().await
    }

    /// Queues a new mail about the same as one that was sent. The same key sends one mail. Errors:
    /// 409 `mail-not-sent`.
    pub(crate) async fn resend_mail(self, token: &Token, id: EventId, key: &str) -> Result<()> {
        let call = self.post(Service::Mail, format!("/{id}/resend")).token(token).json(&json!({}));
        call.header("Idempotency-Key", key).send_without_reply().await
    }

    /// Queues a mail that was not sent. Errors: 409 `mail-sent`.
    pub(crate) async fn retry_mail(self, token: &Token, id: EventId) -> Result<()> {
        self.post(Service::Mail, format!("/{id}/retry")).token(token).json(&json!({})).send_without_reply().await
    }
}
