//! Admin accounts, for `souk admin create`. These functions need only the database, because the
//! command is a separate process. The shop may run at the same time.

use souk_contract::customer::{CustomerId, Role};
use souk_store::Database;
use souk_types::{Email, Result};

use super::accounts::{self, NewAccount};
use crate::domain::account::Profile;
use crate::domain::password::Password;
use crate::providers::password_hasher::PasswordHasher;
use crate::repositories::Accounts;

/// Returns whether the e-mail address has an account.
pub async fn has_account(database: &Database, email: &Email) -> Result<bool> {
    Ok(Accounts::open(database)?.by_email(email).await?.is_some())
}

/// Makes an account an admin, from its next access token on. `None`: there is no such account.
pub async fn promote(database: &Database, email: &Email) -> Result<Option<CustomerId>> {
    let accounts = Accounts::open(database)?;
    let Some(profile) = accounts.by_email(email).await? else {
        return Ok(None);
    };
    // The operator knows whose address it is.
    let promote = |profile: &mut Profile| {
        profile.role = Role::Admin;
        Ok(Some(profile.id))
    };
    accounts.update(profile.id, promote).await
}

/// Creates an admin account. Errors: `email-taken`.
pub async fn create(database: &Database, email: Email, password: Password) -> Result<CustomerId> {
    let new = NewAccount { email, password, phone: None, role: Role::Admin };
    let profile = accounts::create(&Accounts::open(database)?, &PasswordHasher::new(), new).await?;
    Ok(profile.id)
}

#[cfg(test)]
mod tests {
    use souk_store::Durability;

    use super::*;
    use crate::testing::{PASSWORD, ana, start};

    #[tokio::test]
    async fn admins_are_created_while_the_shop_runs() {
        let (app, directory) = start();
        let customer = ana(&app).await;
        // A second connection, as the command opens it in its own process.
        let second = Database::sqlite("customer", &directory.path().join("customer.db"), Durability::Process).unwrap();
        let (known, unknown) = ("ana@example.com".parse().unwrap(), "root@example.com".parse().unwrap());
        assert_eq!(promote(&second, &known).await.unwrap(), Some(customer.id));
        assert_eq!(promote(&second, &unknown).await.unwrap(), None);
        let created = create(&second, unknown.clone(), PASSWORD.parse().unwrap()).await.unwrap();
        for id in [customer.id, created] {
            assert_eq!(app.accounts.get(id).await.unwrap().unwrap().role, Role::Admin);
        }
        let twice = create(&second, unknown, PASSWORD.parse().unwrap()).await;
        assert_eq!(twice.err().unwrap().code(), "email-taken");
    }
}
