//! Background jobs.

use std::time::Duration;

use souk_store::jobs::{self, Job};
use souk_types::{Result, Timestamp};

use crate::app::App;
use crate::application::{erasures, mails};
use crate::domain::erasure::ErasureReceipt;
use crate::domain::mail::Mail;
use crate::domain::passkey::SignInChallenge;
use crate::domain::session::Session;

/// Reminds the services that have not erased a customer's data.
const ERASURES: Job = Job { name: "erasures", every: Duration::from_secs(1), concurrency: 16 };

/// Deletes the mails that have expired. Their tokens are refused before.
const EXPIRED_MAILS: Job = Job { name: "expired-mails", every: Duration::from_mins(1), concurrency: 4 };

/// Deletes the sessions that have expired. Their tokens are refused before.
const EXPIRED_SESSIONS: Job = Job { name: "expired-sessions", every: Duration::from_mins(1), concurrency: 4 };

/// Deletes the challenges that no device has answered in time.
const EXPIRED_CHALLENGES: Job = Job { name: "expired-challenges", every: Duration::from_mins(1), concurrency: 4 };

pub(crate) fn start(app: &App) {
    jobs::run(EXPIRED_CHALLENGES, app.challenges.expired(), app.clone(), delete_challenge);
    let delete = |app, session| delete_session(app, session, Timestamp::now());
    jobs::run(EXPIRED_SESSIONS, app.sessions.expired(), app.clone(), delete);
    jobs::run(EXPIRED_MAILS, app.mails.expired(), app.clone(), expire);
    jobs::run(ERASURES, app.erasures.due(), app.clone(), remind);
}

async fn remind(app: App, receipt: ErasureReceipt) -> Result<()> {
    erasures::remind(&app, receipt.id(), Timestamp::now()).await
}

async fn expire(app: App, mail: Mail) -> Result<()> {
    mails::delete(&app, &mail).await
}

async fn delete_session(app: App, session: Session, now: Timestamp) -> Result<()> {
    app.sessions.delete_expired(session.id(), now).await
}

async fn delete_challenge(app: App, challenge: SignInChallenge) -> Result<()> {
    app.challenges.take(challenge.id(), Timestamp::now()).await.map(drop)
}

#[cfg(test)]
pub(crate) async fn delete_expired_challenges(app: &App, now: Timestamp) -> Result<()> {
    jobs::run_once(EXPIRED_CHALLENGES, &app.challenges.expired(), now, app, delete_challenge).await
}

#[cfg(test)]
pub(crate) async fn delete_expired_sessions(app: &App, now: Timestamp) -> Result<()> {
    let delete = |app, session| delete_session(app, session, now);
    jobs::run_once(EXPIRED_SESSIONS, &app.sessions.expired(), now, app, delete).await
}

#[cfg(test)]
pub(crate) async fn delete_expired_mails(app: &App, now: Timestamp) -> Result<()> {
    jobs::run_once(EXPIRED_MAILS, &app.mails.expired(), now, app, expire).await
}

#[cfg(test)]
pub(crate) async fn send_due_reminders(app: &App, now: Timestamp) -> Result<()> {
    let remind = async |app: App, receipt: ErasureReceipt| erasures::remind(&app, receipt.id(), now).await;
    jobs::run_once(ERASURES, &app.erasures.due(), now, app, remind).await
}
