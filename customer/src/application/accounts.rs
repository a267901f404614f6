//! Accounts: sign-up, profile, password, and the count of confirmed orders.

use souk_bus::Delivery;
use souk_contract::customer::{CustomerId, Role};
use souk_contract::shopping::OrderConfirmed;
use souk_types::{Error, Result, Timestamp};

use super::sessions::{self, SignIn};
use crate::app::App;
use crate::domain::account::{Account, Profile, ProfileChanges, account_closed};
use crate::domain::email::Email;
use crate::domain::password::{Password, PasswordCheck, PasswordGuess};
use crate::domain::phone::Phone;
use crate::providers::password_hasher::PasswordHasher;
use crate::repositories::{Accounts, email_taken};

pub(crate) struct NewAccount {
    pub(crate) email: Email,
    pub(crate) password: Password,
    pub(crate) phone: Option<Phone>,
    pub(crate) role: Role,
}

/// Creates an account and opens its first session. Errors: `email-taken`.
pub(crate) async fn sign_up(app: &App, new: NewAccount) -> Result<SignIn> {
    let profile = create(&app.accounts, &app.hasher, new).await?;
    sessions::open(app, &profile).await
}

pub(crate) async fn create(accounts: &Accounts, hasher: &PasswordHasher, new: NewAccount) -> Result<Profile> {
    // The unique index rejects duplicates. This query avoids hashing the password of a sign-up that
    // would fail.
    if accounts.by_email(&new.email).await?.is_some() {
        return Err(email_taken());
    }
    let password = hasher.hash(new.password).await?;
    let profile = Profile::new(new.email, password, new.phone, new.role, Timestamp::now());
    accounts.insert(profile.clone()).await?;
    Ok(profile)
}

pub(crate) async fn get(app: &App, id: CustomerId) -> Result<Profile> {
    app.accounts.get(id).await?.ok_or_else(account_closed)
}

pub(crate) async fn change(app: &App, id: CustomerId, changes: ProfileChanges) -> Result<Profile> {
    let apply = move |profile: &mut Profile| {
        profile.apply(&changes);
        Ok(profile.clone())
    };
    app.accounts.update(id, apply).await
}

pub(crate) struct PasswordChange {
    pub(crate) current: PasswordGuess,
    pub(crate) new: Password,
}

/// Changes the password and ends all sessions. Errors: `Invalid` when `current` is wrong.
pub(crate) async fn change_password(app: &App, id: CustomerId, change: PasswordChange) -> Result<()> {
    let profile = get(app, id).await?;
    if let PasswordCheck::Wrong = app.hasher.check(change.current, Some(profile.password().clone())).await? {
        return Err(Error::invalid_field("current", "is not the current password"));
    }
    let password = app.hasher.hash(change.new).await?;
    let verified = profile.generation();
    app.accounts.update(id, move |profile| profile.change_password(verified, password.clone())).await?;
    // The new generation invalidates the sessions, so their deletion may fail.
    if let Err(error) = sessions::end_all(app, id).await {
        tracing::warn!(customer = %id, %error, "sessions of an old password were not deleted");
    }
    Ok(())
}

/// Counts an order once per event. Ignores erased accounts and orders of guests.
pub(crate) async fn count_confirmed_order(app: &App, confirmed: &Delivery<OrderConfirmed>) -> Result<()> {
    let Some(customer) = confirmed.event.customer else { return Ok(()) };
    app.database
        .handle_once(confirmed, |tx| async move {
            if let Some(Account::Open(mut profile)) = app.accounts.get_in(&tx, customer).await? {
                profile.count_confirmed_order();
                app.accounts.put_in(&tx, &Account::Open(profile)).await?;
            }
            Ok(())
        })
        .await
}

#[cfg(test)]
mod tests {
    use souk_bus::EventId;
    use souk_contract::shopping::OrderId;
    use souk_types::ErrorKind;

    use super::*;
    use crate::application::erasures;
    use crate::testing::{PASSWORD, ana, new_account, start};

    impl PasswordChange {
        pub(crate) fn new(current: &str, new: &str) -> Self {
            Self { current: PasswordGuess::new(current), new: new.parse().unwrap() }
        }
    }

    fn to_email(email: &str) -> ProfileChanges {
        ProfileChanges { email: Some(email.parse().unwrap()), phone: None }
    }

    #[tokio::test]
    async fn concurrent_sign_ups_with_one_address_create_one_account() {
        let (app, _directory) = start();
        let (one, other) = tokio::join!(
            sign_up(&app, new_account("ana@example.com")),
            sign_up(&app, new_account("  ANA@example.com "))
        );
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        assert_eq!(one.and(other).err().unwrap().code(), "email-taken");
        assert_eq!(sign_up(&app, new_account("ana@example.com")).await.err().unwrap().code(), "email-taken");
    }

    #[tokio::test]
    async fn a_former_email_address_is_free_for_another_account() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        sign_up(&app, new_account("bea@example.com")).await.unwrap();
        assert_eq!(change(&app, id, to_email("Bea@example.com")).await.err().unwrap().code(), "email-taken");
        change(&app, id, to_email("ana@example.com")).await.unwrap();
        change(&app, id, to_email("ana@example.org")).await.unwrap();
        sign_up(&app, new_account("ana@example.com")).await.unwrap();
    }

    #[tokio::test]
    async fn a_confirmed_order_is_counted_once() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let confirmed = |customer| {
            let event = OrderConfirmed { id: OrderId::new(), customer };
            Delivery { id: EventId::new(), event }
        };
        let first = confirmed(Some(id));
        for delivery in [&first, &first, &confirmed(Some(id)), &confirmed(Some(CustomerId::new())), &confirmed(None)] {
            count_confirmed_order(&app, delivery).await.unwrap();
        }
        assert_eq!(get(&app, id).await.unwrap().orders_confirmed(), 2);
        erasures::erase(&app, id).await.unwrap();
        count_confirmed_order(&app, &confirmed(Some(id))).await.unwrap();
        assert!(get(&app, id).await.is_err(), "an erased account stays erased");
    }

    #[tokio::test]
    async fn a_password_change_needs_the_current_password() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let wrong = change_password(&app, id, PasswordChange::new("wrong password", "battery staple")).await;
        assert_eq!(wrong.err().unwrap().fields()[0].field, "current");
        let changes = || change_password(&app, id, PasswordChange::new(PASSWORD, "battery staple"));
        let (one, other) = tokio::join!(changes(), changes());
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "one of two concurrent changes succeeds");
        assert_eq!(one.and(other).err().unwrap().kind(), ErrorKind::Conflict);
    }
}
