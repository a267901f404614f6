//! The mails of this service, which `souk mail` and `souk audit` read from the database.

use std::collections::HashSet;

use serde::Serialize;
use souk_contract::EventId;
use souk_contract::customer::{AccountMailId, CustomerId};
use souk_contract::shopping::{OrderId, OrderMailSubject};
use souk_store::Database;
use souk_types::{Result, Timestamp};

use crate::domain::mail::{Mail, Source, Status};
use crate::providers::directory;
use crate::repositories::{ErasedCustomers, Mails};

/// One mail.
#[derive(Clone, Serialize)]
pub struct MailRecord {
    /// Its id: that of the event that asked for it, unless it sends another one again.
    pub id: EventId,
    /// Its status.
    pub status: Status,
    /// Its kind, such as `order-received`; `None` until the first attempt ends.
    pub kind: Option<&'static str>,
    /// The recipient; `None` until the first attempt ends, and after the retention period.
    pub to: Option<String>,
    /// The subject, as long as the recipient.
    pub subject: Option<String>,
    /// The header that all attempts have in common.
    pub message_id: String,
    /// The mail that was sent before, if this one sends it again.
    pub resend_of: Option<EventId>,
    /// The order that it is about.
    pub order: Option<OrderId>,
    /// The subject of a mail about an order.
    #[serde(skip)]
    pub about: Option<OrderMailSubject>,
    /// The mail of `customer`.
    #[serde(skip)]
    pub account_mail: Option<AccountMailId>,
    /// The number of attempts.
    pub attempts: u32,
    /// When the event arrived.
    pub created: Timestamp,
    /// When the next attempt is due; `None` when none is.
    pub next_attempt: Option<Timestamp>,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// Why the last attempt has failed.
    pub error: Option<String>,
    /// The name of its file, in a shop without an SMTP server.
    #[serde(skip)]
    pub file: String,
}

impl MailRecord {
    /// Returns the order that the mail confirms.
    #[must_use]
    pub fn confirmed_order(&self) -> Option<OrderId> {
        self.order.filter(|_| self.about == Some(OrderMailSubject::Received))
    }

    pub(crate) fn new(mail: &Mail) -> Self {
        let (order, about, account_mail) = match mail.source() {
            Source::Order { order, subject } => (Some(order), Some(subject), None),
            Source::Account { mail } => (None, None, Some(mail)),
        };
        Self {
            id: mail.id(),
            status: mail.status(),
            kind: mail.kind().map(super::super::domain::content::Kind::name),
            to: mail.to().map(|to| to.as_str().to_owned()),
            subject: mail.subject().map(str::to_owned),
            message_id: mail.message_id().to_owned(),
            resend_of: mail.resend_of(),
            order,
            about,
            account_mail,
            attempts: mail.attempts(),
            created: mail.created(),
            next_attempt: mail.next_attempt(),
            sent_at: mail.sent_at(),
            error: mail.error().map(str::to_owned),
            file: directory::file_name(mail),
        }
    }
}

/// Returns the mails that `wanted` selects, oldest first.
pub async fn mails(database: &Database, wanted: impl Fn(&MailRecord) -> bool + Send + Sync) -> Result<Vec<MailRecord>> {
    let mut records = Vec::new();
    Mails::open(database)?.for_each(|mail| records.extend(Some(MailRecord::new(&mail)).filter(&wanted))).await?;
    records.sort_by_key(|record| (record.created, record.id));
    Ok(records)
}

/// Returns one mail.
pub async fn mail(database: &Database, id: EventId) -> Result<Option<MailRecord>> {
    Ok(Mails::open(database)?.get(id).await?.map(|mail| MailRecord::new(&mail)))
}

/// Returns the customers whose mails are erased.
pub async fn erased_customers(database: &Database) -> Result<HashSet<CustomerId>> {
    let mut erased = HashSet::new();
    ErasedCustomers::open(database)?.for_each(|customer| erased.extend([customer])).await?;
    Ok(erased)
}
