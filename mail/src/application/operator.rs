//! Mails as the operator changes them, for `souk mail`. These functions need only the database,
//! because the command is a separate process. The shop may run at the same time.

use souk_contract::EventId;
use souk_store::Database;
use souk_types::Result;

use crate::repositories::Mails;

/// Queues a mail that was not sent. Errors: `NotFound`; `mail-sent`.
pub async fn retry(database: &Database, id: EventId) -> Result<()> {
    Mails::open(database)?.retry(id).await.map(drop)
}

/// Queues a new mail about the same as one that was sent, and returns its id. Errors: `NotFound`;
/// `mail-not-sent`.
pub async fn resend(database: &Database, id: EventId) -> Result<EventId> {
    let key = EventId::new().to_string();
    let (mail, _) = Mails::open(database)?.resend(id, &key).await?;
    Ok(mail.id())
}
