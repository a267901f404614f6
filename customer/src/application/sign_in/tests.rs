use std::net::IpAddr;

use souk_contract::customer::CustomerId;
use souk_http::rate_limit::PerMinute;
use souk_types::ErrorKind;
use tempfile::TempDir;

use super::*;
use crate::application::credentials::{self, PasswordChange};
use crate::application::operator;
use crate::domain::device::Device;
use crate::domain::mail::MailToken;
use crate::domain::session::RefreshToken;
use crate::domain::totp::tests::code_of;
use crate::options::Options;
use crate::testing::{
    PASSWORD, ana, credentials, home, is_refused, latest_token, refreshed, signed_in, start, start_with,
};

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
async fn a_session_opened_by_an_old_password_is_over() {
    let (app, _directory) = start();
    let verified = ana(&app).await;
    let change = PasswordChange::new(PASSWORD, "battery staple");
    credentials::change_password(&app, verified.id, change, home()).await.unwrap();
    // From a new network, so that the sign-in changes the account.
    let verified = note_sign_in(&app, verified, elsewhere(7), Some(Language::German)).await.unwrap();
    assert_eq!(verified.language, Language::German);
    let late = sessions::open(&app, &verified, Device::default(), Proof::Password).await.unwrap();
    assert!(is_refused(&app, &late.refresh_token).await);
    assert!(app.sessions.by_customer(verified.id).await.unwrap().is_empty());
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
    let mut same = PasswordChange::new(PASSWORD, PASSWORD);
    same.proof.code = Some(codes[3].clone());
    credentials::change_password(&app, id, same, home()).await.unwrap();
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
        let by_token = sessions::refresh(&app, None, home()).await.err().map(|error| error.kind());
        // The sign-in of this test has counted as well.
        assert_eq!(by_password == Some(ErrorKind::TooManyRequests), attempt + 1 >= LIMIT, "{attempt}");
        assert_eq!(by_token == Some(ErrorKind::TooManyRequests), attempt >= LIMIT, "{attempt}");
    }
    assert_eq!(failure(&app, "ana@example.com", PASSWORD, elsewhere(1)).await, None);
    refreshed(&app, &token).await.unwrap();
}
