//! Background jobs.

use std::time::Duration;

use souk_store::jobs::{self, Job};
use souk_types::{Result, Timestamp};

use crate::app::App;
use crate::application::erasures;
use crate::domain::erasure::ErasureReceipt;

/// Reminds the services that have not erased a customer's data.
const ERASURES: Job = Job { name: "erasures", every: Duration::from_secs(1), concurrency: 16 };

pub(crate) fn start(app: &App) {
    jobs::run(ERASURES, app.erasures.due(), app.clone(), remind);
}

async fn remind(app: App, receipt: ErasureReceipt) -> Result<()> {
    erasures::remind(&app, receipt.id(), Timestamp::now()).await
}

#[cfg(test)]
pub(crate) async fn send_due_reminders(app: &App, now: Timestamp) -> Result<()> {
    let remind = async |app: App, receipt: ErasureReceipt| erasures::remind(&app, receipt.id(), now).await;
    jobs::run_once(ERASURES, &app.erasures.due(), now, app, remind).await
}
