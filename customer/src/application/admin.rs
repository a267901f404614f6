//! Making admins: what `souk admin create` does. It takes the database alone, because it runs in a process of its own,
//! beside a shop that may be running; the store guards each write against the other process.

use souk_contract::customer::CustomerId;
use souk_http::auth::Role;
use souk_store::Database;
use souk_types::Result;

use crate::application::accounts::Profile;
use crate::application::sign_up::{self as signup, NewAccount};
use crate::domain::email::Email;
use crate::providers::password_hasher::{Hasher, Password};
use crate::repositories::Accounts;

/// Whether somebody has an account with this address.
pub async fn knows(database: &Database, email: &Email) -> Result<bool> {
    Ok(Accounts::open(database)?.by_email(email).await?.is_some())
}

/// Makes the account with this address an admin, from the next sign-in or refresh on; its password stays as it is.
/// `None` when there is no such account: then [`create`] makes one, for which it needs a password.
pub async fn promote(database: &Database, email: &Email) -> Result<Option<CustomerId>> {
    let accounts = Accounts::open(database)?;
    let Some(profile) = accounts.by_email(email).await? else {
        return Ok(None);
    };
    let promote = |profile: &mut Profile| {
        profile.role = Role::Admin;
        Ok(Some(profile.id))
    };
    accounts.edit(profile.id, promote).await
}

/// Makes an admin's account. Errors: `email-taken`.
pub async fn create(database: &Database, email: Email, password: Password) -> Result<CustomerId> {
    let new = NewAccount { email, password, phone: None, role: Role::Admin };
    let profile = signup::create(&Accounts::open(database)?, &Hasher::new(), new).await?;
    Ok(profile.id)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::{PASSWORD, ana, start};

    #[tokio::test]
    async fn an_admin_is_made_beside_a_shop_that_runs() {
        let (app, directory) = start();
        let customer = ana(&app).await;
        // What another process would open.
        let beside = Database::sqlite_shared("customer", &directory.path().join("customer.db")).unwrap();
        let (known, unknown) = ("ana@example.com".parse().unwrap(), "root@example.com".parse().unwrap());
        assert_eq!(promote(&beside, &known).await.unwrap(), Some(customer.id));
        assert_eq!(promote(&beside, &unknown).await.unwrap(), None);
        let made = create(&beside, unknown.clone(), PASSWORD.parse().unwrap()).await.unwrap();
        for id in [customer.id, made] {
            assert_eq!(app.accounts.get(id).await.unwrap().unwrap().role, Role::Admin);
        }
        let twice = create(&beside, unknown, PASSWORD.parse().unwrap()).await;
        assert_eq!(twice.err().unwrap().code(), "email-taken");
    }
}
