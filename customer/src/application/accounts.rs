//! Accounts: sign-up and profile.

use souk_contract::customer::{Contact, CustomerId, GetContact, TokensRevoked};
use souk_contract::role::Role;
use souk_types::{Email, Error, Language, Network, Phone, Result, Timestamp};

use super::credentials::{self, FreshProof};
use super::sessions::{self, SignIn};
use super::staff;
use crate::app::App;
use crate::domain::account::{Account, Profile, account_deleted};
use crate::domain::device::ClientInfo;
use crate::domain::mail::Mail;
use crate::domain::password::{Password, PasswordGuess};
use crate::domain::session::Proof;
use crate::domain::totp::StepCode;
use crate::providers::fair_queue::Caller;
use crate::providers::password_hasher::PasswordHasher;
use crate::repositories::{Accounts, email_taken, email_taken_if_duplicate};

pub(crate) struct NewAccount {
    pub(crate) email: Email,
    pub(crate) password: Password,
    pub(crate) phone: Option<Phone>,
    pub(crate) role: Role,
}

/// Creates an account and opens its first session. Errors: `email-taken`.
pub(crate) async fn sign_up(app: &App, new: NewAccount, client: impl Into<ClientInfo>) -> Result<SignIn> {
    let ClientInfo { network, device, language } = client.into();
    app.attempts.count(network)?;
    let profile = register(app, new, network, language).await?;
    sessions::open(app, &profile, device, Proof::Password).await
}

/// Creates an account, and the mail that asks to verify its address.
pub(crate) async fn register(
    app: &App,
    new: NewAccount,
    network: Network,
    language: Option<Language>,
) -> Result<Profile> {
    let mut profile = prepare(&app.accounts, &app.hasher, new, Caller::new(network, false)).await?;
    profile.remember(network, language);
    let mail = Mail::verification(&mut profile, Timestamp::now())?;
    let (account, verification) = (&Account::open(profile.clone()), &mail);
    let created = app.database.run(|tx| async move {
        app.accounts.put_in(&tx, account).await?;
        app.mails.put_in(&tx, verification).await
    });
    created.await.map_err(email_taken_if_duplicate)?;
    Ok(profile)
}

/// Creates an account without a mail, for an operator, who knows whose address it is.
pub(crate) async fn create(accounts: &Accounts, hasher: &PasswordHasher, new: NewAccount) -> Result<Profile> {
    let mut profile = prepare(accounts, hasher, new, Caller::operator()).await?;
    profile.verify_email();
    accounts.insert(profile.clone()).await?;
    Ok(profile)
}

async fn prepare(accounts: &Accounts, hasher: &PasswordHasher, new: NewAccount, caller: Caller) -> Result<Profile> {
    // The unique index rejects duplicates. This query avoids hashing the password of a sign-up that
    // would fail.
    if accounts.by_email(&new.email).await?.is_some() {
        return Err(email_taken());
    }
    let password = hasher.hash(new.password, new.email.clone(), "password", caller).await?;
    Ok(Profile::new(new.email, password, new.phone, new.role, Timestamp::now()))
}

pub(crate) async fn get(app: &App, id: CustomerId) -> Result<Profile> {
    app.accounts.get(id).await?.ok_or_else(account_deleted)
}

/// Changes of a profile. A field that is `None` stays as it is.
#[derive(Default)]
pub(crate) struct ProfileChanges {
    pub(crate) email: Option<Email>,
    /// `Some(None)` removes the number.
    pub(crate) phone: Option<Option<Phone>>,
    /// The current password. A new e-mail address requires it.
    pub(crate) current: Option<PasswordGuess>,
    /// The code of an account that has a second step. A new e-mail address requires it.
    pub(crate) code: Option<StepCode>,
}

/// Changes a profile. A new e-mail address ends all sessions; a mail asks to verify it, and another
/// one tells the former address. A member of staff loses the role. Errors: `Invalid` when `current`
/// is missing; those of [`credentials::confirm_fresh`]; `email-taken`, `too-many-mails`,
/// `last-admin`.
pub(crate) async fn change(app: &App, id: CustomerId, changes: ProfileChanges, network: Network) -> Result<Profile> {
    let ProfileChanges { email, phone, current, code } = changes;
    let profile = get(app, id).await?;
    let new_email = email.filter(|email| *email != profile.email);
    if new_email.is_some() && current.is_none() {
        return Err(Error::invalid_field("current", "is required with a new e-mail address: the current password"));
    }
    // A new address is not verified, and a reset of the password by an address that has never been
    // verified turns the second step off.
    match current {
        Some(current) if new_email.is_some() => {
            credentials::confirm_fresh(app, &profile, FreshProof { current, code }, network).await?;
        }
        Some(current) => credentials::confirm(app, &profile, current, network).await?,
        None => {}
    }
    let set_phone = move |profile: &mut Profile| {
        if let Some(phone) = &phone {
            profile.phone.clone_from(phone);
        }
        Ok(profile.clone())
    };
    let Some(email) = new_email else { return app.accounts.update(id, set_phone).await };
    let profile = change_email(app, &profile, email, set_phone).await?;
    credentials::delete_sessions(app, id).await;
    Ok(profile)
}

/// Changes the e-mail address, and the rest by a rule, in one commit with the mails.
async fn change_email(
    app: &App,
    verified: &Profile,
    email: Email,
    rule: impl Fn(&mut Profile) -> Result<Profile>,
) -> Result<Profile> {
    let (id, generation, email, rule) = (verified.id, verified.generation(), &email, &rule);
    let changed = app.database.run(|tx| async move {
        let mut account = app.accounts.get_in(&tx, id).await?.ok_or_else(account_deleted)?;
        let profile = account.profile_mut()?;
        staff::keep_an_admin(&app.accounts, &tx, profile).await?;
        let (former, now) = (profile.email.clone(), Timestamp::now());
        profile.change_email(generation, email.clone())?;
        let mails = [Mail::verification(profile, now)?, Mail::address_changed(id, former, now)];
        let changed = rule(profile)?;
        tx.publish(&TokensRevoked { id, generation: changed.generation() })?;
        app.accounts.put_in(&tx, &account).await?;
        for mail in &mails {
            app.mails.put_in(&tx, mail).await?;
        }
        Ok(changed)
    });
    changed.await.map_err(email_taken_if_duplicate)
}

/// Returns the e-mail address of an account, and one of its saved addresses.
pub(crate) async fn contact(app: &App, request: GetContact) -> Result<Contact> {
    let Some(profile) = app.accounts.get(request.account).await? else { return Ok(Contact::Closed) };
    let address = request.address.and_then(|id| profile.addresses.get(id).cloned());
    let is_verified = profile.is_email_verified();
    Ok(Contact::Open { email: profile.email, is_verified, address })
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::{PASSWORD, ana, home, new_account, start};

    fn to_email(email: &str, current: &str) -> ProfileChanges {
        let current = Some(PasswordGuess::new(current));
        ProfileChanges { email: Some(email.parse().unwrap()), current, ..Default::default() }
    }

    #[tokio::test]
    async fn concurrent_sign_ups_with_one_address_create_one_account() {
        let (app, _directory) = start();
        let (one, other) = tokio::join!(
            sign_up(&app, new_account("ana@example.com"), home()),
            sign_up(&app, new_account("  ANA@example.com "), home())
        );
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        assert_eq!(one.and(other).err().unwrap().code(), "email-taken");
        assert_eq!(sign_up(&app, new_account("ana@example.com"), home()).await.err().unwrap().code(), "email-taken");
    }

    #[tokio::test]
    async fn a_former_email_address_is_free_for_another_account() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        sign_up(&app, new_account("bea@example.com"), home()).await.unwrap();
        let taken = change(&app, id, to_email("Bea@example.com", PASSWORD), home()).await;
        assert_eq!(taken.err().unwrap().code(), "email-taken");
        change(&app, id, to_email("ana@example.org", PASSWORD), home()).await.unwrap();
        sign_up(&app, new_account("ana@example.com"), home()).await.unwrap();
    }

    #[tokio::test]
    async fn a_profile_changes_in_the_given_fields() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let phone = |text: &str| Some(Some(text.parse().unwrap()));
        let email = |text: &str| Some(text.parse().unwrap());
        let right = || Some(PasswordGuess::new(PASSWORD));
        let wrong = || Some(PasswordGuess::new("wrong password"));
        let number = Some("+351210000000");
        for (changes, outcome, number, generation) in [
            (ProfileChanges { phone: phone("+351210000000"), ..Default::default() }, None, number, 1),
            (ProfileChanges::default(), None, number, 1),
            // The address stays the same.
            (ProfileChanges { email: email("ANA@example.com"), ..Default::default() }, None, number, 1),
            (ProfileChanges { email: email("ana@example.org"), ..Default::default() }, Some("current"), number, 1),
            (
                ProfileChanges { email: email("ana@example.org"), phone: Some(None), current: wrong(), code: None },
                Some("current"),
                number,
                1,
            ),
            (ProfileChanges { phone: Some(None), current: wrong(), ..Default::default() }, Some("current"), number, 1),
            (
                ProfileChanges { email: email("ana@example.org"), phone: Some(None), current: right(), code: None },
                None,
                None,
                2,
            ),
        ] {
            let error = change(&app, id, changes, home()).await.err();
            assert_eq!(error.map(|error| error.fields()[0].field.clone()).as_deref(), outcome);
            let profile = get(&app, id).await.unwrap();
            assert_eq!((profile.phone.as_ref().map(Phone::as_str), profile.generation()), (number, generation));
        }
    }
}
