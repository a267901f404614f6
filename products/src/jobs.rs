//! Background jobs.

use std::time::Duration;

use souk_store::jobs::{self, Job};
use souk_types::Result;

use crate::App;
use crate::application::reservations;
use crate::domain::reservation::Reservation;

/// Releases expired reservations, and applies decisions that an instance did not apply. A run without due reservations
/// costs one look-up in an index. A transaction that restocks a product in high demand may wait for a second; others are
/// handled meanwhile.
const RESERVATIONS: Job = Job { name: "reservations", every: Duration::from_secs(1), concurrency: 16 };

/// Starts the jobs.
pub(crate) fn start(app: &App) {
    jobs::run(RESERVATIONS, app.reservations.due(), app.clone(), handle);
}

async fn handle(app: App, reservation: Reservation) -> Result<()> {
    reservations::handle_due(&app, &reservation).await
}

#[cfg(test)]
pub(crate) async fn handle_due_reservations(app: &App) -> Result<()> {
    let now = souk_types::Timestamp::now();
    jobs::run_once(RESERVATIONS, &app.reservations.due(), now, app, handle).await
}
