//! The stock of one product. `available + reserved + sold = stocked`, and no number is negative.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use souk_contract::products::ReservationId;
use souk_types::input::{Fields, Input};
use souk_types::mutant::Mutant;
use souk_types::{EntityTag, Error, Integer, Precondition, Quantity, Result};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stock {
    available: u32,
    sold: u64,
    /// The quantity that admins have stocked in total. Stored separately from the other numbers, so
    /// that an audit can compare them.
    stocked: u64,
    /// Counts the changes: sales, holds, releases, restocking, imports and those of admins.
    version: u64,
    /// Holds of reservations that are not decided yet, or whose decision is not applied to this
    /// product yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    holds: BTreeMap<ReservationId, Hold>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Hold {
    quantity: Quantity,
    attempt: u32,
}

/// The stock levels of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLevels {
    /// The quantity that customers can order.
    pub available: u32,
    /// The quantity that is held for orders in checkout.
    pub reserved: u64,
    /// The quantity in confirmed orders.
    pub sold: u64,
    /// Counts the changes of the stock.
    pub version: u64,
}

impl StockLevels {
    /// Returns the entity tag.
    pub(crate) fn tag(self) -> EntityTag {
        EntityTag::strong(self.version)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InsufficientStock {
    pub(crate) available: u32,
}

impl Stock {
    pub(crate) fn new(available: AvailableQuantity) -> Self {
        Self { available: available.0, stocked: available.0.into(), version: 1, ..Self::default() }
    }

    pub(crate) fn available(&self) -> u32 {
        self.available
    }

    pub(crate) fn levels(&self) -> StockLevels {
        StockLevels { available: self.available, reserved: self.reserved(), sold: self.sold, version: self.version }
    }

    fn reserved(&self) -> u64 {
        self.holds.values().map(|hold| u64::from(hold.quantity.get())).sum()
    }

    /// Returns the share of the unsold stock that is reserved, in percent, rounded up.
    pub(crate) fn reserved_percent(&self) -> u32 {
        let reserved = self.reserved();
        let unsold = reserved + u64::from(self.available);
        u32::try_from((reserved * 100).div_ceil(unsold.max(1))).unwrap_or(100)
    }

    /// The sum that the stock levels must have.
    pub(crate) fn stocked(&self) -> u64 {
        self.stocked
    }

    pub(crate) fn reservations(&self) -> Vec<ReservationId> {
        self.holds.keys().copied().collect()
    }

    /// Places a hold, unless there is one already. Returns the attempt that placed it.
    pub(crate) fn hold(
        &mut self,
        reservation: ReservationId,
        quantity: Quantity,
        attempt: u32,
    ) -> std::result::Result<u32, InsufficientStock> {
        if let Some(hold) = self.holds.get(&reservation) {
            return Ok(hold.attempt);
        }
        match self.available.checked_sub(quantity.get()) {
            Some(rest) => self.available = rest,
            None if Mutant::NoStockGuard.is_active() => self.available = 0,
            None => return Err(InsufficientStock { available: self.available }),
        }
        self.holds.insert(reservation, Hold { quantity, attempt });
        self.version += 1;
        Ok(attempt)
    }

    /// Sells the hold of `attempt`. Releases a hold that another attempt placed after the sale.
    pub(crate) fn sell(&mut self, reservation: ReservationId, attempt: Option<u32>) {
        let Some(hold) = self.holds.remove(&reservation) else { return };
        if Some(hold.attempt) == attempt {
            self.sold += u64::from(hold.quantity.get());
        } else {
            self.available += hold.quantity.get();
        }
        self.version += 1;
    }

    pub(crate) fn release(&mut self, reservation: ReservationId) {
        if let Some(hold) = self.holds.remove(&reservation) {
            self.available += hold.quantity.get();
            self.version += 1;
        }
    }

    /// Not idempotent: the caller restocks each line once.
    pub(crate) fn restock(&mut self, reservation: ReservationId, attempt: Option<u32>, pieces: u32) {
        // The sale may not be applied yet.
        self.sell(reservation, attempt);
        let quantity = pieces.min(u32::try_from(self.sold).unwrap_or(u32::MAX));
        self.sold -= u64::from(quantity);
        self.available += quantity;
        self.version += 1;
    }

    /// Carries out the change of an admin. The error has the current stock levels.
    pub(crate) fn change(&mut self, change: StockChange, precondition: &Precondition) -> Result<()> {
        let is_current = |tag: &str| tag == self.version.to_string();
        let changed = match change {
            StockChange::Set(available) => precondition.require(is_current).map(|()| self.set_available(available)),
            StockChange::Add(difference) => precondition.check(is_current).and_then(|()| self.add(difference)),
        };
        changed.map_err(|error| error.with_member("stock", json!(self.levels())))
    }

    pub(crate) fn set_available(&mut self, AvailableQuantity(available): AvailableQuantity) {
        self.replace_available(available);
    }

    fn replace_available(&mut self, available: u32) {
        if available == self.available {
            return;
        }
        self.stocked = (self.stocked + u64::from(available)).saturating_sub(self.available.into());
        self.available = available;
        self.version += 1;
    }

    fn add(&mut self, StockDifference(difference): StockDifference) -> Result<()> {
        if self.addable(difference) != difference {
            let limit = if difference < 0 { "less than 0" } else { "more than 1,000,000,000" };
            let detail = format!("{} are available, and adding {difference} would leave {limit}.", self.available);
            return Err(Error::conflict("stock-out-of-range", detail));
        }
        self.add_up_to(difference);
        Ok(())
    }

    /// Adds a difference as far as `available` stays in its range. Returns the added part.
    pub(crate) fn add_up_to(&mut self, difference: i64) -> i64 {
        let added = self.addable(difference);
        self.replace_available(u32::try_from(i64::from(self.available) + added).unwrap_or_default());
        added
    }

    fn addable(&self, difference: i64) -> i64 {
        let available = i64::from(self.available);
        // Restocking may have exceeded the maximum.
        difference.clamp(-available, (AvailableQuantity::MAX - available).max(0))
    }
}

/// An available quantity that an admin sets: 0 to 1,000,000,000. Released holds and restocked sales
/// fit above it in 32 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Integer")]
pub(crate) struct AvailableQuantity(u32);

impl AvailableQuantity {
    const MAX: i64 = 1_000_000_000;
    pub(crate) const OUT_OF_RANGE: &str = "must be between 0 and 1,000,000,000";
}

impl TryFrom<i64> for AvailableQuantity {
    type Error = &'static str;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        match u32::try_from(number) {
            Ok(available) if number <= Self::MAX => Ok(Self(available)),
            _ => Err(Self::OUT_OF_RANGE),
        }
    }
}

impl TryFrom<Integer> for AvailableQuantity {
    type Error = &'static str;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        number.get().try_into()
    }
}

impl From<AvailableQuantity> for u32 {
    fn from(available: AvailableQuantity) -> Self {
        available.0
    }
}

/// A number that an admin adds to the available quantity: -1,000,000,000 to 1,000,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Integer")]
pub(crate) struct StockDifference(i64);

impl TryFrom<Integer> for StockDifference {
    type Error = &'static str;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        let is_valid = number.get().abs() <= AvailableQuantity::MAX;
        if is_valid { Ok(Self(number.get())) } else { Err("must be between -1,000,000,000 and 1,000,000,000") }
    }
}

/// A change of the available quantity by an admin.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StockChange {
    /// Replaces the quantity. The admin must have seen the current one.
    Set(AvailableQuantity),
    /// Adds to the quantity, whatever it is.
    Add(StockDifference),
}

/// The body of `PUT /{id}/stock`.
pub(crate) struct SetStock(pub(crate) AvailableQuantity);

impl Input for SetStock {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.forbid("add", "is for PATCH; PUT sets available");
        Some(Self(fields.required("available")?))
    }
}

/// The body of `PATCH /{id}/stock`.
pub(crate) struct AddStock(pub(crate) StockDifference);

impl Input for AddStock {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.forbid("available", "is for PUT; PATCH adds to the available quantity");
        Some(Self(fields.required("add")?))
    }
}

#[cfg(test)]
mod tests {
    use souk_types::EntityTags;

    use super::*;

    fn quantity(number: u64) -> Quantity {
        Quantity::try_from(number).unwrap()
    }

    fn stock(available: i64) -> Stock {
        Stock::new(AvailableQuantity::try_from(available).unwrap())
    }

    /// Available, reserved and sold.
    fn levels(stock: &Stock) -> (u32, u64, u64) {
        let levels = stock.levels();
        assert_eq!(u64::from(levels.available) + levels.reserved + levels.sold, stock.stocked());
        (levels.available, levels.reserved, levels.sold)
    }

    #[test]
    fn a_quantity_moves_from_available_to_reserved_to_sold_and_back() {
        type Step<'s> = (&'s dyn Fn(&mut Stock), (u32, u64, u64));
        let (mut stock, reservation) = (stock(10), ReservationId::new());
        let steps: [Step<'_>; 5] = [
            (&|stock| assert_eq!(stock.hold(reservation, quantity(4), 1), Ok(1)), (6, 4, 0)),
            (&|stock| assert_eq!(stock.hold(reservation, quantity(4), 2), Ok(1)), (6, 4, 0)),
            (&|stock| stock.sell(reservation, Some(1)), (6, 0, 4)),
            (&|stock| stock.sell(reservation, Some(1)), (6, 0, 4)),
            (&|stock| stock.restock(reservation, Some(1), 4), (10, 0, 0)),
        ];
        for (at, (step, expected)) in steps.iter().enumerate() {
            step(&mut stock);
            assert_eq!(levels(&stock), *expected, "step {at}");
        }
    }

    #[test]
    fn the_reserved_share_counts_all_holds() {
        let mut stock = stock(200);
        for (ordered, percent) in [(1, 1), (19, 10), (1, 11), (79, 50), (100, 100)] {
            stock.hold(ReservationId::new(), quantity(ordered), 1).unwrap();
            assert_eq!(stock.reserved_percent(), percent, "after {ordered}");
        }
        assert_eq!(Stock::default().reserved_percent(), 0);
    }

    #[test]
    fn a_hold_beyond_the_available_quantity_fails() {
        let mut stock = stock(3);
        assert_eq!(stock.hold(ReservationId::new(), quantity(4), 1), Err(InsufficientStock { available: 3 }));
        assert_eq!(stock.hold(ReservationId::new(), quantity(3), 1), Ok(1));
        assert_eq!(stock.hold(ReservationId::new(), quantity(1), 1), Err(InsufficientStock { available: 0 }));
        assert_eq!(levels(&stock), (0, 3, 0));
    }

    #[test]
    fn a_hold_is_released_once() {
        let (mut stock, reservation) = (stock(3), ReservationId::new());
        stock.hold(reservation, quantity(2), 1).unwrap();
        stock.release(reservation);
        stock.release(reservation);
        assert_eq!(levels(&stock), (3, 0, 0));
    }

    #[test]
    fn a_hold_placed_after_the_sale_is_not_sold_again() {
        let (mut stock, reservation) = (stock(5), ReservationId::new());
        stock.hold(reservation, quantity(2), 1).unwrap();
        stock.sell(reservation, Some(1));
        stock.hold(reservation, quantity(2), 2).unwrap();
        stock.sell(reservation, Some(1));
        assert_eq!(levels(&stock), (3, 0, 2));
    }

    #[test]
    fn restocking_before_the_sale_is_applied_frees_the_hold() {
        let (mut stock, reservation) = (stock(5), ReservationId::new());
        stock.hold(reservation, quantity(2), 1).unwrap();
        stock.restock(reservation, Some(1), 2);
        assert_eq!(levels(&stock), (5, 0, 0));
    }

    #[test]
    fn setting_the_available_quantity_keeps_holds_and_sales() {
        let (mut stock, reservation) = (stock(5), ReservationId::new());
        stock.hold(reservation, quantity(2), 1).unwrap();
        stock.set_available(AvailableQuantity::try_from(50).unwrap());
        assert_eq!(levels(&stock), (50, 2, 0));
    }

    fn precondition(if_match: &str) -> Precondition {
        Precondition::new(EntityTags::parse(if_match))
    }

    fn add(number: i64) -> StockChange {
        StockChange::Add(Integer::try_from(number).unwrap().try_into().unwrap())
    }

    fn set(number: i64) -> StockChange {
        StockChange::Set(number.try_into().unwrap())
    }

    #[test]
    fn every_change_counts_and_a_repetition_does_not() {
        type Step<'s> = (&'s dyn Fn(&mut Stock), u64);
        let (mut stock, [sold, released]) = (stock(10), [ReservationId::new(), ReservationId::new()]);
        let steps: [Step<'_>; 12] = [
            (&|stock| assert!(stock.hold(sold, quantity(2), 1).is_ok()), 2),
            (&|stock| assert!(stock.hold(sold, quantity(2), 2).is_ok()), 2),
            (&|stock| assert!(stock.hold(released, quantity(99), 1).is_err()), 2),
            (&|stock| assert!(stock.hold(released, quantity(3), 1).is_ok()), 3),
            (&|stock| stock.release(released), 4),
            (&|stock| stock.release(released), 4),
            (&|stock| stock.sell(sold, Some(1)), 5),
            (&|stock| stock.sell(sold, Some(1)), 5),
            (&|stock| stock.restock(sold, Some(1), 2), 6),
            (&|stock| stock.change(add(1), &Precondition::default()).unwrap(), 7),
            (&|stock| stock.change(set(15), &precondition("*")).unwrap(), 8),
            (&|stock| stock.change(set(15), &precondition("*")).unwrap(), 8),
        ];
        for (at, (step, version)) in steps.iter().enumerate() {
            step(&mut stock);
            assert_eq!(stock.levels().version, *version, "step {at}");
        }
    }

    #[test]
    fn an_admin_sets_the_quantity_that_they_have_seen_or_adds_to_the_current_one() {
        // 10 pieces, of which 2 are held since the admin read version 1.
        for (change, if_match, expected) in [
            (set(15), None, Err("precondition-required")),
            (set(15), Some("\"1\""), Err("precondition-failed")),
            (set(15), Some("W/\"2\""), Err("precondition-failed")),
            (set(15), Some("\"1\", \"2\""), Ok((15, 2, 0))),
            (set(15), Some("*"), Ok((15, 2, 0))),
            (add(5), None, Ok((13, 2, 0))),
            (add(-8), None, Ok((0, 2, 0))),
            (add(0), None, Ok((8, 2, 0))),
            (add(-9), None, Err("stock-out-of-range")),
            (add(1_000_000_000), None, Err("stock-out-of-range")),
            (add(5), Some("\"1\""), Err("precondition-failed")),
            (add(5), Some("\"2\""), Ok((13, 2, 0))),
        ] {
            let mut stock = stock(10);
            stock.hold(ReservationId::new(), quantity(2), 1).unwrap();
            let before = stock.levels();
            let outcome = stock.change(change, &if_match.map(precondition).unwrap_or_default());
            match (outcome, expected) {
                (Ok(()), Ok(expected)) => assert_eq!(levels(&stock), expected, "{change:?} {if_match:?}"),
                (Err(error), Err(code)) => {
                    assert_eq!((error.code(), &error.members()["stock"]), (code, &json!(before)));
                    assert_eq!(stock.levels(), before, "{change:?} {if_match:?}");
                }
                (outcome, _) => panic!("{change:?} {if_match:?}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn a_difference_is_added_as_far_as_possible() {
        for (difference, added) in [(5, 5), (-10, -10), (-11, -10), (0, 0), (2_000_000_000, 999_999_990)] {
            let mut stock = stock(10);
            assert_eq!(stock.add_up_to(difference), added, "{difference}");
            assert_eq!(i64::from(levels(&stock).0), 10 + added, "{difference}");
        }
    }

    #[test]
    fn available_quantities_have_an_upper_limit() {
        assert!(AvailableQuantity::try_from(1_000_000_000).is_ok());
        assert!(AvailableQuantity::try_from(1_000_000_001).is_err());
    }
}
