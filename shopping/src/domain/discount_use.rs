//! Uses of a discount: in all, or of one customer. An open use belongs to an order that is not
//! confirmed yet.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use souk_contract::customer::CustomerId;
use souk_contract::shopping::OrderId;
use souk_types::Email;

use super::discount::{DiscountId, Limit};

/// The uses of one discount that are counted together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiscountUses {
    /// Uses by confirmed orders.
    used: u32,
    /// Orders that are not confirmed yet.
    open: BTreeSet<OrderId>,
    /// The largest limit under which a use was claimed, for the audit. An admin may lower the
    /// limit.
    limit: u32,
}

impl DiscountUses {
    /// Claims a use for an order, once. Returns whether the order has it.
    pub(crate) fn claim(&mut self, order: OrderId, limit: Limit) -> bool {
        if self.open.contains(&order) {
            return true;
        }
        if self.is_exhausted(limit) {
            return false;
        }
        self.limit = self.limit.max(limit.get());
        self.open.insert(order)
    }

    /// Makes the claim of a confirmed order final. Repeated, it changes nothing.
    pub(crate) fn confirm(&mut self, order: OrderId) {
        if self.open.remove(&order) {
            self.used = self.used.saturating_add(1);
        }
    }

    /// Gives up the claim of an order that ended unpaid.
    pub(crate) fn release(&mut self, order: OrderId) {
        self.open.remove(&order);
    }

    pub(crate) fn is_exhausted(&self, limit: Limit) -> bool {
        self.count() >= u64::from(limit.get())
    }

    /// Whether no use is left for this order, which may have claimed one.
    pub(crate) fn is_exhausted_for(&self, order: Option<OrderId>, limit: Limit) -> bool {
        self.is_exhausted(limit) && order.is_none_or(|order| !self.open.contains(&order))
    }

    pub(crate) fn largest_limit(&self) -> u32 {
        self.limit
    }

    /// Returns the number of uses, open ones included.
    pub(crate) fn count(&self) -> u64 {
        u64::from(self.used) + self.open.len() as u64
    }
}

/// The key of the uses that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UsesKey {
    discount: DiscountId,
    /// `None` for the uses of all customers.
    customer: Option<CustomerKey>,
}

/// A customer, as far as uses are counted: a hash of the account's id, or of a guest's e-mail
/// address. Who knows an address can find its counter, so it is a pseudonym (GDPR, article 4 (5)).
/// It stays when an order is erased, because the limit goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CustomerKey([u8; 16]);

impl CustomerKey {
    pub(crate) fn of(customer: Option<CustomerId>, email: Option<&Email>) -> Option<Self> {
        let name = customer.map(|id| id.to_string()).or_else(|| email.map(|email| email.as_str().to_owned()))?;
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(name)[..16]);
        Some(Self(key))
    }
}

impl UsesKey {
    pub(crate) fn discount(&self) -> DiscountId {
        self.discount
    }

    pub(crate) fn in_all(discount: DiscountId) -> Self {
        Self { discount, customer: None }
    }

    pub(crate) fn of_customer(discount: DiscountId, customer: CustomerKey) -> Self {
        Self { discount, customer: Some(customer) }
    }
}

impl fmt::Display for UsesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(CustomerKey(key)) = self.customer else { return self.discount.fmt(f) };
        write!(f, "{}-{:032x}", self.discount, u128::from_be_bytes(key))
    }
}

#[cfg(test)]
mod tests {
    use souk_types::Integer;

    use super::*;

    #[test]
    fn a_limit_holds_and_repetitions_change_nothing() {
        let limit = Limit::try_from(Integer::try_from(2).unwrap()).unwrap();
        let [one, two, three] = [OrderId::new(), OrderId::new(), OrderId::new()];
        let mut uses = DiscountUses::default();
        assert!(uses.claim(one, limit) && uses.claim(one, limit) && uses.claim(two, limit));
        assert!(!uses.claim(three, limit));
        let is_exhausted = [Some(one), Some(three), None].map(|order| uses.is_exhausted_for(order, limit));
        assert_eq!(is_exhausted, [false, true, true]);
        uses.confirm(one);
        uses.confirm(one);
        assert_eq!(uses.count(), 2);
        assert!(!uses.claim(three, limit));
        uses.release(two);
        uses.release(two);
        assert!(uses.claim(three, limit));
        uses.release(one);
        assert_eq!(uses.count(), 2, "a confirmed use stays");
        uses.confirm(two);
        assert_eq!(uses.count(), 2, "a released use is not confirmed");
    }

    #[test]
    fn an_account_and_its_address_are_counted_apart_from_others() {
        let discount = DiscountId::new();
        let email: Email = "ana@example.com".parse().unwrap();
        let account = CustomerId::new();
        let key = |customer, email| CustomerKey::of(customer, email).map(|key| UsesKey::of_customer(discount, key));
        assert_eq!(key(None, None), None);
        assert_eq!(key(Some(account), Some(&email)), key(Some(account), None));
        assert_ne!(key(Some(account), None), key(None, Some(&email)));
        let key = key(None, Some(&email)).unwrap().to_string();
        assert!(key.len() == 36 + 1 + 32 && !key.contains("ana"), "{key}");
        assert_eq!(UsesKey::in_all(discount).to_string(), discount.to_string());
    }
}
