//! Sessions: sign-in, refresh, sign-out.

use souk_contract::customer::CustomerId;
use souk_http::auth::Identity;
use souk_types::{Email, Error, Language, Network, Result, Timestamp};

use super::totp;
use crate::app::App;
use crate::domain::account::{Profile, account_deleted, account_locked};
use crate::domain::code_challenge::{CodeChallenge, challenge_expired, wrong_challenge};
use crate::domain::device::{ClientInfo, Device};
use crate::domain::password::{PasswordCheck, PasswordGuess};
use crate::domain::session::{Proof, RefreshToken, Session, SessionId, sessions_to_end};
use crate::domain::totp::StepCode;
use crate::providers::fair_queue::Caller;

pub(crate) struct SignIn {
    pub(crate) customer: CustomerId,
    pub(crate) access_token: String,
    pub(crate) refresh_token: RefreshToken,
}

pub(crate) struct Credentials {
    /// `None` when the client sent text that is no e-mail address.
    pub(crate) email: Option<Email>,
    pub(crate) password: PasswordGuess,
    /// The code of an account that has a second step.
    pub(crate) code: Option<StepCode>,
}

/// The second request of a sign-in, after `code-required`.
pub(crate) struct CodeAnswer {
    /// `None` when the client sent text that is no challenge.
    pub(crate) challenge: Option<CodeChallenge>,
    pub(crate) code: StepCode,
}

/// Opens a session for a customer who presents the right password. Neither the error nor the
/// response time reveals whether the e-mail address has an account. Errors: `too-many-attempts`;
/// `code-required` and `account-locked`, which only the right password reveals.
pub(crate) async fn sign_in(app: &App, credentials: Credentials, client: impl Into<ClientInfo>) -> Result<SignIn> {
    let ClientInfo { network, device, language } = client.into();
    app.attempts.count(network)?;
    let Credentials { email, password, code } = credentials;
    let profile = match &email {
        Some(email) => app.accounts.by_email(email).await?,
        None => None,
    };
    let is_known_network = profile.as_ref().is_some_and(|profile| profile.knows(network));
    if let (Some(email), false) = (&email, is_known_network) {
        app.attempts.count_from_unknown_network(email)?;
    }
    let stored = profile.as_ref().map(|profile| profile.password().clone());
    let check = app.hasher.check(password, stored, Caller::new(network, is_known_network)).await?;
    let refused = || Error::unauthenticated("The e-mail address or the password is wrong.");
    let profile = profile.ok_or_else(refused)?;
    match check {
        PasswordCheck::Wrong => {
            if is_known_network {
                app.attempts.count_failure(&profile.email, network)?;
            }
            return Err(refused());
        }
        PasswordCheck::Right => {}
        // Before the code is checked: the request that brings it may have no password.
        PasswordCheck::Outdated(renewed) => {
            let verified = profile.generation();
            let renew = move |profile: &mut Profile| {
                profile.rehash_password(verified, renewed.clone());
                Ok(())
            };
            app.accounts.update(profile.id, renew).await?;
        }
    }
    totp::check(app, &profile, code, network).await?;
    let profile = note_sign_in(app, profile, network, language).await?;
    open(app, &profile, device, Proof::Password).await
}

/// Opens a session for a customer who presents the challenge of `code-required`, and the code. It
/// counts as an attempt with the password does, so a challenge gives no more guesses.
///
/// Errors: `too-many-attempts`; `Invalid` for `challenge`; `challenge-expired`; `Unauthenticated`
/// for a wrong code; `account-locked`.
pub(crate) async fn answer_challenge(app: &App, answer: CodeAnswer, client: impl Into<ClientInfo>) -> Result<SignIn> {
    let ClientInfo { network, device, language } = client.into();
    app.attempts.count(network)?;
    let challenge = answer.challenge.filter(|challenge| challenge.is_genuine(&app.challenge_keys));
    let challenge = challenge.ok_or_else(wrong_challenge)?;
    let profile = app.accounts.get(challenge.account()).await?;
    let profile = profile.filter(|profile| challenge.applies_to(profile, Timestamp::now()));
    let profile = profile.ok_or_else(challenge_expired)?;
    if !profile.knows(network) {
        app.attempts.count_from_unknown_network(&profile.email)?;
    }
    totp::check(app, &profile, Some(answer.code), network).await?;
    let profile = note_sign_in(app, profile, network, language).await?;
    open(app, &profile, device, Proof::Password).await
}

/// Remembers the network and the language of a sign-in, if they are new. Returns the profile with
/// the credentials that were verified, so that a session that they open ends with them.
async fn note_sign_in(
    app: &App,
    mut profile: Profile,
    network: Network,
    language: Option<Language>,
) -> Result<Profile> {
    if profile.knows(network) && language.is_none_or(|language| language == profile.language) {
        return Ok(profile);
    }
    profile.remember(network, language);
    let remember = move |profile: &mut Profile| {
        profile.remember(network, language);
        Ok(())
    };
    app.accounts.update(profile.id, remember).await?;
    Ok(profile)
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
    use std::net::IpAddr;

    use souk_contract::role::Role;
    use souk_http::rate_limit::PerMinute;
    use souk_types::{ErrorKind, Id};
    use tempfile::TempDir;

    use super::*;
    use crate::application::credentials::{self, PasswordChange};
    use crate::application::operator;
    use crate::domain::mail::MailToken;
    use crate::domain::token_secret::TokenSecret;
    use crate::domain::totp::tests::code_of;
    use crate::options::{Options, StaffSecondFactor};
    use crate::testing::{PASSWORD, ana, home, latest_token, start, start_with};

    fn credentials(email: &str, password: &str) -> Credentials {
        Credentials { email: email.parse().ok(), password: PasswordGuess::new(password), code: None }
    }

    async fn signed_in(app: &App) -> SignIn {
        sign_in(app, credentials("ana@example.com", PASSWORD), home()).await.unwrap()
    }

    async fn is_refused(app: &App, token: &RefreshToken) -> bool {
        refreshed(app, token).await.is_err_and(|error| error.kind() == ErrorKind::Unauthenticated)
    }

    async fn refreshed(app: &App, token: &RefreshToken) -> Result<SignIn> {
        refresh(app, token.to_string().parse().ok(), home()).await
    }

    #[tokio::test]
    async fn a_refused_sign_in_does_not_reveal_which_part_is_wrong() {
        let (app, _directory) = start();
        ana(&app).await;
        let mut errors = Vec::new();
        for (email, password) in
            [("ana@example.com", "wrong password"), ("eve@example.com", PASSWORD), ("no address", ""), ("", "")]
        {
            errors.push(sign_in(&app, credentials(email, password), home()).await.err().unwrap());
        }
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::Unauthenticated));
        assert!(errors.windows(2).all(|pair| pair[0].detail() == pair[1].detail()));
        assert!(
            sign_in(&app, credentials(" ANA@example.com", PASSWORD), home()).await.is_ok(),
            "the address is normalised"
        );
    }

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
    async fn a_session_opened_by_an_old_password_is_over() {
        let (app, _directory) = start();
        let verified = ana(&app).await;
        let change = PasswordChange::new(PASSWORD, "battery staple");
        credentials::change_password(&app, verified.id, change, home()).await.unwrap();
        // From a new network, so that the sign-in changes the account.
        let network = IpAddr::from([203, 0, 113, 7]).into();
        let verified = note_sign_in(&app, verified, network, Some(Language::German)).await.unwrap();
        assert_eq!(verified.language, Language::German);
        let late = open(&app, &verified, Device::default(), Proof::Password).await.unwrap();
        assert!(is_refused(&app, &late.refresh_token).await);
        assert!(app.sessions.by_customer(verified.id).await.unwrap().is_empty());
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

    /// Turns the second step of Ana on, and returns the recovery codes.
    async fn turn_on(app: &App, id: CustomerId) -> Vec<StepCode> {
        let turn_on = |profile: &mut Profile| {
            let now = Timestamp::now();
            let secret = profile.second_step.begin_setup(now)?;
            profile.second_step.confirm_setup(&code_of(&secret, now), now)
        };
        let codes = app.accounts.update(id, turn_on).await.unwrap();
        codes.iter().map(|code| step_code(code)).collect()
    }

    fn step_code(text: &str) -> StepCode {
        serde_json::from_value(text.into()).unwrap()
    }

    /// Returns the challenge that the right password gets.
    async fn challenge(app: &App, network: Network) -> String {
        let error = sign_in(app, credentials("ana@example.com", PASSWORD), network).await.err().unwrap();
        assert_eq!(error.code(), "code-required");
        error.members()["challenge"].as_str().unwrap().to_owned()
    }

    /// Returns the code of the problem; empty for a sign-in.
    async fn answer(app: &App, challenge: &str, code: StepCode, network: Network) -> String {
        let answer = CodeAnswer { challenge: challenge.parse().ok(), code };
        let answered = answer_challenge(app, answer, network).await;
        answered.err().map(|error| error.code().to_owned()).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_challenge_and_a_code_sign_in() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let codes = turn_on(&app, id).await;
        let office = elsewhere(7);
        let challenge = challenge(&app, office).await;
        assert!(!app.accounts.get(id).await.unwrap().unwrap().knows(office), "the password alone is no sign-in");
        assert_eq!(answer(&app, &challenge, step_code("000000x"), office).await, "unauthenticated");
        assert_eq!(answer(&app, &challenge, codes[0].clone(), office).await, "");
        assert!(app.accounts.get(id).await.unwrap().unwrap().knows(office));
        assert_eq!(answer(&app, &challenge, codes[0].clone(), office).await, "unauthenticated", "a code is used once");
        assert_eq!(app.sessions.by_customer(id).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_challenge_ends_with_the_credentials() {
        let (app, _directory) = start();
        let (id, email) = (ana(&app).await.id, "ana@example.com".parse().unwrap());
        let codes = turn_on(&app, id).await;
        let before = challenge(&app, home()).await;
        // Even if it is the same one.
        credentials::change_password(&app, id, PasswordChange::new(PASSWORD, PASSWORD), home()).await.unwrap();
        assert_eq!(answer(&app, &before, codes[0].clone(), home()).await, "challenge-expired", "a new password");
        let before = challenge(&app, home()).await;
        operator::set_locked(&app.database, &email, true).await.unwrap();
        assert_eq!(answer(&app, &before, codes[0].clone(), home()).await, "challenge-expired", "a lock");
        let locked = challenge(&app, home()).await;
        assert_eq!(answer(&app, &locked, codes[0].clone(), home()).await, "account-locked");
        operator::set_locked(&app.database, &email, false).await.unwrap();
        assert_eq!(answer(&app, &before, codes[1].clone(), home()).await, "challenge-expired", "after the lock");
        let before = challenge(&app, home()).await;
        let (current, code) = (PasswordGuess::new(PASSWORD), codes[1].clone());
        totp::turn_off(&app, id, current, code, home()).await.unwrap();
        assert_eq!(answer(&app, &before, codes[2].clone(), home()).await, "challenge-expired", "without a second step");
        turn_on(&app, id).await;
        let before = challenge(&app, home()).await;
        crate::application::erasures::erase(&app, id).await.unwrap();
        assert_eq!(answer(&app, &before, codes[2].clone(), home()).await, "challenge-expired", "without an account");
    }

    #[tokio::test]
    async fn a_challenge_is_no_other_token_and_no_other_token_is_one() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let tokens = signed_in(&app).await;
        let mail = latest_token(&app, id, "verify").await;
        let codes = turn_on(&app, id).await;
        let challenge = challenge(&app, home()).await;
        assert_eq!(app.verifier.verify(&challenge).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
        assert!(challenge.parse::<RefreshToken>().is_err() && challenge.parse::<MailToken>().is_err());
        let refresh = tokens.refresh_token.to_string();
        let (claims, secret) = challenge.rsplit_once('.').unwrap();
        let of_a_mail = format!("{claims}.{}", mail.split_once('.').unwrap().1);
        let unsigned = format!("{claims}.{}", &secret[1..]);
        for token in [&tokens.access_token, &refresh, &mail, &of_a_mail, &unsigned, &id.to_string()] {
            assert_eq!(answer(&app, token, codes[0].clone(), home()).await, "validation", "{token}");
        }
        assert_eq!(answer(&app, &challenge, codes[0].clone(), home()).await, "");
    }

    #[tokio::test]
    async fn an_outdated_hash_is_renewed_before_the_code() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        turn_on(&app, id).await;
        // Of "password", by the reference implementation, with 256 KiB of memory.
        let weak = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let weaken = |profile: &mut Profile| {
            profile.rehash_password(profile.generation(), weak.parse().unwrap());
            Ok(())
        };
        app.accounts.update(id, weaken).await.unwrap();
        for _ in 0..2 {
            let outcome = sign_in(&app, credentials("ana@example.com", "password"), home()).await;
            assert_eq!(outcome.err().unwrap().code(), "code-required");
            let stored = app.accounts.get(id).await.unwrap().unwrap().password().clone();
            assert_ne!(serde_json::to_value(stored).unwrap(), weak);
        }
    }

    /// Attempts in a minute. The limiter allows another one after 20 s, much later than a test
    /// ends.
    const LIMIT: u32 = 3;

    fn start_limited() -> (App, TempDir) {
        let (few, many) = (PerMinute::new(LIMIT), PerMinute::new(1_000));
        start_with(Options { attempts_per_network: many, attempts_per_account: few, ..Options::default() })
    }

    async fn failure(app: &App, email: &str, password: &str, network: Network) -> Option<ErrorKind> {
        sign_in(app, credentials(email, password), network).await.err().map(|error| error.kind())
    }

    fn elsewhere(number: u8) -> Network {
        IpAddr::from([198, 51, 100, number]).into()
    }

    #[tokio::test]
    async fn an_attack_on_an_account_does_not_lock_the_customer_out() {
        let (app, _directory) = start_limited();
        ana(&app).await;
        let (wrong, refused) = (Some(ErrorKind::Unauthenticated), Some(ErrorKind::TooManyRequests));
        // An address without an account is limited in the same way.
        for email in ["ana@example.com", "nobody@example.com"] {
            for number in 0..3 {
                assert_eq!(failure(&app, email, "wrong", elsewhere(number)).await, wrong, "{email}");
            }
            for password in ["wrong", PASSWORD] {
                assert_eq!(failure(&app, email, password, elsewhere(99)).await, refused, "{email}");
            }
        }
        assert_eq!(failure(&app, "ana@example.com", PASSWORD, home()).await, None);
    }

    #[tokio::test]
    async fn wrong_passwords_from_a_known_network_are_answered_like_those_for_no_account() {
        let (app, _directory) = start_limited();
        ana(&app).await;
        for attempt in 0..LIMIT + 2 {
            let known = failure(&app, "ana@example.com", "wrong", home()).await;
            assert_eq!(known, failure(&app, "nobody@example.com", "wrong", home()).await, "{attempt}");
            assert_eq!(known == Some(ErrorKind::TooManyRequests), attempt >= LIMIT, "{attempt}");
        }
        assert_eq!(failure(&app, "ana@example.com", PASSWORD, home()).await, None);
    }

    #[tokio::test]
    async fn a_network_is_known_after_a_sign_in() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let office = elsewhere(7);
        assert!(sign_in(&app, credentials("ana@example.com", "wrong"), office).await.is_err());
        assert!(!app.accounts.get(id).await.unwrap().unwrap().knows(office));
        sign_in(&app, credentials("ana@example.com", PASSWORD), office).await.unwrap();
        assert!(app.accounts.get(id).await.unwrap().unwrap().knows(office));
    }

    #[tokio::test]
    async fn a_challenge_counts_as_the_password_does() {
        let (app, _directory) = start_limited();
        let id = ana(&app).await.id;
        let codes = turn_on(&app, id).await;
        let wrong = || step_code("000000x");
        // From unknown networks, all share one count, with the passwords.
        let given = challenge(&app, elsewhere(0)).await;
        for number in 1..3 {
            assert_eq!(answer(&app, &given, wrong(), elsewhere(number)).await, "unauthenticated");
        }
        assert_eq!(answer(&app, &given, codes[0].clone(), elsewhere(9)).await, "too-many-attempts");
        let refused = Some(ErrorKind::TooManyRequests);
        assert_eq!(failure(&app, "ana@example.com", PASSWORD, elsewhere(9)).await, refused);
        // From a known one, the account counts wrong codes, whichever request brings them.
        for attempt in 0..20 {
            let code = Some(wrong());
            let by_password = Credentials { code, ..credentials("ana@example.com", PASSWORD) };
            let outcome = match attempt % 2 {
                0 => answer(&app, &given, wrong(), home()).await,
                _ => sign_in(&app, by_password, home()).await.err().unwrap().code().to_owned(),
            };
            assert_eq!(outcome, "unauthenticated", "{attempt}");
        }
        assert_eq!(answer(&app, &given, codes[0].clone(), home()).await, "too-many-attempts");
        let another = challenge(&app, home()).await;
        assert_eq!(answer(&app, &another, codes[0].clone(), home()).await, "too-many-attempts");
    }

    #[tokio::test]
    async fn attempts_from_one_network_are_limited() {
        let (few, many) = (PerMinute::new(LIMIT), PerMinute::new(1_000));
        let (app, _directory) =
            start_with(Options { attempts_per_network: few, attempts_per_account: many, ..Options::default() });
        ana(&app).await;
        let token = signed_in(&app).await.refresh_token;
        for attempt in 0..LIMIT + 2 {
            let by_password = failure(&app, &format!("{attempt}@example.com"), "wrong", home()).await;
            let by_token = refresh(&app, None, home()).await.err().map(|error| error.kind());
            // The sign-in of this test has counted as well.
            assert_eq!(by_password == Some(ErrorKind::TooManyRequests), attempt + 1 >= LIMIT, "{attempt}");
            assert_eq!(by_token == Some(ErrorKind::TooManyRequests), attempt >= LIMIT, "{attempt}");
        }
        assert_eq!(failure(&app, "ana@example.com", PASSWORD, elsewhere(1)).await, None);
        refreshed(&app, &token).await.unwrap();
    }
}
