//! The uses of limited discounts. Concurrent claims of one discount are coalesced into few writes.

use souk_contract::shopping::OrderId;
use souk_store::{Collection, Database, Document, Events};
use souk_types::Result;

use crate::domain::discount::Limit;
use crate::domain::discount_use::{DiscountUses, UsesKey};

impl Document for DiscountUses {
    type Id = UsesKey;
    const COLLECTION: &'static str = "discount_uses";
}

#[derive(Clone)]
pub(crate) struct DiscountUsesStore(Collection<DiscountUses>);

impl DiscountUsesStore {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn count(&self, key: UsesKey) -> Result<u64> {
        Ok(self.0.get(key).await?.unwrap_or_default().count())
    }

    /// Whether no use is left for an order, which may have claimed one.
    pub(crate) async fn is_exhausted(&self, key: UsesKey, limit: Limit, order: Option<OrderId>) -> Result<bool> {
        Ok(self.0.get(key).await?.unwrap_or_default().is_exhausted_for(order, limit))
    }

    /// Calls `visit` with the key and the uses of each counter.
    pub(crate) async fn for_each(&self, mut visit: impl FnMut(&str, DiscountUses) + Send) -> Result<()> {
        self.0.scan(|key, uses| visit(key, uses)).await
    }

    /// Returns whether the order has the use.
    pub(crate) async fn claim(&self, key: UsesKey, order: OrderId, limit: Limit) -> Result<bool> {
        let claim = move |slot: &mut Option<DiscountUses>, _: &mut Events| {
            let mut uses = slot.take().unwrap_or_default();
            let is_claimed = uses.claim(order, limit);
            *slot = Some(uses);
            Ok(is_claimed)
        };
        self.0.upsert(key, claim).await
    }

    pub(crate) async fn confirm(&self, key: UsesKey, order: OrderId) -> Result<()> {
        self.change(key, move |uses| uses.confirm(order)).await
    }

    pub(crate) async fn release(&self, key: UsesKey, order: OrderId) -> Result<()> {
        self.change(key, move |uses| uses.release(order)).await
    }

    async fn change(&self, key: UsesKey, change: impl Fn(&mut DiscountUses) + Send + 'static) -> Result<()> {
        let change = move |slot: &mut Option<DiscountUses>, _: &mut Events| {
            slot.iter_mut().for_each(&change);
            Ok(())
        };
        self.0.upsert(key, change).await
    }
}

#[cfg(test)]
mod tests {
    use souk_store::Durability;
    use souk_types::Integer;
    use tempfile::TempDir;

    use super::*;
    use crate::domain::discount::DiscountId;

    #[tokio::test]
    async fn a_limit_holds_for_concurrent_orders() {
        const ORDERS: usize = 64;
        let folder = TempDir::new().unwrap();
        let database = Database::sqlite("shopping", &folder.path().join("db"), Durability::Process).unwrap();
        let uses = DiscountUsesStore::open(&database).unwrap();
        let (key, limit) = (UsesKey::in_all(DiscountId::new()), Integer::try_from(10).unwrap());
        let limit = Limit::try_from(limit).unwrap();
        let orders: Vec<OrderId> = (0..ORDERS).map(|_| OrderId::new()).collect();
        let claims = orders.iter().map(|order| {
            let (uses, order) = (uses.clone(), *order);
            tokio::spawn(async move { uses.claim(key, order, limit).await.map(|is_claimed| (order, is_claimed)) })
        });
        let mut winners = Vec::new();
        for claim in claims.collect::<Vec<_>>() {
            let (order, is_claimed) = claim.await.unwrap().unwrap();
            winners.extend(is_claimed.then_some(order));
        }
        assert_eq!((winners.len(), uses.count(key).await.unwrap()), (10, 10));
        // One order is confirmed, one is cancelled: one use is free again.
        uses.confirm(key, winners[0]).await.unwrap();
        uses.release(key, winners[1]).await.unwrap();
        let next = OrderId::new();
        assert!(uses.claim(key, next, limit).await.unwrap());
        assert!(!uses.claim(key, OrderId::new(), limit).await.unwrap());
        assert!(uses.is_exhausted(key, limit, None).await.unwrap());
        assert!(!uses.is_exhausted(key, limit, Some(next)).await.unwrap());
        database.close().await;
    }
}
