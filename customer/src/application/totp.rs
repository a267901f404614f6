//! The second step of a sign-in: turning it on, checking it, turning it off.

use souk_contract::customer::CustomerId;
use souk_http::auth::Identity;
use souk_types::{Error, Network, Result, Timestamp};

use super::{accounts, credentials};
use crate::app::App;
use crate::domain::account::{Profile, code_required};
use crate::domain::code_challenge::CodeChallenge;
use crate::domain::mail::Mail;
use crate::domain::password::PasswordGuess;
use crate::domain::totp::{StepCode, TotpSecret};

/// A secret for an authenticator app.
pub(crate) struct NewSecret {
    pub(crate) secret: TotpSecret,
    /// What an app reads from a QR code.
    pub(crate) uri: String,
}

/// Makes a new secret, which counts when it is confirmed.
///
/// Errors: `Invalid` for `current`; `email-not-verified`, because otherwise another person could
/// keep the address from its owner; `passkey-required`; `totp-active`; `too-many-attempts`.
pub(crate) async fn begin(app: &App, session: Identity, current: PasswordGuess, network: Network) -> Result<NewSecret> {
    let id = session.id;
    let profile = accounts::get(app, id).await?;
    credentials::confirm(app, &profile, current, network).await?;
    app.require_passkey(&profile, session.role)?;
    if !profile.is_email_verified() {
        let detail = "Verify the e-mail address of the account first.";
        return Err(Error::conflict("email-not-verified", detail));
    }
    let begin = |profile: &mut Profile| profile.second_step.begin_setup(Timestamp::now());
    let secret = app.accounts.update(id, begin).await?;
    let shop = app.relying_party.as_deref().map_or("Souk", |shop| shop.id().as_ref());
    let uri = secret.uri(shop, profile.email.as_str())?;
    Ok(NewSecret { secret, uri })
}

/// Turns the second step on and ends all sessions: the next sign-in needs a code. Returns the
/// recovery codes. Errors: `totp-not-begun`; `Invalid` for `code`; `too-many-attempts`.
pub(crate) async fn confirm(app: &App, id: CustomerId, code: StepCode, network: Network) -> Result<Vec<String>> {
    app.attempts.count(network)?;
    let confirm = |profile: &mut Profile| {
        let codes = profile.second_step.confirm_setup(&code, Timestamp::now())?;
        profile.forget_other_networks(network);
        Ok(codes)
    };
    let codes = switch(app, id, true, confirm).await?;
    tracing::info!(customer = %id, "the second step of an account is on");
    Ok(codes)
}

/// Turns the second step off and ends all sessions. Errors: `Invalid` for `current` or `code`;
/// `too-many-attempts`.
pub(crate) async fn turn_off(
    app: &App,
    id: CustomerId,
    current: PasswordGuess,
    code: StepCode,
    network: Network,
) -> Result<()> {
    let profile = accounts::get(app, id).await?;
    credentials::confirm(app, &profile, current, network).await?;
    require(app, &profile, code, network).await?;
    let turn_off = |profile: &mut Profile| {
        profile.second_step.turn_off();
        Ok(())
    };
    switch(app, id, false, turn_off).await?;
    tracing::info!(customer = %id, "the second step of an account is off");
    Ok(())
}

/// Turns the second step on or off by a rule, and ends all sessions.
async fn switch<R>(app: &App, id: CustomerId, is_on: bool, rule: impl Fn(&mut Profile) -> Result<R>) -> Result<R> {
    let switch = |profile: &mut Profile| {
        let result = rule(profile)?;
        profile.end_sessions();
        Ok((result, Some(Mail::second_step(id, is_on, Timestamp::now()))))
    };
    let result = credentials::change_with_notice(app, id, switch).await?;
    credentials::delete_sessions(app, id).await;
    Ok(result)
}

/// Checks the code of a sign-in whose password was right. Errors: `code-required`, with a challenge
/// for the request that brings the code; `Unauthenticated` for a wrong code; `too-many-attempts`.
pub(crate) async fn check(app: &App, profile: &Profile, code: Option<StepCode>, network: Network) -> Result<()> {
    if !profile.second_step.is_active() {
        return Ok(());
    }
    let Some(code) = code else {
        let challenge = CodeChallenge::new(profile, &app.challenge_keys, Timestamp::now());
        return Err(code_required().with_member("challenge", challenge.to_string()));
    };
    if accept(app, profile, code, network).await? {
        Ok(())
    } else {
        Err(Error::unauthenticated("The code is wrong, or was used before."))
    }
}

/// Uses up a code that a change of the account needs. Errors: `Invalid` for `code`;
/// `too-many-attempts`.
pub(super) async fn require(app: &App, profile: &Profile, code: StepCode, network: Network) -> Result<()> {
    if accept(app, profile, code, network).await? {
        Ok(())
    } else {
        Err(Error::invalid_field("code", "is wrong, or was used before"))
    }
}

/// Uses up a code, and returns whether it was valid. Errors: `too-many-attempts`.
async fn accept(app: &App, profile: &Profile, code: StepCode, network: Network) -> Result<bool> {
    let is_known_network = profile.knows(network);
    let accept = move |profile: &mut Profile| profile.second_step.accept(&code, is_known_network, Timestamp::now());
    app.accounts.update(profile.id, accept).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::application::sign_in::{self, Credentials};
    use crate::domain::totp::tests::code_of;
    use crate::testing::{PASSWORD, ana, by_password, home, sent_mails, start};

    async fn sign_in(app: &App, code: Option<StepCode>) -> Option<String> {
        let (email, password) = ("ana@example.com".parse().ok(), PasswordGuess::new(PASSWORD));
        let signed_in = sign_in::sign_in(app, Credentials { email, password, code }, home()).await;
        signed_in.err().map(|error| error.code().to_owned())
    }

    #[tokio::test]
    async fn a_sign_in_needs_the_code_until_it_is_turned_off() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let unverified = begin(&app, by_password(id), PasswordGuess::new(PASSWORD), home()).await.err().unwrap();
        assert_eq!(unverified.code(), "email-not-verified");
        let verify = |profile: &mut Profile| Ok(profile.verify_email());
        app.accounts.update(id, verify).await.unwrap();
        let wrong = begin(&app, by_password(id), PasswordGuess::new("wrong"), home()).await.err().unwrap();
        assert_eq!(wrong.fields()[0].field, "current");
        let NewSecret { secret, uri } =
            begin(&app, by_password(id), PasswordGuess::new(PASSWORD), home()).await.unwrap();
        assert!(uri.contains(&secret.text()), "{uri}");
        assert_eq!(sign_in(&app, None).await, None, "the secret is not confirmed");

        // The codes of the step before and after are valid as well, each once.
        let now = Timestamp::now();
        let codes = confirm(&app, id, code_of(&secret, now.before(Duration::from_secs(30))), home()).await.unwrap();
        assert_eq!(codes.len(), 10);
        assert_eq!(accounts::get(&app, id).await.unwrap().generation(), 2);
        let kinds = async || sent_mails(&app, id).await.into_iter().map(|(_, kind, _)| kind).collect::<Vec<_>>();
        assert!(kinds().await.contains(&"second-step-on"));
        assert_eq!(sign_in(&app, None).await.as_deref(), Some("code-required"));
        let code = code_of(&secret, now.after(Duration::from_secs(29)));
        assert_eq!(sign_in(&app, Some(code.clone())).await, None);
        assert_eq!(sign_in(&app, Some(code.clone())).await.as_deref(), Some("unauthenticated"));

        let recovery: StepCode = serde_json::from_value(codes[0].as_str().into()).unwrap();
        let again = turn_off(&app, id, PasswordGuess::new(PASSWORD), code, home()).await.err().unwrap();
        assert_eq!(again.fields()[0].field, "code");
        turn_off(&app, id, PasswordGuess::new(PASSWORD), recovery, home()).await.unwrap();
        assert_eq!(sign_in(&app, None).await, None);
        assert!(kinds().await.contains(&"second-step-off"));
    }
}
