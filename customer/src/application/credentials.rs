//! Changes that an access token alone does not allow, because a stolen one would give the account
//! away. Each takes a fresh proof of identity and ends all sessions.

use souk_contract::customer::{CustomerId, EmailVerified, TokensRevoked};
use souk_types::format::Format;
use souk_types::{Error, Network, Result, Timestamp};

use super::{accounts, sessions, totp};
use crate::app::App;
use crate::domain::account::{Profile, account_deleted, code_required};
use crate::domain::mail::Mail;
use crate::domain::password::{Password, PasswordCheck, PasswordGuess};
use crate::domain::totp::StepCode;
use crate::providers::fair_queue::Caller;

/// Fails unless `current` is the account's password. Errors: `Invalid` for `current`,
/// `too-many-attempts`.
pub(crate) async fn confirm(app: &App, profile: &Profile, current: PasswordGuess, network: Network) -> Result<()> {
    app.attempts.count(network)?;
    let is_known_network = profile.knows(network);
    if !is_known_network {
        app.attempts.count_from_unknown_network(&profile.email)?;
    }
    let caller = Caller::new(network, is_known_network);
    match app.hasher.check(current, Some(profile.password().clone()), caller).await? {
        PasswordCheck::Wrong => {
            if is_known_network {
                app.attempts.count_failure(&profile.email, network)?;
            }
            Err(Error::invalid_field("current", "is not the current password"))
        }
        PasswordCheck::Right | PasswordCheck::Outdated(_) => Ok(()),
    }
}

/// What shows that a request comes from the customer, and not from a thief of the access token.
pub(crate) struct FreshProof {
    pub(crate) current: PasswordGuess,
    /// The code of an account that has a second step.
    pub(crate) code: Option<StepCode>,
}

/// Fails unless the proof is that of a whole sign-in: the password, and the code of an account that
/// has a second step. Errors: those of [`confirm`]; `code-required`; `Invalid` for `code`.
pub(crate) async fn confirm_fresh(app: &App, profile: &Profile, proof: FreshProof, network: Network) -> Result<()> {
    confirm(app, profile, proof.current, network).await?;
    if profile.second_step.is_active() {
        let code = proof.code.ok_or_else(code_required)?;
        totp::require(app, profile, code, network).await?;
    }
    Ok(())
}

pub(crate) struct PasswordChange {
    pub(crate) proof: FreshProof,
    pub(crate) new: Password,
}

/// Changes the password and ends all sessions. Errors: those of [`confirm_fresh`].
pub(crate) async fn change_password(app: &App, id: CustomerId, change: PasswordChange, network: Network) -> Result<()> {
    let profile = accounts::get(app, id).await?;
    confirm_fresh(app, &profile, change.proof, network).await?;
    let password = app.hasher.hash(change.new, profile.email.clone(), "new", Caller::owner(network)).await?;
    let (verified, may_report) = (profile.generation(), may_report_password(app).await?);
    let change = |profile: &mut Profile| {
        profile.forget_other_networks(network);
        profile.change_password(verified, password.clone())?;
        // An attacker could otherwise send mails to an address of another person.
        let may_report = may_report && profile.is_email_verified();
        let notice = may_report.then(|| Mail::password_changed(id, false, Timestamp::now()));
        Ok(((), notice))
    };
    change_with_notice(app, id, change).await?;
    delete_sessions(app, id).await;
    Ok(())
}

/// Whether all instances know the mail about a new password. The previous release cannot read it,
/// and no instance of it runs once the current format is written.
pub(super) async fn may_report_password(app: &App) -> Result<bool> {
    Ok(app.database.format().await? == Format::CURRENT)
}

/// Changes an account by a rule, in one commit with the notice to the customer that the rule
/// returns, and with the events that follow from the change.
pub(super) async fn change_with_notice<R>(
    app: &App,
    id: CustomerId,
    rule: impl Fn(&mut Profile) -> Result<(R, Option<Mail>)>,
) -> Result<R> {
    let rule = &rule;
    app.database
        .run(|tx| async move {
            let mut account = app.accounts.get_in(&tx, id).await?.ok_or_else(account_deleted)?;
            let profile = account.profile_mut()?;
            let (generation, was_verified) = (profile.generation(), profile.is_email_verified());
            let (result, notice) = rule(profile)?;
            if profile.generation() != generation {
                tx.publish(&TokensRevoked { id, generation: profile.generation() })?;
            }
            if profile.is_email_verified() && !was_verified {
                tx.publish(&EmailVerified { id })?;
            }
            app.accounts.put_in(&tx, &account).await?;
            if let Some(notice) = &notice {
                app.mails.put_in(&tx, notice).await?;
            }
            Ok(result)
        })
        .await
}

/// Ends all sessions and revokes all access tokens.
pub(crate) async fn sign_out_everywhere(app: &App, id: CustomerId) -> Result<()> {
    let end = |profile: &mut Profile| {
        profile.end_sessions();
        Ok(())
    };
    app.accounts.revoke_tokens(id, end).await?;
    delete_sessions(app, id).await;
    Ok(())
}

/// Deletes the sessions of earlier generations. They are invalid already, so this may fail.
pub(crate) async fn delete_sessions(app: &App, id: CustomerId) {
    if let Err(error) = sessions::end_all(app, id).await {
        tracing::warn!(customer = %id, %error, "sessions of an earlier generation were not deleted");
    }
}

#[cfg(test)]
mod tests {
    use souk_types::ErrorKind;

    use super::*;
    use crate::testing::{PASSWORD, ana, home, sent_mails, start};

    impl FreshProof {
        pub(crate) fn password(current: &str) -> Self {
            Self { current: PasswordGuess::new(current), code: None }
        }
    }

    impl PasswordChange {
        pub(crate) fn new(current: &str, new: &str) -> Self {
            Self { proof: FreshProof::password(current), new: new.parse().unwrap() }
        }
    }

    #[tokio::test]
    async fn a_password_change_needs_the_current_password() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let wrong = change_password(&app, id, PasswordChange::new("wrong password", "battery staple"), home()).await;
        assert_eq!(wrong.err().unwrap().fields()[0].field, "current");
        let changes = || change_password(&app, id, PasswordChange::new(PASSWORD, "battery staple"), home());
        let (one, other) = tokio::join!(changes(), changes());
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "one of two concurrent changes succeeds");
        assert_eq!(one.and(other).err().unwrap().kind(), ErrorKind::Conflict);
    }

    #[tokio::test]
    async fn a_new_password_is_reported_to_a_verified_address() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let notices = async || {
            let mails = sent_mails(&app, id).await;
            mails.into_iter().filter(|(_, kind, _)| *kind == "password-changed").count()
        };
        change_password(&app, id, PasswordChange::new(PASSWORD, "battery staple"), home()).await.unwrap();
        assert_eq!(notices().await, 0, "the address may belong to another person");
        app.accounts.update(id, |profile: &mut Profile| Ok(profile.verify_email())).await.unwrap();
        change_password(&app, id, PasswordChange::new("battery staple", "another staple"), home()).await.unwrap();
        assert_eq!(notices().await, 1);
    }
}
