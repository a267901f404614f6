//! The ledger of accounts, which `souk audit` and `souk backup` read from the database.

use std::collections::HashSet;

use souk_contract::customer::CustomerId;
use souk_store::Database;
use souk_types::Result;

use crate::domain::account::Account;
use crate::repositories::Accounts;

/// The facts of all accounts that other services' data must agree with.
#[derive(Debug, Clone, Default)]
pub struct AccountLedger {
    /// Erased accounts.
    pub erased: Vec<CustomerId>,
    /// Open accounts.
    pub open: HashSet<CustomerId>,
}

/// Reads all accounts.
pub async fn read(database: &Database) -> Result<AccountLedger> {
    let mut ledger = AccountLedger::default();
    let add = |account: Account| match account {
        Account::Erased { id, .. } => ledger.erased.push(id),
        Account::Open(profile) => drop(ledger.open.insert(profile.id)),
    };
    Accounts::open(database)?.for_each(add).await?;
    Ok(ledger)
}
