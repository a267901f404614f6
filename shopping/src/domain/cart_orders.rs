//! The orders that were placed from a cart.
//!
//! A cart has a revision: the number of orders that were confirmed from it. An order claims one
//! revision ([`CartClaim`], a unique value among orders), so that the contents of a cart are
//! ordered once. An order that is rejected or cancelled drops its claim. A confirmed order raises
//! the revision before it is stored as confirmed. Placing an order therefore does not write the
//! cart.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::shopping::OrderId;
use souk_types::Timestamp;

use super::owner::Owner;

/// Time for which an unpaid order that held stock counts, from its end.
pub(crate) const UNPAID_WINDOW: Duration = Duration::from_hours(1);
/// Maximum number of refused orders of each owner. The service deletes older ones.
const MAX_REFUSED: usize = 20;

/// The right to order a revision of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct CartClaim(String);

impl CartClaim {
    pub(crate) fn new(owner: Owner, revision: u64) -> Self {
        Self(format!("{owner}/{revision}"))
    }
}

impl std::fmt::Display for CartClaim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CartOrders {
    /// The number of confirmed orders.
    #[serde(default, skip_serializing_if = "super::cart::is_zero")]
    revision: u64,
    /// The orders that held stock and were not paid. Only time, or the late payment of that order,
    /// removes an entry: a confirmed order may cost little, so it must not allow further unpaid
    /// ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unpaid: Vec<UnpaidOrder>,
    /// The refused orders that held no stock, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refused: Vec<OrderId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct UnpaidOrder {
    order: OrderId,
    /// When it ended.
    at: Timestamp,
}

impl CartOrders {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Ends a revision that was ordered. Returns false when it has ended before.
    pub(crate) fn complete(&mut self, revision: u64) -> bool {
        let is_current = self.revision == revision;
        if is_current {
            self.revision += 1;
        }
        is_current
    }

    /// Records, once, that an order held stock and ended without a payment.
    pub(crate) fn add_unpaid(&mut self, order: OrderId, at: Timestamp, now: Timestamp) {
        if self.unpaid.iter().all(|unpaid| unpaid.order != order) {
            self.unpaid.push(UnpaidOrder { order, at });
        }
        self.unpaid.retain(|unpaid| unpaid.at.after(UNPAID_WINDOW) > now);
        self.unpaid.sort_by_key(|unpaid| unpaid.at);
    }

    /// Removes an order that was paid late.
    pub(crate) fn remove_unpaid(&mut self, order: OrderId) {
        self.unpaid.retain(|unpaid| unpaid.order != order);
    }

    /// Returns the time until fewer than `most` unpaid orders count; `None` when that is the case.
    pub(crate) fn unpaid_wait(&self, most: usize, now: Timestamp) -> Option<Duration> {
        unpaid_wait(self.unpaid.iter().map(|unpaid| unpaid.at), most, now)
    }

    /// Records a refused order, once. Returns the oldest one when there are too many, for deletion.
    pub(crate) fn add_refused(&mut self, order: OrderId) -> Option<OrderId> {
        if !self.refused.contains(&order) {
            self.refused.push(order);
        }
        (self.refused.len() > MAX_REFUSED).then(|| self.refused.remove(0))
    }
}

/// Returns the time until fewer than `most` of the orders that ended unpaid at these times count;
/// `None` when that is the case.
pub(crate) fn unpaid_wait(ended: impl Iterator<Item = Timestamp>, most: usize, now: Timestamp) -> Option<Duration> {
    let mut counting: Vec<Timestamp> = ended.map(|at| at.after(UNPAID_WINDOW)).filter(|end| *end > now).collect();
    counting.sort();
    counting.iter().rev().nth(most.saturating_sub(1)).map(|end| end.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_ends_once() {
        let mut orders = CartOrders::default();
        assert!(!orders.complete(1));
        assert!(orders.complete(0));
        assert!(!orders.complete(0));
        assert_eq!(orders.revision(), 1);
        let owner = Owner::Customer(souk_contract::customer::CustomerId::new());
        assert_ne!(CartClaim::new(owner, 0), CartClaim::new(owner, 1));
    }

    #[test]
    fn unpaid_orders_count_for_an_hour_whatever_is_confirmed() {
        let minutes = |minutes| Duration::from_mins(minutes);
        let (begin, mut orders) = (Timestamp::now(), CartOrders::default());
        for (ended, expected) in [(0, None), (10, None), (20, Some(40)), (30, Some(40)), (65, Some(15))] {
            let (now, order) = (begin.after(minutes(ended)), OrderId::new());
            for _ in 0..2 {
                orders.add_unpaid(order, now, now);
            }
            assert_eq!(orders.unpaid_wait(3, now), expected.map(minutes), "after {ended} minutes");
        }
        assert_eq!(orders.unpaid_wait(3, begin.after(minutes(80))), None);
        orders.complete(0);
        assert_eq!(orders.unpaid_wait(1, begin.after(minutes(65))), Some(minutes(60)));
        let late = OrderId::new();
        orders.add_unpaid(late, begin.after(minutes(66)), begin.after(minutes(66)));
        assert_eq!(orders.unpaid_wait(2, begin.after(minutes(66))), Some(minutes(59)));
        orders.remove_unpaid(late);
        assert_eq!(orders.unpaid_wait(2, begin.after(minutes(66))), Some(minutes(24)), "it was paid late");
    }

    #[test]
    fn only_the_latest_refused_orders_are_kept() {
        let refused: Vec<OrderId> = (0..MAX_REFUSED + 2).map(|_| OrderId::new()).collect();
        let mut orders = CartOrders::default();
        let deleted: Vec<_> = refused.iter().filter_map(|order| orders.add_refused(*order)).collect();
        assert_eq!(deleted, refused[..2]);
        assert_eq!(orders.add_refused(refused[5]), None, "recorded again");
    }
}
