//! Background jobs.

use std::time::Duration;

use souk_store::sweep;
use souk_types::Timestamp;

use crate::app::App;
use crate::application::erasures;

/// Interval of the reminders. A run without due reminders costs one index lookup.
const REMINDER_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) fn start(app: &App) {
    let app = app.clone();
    sweep::sweep(REMINDER_INTERVAL, "due erasures were not repeated", move || {
        let app = app.clone();
        async move { erasures::send_due_reminders(&app, Timestamp::now()).await }
    });
}
