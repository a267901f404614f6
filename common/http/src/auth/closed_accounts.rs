//! The deleted accounts, whose access tokens may not have expired yet.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use souk_bus::{Delivery, Event};
use souk_contract::customer::{CustomerDeleted, CustomerId};
use souk_store::{Collection, Database, Document};
use souk_types::{Result, Timestamp};

use super::{Identity, invalid_token};

/// The deleted accounts. Each service maintains this list in its own database from
/// `customer.deleted` events, and all its instances read it.
#[derive(Clone)]
pub struct ClosedAccounts(Collection<ClosedAccount>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ClosedAccount {
    at: Timestamp,
    /// When this service last erased the customer's data.
    #[serde(default)]
    erased_at: Option<Timestamp>,
}

impl ClosedAccount {
    fn now() -> Self {
        Self { at: Timestamp::now(), erased_at: None }
    }
}

impl Document for ClosedAccount {
    type Id = CustomerId;
    const COLLECTION: &'static str = "closed_accounts";
}

impl ClosedAccounts {
    /// Opens the list of the service that owns `database`.
    pub fn open(database: &Database) -> Result<Self> {
        Ok(Self(database.collection()?))
    }

    /// Returns `identity` if its account is open.
    pub async fn require_open(&self, identity: Identity) -> Result<Identity> {
        match self.0.get(identity.id).await? {
            Some(_) => Err(invalid_token()),
            None => Ok(identity),
        }
    }

    /// Closes an account. Idempotent.
    pub async fn close(&self, deletion: &Delivery<CustomerDeleted>) -> Result<()> {
        self.0
            .upsert(deletion.event.id, |slot, _| {
                slot.get_or_insert_with(ClosedAccount::now);
                Ok(())
            })
            .await
    }

    /// Closes the account, records that this service has erased the customer's data, and publishes
    /// `event`, in one write. A repeated call publishes the event again, because `customer` may
    /// have missed the first one.
    pub async fn record_erasure<E: Event>(&self, customer: CustomerId, event: E) -> Result<()> {
        self.0
            .upsert(customer, move |slot, events| {
                slot.get_or_insert_with(ClosedAccount::now).erased_at = Some(Timestamp::now());
                events.publish(&event).map(drop)
            })
            .await
    }

    /// Returns the customers whose data this service has erased.
    pub async fn erased_customers(&self) -> Result<HashSet<CustomerId>> {
        let mut erased = HashSet::new();
        let collect = |id: &str, account: ClosedAccount| {
            let id: Option<CustomerId> = id.parse().ok();
            erased.extend(id.filter(|_| account.erased_at.is_some()));
        };
        self.0.scan(collect).await?;
        Ok(erased)
    }
}
