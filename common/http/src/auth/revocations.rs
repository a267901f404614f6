//! The access tokens that are refused before they expire: those of deleted accounts, and those from
//! before a change of the account's credentials.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use souk_bus::{Delivery, Event};
use souk_contract::customer::{CustomerDeleted, CustomerId, TokensRevoked};
use souk_store::{Collection, Database, Document};
use souk_types::{Result, Timestamp};

use super::{Identity, invalid_token};

/// The revocations of access tokens. Each service maintains this list in its own database from
/// events of `customer`, and all its instances read it.
#[derive(Clone)]
pub struct TokenRevocations(Collection<Revocation>);

/// The revocations of one account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Revocation {
    /// Tokens of a lower generation are refused.
    #[serde(default)]
    generation: u32,
    /// When the account was deleted.
    #[serde(default)]
    closed_at: Option<Timestamp>,
    /// When this service last erased the customer's data.
    #[serde(default)]
    erased_at: Option<Timestamp>,
}

impl Document for Revocation {
    type Id = CustomerId;
    const COLLECTION: &'static str = "token_revocations";
}

impl Revocation {
    fn close(&mut self) {
        self.closed_at.get_or_insert_with(Timestamp::now);
    }
}

impl TokenRevocations {
    /// Opens the list of the service that owns `database`.
    pub fn open(database: &Database) -> Result<Self> {
        Ok(Self(database.collection()?))
    }

    /// Returns `identity` unless its token is revoked.
    pub async fn require_unrevoked(&self, identity: Identity) -> Result<Identity> {
        match self.0.get(identity.id).await? {
            Some(revoked) if revoked.closed_at.is_some() || identity.generation < revoked.generation => {
                Err(invalid_token())
            }
            _ => Ok(identity),
        }
    }

    /// Revokes the tokens of earlier generations. Idempotent, in any order of the events.
    pub async fn revoke(&self, revoked: &TokensRevoked) -> Result<()> {
        let generation = revoked.generation;
        self.0
            .upsert(revoked.id, move |slot, _| {
                let revocation = slot.get_or_insert_default();
                revocation.generation = revocation.generation.max(generation);
                Ok(())
            })
            .await
    }

    /// Revokes all tokens of a deleted account. Idempotent.
    pub async fn close(&self, deletion: &Delivery<CustomerDeleted>) -> Result<()> {
        self.0
            .upsert(deletion.event.id, |slot, _| {
                slot.get_or_insert_default().close();
                Ok(())
            })
            .await
    }

    /// Closes the account, records that this service has erased the customer's data, and publishes
    /// `event`, in one commit. A repeated call publishes the event again, because `customer` may
    /// have missed the first one.
    pub async fn record_erasure<E: Event>(&self, customer: CustomerId, event: E) -> Result<()> {
        self.0
            .upsert(customer, move |slot, events| {
                let revocation = slot.get_or_insert_default();
                revocation.close();
                revocation.erased_at = Some(Timestamp::now());
                events.publish(&event).map(drop)
            })
            .await
    }

    /// Returns the customers whose data this service has erased.
    pub async fn erased_customers(&self) -> Result<HashSet<CustomerId>> {
        let mut erased = HashSet::new();
        let collect = |id: &str, revocation: Revocation| {
            let id: Option<CustomerId> = id.parse().ok();
            erased.extend(id.filter(|_| revocation.erased_at.is_some()));
        };
        self.0.scan(collect).await?;
        Ok(erased)
    }
}

#[cfg(test)]
mod tests {
    use souk_contract::EventId;
    use souk_contract::role::Role;
    use souk_store::Durability;
    use souk_types::{Id, Language};

    use super::*;

    #[tokio::test]
    async fn tokens_of_earlier_generations_and_of_deleted_accounts_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::sqlite("shopping", &directory.path().join("s.db"), Durability::Process).unwrap();
        let revocations = TokenRevocations::open(&database).unwrap();
        let (id, other) = (Id::new(), Id::new());
        let accepts = async |id, generation| {
            let identity =
                Identity { id, role: Role::Customer, generation, is_email_verified: true, language: Language::English };
            revocations.require_unrevoked(identity).await.is_ok()
        };
        assert!(accepts(id, 1).await);
        // Events may arrive twice and in any order.
        for generation in [3, 2, 3] {
            revocations.revoke(&TokensRevoked { id, generation }).await.unwrap();
            assert_eq!((accepts(id, 2).await, accepts(id, 3).await), (false, true));
        }
        assert!(accepts(other, 1).await);
        let deletion = Delivery { id: EventId::new(), event: CustomerDeleted { id } };
        revocations.close(&deletion).await.unwrap();
        revocations.revoke(&TokensRevoked { id, generation: 4 }).await.unwrap();
        assert!(!accepts(id, 4).await, "a deleted account stays closed");
        assert!(revocations.erased_customers().await.unwrap().is_empty());
    }
}
