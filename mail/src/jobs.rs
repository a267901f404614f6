//! Background jobs.

use std::time::Duration;

use souk_store::jobs::{self, Job};

use crate::app::App;
use crate::application::deliveries;

/// Tries mails again that were not sent, and later removes what they say about their recipients.
const MAILS: Job = Job { name: "mails", every: Duration::from_secs(1), concurrency: 4 };

pub(crate) fn start(app: &App) {
    jobs::run(MAILS, app.mails.due(), app.clone(), |app, mail| async move { deliveries::handle_due(&app, mail).await });
}
