//! The books of this service, as an audit reads them: whose accounts were deleted, and how many orders it has counted.

use std::collections::HashMap;

use souk_contract::customer::CustomerId;
use souk_store::Database;
use souk_types::Result;

use crate::application::accounts::Account;
use crate::repositories::Accounts;

/// All accounts.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Those that were deleted.
    pub deleted: Vec<CustomerId>,
    /// How many confirmed orders each of the others has had, as it has heard.
    pub orders: HashMap<CustomerId, u64>,
}

/// All accounts.
pub async fn ledger(database: &Database) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    let tell = |_: &str, account: Account| match account {
        Account::Erased { id, .. } => ledger.deleted.push(id),
        Account::Open(profile) => drop(ledger.orders.insert(profile.id, profile.orders_confirmed)),
    };
    Accounts::open(database)?.0.scan(tell).await?;
    Ok(ledger)
}
