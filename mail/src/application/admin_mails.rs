//! The mails, for admins: a list, one mail, another attempt, and sending one again.

use serde::Serialize;
use souk_contract::EventId;
use souk_contract::customer::CustomerId;
use souk_types::{CappedCount, Error, IdempotencyKey, Page, Result};

use super::ledger::MailRecord;
use crate::app::App;
use crate::domain::list_query::MailQuery;
use crate::domain::mail::Status;

/// Numbers for the overview of admins.
#[derive(Debug, Serialize)]
pub(crate) struct MailSummary {
    /// Mails that were refused, or tried for five days.
    failed: CappedCount,
    /// Mails that will be sent, or tried again.
    queued: CappedCount,
}

/// Returns a page of the mails, newest first.
pub(crate) async fn list(app: &App, query: MailQuery) -> Result<Page<MailRecord>> {
    Ok(app.mails.list(query).await?.map(|mail| MailRecord::new(&mail)))
}

/// Counts the mails that need an admin, or time.
pub(crate) async fn summary(app: &App) -> Result<MailSummary> {
    let [failed, queued] = [Status::Failed, Status::Queued].map(MailQuery::in_status);
    let (failed, queued) = tokio::try_join!(app.mails.count(&failed), app.mails.count(&queued))?;
    Ok(MailSummary { failed, queued })
}

/// Returns one mail.
pub(crate) async fn get(app: &App, id: EventId) -> Result<MailRecord> {
    let mail = app.mails.get(id).await?.ok_or_else(|| Error::not_found("mail"))?;
    Ok(MailRecord::new(&mail))
}

/// Queues a mail that was not sent; the background job sends it within a second. Errors:
/// `mail-sent`.
pub(crate) async fn retry(app: &App, admin: CustomerId, id: EventId) -> Result<MailRecord> {
    let mail = app.mails.retry(id).await?;
    tracing::info!(mail = %id, %admin, "an admin retries a mail");
    Ok(MailRecord::new(&mail))
}

/// Queues a new mail about the same as one that was sent; the background job sends it within a
/// second. The same key sends one mail: returns it, and whether an earlier request has queued it.
/// Errors: `mail-not-sent`.
pub(crate) async fn resend(
    app: &App,
    admin: CustomerId,
    id: EventId,
    key: Option<IdempotencyKey>,
) -> Result<(MailRecord, bool)> {
    let key = key.map_or_else(|| EventId::new().to_string(), String::from);
    let (mail, replayed) = app.mails.resend(id, &key).await?;
    if !replayed {
        tracing::info!(mail = %id, resent_as = %mail.id(), %admin, "an admin sends a mail again");
    }
    Ok((MailRecord::new(&mail), replayed))
}
