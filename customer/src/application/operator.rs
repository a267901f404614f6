//! Accounts as the operator changes them, for `souk admin`. These functions need only the
//! database, because the command is a separate process. The shop may run at the same time.

use souk_contract::customer::TokensRevoked;
use souk_contract::role::Role;
use souk_store::Database;
use souk_types::{Email, Error, Result, Timestamp};

use super::accounts::{self, NewAccount};
use super::staff::keep_an_admin;
use crate::domain::account::{Account, Profile};
use crate::domain::password::Password;
use crate::providers::fair_queue::Caller;
use crate::providers::password_hasher::PasswordHasher;
use crate::repositories::Accounts;

/// An account with a role.
pub struct StaffAccount {
    /// Its e-mail address.
    pub email: Email,
    /// Its role.
    pub role: Role,
    /// When it was created.
    pub created_at: Timestamp,
    /// Whether it is locked: every sign-in is refused.
    pub is_locked: bool,
    /// Whether a sign-in needs a code.
    pub has_second_step: bool,
}

/// Returns whether the e-mail address has an account.
pub async fn has_account(database: &Database, email: &Email) -> Result<bool> {
    Ok(Accounts::open(database)?.by_email(email).await?.is_some())
}

/// Returns the accounts with a role, by role.
pub async fn staff(database: &Database) -> Result<Vec<StaffAccount>> {
    let accounts = Accounts::open(database)?;
    let mut staff = Vec::new();
    for role in Role::STAFF {
        staff.extend(accounts.by_role(role).await?.into_iter().map(|profile| StaffAccount {
            is_locked: profile.is_locked(),
            has_second_step: profile.second_step.is_active(),
            email: profile.email,
            role: profile.role,
            created_at: profile.created_at,
        }));
    }
    Ok(staff)
}

/// Creates an account with a role. Errors: `email-taken`.
pub async fn create(database: &Database, email: Email, password: Password, role: Role) -> Result<()> {
    let new = NewAccount { email, password, phone: None, role };
    accounts::create(&Accounts::open(database)?, &PasswordHasher::new(), new).await.map(drop)
}

/// Gives an account a role, `customer` included, and revokes its tokens. The operator knows whose
/// address it is, so it need not be verified. Errors: `not-found`; `last-admin`.
pub async fn set_role(database: &Database, email: &Email, role: Role) -> Result<()> {
    change(database, email, role != Role::Admin, |profile| {
        if profile.role != role {
            profile.role = role;
            profile.end_sessions();
        }
        Ok(())
    })
    .await
}

/// Locks an account and revokes its tokens, or unlocks it. Errors: `not-found`; `last-admin`.
pub async fn set_locked(database: &Database, email: &Email, locked: bool) -> Result<()> {
    change(database, email, locked, |profile| {
        if locked {
            profile.lock();
        } else {
            profile.unlock();
        }
        Ok(())
    })
    .await
}

/// Sets a new password, turns the second step off, removes all passkeys, and revokes the account's
/// tokens. Errors: `not-found`.
pub async fn reset_password(database: &Database, email: &Email, password: Password) -> Result<()> {
    let hash = PasswordHasher::new().hash(password, email.clone(), "password", Caller::operator()).await?;
    change(database, email, false, |profile| {
        profile.second_step.turn_off();
        profile.passkeys.remove_all();
        profile.change_password(profile.generation(), hash.clone())
    })
    .await
}

/// Changes an account by a rule. `takes_role`: afterwards, it may be no admin's that can sign in.
async fn change(
    database: &Database,
    email: &Email,
    takes_role: bool,
    rule: impl Fn(&mut Profile) -> Result<()>,
) -> Result<()> {
    let accounts = &Accounts::open(database)?;
    let found = accounts.by_email(email).await?.ok_or_else(|| Error::not_found("account"))?;
    let (id, rule) = (found.id, &rule);
    database
        .run(|tx| async move {
            let profile = accounts.get_in(&tx, id).await?.and_then(Account::into_profile);
            let mut profile = profile.ok_or_else(|| Error::not_found("account"))?;
            if takes_role && profile.is_active_admin() {
                keep_an_admin(accounts, &tx, &profile).await?;
            }
            let before = profile.generation();
            rule(&mut profile)?;
            if profile.generation() != before {
                tx.publish(&TokensRevoked { id, generation: profile.generation() })?;
            }
            accounts.put_in(&tx, &Account::open(profile)).await
        })
        .await
}

#[cfg(test)]
mod tests {
    use souk_store::Durability;

    use super::*;
    use crate::application::sign_in::{self, Credentials};
    use crate::domain::password::PasswordGuess;
    use crate::testing::{PASSWORD, ana, home, start};

    /// Returns the code of the error of a sign-in.
    async fn sign_in(app: &crate::App, email: &Email, password: &str) -> Option<String> {
        let credentials =
            Credentials { email: Some(email.clone()), password: PasswordGuess::new(password), code: None };
        sign_in::sign_in(app, credentials, home()).await.err().map(|error| error.code().to_owned())
    }

    #[tokio::test]
    async fn an_operator_changes_accounts_while_the_shop_runs() {
        let (app, directory) = start();
        let customer = ana(&app).await;
        // A second connection, as the command opens it in its own process.
        let second = Database::sqlite("customer", &directory.path().join("customer.db"), Durability::Process).unwrap();
        let (known, unknown): (Email, Email) =
            ("ana@example.com".parse().unwrap(), "root@example.com".parse().unwrap());
        set_role(&second, &known, Role::Support).await.unwrap();
        assert_eq!(app.accounts.get(customer.id).await.unwrap().unwrap().role, Role::Support);
        assert_eq!(set_role(&second, &unknown, Role::Admin).await.err().unwrap().code(), "not-found");
        create(&second, unknown.clone(), PASSWORD.parse().unwrap(), Role::Admin).await.unwrap();
        let twice = create(&second, unknown.clone(), PASSWORD.parse().unwrap(), Role::Admin).await;
        assert_eq!(twice.err().unwrap().code(), "email-taken");
        let listed = staff(&second).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|account| (account.email.as_str(), account.role)).collect();
        assert_eq!(listed, [("ana@example.com", Role::Support), ("root@example.com", Role::Admin)]);

        set_locked(&second, &known, true).await.unwrap();
        assert_eq!(sign_in(&app, &known, PASSWORD).await.as_deref(), Some("account-locked"));
        assert_eq!(sign_in(&app, &known, "a wrong password").await.as_deref(), Some("unauthenticated"));
        set_locked(&second, &known, false).await.unwrap();
        reset_password(&second, &known, "another long password".parse().unwrap()).await.unwrap();
        assert_eq!(sign_in(&app, &known, PASSWORD).await.as_deref(), Some("unauthenticated"));
        assert_eq!(sign_in(&app, &known, "another long password").await, None);
    }

    #[tokio::test]
    async fn an_operator_cannot_take_the_last_admin() {
        let (app, _directory) = start();
        let (database, root): (_, Email) = (&app.database, "root@example.com".parse().unwrap());
        create(database, root.clone(), PASSWORD.parse().unwrap(), Role::Admin).await.unwrap();
        for refused in [set_role(database, &root, Role::Orders).await, set_locked(database, &root, true).await] {
            assert_eq!(refused.err().unwrap().code(), "last-admin");
        }
        // A locked admin cannot take the place of another one.
        let other: Email = "other@example.com".parse().unwrap();
        create(database, other.clone(), PASSWORD.parse().unwrap(), Role::Admin).await.unwrap();
        set_locked(database, &other, true).await.unwrap();
        assert_eq!(set_role(database, &root, Role::Customer).await.err().unwrap().code(), "last-admin");
        set_locked(database, &other, false).await.unwrap();
        set_role(database, &root, Role::Customer).await.unwrap();
    }
}
