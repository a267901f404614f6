//! Stores that a mail is due. Its recipient and content are not known yet.

use souk_contract::EventId;
use souk_types::{Result, Timestamp};

use crate::app::App;
use crate::domain::mail::{Mail, Source};

pub(crate) async fn add(app: &App, event: EventId, source: Source) -> Result<()> {
    app.mails.add(Mail::new(event, source, Timestamp::now())).await
}
