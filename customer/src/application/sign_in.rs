//! Sign-in by the password, and by the code of the second step.

use souk_types::{Email, Error, Language, Network, Result, Timestamp};

use super::sessions::{self, SignIn};
use super::totp;
use crate::app::App;
use crate::domain::account::Profile;
use crate::domain::code_challenge::{CodeChallenge, challenge_expired, wrong_challenge};
use crate::domain::device::ClientInfo;
use crate::domain::password::{PasswordCheck, PasswordGuess};
use crate::domain::session::Proof;
use crate::domain::totp::StepCode;
use crate::providers::fair_queue::Caller;

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
    sessions::open(app, &profile, device, Proof::Password).await
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
    sessions::open(app, &profile, device, Proof::Password).await
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

#[cfg(test)]
mod tests;
