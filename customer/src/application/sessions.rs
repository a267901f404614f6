//! Sessions: opening, refreshing and ending them.

use souk_contract::customer::CustomerId;
use souk_http::auth::Identity;
use souk_types::{Error, Network, Result, Timestamp};

use crate::app::App;
use crate::domain::account::{Profile, account_deleted, account_locked};
use crate::domain::device::Device;
use crate::domain::session::{Proof, RefreshToken, Session, SessionId, sessions_to_end};

pub(crate) struct SignIn {
    pub(crate) customer: CustomerId,
    pub(crate) access_token: String,
    pub(crate) refresh_token: RefreshToken,
}

/// Opens a session for a customer whose identity the caller has verified. Errors:
/// `account-locked`.
pub(crate) async fn open(app: &App, profile: &Profile, device: Device, proof: Proof) -> Result<SignIn> {
    let now = Timestamp::now();
    let sessions = app.sessions.by_customer(profile.id).await?;
    app.sessions.delete(&ids(sessions_to_end(&sessions, now))).await?;
    let token = app.sessions.open_for(profile, device, proof, now).await?;
    // An erasure or a lock that came meanwhile may have deleted the sessions before this one was
    // inserted.
    let refusal = match app.accounts.get(profile.id).await? {
        Some(profile) if profile.is_locked() => account_locked(),
        Some(_) => return issue_tokens(app, profile, token, proof),
        None => account_deleted(),
    };
    app.sessions.delete(&[token.session]).await?;
    Err(refusal)
}

/// Replaces a refresh token by its successor and issues an access token. `None` stands for
/// malformed text. Errors: `Unauthenticated`, or `too-many-attempts` when the network has sent many
/// others that were refused.
pub(crate) async fn refresh(app: &App, token: Option<RefreshToken>, network: Network) -> Result<SignIn> {
    let refreshed = match token {
        Some(token) => refresh_session(app, &token).await?,
        None => None,
    };
    let Some((profile, successor, proof)) = refreshed else {
        app.attempts.count_refused_token(network)?;
        let detail = "The refresh token is invalid or has expired. Sign in again.";
        return Err(Error::unauthenticated(detail));
    };
    issue_tokens(app, &profile, successor, proof)
}

async fn refresh_session(app: &App, token: &RefreshToken) -> Result<Option<(Profile, RefreshToken, Proof)>> {
    let Some((session, successor)) = app.sessions.refresh(token, Timestamp::now()).await? else { return Ok(None) };
    let profile = app.accounts.get(session.customer()).await?;
    let Some(profile) = profile.filter(|profile| session.is_of(profile)) else {
        app.sessions.delete(&[session.id()]).await?;
        return Ok(None);
    };
    Ok(Some((profile, successor, session.proof())))
}

/// Ends the session of a refresh token, if there is one. A replaced token of the session suffices.
pub(crate) async fn sign_out(app: &App, token: &RefreshToken) -> Result<()> {
    app.sessions.end(token).await
}

/// Ends one session of a customer. Its access token expires within ten minutes. Errors:
/// `NotFound`.
pub(crate) async fn end(app: &App, customer: CustomerId, session: SessionId) -> Result<()> {
    if app.sessions.end_of(customer, session).await? { Ok(()) } else { Err(Error::not_found("session")) }
}

pub(crate) async fn end_all(app: &App, customer: CustomerId) -> Result<()> {
    loop {
        let sessions = app.sessions.by_customer(customer).await?;
        if sessions.is_empty() {
            return Ok(());
        }
        app.sessions.delete(&ids(&sessions)).await?;
    }
}

/// Returns the sessions of a customer, in the order in which they expire.
pub(crate) async fn active(app: &App, customer: CustomerId) -> Result<Vec<Session>> {
    let (mut sessions, now) = (app.sessions.by_customer(customer).await?, Timestamp::now());
    sessions.retain(|session| !session.is_expired(now));
    Ok(sessions)
}

fn ids(sessions: &[Session]) -> Vec<SessionId> {
    sessions.iter().map(Session::id).collect()
}

/// Issues an access token with the customer's current role.
fn issue_tokens(app: &App, profile: &Profile, refresh_token: RefreshToken, proof: Proof) -> Result<SignIn> {
    let role = app.role_of(profile, proof);
    let (generation, is_email_verified) = (profile.generation(), profile.is_email_verified());
    let identity = Identity { id: profile.id, role, generation, is_email_verified, language: profile.language };
    let access_token = app.key.sign(identity)?;
    Ok(SignIn { customer: profile.id, access_token, refresh_token })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use souk_contract::role::Role;
    use souk_types::{ErrorKind, Id};

    use super::*;
    use crate::application::credentials::{self, PasswordChange};
    use crate::application::operator;
    use crate::application::sign_in::sign_in;
    use crate::domain::device::ClientInfo;
    use crate::domain::token_secret::TokenSecret;
    use crate::domain::totp::tests::code_of;
    use crate::jobs;
    use crate::options::{Options, StaffSecondFactor};
    use crate::testing::{PASSWORD, ana, credentials, home, is_refused, refreshed, signed_in, start, start_with};

    #[tokio::test]
    async fn a_token_that_is_used_twice_ends_its_session() {
        let (app, _directory) = start();
        ana(&app).await;
        let first = signed_in(&app).await;
        let second = refreshed(&app, &first.refresh_token).await.unwrap();
        let third = refreshed(&app, &second.refresh_token).await.unwrap();
        assert!(is_refused(&app, &first.refresh_token).await, "its successor is used");
        assert!(is_refused(&app, &third.refresh_token).await, "the session is over");
        assert!(app.sessions.by_customer(first.customer).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn concurrent_refreshes_get_the_same_successor() {
        let (app, _directory) = start();
        ana(&app).await;
        let token = signed_in(&app).await.refresh_token;
        let (one, other) = tokio::join!(refreshed(&app, &token), refreshed(&app, &token));
        let (one, other) = (one.unwrap().refresh_token, other.unwrap().refresh_token);
        assert_eq!(one.to_string(), other.to_string());
        assert!(refreshed(&app, &one).await.is_ok());
    }

    #[tokio::test]
    async fn a_wrong_secret_is_refused_and_ends_no_session() {
        let (app, _directory) = start();
        ana(&app).await;
        let first = signed_in(&app).await.refresh_token;
        let second = refreshed(&app, &first).await.unwrap().refresh_token;
        let secret = || TokenSecret::random().unwrap();
        for wrong in [
            RefreshToken { session: Id::new(), secret: secret() },
            RefreshToken { session: second.session, secret: secret() },
        ] {
            assert!(is_refused(&app, &wrong).await);
            sign_out(&app, &wrong).await.unwrap();
        }
        let third = refreshed(&app, &second).await.unwrap().refresh_token;
        sign_out(&app, &first).await.unwrap();
        assert!(is_refused(&app, &third).await, "a replaced token ends its session");
    }

    #[tokio::test]
    async fn a_customer_ends_one_session_and_no_session_of_others() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let device = Device::from_user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
        let client = ClientInfo { network: home(), device, language: None };
        let phone = sign_in(&app, credentials("ana@example.com", PASSWORD), client).await.unwrap();
        let laptop = signed_in(&app).await;
        let sessions = active(&app, id).await.unwrap();
        let devices: Vec<Device> = sessions.iter().map(Session::device).collect();
        assert_eq!(devices, [device, Device::default()]);
        let session = phone.refresh_token.session;
        let not_found = |outcome: Result<()>| outcome.is_err_and(|error| error.kind() == ErrorKind::NotFound);
        assert!(not_found(end(&app, Id::new(), session).await), "a stranger");
        assert!(refreshed(&app, &phone.refresh_token).await.is_ok());
        end(&app, id, session).await.unwrap();
        assert!(not_found(end(&app, id, session).await), "it is over");
        assert!(is_refused(&app, &phone.refresh_token).await);
        assert!(refreshed(&app, &laptop.refresh_token).await.is_ok());
    }

    #[tokio::test]
    async fn sign_out_ends_one_session_and_a_new_password_all() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let (phone, laptop, tablet) = (signed_in(&app).await, signed_in(&app).await, signed_in(&app).await);
        sign_out(&app, &phone.refresh_token).await.unwrap();
        assert!(is_refused(&app, &phone.refresh_token).await);
        let laptop = refreshed(&app, &laptop.refresh_token).await.unwrap();
        credentials::change_password(&app, id, PasswordChange::new(PASSWORD, "battery staple"), home()).await.unwrap();
        assert!(is_refused(&app, &laptop.refresh_token).await);
        assert!(is_refused(&app, &tablet.refresh_token).await);
        assert!(sign_in(&app, credentials("ana@example.com", PASSWORD), home()).await.is_err());
        assert!(sign_in(&app, credentials("ana@example.com", "battery staple"), home()).await.is_ok());
    }

    #[tokio::test]
    async fn an_access_token_has_the_role_of_the_account() {
        let (app, _directory) = start();
        ana(&app).await;
        let before = signed_in(&app).await;
        assert_eq!(app.verifier.verify(&before.access_token).await.unwrap().role, Role::Customer);
        operator::set_role(&app.database, &"ana@example.com".parse().unwrap(), Role::Admin).await.unwrap();
        assert!(is_refused(&app, &before.refresh_token).await, "a new role ends all sessions");
        assert_eq!(app.verifier.verify(&signed_in(&app).await.access_token).await.unwrap().role, Role::Admin);
    }

    #[tokio::test]
    async fn a_shop_may_require_the_second_step_of_its_staff() {
        let (app, _directory) =
            start_with(Options { staff_second_factor: StaffSecondFactor::Required, ..Options::default() });
        ana(&app).await;
        operator::set_role(&app.database, &"ana@example.com".parse().unwrap(), Role::Orders).await.unwrap();
        let role = async || app.verifier.verify(&signed_in(&app).await.access_token).await.unwrap().role;
        assert_eq!(role().await, Role::Customer);
        let (id, now) = (signed_in(&app).await.customer, Timestamp::now());
        let turn_on = move |profile: &mut Profile| {
            let secret = profile.second_step.begin_setup(now)?;
            profile.second_step.confirm_setup(&code_of(&secret, now), now)?;
            Ok(profile.clone())
        };
        let profile = app.accounts.update(id, turn_on).await.unwrap();
        assert_eq!(app.role_of(&profile, Proof::Password), Role::Orders);
    }

    #[tokio::test]
    async fn a_session_is_deleted_when_it_has_expired() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        signed_in(&app).await;
        let session = active(&app, id).await.unwrap().remove(0);
        let expires_at = session.expires_at();
        // It may be continued after the job has found it.
        app.sessions.delete_expired(session.id(), expires_at.before(Duration::from_secs(1))).await.unwrap();
        for (now, left) in [(expires_at.before(Duration::from_secs(1)), 1), (expires_at, 0)] {
            jobs::delete_expired_sessions(&app, now).await.unwrap();
            assert_eq!(app.sessions.by_customer(id).await.unwrap().len(), left);
        }
    }
}
