//! Accounts: the profile, and a new password. One account is one document, so each change of it is one update; what follows
//! from that (sessions that end) may come late and is never lost. How one is forgotten is in [`crate::erasure`].

use serde::{Deserialize, Serialize};
use souk_bus::Delivery;
use souk_contract::customer::CustomerId;
use souk_contract::shopping::OrderConfirmed;
use souk_http::auth::Role;
use souk_types::input::{Fields, Input};
use souk_types::{Error, Result, Timestamp};

use crate::App;
use crate::application::sessions as session;
use crate::domain::address::Address;
use crate::domain::email::Email;
use crate::domain::phone::Phone;
use crate::providers::password_hasher::{Guess, Hash, Password, Verdict};

/// An account as it is kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum Account {
    /// Somebody's.
    Open(Profile),
    /// A tombstone: nothing of the person, only that this id was used.
    Erased { id: CustomerId, erased_at: Timestamp },
}

/// A person with an account.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) id: CustomerId,
    pub(crate) email: Email,
    pub(crate) password: Hash,
    /// Counts the passwords this account has had; sessions of an earlier one are over.
    pub(crate) generation: u32,
    pub(crate) phone: Option<Phone>,
    pub(crate) role: Role,
    pub(crate) addresses: Vec<Address>,
    /// How many orders of theirs were ever confirmed.
    #[serde(default)]
    pub(crate) orders_confirmed: u64,
    pub(crate) created_at: Timestamp,
}

impl Account {
    /// The person, unless they are gone.
    pub(crate) fn into_profile(self) -> Option<Profile> {
        match self {
            Self::Open(profile) => Some(profile),
            Self::Erased { .. } => None,
        }
    }

    /// The person, to be changed.
    pub(crate) fn profile_mut(&mut self) -> Result<&mut Profile> {
        match self {
            Self::Open(profile) => Ok(profile),
            Self::Erased { .. } => Err(closed()),
        }
    }

    /// Forgets the person. Errors: `Unauthenticated` when they are forgotten already.
    pub(crate) fn erase(&mut self, now: Timestamp) -> Result<()> {
        let id = self.profile_mut()?.id;
        *self = Self::Erased { id, erased_at: now };
        Ok(())
    }
}

/// What the owner of an account sees of it.
#[derive(Serialize)]
pub(crate) struct ProfileView {
    id: CustomerId,
    email: Email,
    phone: Option<Phone>,
    role: Role,
    addresses: Vec<Address>,
    orders_confirmed: u64,
    created_at: Timestamp,
}

impl From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        let Profile { id, email, phone, role, addresses, orders_confirmed, created_at, .. } = profile;
        Self { id, email, phone, role, addresses, orders_confirmed, created_at }
    }
}

/// An open account.
pub(crate) async fn get(app: &App, id: CustomerId) -> Result<Profile> {
    app.accounts.get(id).await?.ok_or_else(closed)
}

/// The body of a change of the profile.
pub(crate) struct Changes {
    email: Option<Email>,
    phone: Option<Option<Phone>>,
}

impl Input for Changes {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { email: fields.optional_non_null("email"), phone: fields.patch("phone") })
    }
}

/// Changes what was sent and leaves the rest. Errors: `email-taken`.
pub(crate) async fn change(app: &App, id: CustomerId, changes: Changes) -> Result<Profile> {
    let apply = move |profile: &mut Profile| {
        if let Some(email) = &changes.email {
            profile.email = email.clone();
        }
        if let Some(phone) = &changes.phone {
            profile.phone.clone_from(phone);
        }
        Ok(profile.clone())
    };
    app.accounts.edit(id, apply).await.map_err(taken_if_duplicate)
}

/// An order of somebody's was confirmed; nobody counts for one who is gone.
pub(crate) async fn count_order(app: &App, confirmed: &Delivery<OrderConfirmed>) -> Result<()> {
    let Some(customer) = confirmed.event.customer else { return Ok(()) };
    let accounts = &app.accounts.0;
    app.database
        .handle_once(confirmed, |tx| async move {
            if let Some(Account::Open(mut profile)) = tx.get(accounts, customer).await? {
                profile.orders_confirmed += 1;
                tx.put(accounts, customer, &Account::Open(profile)).await?;
            }
            Ok(())
        })
        .await
}

/// The body of a change of the password.
pub(crate) struct PasswordChange {
    current: Guess,
    new: Password,
}

impl Input for PasswordChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (current, new) = (fields.required("current"), fields.required("new"));
        Some(Self { current: current?, new: new? })
    }
}

/// Changes the password and ends every session.
pub(crate) async fn change_password(app: &App, id: CustomerId, change: PasswordChange) -> Result<()> {
    let profile = get(app, id).await?;
    if let Verdict::Wrong = app.hasher.verify(change.current, Some(profile.password)).await? {
        return Err(Error::invalid_field("current", "is not the current password"));
    }
    let password = app.hasher.hash(change.new).await?;
    let verified = profile.generation;
    let replace = move |profile: &mut Profile| {
        if profile.generation != verified {
            return Err(Error::conflict("conflict", "The password was changed meanwhile."));
        }
        profile.password = password.clone();
        // This ends the sessions, in the same write; also one that the old password opens at this moment.
        profile.generation += 1;
        Ok(())
    };
    app.accounts.edit(id, replace).await?;
    tidy_up(app, id).await;
    Ok(())
}

/// Deletes sessions that are over already. What was asked for is done when this fails, so it is no reason to answer
/// that it is not.
async fn tidy_up(app: &App, id: CustomerId) {
    if let Err(error) = session::end_all(app, id).await {
        tracing::warn!(customer = %id, %error, "sessions that are over could not be deleted");
    }
}

/// Whoever asks for it has had an account.
pub(crate) fn closed() -> Error {
    Error::unauthenticated("This account is closed.")
}

/// Somebody else has the address.
pub(crate) fn email_taken() -> Error {
    Error::conflict("email-taken", "This e-mail address has an account already.")
}

/// What a refusal of the store means here: the one unique index is that of the addresses.
pub(crate) fn taken_if_duplicate(error: Error) -> Error {
    if error.is_duplicate() { email_taken() } else { error }
}

#[cfg(test)]
mod tests {
    use souk_bus::EventId;
    use souk_contract::shopping::OrderId;
    use souk_types::ErrorKind;

    use super::*;
    use crate::application::sign_up as signup;
    use crate::testing::{PASSWORD, ana, new_account, start};

    impl PasswordChange {
        pub(crate) fn new(current: &str, new: &str) -> Self {
            Self { current: Guess::new(current), new: new.parse().unwrap() }
        }
    }

    fn to_email(email: &str) -> Changes {
        Changes { email: Some(email.parse().unwrap()), phone: None }
    }

    #[tokio::test]
    async fn a_change_touches_what_was_sent() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let phone =
            |phone: Option<&str>| Changes { email: None, phone: Some(phone.map(|phone| phone.parse().unwrap())) };
        let seen = |profile: Profile| {
            let view = serde_json::to_value(ProfileView::from(profile)).unwrap();
            (view["email"].clone(), view["phone"].clone())
        };
        for (changes, email, number) in [
            (phone(Some("+49 1234567")), "ana@example.com", serde_json::json!("+491234567")),
            (to_email("Ana.B@example.com"), "ana.b@example.com", serde_json::json!("+491234567")),
            (Changes { email: None, phone: None }, "ana.b@example.com", serde_json::json!("+491234567")),
            (phone(None), "ana.b@example.com", serde_json::json!(null)),
        ] {
            assert_eq!(seen(change(&app, id, changes).await.unwrap()), (email.into(), number));
        }
    }

    #[tokio::test]
    async fn each_confirmed_order_is_counted_once() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let confirmed = |customer| {
            let event = OrderConfirmed { id: OrderId::new(), customer };
            Delivery { id: EventId::new(), event }
        };
        let first = confirmed(Some(id));
        for delivery in [&first, &first, &confirmed(Some(id)), &confirmed(Some(CustomerId::new())), &confirmed(None)] {
            count_order(&app, delivery).await.unwrap();
        }
        assert_eq!(get(&app, id).await.unwrap().orders_confirmed, 2);
        crate::application::erasures::erase(&app, id).await.unwrap();
        count_order(&app, &confirmed(Some(id))).await.unwrap();
        assert!(get(&app, id).await.is_err(), "who is gone stays gone");
    }

    #[tokio::test]
    async fn an_address_has_one_account_and_is_free_again_after_a_move() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        signup::sign_up(&app, new_account("bea@example.com")).await.unwrap();
        assert_eq!(change(&app, id, to_email("Bea@example.com")).await.err().unwrap().code(), "email-taken");
        change(&app, id, to_email("ana@example.com")).await.unwrap();
        change(&app, id, to_email("ana@example.org")).await.unwrap();
        signup::sign_up(&app, new_account("ana@example.com")).await.unwrap();
    }

    #[tokio::test]
    async fn only_the_current_password_makes_a_new_one() {
        let (app, _directory) = start();
        let id = ana(&app).await.id;
        let wrong = change_password(&app, id, PasswordChange::new("wrong password", "battery staple")).await;
        assert_eq!(wrong.err().unwrap().fields()[0].field, "current");
        let changes = || change_password(&app, id, PasswordChange::new(PASSWORD, "battery staple"));
        let (one, other) = tokio::join!(changes(), changes());
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "of two at once one wins");
        assert_eq!(one.and(other).err().unwrap().kind(), ErrorKind::Conflict);
    }
}
