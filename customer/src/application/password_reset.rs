//! A new password for a customer who has forgotten the old one, by a mail to the account's address.

use souk_contract::customer::CustomerId;
use souk_types::{Email, Network, Result, Timestamp};

use super::{credentials, mails};
use crate::app::App;
use crate::domain::account::{Profile, account_deleted};
use crate::domain::mail::{Mail, MailToken, Purpose, token_used};
use crate::domain::password::Password;
use crate::providers::fair_queue::Caller;

/// Sends a token to the account with this address, if there is one. Neither the response nor its
/// time reveals that: the mail is stored after the response. Errors: `too-many-attempts`.
pub(crate) async fn request(app: &App, email: &Email, network: Network) -> Result<()> {
    app.attempts.count(network)?;
    if let Some(profile) = app.accounts.by_email(email).await? {
        let app = app.clone();
        app.database.clone().spawn_background(async move {
            match send(&app, profile.id).await {
                Err(error) if error.code() == "too-many-mails" => {
                    tracing::info!(customer = %profile.id, "no further mail for a password reset was sent");
                }
                Err(error) => error.log("a mail for a password reset was not sent"),
                Ok(()) => {}
            }
        });
    }
    Ok(())
}

/// Errors: `too-many-mails`.
pub(super) async fn send(app: &App, id: CustomerId) -> Result<()> {
    app.database
        .run(|tx| async move {
            let mut account = app.accounts.get_in(&tx, id).await?.ok_or_else(account_deleted)?;
            let mail = Mail::password_reset(account.profile_mut()?, Timestamp::now())?;
            app.accounts.put_in(&tx, &account).await?;
            app.mails.put_in(&tx, &mail).await
        })
        .await
}

/// Sets a new password, removes passkeys, ends all sessions and revokes all access tokens. The
/// address is verified as well, because the token came from its mailbox. Errors: those of
/// [`mails::redeem`]; `Invalid` for a password that is easy to guess, which leaves the token valid.
pub(crate) async fn reset(app: &App, token: Option<MailToken>, new: Password, network: Network) -> Result<()> {
    app.attempts.count(network)?;
    let (mail, profile) = mails::redeem(app, token, Purpose::ResetPassword, network).await?;
    let password = app.hasher.hash(new, profile.email.clone(), "new", Caller::owner(network)).await?;
    let (id, generation) = (profile.id, profile.generation());
    let needs_passkey = app.lacks_second_step(&profile);
    let may_report = credentials::may_report_password(app).await?;
    let reset = |profile: &mut Profile| {
        // Another request may have used the token while this one hashed the password.
        if !mail.applies_to(profile) {
            return Err(token_used());
        }
        profile.forget_other_networks(network);
        profile.change_password(generation, password.clone())?;
        // A reset takes a stolen account back. A passkey that the thief has added would survive
        // it. The mailbox alone must not give the role of staff, for which a passkey is the second
        // step.
        let passkeys_removed = !needs_passkey && !profile.passkeys.list().is_empty();
        if passkeys_removed {
            profile.passkeys.remove_all();
        }
        if profile.verify_email() {
            // The person who turned it on has never shown to receive mail at the address.
            profile.second_step.turn_off();
        }
        Ok(((), may_report.then(|| Mail::password_changed(id, passkeys_removed, Timestamp::now()))))
    };
    credentials::change_with_notice(app, id, reset).await?;
    credentials::delete_sessions(app, id).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use souk_bus::Bus;
    use souk_contract::customer::TokensRevoked;
    use souk_store::{Database, Durability};
    use souk_types::ErrorKind;

    use super::*;
    use crate::application::sign_in::{self, Credentials};
    use crate::application::{accounts, passkeys, sessions, verification};
    use crate::domain::password::PasswordGuess;
    use crate::domain::totp::tests::code_of;
    use crate::repositories::Mails;
    use crate::testing::{PASSWORD, ana, home, latest_token, new_account, received, sent_mails, start, start_on};

    const NEW: &str = "battery staple";

    async fn code(app: &App, token: &str, new: &str) -> Option<String> {
        let reset = reset(app, token.parse().ok(), new.parse().unwrap(), home()).await;
        reset.err().map(|error| error.code().to_owned())
    }

    async fn signs_in(app: &App, password: &str) -> bool {
        let credentials =
            Credentials { email: "ana@example.com".parse().ok(), password: PasswordGuess::new(password), code: None };
        sign_in::sign_in(app, credentials, home()).await.is_ok()
    }

    #[tokio::test]
    async fn a_customer_sets_a_new_password_by_mail() {
        let (bus, directory) = (Bus::local(), tempfile::tempdir().unwrap());
        let mut events = received::<TokensRevoked>(&bus, "products");
        let app = start_on(&bus, &directory);
        let session = accounts::sign_up(&app, new_account("ana@example.com"), home()).await.unwrap();
        let id = session.customer;
        send(&app, id).await.unwrap();
        let token = latest_token(&app, id, "reset").await;
        let easy = reset(&app, token.parse().ok(), "password".parse().unwrap(), home()).await.unwrap_err();
        assert_eq!(&*easy.fields()[0].field, "new", "the token stays valid");
        let (one, other) = tokio::join!(code(&app, &token, NEW), code(&app, &token, NEW));
        assert_eq!(one.xor(other).as_deref(), Some("token-used"), "one of two concurrent requests succeeds");
        assert_eq!(code(&app, &token, NEW).await.as_deref(), Some("token-used"));
        assert!(signs_in(&app, NEW).await && !signs_in(&app, PASSWORD).await);
        let refused = sessions::refresh(&app, Some(session.refresh_token), home()).await;
        assert_eq!(refused.err().unwrap().kind(), ErrorKind::Unauthenticated);
        let profile = accounts::get(&app, id).await.unwrap();
        assert!(profile.is_email_verified() && profile.generation() == 2);
        let revoked = events.recv().await.unwrap();
        assert_eq!((revoked.id, revoked.generation), (id, 2));
        let mails = sent_mails(&app, id).await;
        let notices: Vec<&str> =
            mails.iter().map(|(_, kind, _)| *kind).filter(|kind| kind.contains("changed")).collect();
        assert_eq!(notices, ["password-changed"]);
    }

    #[tokio::test]
    async fn a_reset_leaves_the_second_step_on_unless_the_address_was_never_verified() {
        for is_verified in [true, false] {
            let (app, _directory) = start();
            let id = ana(&app).await.id;
            let turn_on = move |profile: &mut Profile| {
                if is_verified {
                    profile.verify_email();
                }
                let now = Timestamp::now();
                let secret = profile.second_step.begin_setup(now)?;
                profile.second_step.confirm_setup(&code_of(&secret, now), now)
            };
            app.accounts.update(id, turn_on).await.unwrap();
            send(&app, id).await.unwrap();
            let token = latest_token(&app, id, "reset").await;
            assert_eq!(code(&app, &token, NEW).await, None);
            assert_eq!(accounts::get(&app, id).await.unwrap().second_step.is_active(), is_verified);
            assert_eq!(signs_in(&app, NEW).await, !is_verified, "with the password alone");
        }
    }

    #[tokio::test]
    async fn a_reset_removes_all_passkeys() {
        let (app, _directory) = passkeys::tests::start();
        let id = passkeys::tests::verified(&app).await;
        passkeys::tests::add(&app, id).await;
        send(&app, id).await.unwrap();
        let token = latest_token(&app, id, "reset").await;
        assert_eq!(code(&app, &token, NEW).await, None);
        assert!(passkeys::list(&app, id).await.unwrap().is_empty());
        let mails = sent_mails(&app, id).await;
        assert!(mails.iter().any(|(_, kind, _)| *kind == "password-changed, passkeys removed"), "{mails:?}");
    }

    #[tokio::test]
    async fn a_token_of_another_purpose_or_generation_is_refused() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        send(&app, id).await.unwrap();
        let (verify, reset) = (latest_token(&app, id, "verify").await, latest_token(&app, id, "reset").await);
        assert_eq!(code(&app, &verify, NEW).await.as_deref(), Some("validation"));
        let wrong = verification::verify(&app, reset.parse().ok(), home()).await.unwrap_err();
        assert_eq!(&*wrong.fields()[0].field, "token");
        credentials::sign_out_everywhere(&app, id).await.unwrap();
        assert_eq!(code(&app, &reset, NEW).await.as_deref(), Some("token-used"));
    }

    #[tokio::test]
    async fn requests_answer_alike_and_send_few_mails() {
        let (app, directory) = start();
        let id = ana(&app).await.id;
        for _ in 0..5 {
            request(&app, &"ana@example.com".parse().unwrap(), home()).await.unwrap();
            request(&app, &"nobody@example.com".parse().unwrap(), home()).await.unwrap();
        }
        // It waits for the mails that these requests store after their responses.
        app.database.close().await;
        let database =
            Database::sqlite("customer", &directory.path().join("customer.db"), Durability::Process).unwrap();
        let mails = Mails::open(&database).unwrap().by_account(id).await.unwrap();
        let kinds: Vec<&str> = mails.iter().map(Mail::kind).collect();
        assert_eq!(kinds, ["reset-password", "reset-password", "reset-password", "verify-address"]);
    }
}
