//! Background jobs: reservations that have expired, and those whose holds do not follow the decision yet.

use std::time::Duration;

use souk_store::jobs::{self, Job};
use souk_types::Result;

use crate::App;
use crate::application::reservations;
use crate::domain::reservation::Reservation;

const RESERVATIONS: Job = Job { name: "reservations", every: Duration::from_secs(1), concurrency: 16 };

pub(crate) fn start(app: &App) {
    jobs::run(RESERVATIONS, app.reservations.due(), app.clone(), settle);
}

async fn settle(app: App, reservation: Reservation) -> Result<()> {
    reservations::look_after(&app, &reservation).await
}

#[cfg(test)]
pub(crate) async fn settle_due_reservations(app: &App) -> Result<()> {
    let now = souk_types::Timestamp::now();
    jobs::run_once(RESERVATIONS, &app.reservations.due(), now, app, settle).await
}
