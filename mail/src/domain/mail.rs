//! A mail, from the event that asks for it to its delivery.

mod resend;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::EventId;
use souk_contract::customer::{AccountMailId, CustomerId};
use souk_contract::shopping::{OrderId, OrderMailSubject};
use souk_store::{Backoff, RetrySchedule};
use souk_types::{Email, Error, Result, Timestamp};

use super::content::{Envelope, Kind};

/// Delays between two attempts.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), factor: 2, longest: Duration::from_mins(10) };
/// How long a mail is tried, as RFC 5321 (section 4.5.4.1) advises.
const GIVE_UP_AFTER: Duration = Duration::from_hours(5 * 24);
/// Lease on an attempt: after it, the instance is presumed dead. Longer than an attempt may take.
const LEASE: Duration = Duration::from_secs(45);
/// How long the recipient of a mail is stored after it was sent or has failed.
const RETENTION: Duration = Duration::from_hours(90 * 24);
/// The same for the notice of an erasure, whose file is the last place that names the recipient.
const RETENTION_OF_NOTICE: Duration = Duration::from_hours(24);

/// Why a mail was not delivered.
pub(crate) struct Failure {
    /// Whether another attempt would fail as well.
    pub(crate) is_permanent: bool,
    /// The reason, for logs: without the text of the SMTP server, which may name the recipient.
    pub(crate) summary: String,
    /// The reason with the server's text, for the operator.
    pub(crate) detail: String,
}

impl Failure {
    pub(crate) fn transient(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { is_permanent: false, summary: reason.clone(), detail: reason }
    }
}

/// The status of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It will be sent, or tried again.
    Queued,
    /// The SMTP server has accepted it, or it was written to a file.
    Sent,
    /// The SMTP server has refused it, or it was tried for five days.
    Failed,
    /// It was not sent, because it had become pointless: its link was used or has expired, the
    /// order has changed, or the customer is erased.
    Obsolete,
}

/// The reason of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of")]
pub(crate) enum Source {
    /// A mail that `customer` has asked for.
    Account { mail: AccountMailId },
    /// A mail about an order of `shopping`.
    Order { order: OrderId, subject: OrderMailSubject },
}

impl Source {
    /// Returns a text that no other mail has.
    fn key(&self) -> String {
        match self {
            Self::Account { mail } => format!("account/{mail}"),
            Self::Order { order, subject } => match subject {
                OrderMailSubject::Received => format!("order/{order}/received"),
                OrderMailSubject::PaymentFailed => format!("order/{order}/payment-failed"),
                OrderMailSubject::PaymentWaiting => format!("order/{order}/payment-waiting"),
                OrderMailSubject::ParcelSent { shipment } => format!("order/{order}/parcel-sent/{shipment}"),
                OrderMailSubject::Refunded { refund } => format!("order/{order}/refunded/{refund}"),
                OrderMailSubject::Cancelled => format!("order/{order}/cancelled"),
            },
        }
    }
}

/// A mail. It names its recipient from the end of its first attempt until it expires.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Mail {
    id: EventId,
    key: String,
    source: Source,
    status: Status,
    created: Timestamp,
    /// The header of that name, the same in all attempts.
    message_id: String,
    /// The mail that was sent before, if this one sends it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resend_of: Option<EventId>,
    kind: Option<Kind>,
    customer: Option<CustomerId>,
    to: Option<Email>,
    subject: Option<String>,
    attempts: u32,
    schedule: RetrySchedule,
    give_up_at: Timestamp,
    sent_at: Option<Timestamp>,
    /// Why the last attempt has failed.
    error: Option<String>,
}

impl Mail {
    /// Returns a mail that is due. `domain` is that of the sender.
    pub(crate) fn new(id: EventId, source: Source, domain: &str, now: Timestamp) -> Self {
        Self {
            id,
            key: source.key(),
            source,
            status: Status::Queued,
            created: now,
            message_id: format!("<{id}@{domain}>"),
            resend_of: None,
            kind: None,
            customer: None,
            to: None,
            subject: None,
            attempts: 0,
            schedule: RetrySchedule::at(now),
            give_up_at: now.after(GIVE_UP_AFTER),
            sent_at: None,
            error: None,
        }
    }

    /// Begins an attempt and returns the mail as it is then. `None`: it is not due, because another
    /// instance has begun one.
    pub(crate) fn begin_attempt(&mut self, now: Timestamp) -> Option<Self> {
        if self.status != Status::Queued || !self.schedule.is_due(now) {
            return None;
        }
        self.attempts = self.attempts.saturating_add(1);
        self.schedule.set_due(now.after(LEASE));
        Some(self.clone())
    }

    fn record_envelope(&mut self, envelope: &Envelope) {
        self.kind = Some(envelope.kind);
        if !self.hides_recipient() {
            self.customer = envelope.customer;
            self.to = Some(envelope.to.clone());
        }
        self.subject = Some(envelope.subject.clone());
    }

    pub(crate) fn record_sent(&mut self, envelope: &Envelope, now: Timestamp) {
        self.record_envelope(envelope);
        self.status = Status::Sent;
        self.sent_at = Some(now);
        self.error = None;
        self.schedule.set_due(now.after(self.retention()));
    }

    /// Schedules another attempt after the attempt of this number, or gives up. The envelope is
    /// `None` when the attempt failed before the mail was rendered. Returns the new status.
    pub(crate) fn record_failure(
        &mut self,
        attempt: u32,
        envelope: Option<&Envelope>,
        failure: &Failure,
        now: Timestamp,
    ) -> Status {
        // A slow attempt whose lease has ended may report while another one is in progress.
        if self.status == Status::Queued && self.attempts == attempt {
            if let Some(envelope) = envelope {
                self.record_envelope(envelope);
            }
            self.error = Some(if self.hides_recipient() { &failure.summary } else { &failure.detail }.clone());
            if failure.is_permanent || now >= self.give_up_at {
                self.status = Status::Failed;
                self.schedule.set_due(now.after(self.retention()));
            } else {
                self.schedule.back_off(now, &BACKOFF);
            }
        }
        self.status
    }

    /// Records that nothing is to be sent.
    pub(crate) fn mark_obsolete(&mut self) {
        if self.status == Status::Queued {
            self.status = Status::Obsolete;
            self.forget_recipient();
        }
    }

    /// Queues a mail that has failed. Errors: it was sent.
    pub(crate) fn retry(&mut self, now: Timestamp) -> Result<()> {
        if self.status == Status::Sent {
            return Err(Error::conflict(
                "mail-sent",
                "The mail was sent. Only a mail that was not sent can be retried; resend it instead.",
            ));
        }
        self.status = Status::Queued;
        self.schedule = RetrySchedule::at(now);
        self.give_up_at = now.after(GIVE_UP_AFTER);
        Ok(())
    }

    /// Removes what is known about the recipient, if that is due.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        if self.status != Status::Queued && self.schedule.is_due(now) {
            self.forget_recipient();
        }
    }

    fn forget_recipient(&mut self) {
        (self.customer, self.to, self.subject, self.error) = (None, None, None, None);
        self.schedule.clear_due();
    }

    /// Whether the mail must not name its recipient, because the account is erased.
    fn hides_recipient(&self) -> bool {
        self.kind == Some(Kind::AccountErased)
    }

    fn retention(&self) -> Duration {
        if self.hides_recipient() { RETENTION_OF_NOTICE } else { RETENTION }
    }

    pub(crate) fn id(&self) -> EventId {
        self.id
    }

    pub(crate) fn source(&self) -> Source {
        self.source
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }

    pub(crate) fn created(&self) -> Timestamp {
        self.created
    }

    pub(crate) fn message_id(&self) -> &str {
        &self.message_id
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        self.kind
    }

    pub(crate) fn to(&self) -> Option<&Email> {
        self.to.as_ref()
    }

    pub(crate) fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the time of the next attempt.
    pub(crate) fn next_attempt(&self) -> Option<Timestamp> {
        self.schedule.due().filter(|_| self.status == Status::Queued)
    }

    pub(crate) fn sent_at(&self) -> Option<Timestamp> {
        self.sent_at
    }

    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}
