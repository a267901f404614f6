//! Sessions: sign-in, refresh, sign-out.

use souk_contract::customer::CustomerId;
use souk_http::auth::Identity;
use souk_types::{Error, Result, Timestamp};

use crate::app::App;
use crate::domain::account::{Profile, account_closed};
use crate::domain::email::Email;
use crate::domain::password::{PasswordCheck, PasswordGuess};
use crate::domain::session::{RefreshToken, Session, SessionId, sessions_to_end};

pub(crate) struct SignIn {
    pub(crate) customer: CustomerId,
    pub(crate) access_token: String,
    pub(crate) refresh_token: RefreshToken,
}

pub(crate) struct Credentials {
    /// `None` when the client sent text that is no e-mail address.
    pub(crate) email: Option<Email>,
    pub(crate) password: PasswordGuess,
}

/// Opens a session for a customer who presents the right password. Neither the error nor the
/// response time reveals whether the e-mail address has an account.
pub(crate) async fn sign_in(app: &App, credentials: Credentials) -> Result<SignIn> {
    let profile = match credentials.email {
        Some(email) => app.accounts.by_email(&email).await?,
        None => None,
    };
    let stored = profile.as_ref().map(|profile| profile.password().clone());
    let check = app.hasher.check(credentials.password, stored).await?;
    let refused = || Error::unauthenticated("The e-mail address or the password is wrong.");
    let profile = profile.ok_or_else(refused)?;
    match check {
        PasswordCheck::Wrong => return Err(refused()),
        PasswordCheck::Right => {}
        PasswordCheck::Outdated(renewed) => {
            let verified = profile.generation();
            let rehash = move |profile: &mut Profile| {
                profile.rehash_password(verified, renewed.clone());
                Ok(())
            };
            app.accounts.update(profile.id, rehash).await?;
        }
    }
    open(app, &profile).await
}

/// Opens a session for a customer whose identity the caller has verified.
pub(crate) async fn open(app: &App, profile: &Profile) -> Result<SignIn> {
    let now = Timestamp::now();
    let sessions = app.sessions.by_customer(profile.id).await?;
    app.sessions.delete(&ids(sessions_to_end(&sessions, now))).await?;
    let (session, token) = Session::open(profile, now)?;
    app.sessions.insert(session).await?;
    // An erasure that ran meanwhile may have deleted the sessions before this one was inserted.
    if app.accounts.get(profile.id).await?.is_none() {
        app.sessions.delete(&[token.session]).await?;
        return Err(account_closed());
    }
    issue_tokens(app, profile, token)
}

/// Replaces a refresh token by its successor and issues an access token.
pub(crate) async fn refresh(app: &App, token: &RefreshToken) -> Result<SignIn> {
    let (session, successor) = app.sessions.refresh(token, Timestamp::now()).await?.ok_or_else(refresh_refused)?;
    let profile = app.accounts.get(session.customer()).await?;
    let Some(profile) = profile.filter(|profile| session.is_of(profile)) else {
        app.sessions.delete(&[session.id()]).await?;
        return Err(refresh_refused());
    };
    issue_tokens(app, &profile, successor)
}

pub(crate) fn refresh_refused() -> Error {
    Error::unauthenticated("The refresh token is invalid or has expired. Sign in again.")
}

/// Ends the session of a refresh token, if there is one. A replaced token of the session suffices.
pub(crate) async fn sign_out(app: &App, token: &RefreshToken) -> Result<()> {
    app.sessions.end(token).await
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

pub(crate) async fn active(app: &App, customer: CustomerId) -> Result<Vec<Session>> {
    let (mut sessions, now) = (app.sessions.by_customer(customer).await?, Timestamp::now());
    sessions.retain(|session| !session.is_expired(now));
    Ok(sessions)
}

fn ids(sessions: &[Session]) -> Vec<SessionId> {
    sessions.iter().map(Session::id).collect()
}

/// Issues an access token with the customer's current role.
fn issue_tokens(app: &App, profile: &Profile, refresh_token: RefreshToken) -> Result<SignIn> {
    let access_token =
        app.key.sign(Identity { id: profile.id, role: profile.role, generation: profile.generation() })?;
    Ok(SignIn { customer: profile.id, access_token, refresh_token })
}

#[cfg(test)]
mod tests {
    use souk_contract::customer::Role;
    use souk_types::{ErrorKind, Id};

    use super::*;
    use crate::application::admin;
    use crate::application::credentials::{self, PasswordChange};
    use crate::domain::token_secret::TokenSecret;
    use crate::testing::{PASSWORD, ana, start};

    fn credentials(email: &str, password: &str) -> Credentials {
        Credentials { email: email.parse().ok(), password: PasswordGuess::new(password) }
    }

    async fn signed_in(app: &App) -> SignIn {
        sign_in(app, credentials("ana@example.com", PASSWORD)).await.unwrap()
    }

    async fn is_refused(app: &App, token: &RefreshToken) -> bool {
        refresh(app, token).await.is_err_and(|error| error.kind() == ErrorKind::Unauthenticated)
    }

    #[tokio::test]
    async fn a_refused_sign_in_does_not_reveal_which_part_is_wrong() {
        let (app, _directory) = start();
        ana(&app).await;
        let mut errors = Vec::new();
        for (email, password) in
            [("ana@example.com", "wrong password"), ("eve@example.com", PASSWORD), ("no address", ""), ("", "")]
        {
            errors.push(sign_in(&app, credentials(email, password)).await.err().unwrap());
        }
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::Unauthenticated));
        assert!(errors.windows(2).all(|pair| pair[0].detail() == pair[1].detail()));
        assert!(sign_in(&app, credentials(" ANA@example.com", PASSWORD)).await.is_ok(), "the address is normalised");
    }

    #[tokio::test]
    async fn a_token_that_is_used_twice_ends_its_session() {
        let (app, _directory) = start();
        ana(&app).await;
        let first = signed_in(&app).await;
        let second = refresh(&app, &first.refresh_token).await.unwrap();
        let third = refresh(&app, &second.refresh_token).await.unwrap();
        assert!(is_refused(&app, &first.refresh_token).await, "its successor is used");
        assert!(is_refused(&app, &third.refresh_token).await, "the session is over");
        assert!(app.sessions.by_customer(first.customer).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn concurrent_refreshes_get_the_same_successor() {
        let (app, _directory) = start();
        ana(&app).await;
        let token = signed_in(&app).await.refresh_token;
        let (one, other) = tokio::join!(refresh(&app, &token), refresh(&app, &token));
        let (one, other) = (one.unwrap().refresh_token, other.unwrap().refresh_token);
        assert_eq!(one.to_string(), other.to_string());
        assert!(refresh(&app, &one).await.is_ok());
    }

    #[tokio::test]
    async fn a_wrong_secret_is_refused_and_ends_no_session() {
        let (app, _directory) = start();
        ana(&app).await;
        let first = signed_in(&app).await.refresh_token;
        let second = refresh(&app, &first).await.unwrap().refresh_token;
        let secret = || TokenSecret::random().unwrap();
        for wrong in [
            RefreshToken { session: Id::new(), secret: secret() },
            RefreshToken { session: second.session, secret: secret() },
        ] {
            assert!(is_refused(&app, &wrong).await);
            sign_out(&app, &wrong).await.unwrap();
        }
        let third = refresh(&app, &second).await.unwrap().refresh_token;
        sign_out(&app, &first).await.unwrap();
        assert!(is_refused(&app, &third).await, "a replaced token ends its session");
    }

    #[tokio::test]
    async fn sign_out_ends_one_session_and_a_new_password_all() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let (phone, laptop, tablet) = (signed_in(&app).await, signed_in(&app).await, signed_in(&app).await);
        sign_out(&app, &phone.refresh_token).await.unwrap();
        assert!(is_refused(&app, &phone.refresh_token).await);
        let laptop = refresh(&app, &laptop.refresh_token).await.unwrap();
        credentials::change_password(&app, id, PasswordChange::new(PASSWORD, "battery staple")).await.unwrap();
        assert!(is_refused(&app, &laptop.refresh_token).await);
        assert!(is_refused(&app, &tablet.refresh_token).await);
        assert!(sign_in(&app, credentials("ana@example.com", PASSWORD)).await.is_err());
        assert!(sign_in(&app, credentials("ana@example.com", "battery staple")).await.is_ok());
    }

    #[tokio::test]
    async fn a_session_opened_by_an_old_password_is_over() {
        let (app, _directory) = start();
        let verified = ana(&app).await;
        let change = PasswordChange::new(PASSWORD, "battery staple");
        credentials::change_password(&app, verified.id, change).await.unwrap();
        let late = open(&app, &verified).await.unwrap();
        assert!(is_refused(&app, &late.refresh_token).await);
        assert!(app.sessions.by_customer(verified.id).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_refreshed_access_token_has_the_current_role() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let before = signed_in(&app).await;
        assert_eq!(app.verifier.verify(&before.access_token).await.unwrap().role, Role::Customer);
        let promoted = admin::promote(&app.database, &"ana@example.com".parse().unwrap()).await.unwrap();
        assert_eq!(promoted, Some(id));
        let after = refresh(&app, &before.refresh_token).await.unwrap();
        assert_eq!(app.verifier.verify(&after.access_token).await.unwrap().role, Role::Admin);
    }
}
