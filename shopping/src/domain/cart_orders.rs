//! The orders that were placed from a cart. One order at a time claims the cart: another one is
//! refused until the first is decided.
//!
//! The claim is in the cart's document, and is written in the commit that stores the order. It
//! needs no release: the next order reads the order that holds the claim, and takes the claim over
//! when that order is decided. No crash can leave a cart claimed for ever.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::shopping::OrderId;
use souk_types::Timestamp;

/// Time for which an unpaid order that held stock counts, from its end.
pub(crate) const UNPAID_WINDOW: Duration = Duration::from_hours(1);
/// Maximum number of refused orders of each customer. The service deletes older ones.
const MAX_REFUSED: usize = 20;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CartOrders {
    /// The order that was placed last, unless it was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<OrderId>,
    /// When orders ended that held stock and were not paid, oldest first. Only time removes an
    /// entry: a confirmed order may cost little, so it must not allow further unpaid ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unpaid: Vec<Timestamp>,
    /// The refused orders that held no stock, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refused: Vec<OrderId>,
}

impl CartOrders {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn last(&self) -> Option<OrderId> {
        self.last
    }

    /// Begins a new claim.
    pub(crate) fn claim(&mut self, order: OrderId) {
        self.last = Some(order);
    }

    /// Ends the claim of a confirmed order. Returns false when another order holds the claim.
    pub(crate) fn confirm(&mut self, order: OrderId) -> bool {
        let is_last = self.last == Some(order);
        if is_last {
            self.last = None;
        }
        is_last
    }

    /// Records that the last order held stock and ended without a payment.
    pub(crate) fn add_unpaid(&mut self, at: Timestamp, now: Timestamp) {
        self.unpaid.push(at);
        self.unpaid.retain(|at| at.after(UNPAID_WINDOW) > now);
    }

    /// Returns the time until fewer than `most` unpaid orders count; `None` when that is the case.
    pub(crate) fn unpaid_wait(&self, most: usize, now: Timestamp) -> Option<Duration> {
        let counting = self.unpaid.iter().filter(|at| at.after(UNPAID_WINDOW) > now);
        counting.rev().nth(most.saturating_sub(1)).map(|at| at.after(UNPAID_WINDOW).since(now))
    }

    /// Records a refused order. Returns the oldest one when there are too many, for deletion.
    pub(crate) fn add_refused(&mut self, order: OrderId) -> Option<OrderId> {
        self.refused.push(order);
        (self.refused.len() > MAX_REFUSED).then(|| self.refused.remove(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmed_order_ends_its_own_claim_only() {
        let (mut orders, first, second) = (CartOrders::default(), OrderId::new(), OrderId::new());
        orders.claim(first);
        assert!(!orders.confirm(second));
        assert_eq!(orders.last(), Some(first));
        assert!(orders.confirm(first));
        assert!(orders.is_empty() && !orders.confirm(first));
    }

    #[test]
    fn unpaid_orders_count_for_an_hour_whatever_is_confirmed() {
        let minutes = |minutes| Duration::from_mins(minutes);
        let (begin, mut orders) = (Timestamp::now(), CartOrders::default());
        for (ended, expected) in [(0, None), (10, None), (20, Some(40)), (30, Some(40)), (65, Some(15))] {
            let now = begin.after(minutes(ended));
            orders.add_unpaid(now, now);
            assert_eq!(orders.unpaid_wait(3, now), expected.map(minutes), "after {ended} minutes");
        }
        assert_eq!(orders.unpaid_wait(3, begin.after(minutes(80))), None);
        let order = OrderId::new();
        orders.claim(order);
        orders.confirm(order);
        assert_eq!(orders.unpaid_wait(1, begin.after(minutes(65))), Some(minutes(60)));
    }

    #[test]
    fn only_the_latest_refused_orders_are_kept() {
        let refused: Vec<OrderId> = (0..MAX_REFUSED + 2).map(|_| OrderId::new()).collect();
        let mut orders = CartOrders::default();
        let deleted: Vec<_> = refused.iter().filter_map(|order| orders.add_refused(*order)).collect();
        assert_eq!(deleted, refused[..2]);
    }
}
