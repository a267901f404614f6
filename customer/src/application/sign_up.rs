//! Signing up: for customers over HTTP, for admins by `souk admin`. That an address has one account is the store's
//! unique index; nothing here could promise it.

use souk_http::auth::Role;
use souk_types::input::{Fields, Input};
use souk_types::{Id, Result, Timestamp};

use crate::App;
use crate::application::accounts::{Account, Profile, email_taken, taken_if_duplicate};
use crate::application::sessions::{self as session, SignIn};
use crate::domain::email::Email;
use crate::domain::phone::Phone;
use crate::providers::password_hasher::{Hasher, Password};
use crate::repositories::Accounts;

/// An account to be made.
pub(crate) struct NewAccount {
    pub(crate) email: Email,
    pub(crate) password: Password,
    pub(crate) phone: Option<Phone>,
    pub(crate) role: Role,
}

/// Nobody makes themselves an admin: `role` is no field.
impl Input for NewAccount {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (email, password) = (fields.required("email"), fields.required("password"));
        let phone = fields.optional("phone");
        Some(Self { email: email?, password: password?, phone, role: Role::Customer })
    }
}

/// Makes an account and signs its owner in.
pub(crate) async fn sign_up(app: &App, new: NewAccount) -> Result<SignIn> {
    let profile = create(&app.accounts, &app.hasher, new).await?;
    session::open(app, &profile).await
}

/// Makes an account. Errors: `email-taken`.
pub(crate) async fn create(accounts: &Accounts, hasher: &Hasher, new: NewAccount) -> Result<Profile> {
    // The index decides; asking first spares a hash.
    if accounts.by_email(&new.email).await?.is_some() {
        return Err(email_taken());
    }
    let profile = Profile {
        id: Id::new(),
        email: new.email,
        password: hasher.hash(new.password).await?,
        generation: 1,
        phone: new.phone,
        role: new.role,
        addresses: Vec::new(),
        orders_confirmed: 0,
        created_at: Timestamp::now(),
    };
    accounts.0.insert(profile.id, Account::Open(profile.clone())).await.map_err(taken_if_duplicate)?;
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{new_account, start};

    #[tokio::test]
    async fn of_two_who_take_one_address_at_once_one_gets_it() {
        let (app, _directory) = start();
        let (one, other) = tokio::join!(
            sign_up(&app, new_account("ana@example.com")),
            sign_up(&app, new_account("  ANA@example.com "))
        );
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        assert_eq!(one.and(other).err().unwrap().code(), "email-taken");
        assert_eq!(sign_up(&app, new_account("ana@example.com")).await.err().unwrap().code(), "email-taken");
    }

    #[test]
    fn every_bad_field_is_named_and_nobody_picks_a_role() {
        let refused = |body| {
            let error = souk_types::input::from_json::<NewAccount>(body).err().unwrap();
            error.fields().iter().map(|bad| bad.field.clone()).collect::<Vec<_>>()
        };
        assert_eq!(refused(json!({})), ["email", "password"]);
        assert_eq!(
            refused(json!({"email": {"$ne": ""}, "password": 12_345_678, "phone": "1"})),
            ["email", "password", "phone"]
        );
        assert_eq!(refused(json!({"email": "a@b.c", "password": "correct horse", "role": "admin"})), ["role"]);
    }
}
