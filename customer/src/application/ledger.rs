//! The ledger of accounts, which `souk audit` and `souk backup` read from the database.

use std::collections::HashMap;

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
    /// Confirmed orders that each open account has counted.
    pub confirmed_orders: HashMap<CustomerId, u64>,
}

/// Reads all accounts.
pub async fn read(database: &Database) -> Result<AccountLedger> {
    let mut ledger = AccountLedger::default();
    let add = |account: Account| match account {
        Account::Erased { id, .. } => ledger.erased.push(id),
        Account::Open(profile) => drop(ledger.confirmed_orders.insert(profile.id, profile.orders_confirmed())),
    };
    Accounts::open(database)?.for_each(add).await?;
    Ok(ledger)
}
