//! Stores the mail that an event asks for, and begins its first attempt.

use std::sync::Arc;

use souk_contract::EventId;
use souk_types::{Result, Timestamp};

use super::deliveries;
use crate::app::App;
use crate::domain::mail::{Mail, Source};

/// Stores a mail unless it exists. This instance makes the first attempt at once, unless it makes
/// too many: then the background job does.
pub(crate) async fn add(app: &App, event: EventId, source: Source) -> Result<()> {
    let now = Timestamp::now();
    let mut mail = Mail::new(event, source, app.sender.domain(), now);
    let permit = Arc::clone(&app.first_attempts).try_acquire_owned().ok();
    let attempt = permit.and_then(|permit| Some((permit, mail.begin_attempt(now)?)));
    let is_new = app.mails.add(mail).await?;
    if let Some((permit, mail)) = attempt.filter(|_| is_new) {
        let app = app.clone();
        app.database.clone().spawn_background(async move {
            let _permit = permit;
            let id = mail.id();
            if let Err(error) = deliveries::attempt(&app, mail).await {
                tracing::warn!(mail = %id, %error, "the outcome of a mail's first attempt was not stored; it is tried again");
            }
        });
    }
    Ok(())
}
