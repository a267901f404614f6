//! The books of this service, as an audit reads them: whose accounts were deleted.

use common::contract::customer::CustomerId;
use common::error::Result;
use common::store::Database;

use crate::account::Account;
use crate::store::Accounts;

/// The accounts that were deleted.
pub async fn erased(database: &Database) -> Result<Vec<CustomerId>> {
    let mut erased = Vec::new();
    let tell = |_: &str, account: Account| {
        if let Account::Erased { id, .. } = account {
            erased.push(id);
        }
    };
    Accounts::open(database)?.0.scan(tell).await?;
    Ok(erased)
}
