//! Verification of e-mail addresses.

use souk_contract::customer::{CustomerId, EmailVerified};
use souk_store::Events;
use souk_types::{Error, Network, Result, Timestamp};

use super::mails;
use crate::app::App;
use crate::domain::account::{Profile, account_deleted};
use crate::domain::mail::{Mail, MailToken, Purpose, token_used};

/// Verifies the address of a mail's account. Errors: those of [`mails::redeem`].
pub(crate) async fn verify(app: &App, token: Option<MailToken>, network: Network) -> Result<()> {
    let (mail, profile) = mails::redeem(app, token, Purpose::VerifyAddress, network).await?;
    let id = profile.id;
    let verify = move |profile: &mut Profile, events: &mut Events| {
        // Another request may have used the token, or changed the address, since.
        if !mail.applies_to(profile) {
            return Err(token_used());
        }
        profile.verify_email();
        events.publish(&EmailVerified { id }).map(drop)
    };
    app.accounts.update_with_events(id, verify).await
}

/// Sends another mail that asks to verify the address. Errors: `email-verified`, `too-many-mails`.
pub(crate) async fn resend(app: &App, id: CustomerId, network: Network) -> Result<()> {
    app.attempts.count(network)?;
    app.database
        .run(|tx| async move {
            let mut account = app.accounts.get_in(&tx, id).await?.ok_or_else(account_deleted)?;
            let profile = account.profile_mut()?;
            if profile.is_email_verified() {
                return Err(Error::conflict("email-verified", "The e-mail address is verified already."));
            }
            let mail = Mail::verification(profile, Timestamp::now())?;
            app.accounts.put_in(&tx, &account).await?;
            app.mails.put_in(&tx, &mail).await
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use souk_bus::Bus;
    use souk_types::ErrorKind;

    use super::*;
    use crate::application::accounts::{self, ProfileChanges};
    use crate::application::erasures;
    use crate::domain::password::PasswordGuess;
    use crate::jobs::delete_expired_mails;
    use crate::testing::{PASSWORD, ana, home, latest_token, received, sent_mails, start, start_on};

    async fn code(app: &App, token: &str) -> Option<String> {
        verify(app, token.parse().ok(), home()).await.err().map(|error| error.code().to_owned())
    }

    async fn change_email(app: &App, id: CustomerId, email: &str) {
        let (email, current) = (Some(email.parse().unwrap()), Some(PasswordGuess::new(PASSWORD)));
        accounts::change(app, id, ProfileChanges { email, current, ..Default::default() }, home()).await.unwrap();
    }

    #[tokio::test]
    async fn a_new_account_is_verified_once() {
        let (bus, directory) = (Bus::local(), tempfile::tempdir().unwrap());
        let mut events = received::<EmailVerified>(&bus, "shopping");
        let app = start_on(&bus, &directory);
        let ana = ana(&app).await;
        assert!(!ana.is_email_verified());
        let token = latest_token(&app, ana.id, "verify").await;
        assert_eq!(sent_mails(&app, ana.id).await, [("ana@example.com".to_owned(), "verify", token.clone())]);
        let (one, other) = tokio::join!(code(&app, &token), code(&app, &token));
        assert_eq!(one.xor(other).as_deref(), Some("token-used"), "one of two concurrent requests succeeds");
        assert!(accounts::get(&app, ana.id).await.unwrap().is_email_verified());
        assert_eq!(code(&app, &token).await.as_deref(), Some("token-used"));
        assert_eq!(sent_mails(&app, ana.id).await, []);
        assert_eq!(events.recv().await.unwrap().id, ana.id);
        assert!(events.try_recv().is_err());
        assert_eq!(resend(&app, ana.id, home()).await.unwrap_err().code(), "email-verified");
    }

    #[tokio::test]
    async fn a_new_address_is_verified_again_and_the_former_one_gets_a_notice() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let former = latest_token(&app, id, "verify").await;
        verify(&app, former.parse().ok(), home()).await.unwrap();
        change_email(&app, id, "ana@example.org").await;
        assert!(!accounts::get(&app, id).await.unwrap().is_email_verified());
        let token = latest_token(&app, id, "verify").await;
        let expected = [
            ("ana@example.com".to_owned(), "changed", String::new()),
            ("ana@example.org".to_owned(), "verify", token.clone()),
        ];
        assert_eq!(sent_mails(&app, id).await, expected);
        assert_eq!(code(&app, &former).await.as_deref(), Some("token-used"), "a token is for one address");
        assert_eq!(code(&app, &token).await, None);
    }

    #[tokio::test]
    async fn wrong_expired_and_foreign_tokens_have_their_errors() {
        let (app, _directory) = start();
        let (other, _directory_of_other) = start();
        let id = ana(&app).await.id;
        let foreign = latest_token(&other, ana(&other).await.id, "verify").await;
        let token = latest_token(&app, id, "verify").await;
        let last = if token.ends_with('A') { 'E' } else { 'A' };
        for wrong in ["", "x", &foreign, &format!("{}{last}", &token[..token.len() - 1])] {
            let error = verify(&app, wrong.parse().ok(), home()).await.unwrap_err();
            assert_eq!((error.kind(), &*error.fields()[0].field), (ErrorKind::Invalid, "token"), "{wrong}");
        }
        let mail = app.mails.by_account(id).await.unwrap().remove(0);
        let before = mail.expires_at().before(Duration::from_millis(1));
        delete_expired_mails(&app, before).await.unwrap();
        assert_eq!(sent_mails(&app, id).await.len(), 1, "it is not expired");
        delete_expired_mails(&app, mail.expires_at()).await.unwrap();
        assert_eq!(code(&app, &token).await.as_deref(), Some("token-expired"));
    }

    #[tokio::test]
    async fn an_account_is_sent_few_mails() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        // The sign-up has sent one.
        for _ in 2..=5 {
            resend(&app, id, home()).await.unwrap();
        }
        assert_eq!(resend(&app, id, home()).await.unwrap_err().code(), "too-many-mails");
        assert_eq!(sent_mails(&app, id).await.len(), 5);
    }

    #[tokio::test]
    async fn an_erasure_deletes_all_mails_but_its_notice() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let token = latest_token(&app, id, "verify").await;
        change_email(&app, id, "ana@example.org").await;
        erasures::erase(&app, id).await.unwrap();
        assert_eq!(sent_mails(&app, id).await, [("ana@example.org".to_owned(), "erased", String::new())]);
        assert_eq!(app.mails.by_account(id).await.unwrap().len(), 1);
        assert_eq!(code(&app, &token).await.as_deref(), Some("token-expired"));
        let notice = app.mails.by_account(id).await.unwrap().remove(0);
        delete_expired_mails(&app, notice.expires_at()).await.unwrap();
        assert!(app.mails.by_account(id).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_notice_that_was_sent_is_deleted() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        change_email(&app, id, "ana@example.org").await;
        for mail in app.mails.by_account(id).await.unwrap() {
            mails::delete_sent_notice(&app, mail.id()).await.unwrap();
            mails::delete_sent_notice(&app, mail.id()).await.unwrap();
        }
        let left: Vec<_> = sent_mails(&app, id).await.into_iter().map(|(_, kind, _)| kind).collect();
        assert_eq!(left, ["verify"], "a token stays valid");
    }
}
