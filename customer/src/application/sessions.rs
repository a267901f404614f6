//! Sessions: what a sign-in opens and a refresh token continues. Each use of a refresh token replaces it, so that a
//! stolen one is used twice sooner or later; then the session ends, for the thief and for the customer, who signs in
//! again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_http::auth::{Identity, TOKEN_LIFETIME};
use souk_types::{Error, Id, Result, Timestamp};

use crate::App;
use crate::application::accounts::{self as account, Profile};
use crate::domain::refresh_token::{Digest, NotAToken, RefreshToken, Secret};

/// What a sign-in answers.
#[derive(Serialize)]
pub(crate) struct SignIn {
    id: CustomerId,
    token: String,
    refresh_token: String,
    expires_in: u64,
}

/// Opens a session for an account whose owner has just proved to be it.
pub(crate) async fn open(app: &App, profile: &Profile) -> Result<SignIn> {
    let now = Timestamp::now();
    let sessions = app.sessions.of(profile.id).await?;
    let ending: Vec<SessionId> = superfluous(&sessions, now).iter().map(|session| session.id).collect();
    app.sessions.delete(&ending).await?;
    let token = RefreshToken { session: Id::new(), secret: Secret::random()? };
    let session = Session {
        id: token.session,
        customer: profile.id,
        generation: profile.generation,
        secret: token.secret.digest(),
        expires: now.after(LIFETIME),
    };
    app.sessions.collection.insert(session.id, session).await?;
    // Whoever erases the account ends the sessions that are there; this one may have come after that.
    if app.accounts.get(profile.id).await?.is_none() {
        app.sessions.delete(&[token.session]).await?;
        return Err(account::closed());
    }
    answer(app, profile, &token)
}

/// Continues a session: another access token, and another refresh token in place of this one.
pub(crate) async fn refresh(app: &App, token: &str) -> Result<SignIn> {
    let refused = || Error::unauthenticated("The refresh token is not valid, or no longer.");
    let token: RefreshToken = token.parse().map_err(|NotAToken| refused())?;
    let (presented, now) = (token.secret.digest(), Timestamp::now());
    let token = RefreshToken { secret: Secret::random()?, ..token };
    let next = token.secret.digest();
    // One guarded write: of two who come with the same token, the second finds it used.
    let rotate = move |slot: &mut Option<Session>| {
        *slot = slot.take().and_then(|session| session.rotated(&presented, &next, now));
        slot.clone()
    };
    let session = app.sessions.collection.upsert(token.session, move |slot, _| Ok(rotate(slot))).await?;
    let session = session.ok_or_else(refused)?;
    let profile = app.accounts.get(session.customer).await?;
    let Some(profile) = profile.filter(|profile| profile.generation == session.generation) else {
        app.sessions.delete(&[session.id]).await?;
        return Err(refused());
    };
    answer(app, &profile, &token)
}

/// Ends the session of a refresh token, if there is one. An old token of the session will do: to use it is to end it.
pub(crate) async fn sign_out(app: &App, token: &str) -> Result<()> {
    match token.parse::<RefreshToken>() {
        Ok(token) => app.sessions.delete(&[token.session]).await,
        Err(NotAToken) => Ok(()),
    }
}

/// Ends every session of an account.
pub(crate) async fn end_all(app: &App, customer: CustomerId) -> Result<()> {
    loop {
        let sessions: Vec<SessionId> = app.sessions.of(customer).await?.iter().map(|session| session.id).collect();
        if sessions.is_empty() {
            return Ok(());
        }
        app.sessions.delete(&sessions).await?;
    }
}

/// What the owner of a session is told of it.
#[derive(Serialize)]
pub(crate) struct Opened {
    opened_at: Option<Timestamp>,
    expires_at: Timestamp,
}

/// The sessions of an account that go on.
pub(crate) async fn opened(app: &App, customer: CustomerId) -> Result<Vec<Opened>> {
    let (sessions, now) = (app.sessions.of(customer).await?, Timestamp::now());
    let going_on = sessions.into_iter().filter(|session| session.expires > now);
    Ok(going_on.map(|session| Opened { opened_at: session.id.created_at(), expires_at: session.expires }).collect())
}

/// The role is that of this moment: who became an admin is one after the next refresh.
fn answer(app: &App, profile: &Profile, refresh_token: &RefreshToken) -> Result<SignIn> {
    Ok(SignIn {
        id: profile.id,
        token: app.key.mint(Identity { id: profile.id, role: profile.role })?,
        refresh_token: refresh_token.to_string(),
        expires_in: TOKEN_LIFETIME.as_secs(),
    })
}

/// A session as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    id: SessionId,
    customer: CustomerId,
    /// The account's generation when the session was opened: a session of an earlier one is over, deleted or not.
    generation: u32,
    /// Of the one secret that continues it.
    secret: Digest,
    expires: Timestamp,
}

/// The id of a session; the first half of its refresh tokens.
pub(crate) type SessionId = Id<Session>;

/// A session ends when nobody has used it for so long.
const LIFETIME: Duration = Duration::from_hours(30 * 24);
/// Nobody has more devices; who signs in by script without signing out must not fill the disk.
const MAX_SESSIONS: usize = 20;

impl Session {
    /// The session after its token was used; `None` when that ends it, because it is over or the token was used before.
    fn rotated(self, presented: &Digest, next: &Digest, now: Timestamp) -> Option<Self> {
        let continues = self.secret == *presented && now < self.expires;
        continues.then(|| Self { secret: next.clone(), expires: now.after(LIFETIME), ..self })
    }
}

/// Which of a customer's sessions, the soonest to expire first, end when another begins: those that are over, and those
/// unused for longest where there are too many.
fn superfluous(sessions: &[Session], now: Timestamp) -> &[Session] {
    let over = sessions.partition_point(|session| session.expires <= now);
    let too_many = (sessions.len() + 1).saturating_sub(MAX_SESSIONS);
    &sessions[..over.max(too_many)]
}

#[cfg(test)]
mod tests {
    use souk_http::auth::Role;
    use souk_types::ErrorKind;

    use super::*;
    use crate::application::admin;
    use crate::application::sign_in::{Login, sign_in};
    use crate::testing::{PASSWORD, ana, start};

    async fn signed_in(app: &App) -> SignIn {
        sign_in(app, Login::new("ana@example.com", PASSWORD)).await.unwrap()
    }

    async fn is_refused(app: &App, token: &str) -> bool {
        refresh(app, token).await.is_err_and(|error| error.kind() == ErrorKind::Unauthenticated)
    }

    fn session(expires: Timestamp) -> Session {
        let secret = Secret::random().unwrap().digest();
        Session { id: Id::new(), customer: Id::new(), generation: 1, secret, expires }
    }

    #[test]
    fn a_session_goes_on_only_with_its_present_secret_and_in_time() {
        let now = Timestamp::now();
        let (ours, other, next) = (
            Secret::random().unwrap().digest(),
            Secret::random().unwrap().digest(),
            Secret::random().unwrap().digest(),
        );
        let second = Duration::from_secs(1);
        for (what, presented, expires, goes_on) in [
            ("fresh", &ours, now.after(LIFETIME), true),
            ("just in time", &ours, now.after(second), true),
            ("over now", &ours, now, false),
            ("over", &ours, now.before(second), false),
            ("used or guessed", &other, now.after(LIFETIME), false),
        ] {
            let session = Session { secret: ours.clone(), ..session(expires) };
            let after = session.rotated(presented, &next, now);
            assert_eq!(after.is_some(), goes_on, "{what}");
            assert!(after.is_none_or(|after| after.secret == next && after.expires == now.after(LIFETIME)), "{what}");
        }
    }

    #[test]
    fn old_sessions_make_room() {
        let now = Timestamp::now();
        let minutes = |count: u64| Duration::from_mins(count);
        for (over, alive, ending) in [(0, 0, 0), (0, 19, 0), (0, 20, 1), (0, 25, 6), (3, 5, 3), (3, 19, 3), (3, 20, 4)]
        {
            let mut sessions: Vec<Session> = (0..over).rev().map(|age| session(now.before(minutes(age)))).collect();
            sessions.extend((1..=alive).map(|left| session(now.after(minutes(left)))));
            assert_eq!(superfluous(&sessions, now).len(), ending, "{over} over, {alive} alive");
        }
    }

    #[tokio::test]
    async fn a_token_is_used_once_and_the_old_one_again_ends_the_session() {
        let (app, _directory) = start();
        ana(&app).await;
        let first = signed_in(&app).await;
        let second = refresh(&app, &first.refresh_token).await.unwrap();
        let third = refresh(&app, &second.refresh_token).await.unwrap();
        assert!(is_refused(&app, &first.refresh_token).await, "used before");
        assert!(is_refused(&app, &third.refresh_token).await, "and now the whole session is over");
        assert!(app.sessions.of(first.id).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn of_two_who_come_with_one_token_one_wins_at_most() {
        let (app, _directory) = start();
        ana(&app).await;
        let token = signed_in(&app).await.refresh_token;
        let (one, other) = tokio::join!(refresh(&app, &token), refresh(&app, &token));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        assert!(is_refused(&app, &one.or(other).unwrap().refresh_token).await, "a token used twice may be stolen");
    }

    #[tokio::test]
    async fn what_is_no_token_of_ours_is_refused_and_signing_out_never_fails() {
        let (app, _directory) = start();
        let unknown = RefreshToken { session: Id::new(), secret: Secret::random().unwrap() }.to_string();
        for bad in ["", ".", "x.y", "018f4b3a-5c6d-7e8f-9a0b-1c2d3e4f5a6b", &unknown] {
            assert!(is_refused(&app, bad).await, "{bad}");
            sign_out(&app, bad).await.unwrap();
        }
    }

    #[tokio::test]
    async fn signing_out_ends_one_session_and_a_new_password_all() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let (phone, laptop, tablet) = (signed_in(&app).await, signed_in(&app).await, signed_in(&app).await);
        sign_out(&app, &phone.refresh_token).await.unwrap();
        assert!(is_refused(&app, &phone.refresh_token).await);
        let laptop = refresh(&app, &laptop.refresh_token).await.unwrap();
        account::change_password(&app, id, account::PasswordChange::new(PASSWORD, "battery staple")).await.unwrap();
        assert!(is_refused(&app, &laptop.refresh_token).await);
        assert!(is_refused(&app, &tablet.refresh_token).await);
        assert!(sign_in(&app, Login::new("ana@example.com", PASSWORD)).await.is_err());
        assert!(sign_in(&app, Login::new("ana@example.com", "battery staple")).await.is_ok());
    }

    #[tokio::test]
    async fn a_session_that_the_old_password_opens_meanwhile_is_over_too() {
        let (app, _directory) = start();
        let verified = ana(&app).await;
        let change = account::PasswordChange::new(PASSWORD, "battery staple");
        account::change_password(&app, verified.id, change).await.unwrap();
        let late = open(&app, &verified).await.unwrap();
        assert!(is_refused(&app, &late.refresh_token).await);
        assert!(app.sessions.of(verified.id).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_new_role_comes_with_the_next_refresh() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let before = signed_in(&app).await;
        assert_eq!(app.verifier.verify(&before.token).await.unwrap().role, Role::Customer);
        let promoted = admin::promote(&app.database, &"ana@example.com".parse().unwrap()).await.unwrap();
        assert_eq!(promoted, Some(id));
        let after = refresh(&app, &before.refresh_token).await.unwrap();
        assert_eq!(app.verifier.verify(&after.token).await.unwrap().role, Role::Admin);
    }
}
