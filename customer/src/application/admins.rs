//! The admins of the shop: their list, and who else becomes or stays one.

use souk_contract::customer::{CustomerId, Role, TokensRevoked};
use souk_types::{Email, Error, Result};

use super::credentials;
use crate::app::App;
use crate::domain::account::{Account, Profile};

/// Returns the admins, in the order in which they signed up; at most 100.
pub(crate) async fn list(app: &App) -> Result<Vec<Profile>> {
    app.accounts.by_role(Role::Admin).await
}

/// Makes the account with this address an admin, from its next access token on. An admin stays one.
///
/// Errors: `not-found` when no account has the address; `email-not-verified`, because another
/// person may have signed up with it; `conflict` when there are 100 admins.
pub(crate) async fn add(app: &App, email: &Email) -> Result<Profile> {
    let found = app.accounts.by_email(email).await?.ok_or_else(|| Error::not_found("account"))?;
    if !found.is_admin() && list(app).await?.len() >= MAX_ADMINS {
        return Err(Error::conflict("conflict", format!("There are {MAX_ADMINS} admins; remove one first.")));
    }
    app.accounts
        .update(found.id, |profile| {
            profile.become_admin()?;
            Ok(profile.clone())
        })
        .await
}

/// Makes an admin a customer and revokes the account's tokens. `by` is the admin who asks.
///
/// Errors: `own-role` for the own account, so that one admin stays; `not-found` when the account is
/// not an admin's; `Forbidden` when `by` is no admin any more.
pub(crate) async fn remove(app: &App, by: CustomerId, id: CustomerId) -> Result<()> {
    if by == id {
        return Err(Error::conflict("own-role", "Another admin must remove you, so that the shop keeps an admin."));
    }
    app.database
        .run(|tx| async move {
            let (Some(Account::Open(asking)), Some(account)) =
                (app.accounts.get_in(&tx, by).await?, app.accounts.get_in(&tx, id).await?)
            else {
                return Err(Error::not_found("admin"));
            };
            let Account::Open(mut profile) = account else { return Err(Error::not_found("admin")) };
            if !asking.is_admin() {
                return Err(Error::forbidden("You are no admin any more."));
            }
            profile.become_customer()?;
            let generation = profile.generation();
            app.accounts.put_in(&tx, &Account::Open(profile)).await?;
            // Two admins who remove each other at once must conflict: none would stay otherwise.
            app.accounts.put_in(&tx, &Account::Open(asking)).await?;
            tx.publish(&TokensRevoked { id, generation }).map(drop)
        })
        .await?;
    credentials::delete_sessions(app, id).await;
    Ok(())
}

/// Admins of one shop.
const MAX_ADMINS: usize = 100;

#[cfg(test)]
mod tests {
    use souk_types::ErrorKind;

    use super::*;
    use crate::testing::{ana, new_account, start};

    async fn verified_account(app: &App, email: &str) -> Profile {
        let profile = crate::application::accounts::register(app, new_account(email), crate::testing::home()).await;
        let id = profile.unwrap().id;
        app.accounts
            .update(id, |profile| {
                profile.verify_email();
                Ok(profile.clone())
            })
            .await
            .unwrap()
    }

    async fn admins(app: &App) -> Vec<String> {
        list(app).await.unwrap().iter().map(|admin| admin.email.as_str().to_owned()).collect()
    }

    #[tokio::test]
    async fn only_a_verified_address_becomes_an_admin() {
        let (app, _directory) = start();
        ana(&app).await;
        let refused = add(&app, &"ana@example.com".parse().unwrap()).await.err().unwrap();
        assert_eq!(refused.code(), "email-not-verified");
        let unknown = add(&app, &"nobody@example.com".parse().unwrap()).await.err().unwrap();
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
        assert_eq!(admins(&app).await, Vec::<String>::new());
        verified_account(&app, "bea@example.com").await;
        for _ in 0..2 {
            add(&app, &"bea@example.com".parse().unwrap()).await.unwrap();
            assert_eq!(admins(&app).await, ["bea@example.com"]);
        }
    }

    #[tokio::test]
    async fn one_admin_stays_when_two_remove_each_other() {
        let (app, _directory) = start();
        let (ana, bea) =
            (verified_account(&app, "ana@example.com").await, verified_account(&app, "bea@example.com").await);
        for admin in [&ana, &bea] {
            add(&app, &admin.email).await.unwrap();
        }
        assert_eq!(remove(&app, ana.id, ana.id).await.err().unwrap().code(), "own-role");
        let (one, other) = tokio::join!(remove(&app, ana.id, bea.id), remove(&app, bea.id, ana.id));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        assert_eq!(one.and(other).err().unwrap().kind(), ErrorKind::Forbidden);
        assert_eq!(admins(&app).await.len(), 1);
    }

    #[tokio::test]
    async fn a_removed_admin_is_signed_out() {
        let (app, _directory) = start();
        let (ana, bea) =
            (verified_account(&app, "ana@example.com").await, verified_account(&app, "bea@example.com").await);
        for admin in [&ana, &bea] {
            add(&app, &admin.email).await.unwrap();
        }
        remove(&app, ana.id, bea.id).await.unwrap();
        let removed = app.accounts.get(bea.id).await.unwrap().unwrap();
        assert_eq!((removed.role, removed.generation()), (Role::Customer, bea.generation() + 1));
        assert_eq!(remove(&app, ana.id, bea.id).await.err().unwrap().kind(), ErrorKind::NotFound);
    }
}
