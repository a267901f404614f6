//! The staff of the shop: the accounts that have a role, and who gives and takes it.
//!
//! A shop keeps an admin: what takes the role from the last one fails. A change of a role revokes
//! the account's tokens, so that it counts at once in every service.

use souk_contract::customer::{CustomerId, TokensRevoked};
use souk_contract::role::Role;
use souk_store::Tx;
use souk_types::{Email, Error, Result};

use super::credentials;
use crate::app::App;
use crate::domain::account::{Account, Profile};
use crate::repositories::Accounts;

/// Accounts with a role in one shop.
const MAX_STAFF: usize = 100;

/// Returns the accounts with a role, in the order in which they signed up.
pub(crate) async fn list(app: &App) -> Result<Vec<Profile>> {
    let mut staff = Vec::new();
    for role in Role::STAFF {
        staff.extend(app.accounts.by_role(role).await?);
    }
    staff.sort_by_key(|profile| (profile.created_at, profile.id));
    Ok(staff)
}

/// Gives the account with this address a role instead of the one that it has. `by` is the admin
/// who asks.
///
/// Errors: `not-found` when no account has the address; `email-not-verified`, because another
/// person may have signed up with it; `own-role`; `conflict` when there are 100 accounts with a
/// role; `Forbidden` when `by` is no admin any more.
pub(crate) async fn give_role(app: &App, by: CustomerId, email: &Email, role: Role) -> Result<Profile> {
    let found = app.accounts.by_email(email).await?.ok_or_else(|| Error::not_found("account"))?;
    let is_new = role.is_staff() && !found.role.is_staff();
    if is_new && list(app).await?.len() >= MAX_STAFF {
        let detail = format!("There are {MAX_STAFF} accounts with a role; take one of them first.");
        return Err(Error::conflict("conflict", detail));
    }
    change_role(app, by, found.id, role).await
}

/// Makes a member of staff a customer. `by` is the admin who asks.
///
/// Errors: `own-role` for the own account; `not-found` when the account has no role; `Forbidden`
/// when `by` is no admin any more.
pub(crate) async fn remove(app: &App, by: CustomerId, id: CustomerId) -> Result<()> {
    let profile = app.accounts.get(id).await?.filter(|profile| profile.role.is_staff());
    profile.ok_or_else(|| Error::not_found("member of staff"))?;
    change_role(app, by, id, Role::Customer).await.map(drop)
}

async fn change_role(app: &App, by: CustomerId, id: CustomerId, role: Role) -> Result<Profile> {
    if by == id {
        return Err(Error::conflict(
            "own-role",
            "Another admin must change your role, so that the shop keeps an admin.",
        ));
    }
    let changed = app
        .database
        .run(|tx| async move {
            // The commit checks both accounts: of two admins who demote each other, one stays.
            let asking = app.accounts.get_in(&tx, by).await?.and_then(Account::into_profile);
            let account = app.accounts.get_in(&tx, id).await?.and_then(Account::into_profile);
            let mut profile = account.ok_or_else(|| Error::not_found("account"))?;
            if !asking.is_some_and(|asking| asking.is_active_admin()) {
                return Err(Error::forbidden("Your account is no longer an admin."));
            }
            let is_changed = profile.change_role(role)?;
            if is_changed {
                tx.publish(&TokensRevoked { id, generation: profile.generation() })?;
                app.accounts.put_in(&tx, &Account::open(profile.clone())).await?;
            }
            Ok((profile, is_changed))
        })
        .await?;
    let (profile, is_changed) = changed;
    if is_changed {
        credentials::delete_sessions(app, id).await;
    }
    Ok(profile)
}

/// Checks, in a transaction that takes an admin's role or account, that the shop keeps another
/// admin. Errors: `last-admin`.
pub(crate) async fn keep_an_admin(accounts: &Accounts, tx: &Tx, leaving: &Profile) -> Result<()> {
    if leaving.role != Role::Admin {
        return Ok(());
    }
    for other in accounts.by_role(Role::Admin).await? {
        if other.id == leaving.id {
            continue;
        }
        // The commit checks the other account too, so that two admins cannot leave at once.
        let other = accounts.get_in(tx, other.id).await?.and_then(Account::into_profile);
        if other.is_some_and(|other| other.is_active_admin()) {
            return Ok(());
        }
    }
    Err(Error::conflict("last-admin", "This is the only admin of the shop. Make another account an admin first."))
}

#[cfg(test)]
mod tests {
    use souk_types::ErrorKind;

    use super::*;
    use crate::application::accounts::{self, ProfileChanges};
    use crate::application::erasures;
    use crate::domain::password::PasswordGuess;
    use crate::testing::{PASSWORD, ana, home, new_account, start};

    async fn verified_account(app: &App, email: &str) -> Profile {
        let id = accounts::register(app, new_account(email), home(), None).await.unwrap().id;
        let verify = |profile: &mut Profile| {
            profile.verify_email();
            Ok(profile.clone())
        };
        app.accounts.update(id, verify).await.unwrap()
    }

    async fn admin(app: &App, email: &str) -> Profile {
        let id = verified_account(app, email).await.id;
        let promote = |profile: &mut Profile| {
            profile.role = Role::Admin;
            Ok(profile.clone())
        };
        app.accounts.update(id, promote).await.unwrap()
    }

    async fn roles(app: &App) -> Vec<(String, Role)> {
        list(app).await.unwrap().into_iter().map(|profile| (profile.email.as_str().to_owned(), profile.role)).collect()
    }

    #[tokio::test]
    async fn only_a_verified_address_gets_a_role() {
        let (app, _directory) = start();
        let owner = admin(&app, "owner@example.com").await;
        ana(&app).await;
        let give = async |email: &str, role| give_role(&app, owner.id, &email.parse().unwrap(), role).await;
        assert_eq!(give("ana@example.com", Role::Support).await.err().unwrap().code(), "email-not-verified");
        assert_eq!(give("nobody@example.com", Role::Support).await.err().unwrap().kind(), ErrorKind::NotFound);
        assert_eq!(give("owner@example.com", Role::Support).await.err().unwrap().code(), "own-role");
        let bea = verified_account(&app, "bea@example.com").await;
        for (role, generation) in [(Role::Support, 1), (Role::Support, 1), (Role::Orders, 2)] {
            let given = give("bea@example.com", role).await.unwrap();
            assert_eq!((given.role, given.generation()), (role, bea.generation() + generation));
            let staff = [("owner@example.com".to_owned(), Role::Admin), ("bea@example.com".to_owned(), role)];
            assert_eq!(roles(&app).await, staff);
        }
        assert_eq!(
            give_role(&app, bea.id, &owner.email, Role::Support).await.err().unwrap().kind(),
            ErrorKind::Forbidden
        );
    }

    #[tokio::test]
    async fn one_admin_stays_when_two_demote_each_other() {
        let (app, _directory) = start();
        let (ana, bea) = (admin(&app, "ana@example.com").await, admin(&app, "bea@example.com").await);
        assert_eq!(remove(&app, ana.id, ana.id).await.err().unwrap().code(), "own-role");
        let (one, other) = tokio::join!(remove(&app, ana.id, bea.id), remove(&app, bea.id, ana.id));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        assert_eq!(one.and(other).err().unwrap().kind(), ErrorKind::Forbidden);
        assert_eq!(roles(&app).await.len(), 1);
    }

    #[tokio::test]
    async fn the_last_admin_cannot_leave() {
        let (app, _directory) = start();
        let (ana, bea) = (admin(&app, "ana@example.com").await, admin(&app, "bea@example.com").await);
        let password = || Some(PasswordGuess::new(PASSWORD));
        let to = |email: &str| ProfileChanges {
            email: Some(email.parse().unwrap()),
            current: password(),
            ..ProfileChanges::default()
        };
        // Of an account and its erasure, and of a new address and an erasure, one fails.
        let (changed, erased) =
            tokio::join!(accounts::change(&app, ana.id, to("ana@example.org"), home()), erasures::erase(&app, bea.id));
        assert_eq!(usize::from(changed.is_ok()) + usize::from(erased.is_ok()), 1);
        let refused = changed.map(drop).and(erased.map(drop)).err().unwrap();
        assert_eq!(refused.code(), "last-admin");
        assert_eq!(roles(&app).await.len(), 1);
    }

    #[tokio::test]
    async fn a_new_address_takes_the_role() {
        let (app, _directory) = start();
        let owner = admin(&app, "owner@example.com").await;
        let bea = verified_account(&app, "bea@example.com").await;
        give_role(&app, owner.id, &bea.email, Role::Catalogue).await.unwrap();
        let changes = ProfileChanges {
            email: Some("bea@example.org".parse().unwrap()),
            current: Some(PasswordGuess::new(PASSWORD)),
            ..ProfileChanges::default()
        };
        assert_eq!(accounts::change(&app, bea.id, changes, home()).await.unwrap().role, Role::Customer);
        assert_eq!(roles(&app).await.len(), 1);
    }

    #[tokio::test]
    async fn a_removed_member_of_staff_is_signed_out() {
        let (app, _directory) = start();
        let (ana, bea) = (admin(&app, "ana@example.com").await, admin(&app, "bea@example.com").await);
        remove(&app, ana.id, bea.id).await.unwrap();
        let removed = app.accounts.get(bea.id).await.unwrap().unwrap();
        assert_eq!((removed.role, removed.generation()), (Role::Customer, bea.generation() + 1));
        assert_eq!(remove(&app, ana.id, bea.id).await.err().unwrap().kind(), ErrorKind::NotFound);
    }
}
