//! The stock of one product. `available + reserved + sold = stocked`, and no number is negative.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use souk_contract::products::ReservationId;
use souk_types::Quantity;
use souk_types::input::{Fields, Input};
use souk_types::mutant::Mutant;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stock {
    available: u32,
    sold: u64,
    /// The quantity that admins have stocked in total. Stored separately from the other numbers, so
    /// that an audit can compare them.
    stocked: u64,
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InsufficientStock {
    pub(crate) available: u32,
}

impl Stock {
    pub(crate) fn new(available: AvailableQuantity) -> Self {
        Self { available: available.0, stocked: available.0.into(), ..Self::default() }
    }

    pub(crate) fn available(&self) -> u32 {
        self.available
    }

    pub(crate) fn levels(&self) -> StockLevels {
        let reserved = self.holds.values().map(|hold| u64::from(hold.quantity.get())).sum();
        StockLevels { available: self.available, reserved, sold: self.sold }
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
    ) -> Result<u32, InsufficientStock> {
        if let Some(hold) = self.holds.get(&reservation) {
            return Ok(hold.attempt);
        }
        match self.available.checked_sub(quantity.get()) {
            Some(rest) => self.available = rest,
            None if Mutant::NoStockGuard.is_active() => self.available = 0,
            None => return Err(InsufficientStock { available: self.available }),
        }
        self.holds.insert(reservation, Hold { quantity, attempt });
        Ok(attempt)
    }

    /// Sells the hold of `attempt`. Releases a hold that another attempt placed after the sale.
    pub(crate) fn sell(&mut self, reservation: ReservationId, attempt: Option<u32>) {
        match self.holds.remove(&reservation) {
            Some(hold) if Some(hold.attempt) == attempt => self.sold += u64::from(hold.quantity.get()),
            Some(late) => self.available += late.quantity.get(),
            None => {}
        }
    }

    pub(crate) fn release(&mut self, reservation: ReservationId) {
        if let Some(hold) = self.holds.remove(&reservation) {
            self.available += hold.quantity.get();
        }
    }

    /// Not idempotent: the caller restocks each line once.
    pub(crate) fn restock(&mut self, reservation: ReservationId, attempt: Option<u32>, quantity: Quantity) {
        // The sale may not be applied yet.
        self.sell(reservation, attempt);
        let quantity = quantity.get().min(u32::try_from(self.sold).unwrap_or(u32::MAX));
        self.sold -= u64::from(quantity);
        self.available += quantity;
    }

    pub(crate) fn set_available(&mut self, available: AvailableQuantity) {
        self.stocked = (self.stocked + u64::from(available.0)).saturating_sub(self.available.into());
        self.available = available.0;
    }
}

/// An available quantity that an admin sets: 0 to 1,000,000,000. Released holds and restocked sales
/// fit above it in 32 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct AvailableQuantity(u32);

impl TryFrom<u64> for AvailableQuantity {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        match u32::try_from(number) {
            Ok(available @ 0..=1_000_000_000) => Ok(Self(available)),
            _ => Err("must be between 0 and 1,000,000,000"),
        }
    }
}

impl From<AvailableQuantity> for u32 {
    fn from(available: AvailableQuantity) -> Self {
        available.0
    }
}

pub(crate) struct SetStock {
    pub(crate) available: AvailableQuantity,
}

impl Input for SetStock {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { available: fields.required("available")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(number: u64) -> Quantity {
        Quantity::try_from(number).unwrap()
    }

    fn stock(available: u64) -> Stock {
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
            (&|stock| stock.restock(reservation, Some(1), quantity(4)), (10, 0, 0)),
        ];
        for (at, (step, expected)) in steps.iter().enumerate() {
            step(&mut stock);
            assert_eq!(levels(&stock), *expected, "step {at}");
        }
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
        stock.restock(reservation, Some(1), quantity(2));
        assert_eq!(levels(&stock), (5, 0, 0));
    }

    #[test]
    fn setting_the_available_quantity_keeps_holds_and_sales() {
        let (mut stock, reservation) = (stock(5), ReservationId::new());
        stock.hold(reservation, quantity(2), 1).unwrap();
        stock.set_available(AvailableQuantity::try_from(50).unwrap());
        assert_eq!(levels(&stock), (50, 2, 0));
    }

    #[test]
    fn available_quantities_have_an_upper_limit() {
        assert!(AvailableQuantity::try_from(1_000_000_000).is_ok());
        assert!(AvailableQuantity::try_from(1_000_000_001).is_err());
    }
}
