//! Passkeys: adding and removing them, and sign-in by them.

use std::sync::Arc;

use serde_json::Value;
use souk_contract::customer::CustomerId;
use souk_http::auth::Identity;
use souk_types::{Error, ErrorKind, Language, Network, Result, Timestamp};

use super::accounts;
use super::credentials::{self, FreshProof};
use super::sessions::{self, SignIn};
use crate::app::App;
use crate::domain::account::Profile;
use crate::domain::device::ClientInfo;
use crate::domain::mail::Mail;
use crate::domain::passkey::{
    Assertion, NewCredential, Passkey, PasskeyId, PasskeyName, SignInChallenge, sign_in_refused,
};
use crate::domain::password::PasswordGuess;
use crate::domain::relying_party::RelyingParty;
use crate::domain::session::Proof;

/// Begins to add a passkey, and returns the options for the browser.
///
/// Errors: `Invalid` for `current` or `code`; `code-required`; `email-not-verified`, because
/// otherwise another person could keep the address from its owner; `passkey-required`;
/// `too-many-passkeys`; `passkeys-unavailable`; `too-many-attempts`.
pub(crate) async fn begin(app: &App, session: Identity, proof: FreshProof, network: Network) -> Result<Value> {
    let (relying_party, id) = (relying_party(app)?, session.id);
    let profile = accounts::get(app, id).await?;
    credentials::confirm_fresh(app, &profile, proof, network).await?;
    app.require_passkey(&profile, session.role)?;
    if !profile.is_email_verified() {
        let detail = "Verify the e-mail address of the account first.";
        return Err(Error::conflict("email-not-verified", detail));
    }
    let account = (id, profile.generation());
    let begin = move |profile: &mut Profile| {
        profile.passkeys.begin_setup(&relying_party, account, &profile.email, Timestamp::now())
    };
    app.accounts.update(id, begin).await
}

/// Adds the passkey that a device has made. Sessions continue. Errors: `passkey-not-begun`,
/// `passkey-refused`, `too-many-passkeys`, `passkeys-unavailable`; `too-many-attempts`.
pub(crate) async fn finish(
    app: &App,
    id: CustomerId,
    new: NewCredential,
    name: PasskeyName,
    network: Network,
) -> Result<Passkey> {
    app.attempts.count(network)?;
    let (relying_party, now) = (relying_party(app)?, Timestamp::now());
    let add = |profile: &mut Profile| {
        let generation = profile.generation();
        let passkey = profile.passkeys.finish_setup(&relying_party, generation, &new, name.clone(), now)?;
        Ok((passkey, Some(Mail::passkey(id, true, now))))
    };
    let added = credentials::change_with_notice(app, id, add).await;
    let passkey = added.inspect_err(|error| {
        if let Some(reason) = error.cause() {
            tracing::info!(customer = %id, reason, "a new passkey was refused");
        }
    })?;
    tracing::info!(customer = %id, passkey = %passkey.id(), "a passkey was added");
    Ok(passkey)
}

pub(crate) async fn list(app: &App, id: CustomerId) -> Result<Vec<Passkey>> {
    Ok(accounts::get(app, id).await?.passkeys.list().to_vec())
}

/// Removes a passkey and ends all sessions, because the device that has it may be lost. Errors:
/// `Invalid` for `current`; `passkey-required`; `NotFound`; `too-many-attempts`.
pub(crate) async fn remove(
    app: &App,
    session: Identity,
    passkey: PasskeyId,
    current: PasswordGuess,
    network: Network,
) -> Result<()> {
    let id = session.id;
    let profile = accounts::get(app, id).await?;
    credentials::confirm(app, &profile, current, network).await?;
    app.require_passkey(&profile, session.role)?;
    let remove = |profile: &mut Profile| {
        profile.passkeys.remove(passkey)?;
        profile.end_sessions();
        Ok(((), Some(Mail::passkey(id, false, Timestamp::now()))))
    };
    credentials::change_with_notice(app, id, remove).await?;
    tracing::info!(customer = %id, %passkey, "a passkey was removed");
    credentials::delete_sessions(app, id).await;
    Ok(())
}

/// Makes a challenge for a sign-in, and returns the options for the browser. They are the same for
/// everybody. Errors: `passkeys-unavailable`; `too-many-attempts`.
pub(crate) async fn begin_sign_in(app: &App, network: Network) -> Result<Value> {
    app.attempts.count(network)?;
    app.attempts.count_challenge()?;
    let (challenge, options) = SignInChallenge::new(relying_party(app)?.as_ref(), Timestamp::now())?;
    app.challenges.insert(challenge).await?;
    Ok(options)
}

/// Opens a session for a customer whose device has answered a challenge. An attempt was counted
/// with the challenge. Every other answer is refused alike, as is that of an unknown account.
///
/// Errors: `Unauthenticated`; `account-locked`, which only the right passkey reveals;
/// `passkeys-unavailable`; `too-many-attempts` when the network has sent many refused answers.
pub(crate) async fn sign_in(app: &App, assertion: Assertion, client: impl Into<ClientInfo>) -> Result<SignIn> {
    let ClientInfo { network, device, language } = client.into();
    let account = assertion.account();
    match verify(app, assertion, network, language).await {
        Ok(profile) => sessions::open(app, &profile, device, Proof::Passkey).await,
        Err(error) if error.kind() == ErrorKind::Unauthenticated => {
            app.attempts.count_refused_token(network)?;
            // A counter that went back may be that of a copied device.
            tracing::warn!(customer = %account, reason = error.cause(), "a sign-in with a passkey was refused");
            Err(sign_in_refused())
        }
        Err(error) => Err(error),
    }
}

/// Uses up the challenge, and checks the answer against the account that it names.
async fn verify(app: &App, assertion: Assertion, network: Network, language: Option<Language>) -> Result<Profile> {
    let (relying_party, now) = (relying_party(app)?, Timestamp::now());
    let unknown = || sign_in_refused().caused_by("the challenge was used, or has expired");
    let challenge = app.challenges.take(assertion.challenge().ok_or_else(unknown)?, now).await?.ok_or_else(unknown)?;
    let account = assertion.account();
    if app.accounts.get(account).await?.is_none() {
        return Err(sign_in_refused().caused_by("there is no such account"));
    }
    // Within the update, so that a counter is accepted once.
    let sign_in = move |profile: &mut Profile| {
        profile.passkeys.sign_in(&relying_party, &challenge, &assertion, now)?;
        profile.remember(network, language);
        Ok(profile.clone())
    };
    app.accounts.update(account, sign_in).await
}

fn relying_party(app: &App) -> Result<Arc<RelyingParty>> {
    let detail = "This shop offers no passkeys.";
    app.relying_party.clone().ok_or_else(|| Error::conflict("passkeys-unavailable", detail))
}

#[cfg(test)]
pub(crate) mod tests {
    use authenticator::Authenticator;
    use souk_contract::role::Role;
    use souk_types::Id;
    use tempfile::TempDir;

    use super::*;
    use crate::application::credentials::PasswordChange;
    use crate::application::sign_in::{self, Credentials};
    use crate::application::totp;
    use crate::application::{operator, password_reset};
    use crate::domain::passkey::tests::{ORIGIN, shop};
    use crate::domain::totp::StepCode;
    use crate::domain::totp::tests::code_of;
    use crate::jobs;
    use crate::options::{Options, StaffSecondFactor};
    use crate::testing::{PASSWORD, ana, by_password, home, latest_token, sent_mails, start_with};

    /// Starts a shop that has passkeys, and requires a second step of its staff.
    pub(crate) fn start() -> (App, TempDir) {
        start_with(Options {
            relying_party: Some(shop()),
            staff_second_factor: StaffSecondFactor::Required,
            ..Options::default()
        })
    }

    fn proof(current: &str, code: Option<StepCode>) -> FreshProof {
        FreshProof { current: PasswordGuess::new(current), code }
    }

    pub(crate) async fn add(app: &App, id: CustomerId) -> (Authenticator, Passkey) {
        let mut phone = Authenticator::new(ORIGIN);
        let options = begin(app, by_password(id), proof(PASSWORD, None), home()).await.unwrap();
        let new = NewCredential::read(&phone.create(&options)).unwrap();
        let passkey = finish(app, id, new, "Phone".to_owned().try_into().unwrap(), home()).await.unwrap();
        (phone, passkey)
    }

    /// Creates the account of Ana, whose address is verified.
    pub(crate) async fn verified(app: &App) -> CustomerId {
        let id = ana(app).await.id;
        app.accounts.update(id, |profile: &mut Profile| Ok(profile.verify_email())).await.unwrap();
        id
    }

    async fn answer(app: &App, phone: &mut Authenticator) -> Value {
        phone.get(&begin_sign_in(app, home()).await.unwrap())
    }

    async fn present(app: &App, answer: &Value) -> Result<SignIn> {
        sign_in(app, Assertion::read(answer).unwrap(), home()).await
    }

    fn code(outcome: Result<SignIn>) -> String {
        outcome.err().map(|error| error.code().to_owned()).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_passkey_is_added_used_and_removed_with_a_mail_each() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let unverified = begin(&app, by_password(id), proof(PASSWORD, None), home()).await.err().unwrap();
        assert_eq!(unverified.code(), "email-not-verified");
        app.accounts.update(id, |profile: &mut Profile| Ok(profile.verify_email())).await.unwrap();
        let wrong = begin(&app, by_password(id), proof("wrong", None), home()).await.err().unwrap();
        assert_eq!(wrong.fields()[0].field, "current");
        let (mut phone, passkey) = add(&app, id).await;
        assert_eq!(accounts::get(&app, id).await.unwrap().generation(), 1, "sessions continue");

        let signed_in = present(&app, &answer(&app, &mut phone).await).await.unwrap();
        assert_eq!(signed_in.customer, id);
        assert!(list(&app, id).await.unwrap()[0].last_used_at().is_some());
        let wrong =
            remove(&app, by_password(id), passkey.id(), PasswordGuess::new("wrong"), home()).await.err().unwrap();
        assert_eq!(wrong.fields()[0].field, "current");
        remove(&app, by_password(id), passkey.id(), PasswordGuess::new(PASSWORD), home()).await.unwrap();
        assert!(app.sessions.by_customer(id).await.unwrap().is_empty());
        assert_eq!(code(present(&app, &answer(&app, &mut phone).await).await), "unauthenticated");
        let mails: Vec<_> = sent_mails(&app, id).await.into_iter().map(|(_, kind, _)| kind).collect();
        assert!(mails.contains(&"passkey-added") && mails.contains(&"passkey-removed"), "{mails:?}");
    }

    #[tokio::test]
    async fn an_answer_is_accepted_once() {
        let (app, _directory) = start();
        let id = verified(&app).await;
        let (mut phone, _) = add(&app, id).await;
        // At a time, and afterwards.
        let answer = answer(&app, &mut phone).await;
        let (one, other) = tokio::join!(present(&app, &answer), present(&app, &answer));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        assert_eq!(code(present(&app, &answer).await), "unauthenticated");
    }

    #[tokio::test]
    async fn a_challenge_is_for_a_sign_in_and_five_minutes() {
        let (app, _directory) = start();
        let id = verified(&app).await;
        let (mut phone, _) = add(&app, id).await;
        let options = begin(&app, by_password(id), proof(PASSWORD, None), home()).await.unwrap();
        assert_eq!(code(present(&app, &phone.get(&options)).await), "unauthenticated", "of a registration");
        let answer = answer(&app, &mut phone).await;
        let late = Timestamp::now().after(std::time::Duration::from_mins(5));
        let challenge = Assertion::read(&answer).unwrap().challenge().unwrap();
        assert!(app.challenges.take(challenge, late).await.unwrap().is_none());
        // A job deletes those that are never answered.
        begin_sign_in(&app, home()).await.unwrap();
        let late = late.after(std::time::Duration::from_mins(1));
        assert_eq!(expired(&app, late).await, 1);
        jobs::delete_expired_challenges(&app, late).await.unwrap();
        assert_eq!(expired(&app, late).await, 0);
    }

    async fn expired(app: &App, now: Timestamp) -> usize {
        app.challenges.expired().page(now, None).await.unwrap().items.len()
    }

    #[tokio::test]
    async fn an_unknown_account_and_a_wrong_passkey_are_refused_alike() {
        let (app, _directory) = start();
        let id = verified(&app).await;
        let (mut phone, _) = add(&app, id).await;
        let mut stranger = Authenticator::new(ORIGIN);
        (stranger.rp_id, stranger.user_handle) = (phone.rp_id.clone(), Id::<()>::new().into_bytes().to_vec());
        let mut texts = Vec::new();
        texts.push(present(&app, &answer(&app, &mut stranger).await).await.err().unwrap().detail().to_owned());
        stranger.user_handle.clone_from(&phone.user_handle);
        texts.push(present(&app, &answer(&app, &mut stranger).await).await.err().unwrap().detail().to_owned());
        phone.origin = "https://evil.test".to_owned();
        texts.push(present(&app, &answer(&app, &mut phone).await).await.err().unwrap().detail().to_owned());
        assert!(texts.windows(2).all(|pair| pair[0] == pair[1]), "{texts:?}");
    }

    #[tokio::test]
    async fn a_locked_or_deleted_account_cannot_sign_in() {
        let (app, _directory) = start();
        let id = verified(&app).await;
        let (mut phone, _) = add(&app, id).await;
        let email = "ana@example.com".parse().unwrap();
        operator::set_locked(&app.database, &email, true).await.unwrap();
        assert_eq!(code(present(&app, &answer(&app, &mut phone).await).await), "account-locked");
        operator::set_locked(&app.database, &email, false).await.unwrap();
        present(&app, &answer(&app, &mut phone).await).await.unwrap();
        crate::application::erasures::erase(&app, id).await.unwrap();
        assert_eq!(code(present(&app, &answer(&app, &mut phone).await).await), "unauthenticated");
    }

    #[tokio::test]
    async fn a_passkey_is_both_steps_of_a_sign_in() {
        let (app, _directory) = start();
        let id = verified(&app).await;
        operator::set_role(&app.database, &"ana@example.com".parse().unwrap(), Role::Orders).await.unwrap();
        let (mut phone, _) = add(&app, id).await;
        let by_passkey = present(&app, &answer(&app, &mut phone).await).await.unwrap();
        let role = async |sign_in: &SignIn| app.verifier.verify(&sign_in.access_token).await.unwrap().role;
        assert_eq!(role(&by_passkey).await, Role::Orders);
        let refreshed = sessions::refresh(&app, Some(by_passkey.refresh_token), home()).await.unwrap();
        assert_eq!(role(&refreshed).await, Role::Orders);
        let email = "ana@example.com".parse().ok();
        let credentials = Credentials { email, password: PasswordGuess::new(PASSWORD), code: None };
        let by_password = sign_in::sign_in(&app, credentials, home()).await.unwrap();
        assert_eq!(role(&by_password).await, Role::Customer, "the shop requires a second step");
    }

    #[tokio::test]
    async fn the_password_alone_replaces_no_passkey_of_staff() {
        let (app, _directory) = start();
        let id = verified(&app).await;
        let email = "ana@example.com".parse().unwrap();
        operator::set_role(&app.database, &email, Role::Orders).await.unwrap();
        let (mut phone, passkey) = add(&app, id).await;
        let session = by_password(id);
        let required = |outcome: Result<()>| outcome.err().map(|error| error.code().to_owned());
        let added = begin(&app, session, proof(PASSWORD, None), home()).await.map(drop);
        let step = totp::begin(&app, session, PasswordGuess::new(PASSWORD), home()).await.map(drop);
        let removed = remove(&app, session, passkey.id(), PasswordGuess::new(PASSWORD), home()).await;
        for outcome in [added, step, removed] {
            assert_eq!(required(outcome).as_deref(), Some("passkey-required"));
        }

        // Nor does the mailbox.
        password_reset::send(&app, id).await.unwrap();
        let token = latest_token(&app, id, "reset").await;
        password_reset::reset(&app, token.parse().ok(), "battery staple".parse().unwrap(), home()).await.unwrap();
        assert_eq!(list(&app, id).await.unwrap().len(), 1);

        let by_passkey = present(&app, &answer(&app, &mut phone).await).await.unwrap();
        let session = app.verifier.verify(&by_passkey.access_token).await.unwrap();
        begin(&app, session, proof("battery staple", None), home()).await.unwrap();
        totp::begin(&app, session, PasswordGuess::new("battery staple"), home()).await.map(drop).unwrap();
    }

    #[tokio::test]
    async fn a_passkey_is_no_way_around_the_second_step() {
        let (app, _directory) = start();
        let (id, now) = (verified(&app).await, Timestamp::now());
        let before = now.before(std::time::Duration::from_secs(30));
        let turn_on = move |profile: &mut Profile| {
            let secret = profile.second_step.begin_setup(now)?;
            profile.second_step.confirm_setup(&code_of(&secret, before), now)?;
            Ok(secret)
        };
        let secret = app.accounts.update(id, turn_on).await.unwrap();
        let begin = async |code| begin(&app, by_password(id), proof(PASSWORD, code), home()).await;
        assert_eq!(begin(None).await.err().unwrap().code(), "code-required");
        let wrong = serde_json::from_value("000000x".into()).unwrap();
        assert_eq!(begin(Some(wrong)).await.err().unwrap().fields()[0].field, "code");
        begin(Some(code_of(&secret, Timestamp::now()))).await.unwrap();
    }

    #[tokio::test]
    async fn a_new_password_keeps_passkeys() {
        let (app, _directory) = start();
        let id = verified(&app).await;
        let (mut phone, _) = add(&app, id).await;
        let change = PasswordChange::new(PASSWORD, "battery staple");
        credentials::change_password(&app, id, change, home()).await.unwrap();
        present(&app, &answer(&app, &mut phone).await).await.unwrap();
    }

    #[tokio::test]
    async fn a_shop_without_a_domain_has_no_passkeys() {
        let (app, _directory) = crate::testing::start();
        assert_eq!(begin_sign_in(&app, home()).await.err().unwrap().code(), "passkeys-unavailable");
    }
}
