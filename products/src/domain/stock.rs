//! How many pieces of a product there are, and who has a claim on them. Pure rules: nothing here knows a database.
//! Always true: `available + reserved + sold` is what was stocked, and nothing is negative.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use souk_contract::products::ReservationId;
use souk_types::Quantity;
use souk_types::input::{Fields, Input};
use souk_types::mutant::Mutant;

/// The stock of one product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    available: u32,
    sold: u64,
    /// All that ever was, as the admins counted it: kept apart, so that an audit has something to compare with.
    stocked: u64,
    /// Only those now in flight: an absent hold is one that was settled, or never was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    holds: BTreeMap<ReservationId, Hold>,
}

/// Pieces set aside for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Hold {
    quantity: Quantity,
    /// Which attempt to reserve the order placed it: a late attempt must be told from the one that counted.
    attempt: u32,
}

/// The numbers of a stock, as admins see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLevels {
    /// Can be bought.
    pub available: u32,
    /// Held for orders that are being placed.
    pub reserved: u64,
    /// Gone with confirmed orders.
    pub sold: u64,
}

/// There are only so many pieces left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// So many.
    pub available: u32,
}

impl Stock {
    /// A new product's stock.
    #[must_use]
    pub fn of(available: Available) -> Self {
        Self { available: available.0, stocked: available.0.into(), ..Self::default() }
    }

    /// Can be bought now.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.available
    }

    /// The numbers.
    #[must_use]
    pub fn books(&self) -> StockLevels {
        let reserved = self.holds.values().map(|hold| u64::from(hold.quantity.get())).sum();
        StockLevels { available: self.available, reserved, sold: self.sold }
    }

    /// Whose holds are there now.
    #[must_use]
    pub fn holds(&self) -> Vec<ReservationId> {
        self.holds.keys().copied().collect()
    }

    /// Sets aside `quantity` pieces for an order, once: where a hold of the reservation is there already, it stands. Returns
    /// the attempt whose hold it is.
    pub fn hold(&mut self, reservation: ReservationId, quantity: Quantity, attempt: u32) -> Result<u32, Short> {
        if let Some(hold) = self.holds.get(&reservation) {
            return Ok(hold.attempt);
        }
        match self.available.checked_sub(quantity.get()) {
            Some(left) => self.available = left,
            None if Mutant::NoStockGuard.is_active() => self.available = 0,
            None => return Err(Short { available: self.available }),
        }
        self.holds.insert(reservation, Hold { quantity, attempt });
        Ok(attempt)
    }

    /// The order is confirmed: what `attempt` holds for it is sold. A hold of another attempt came too late and is
    /// taken back.
    pub fn sell(&mut self, reservation: ReservationId, attempt: u32) {
        match self.holds.remove(&reservation) {
            Some(hold) if hold.attempt == attempt => self.sold += u64::from(hold.quantity.get()),
            Some(late) => self.available += late.quantity.get(),
            None => {}
        }
    }

    /// The order will not be: what is held for it can be bought again.
    pub fn release(&mut self, reservation: ReservationId) {
        if let Some(hold) = self.holds.remove(&reservation) {
            self.available += hold.quantity.get();
        }
    }

    /// A confirmed order is cancelled: its pieces come back. To be done once; the caller sees to that.
    pub fn take_back(&mut self, reservation: ReservationId, attempt: u32, quantity: Quantity) {
        // The sale may not have been settled yet.
        self.sell(reservation, attempt);
        let pieces = u64::from(quantity.get()).min(self.sold);
        self.sold -= pieces;
        self.available += u32::try_from(pieces).unwrap_or_default();
    }

    /// So many can be bought from now on: somebody counted, or a delivery came.
    pub fn restock(&mut self, available: Available) {
        self.stocked = (self.stocked + u64::from(available.0)).saturating_sub(self.available.into());
        self.available = available.0;
    }

    /// All that ever was on the shelf: what the numbers must add up to.
    #[must_use]
    pub fn stocked(&self) -> u64 {
        self.stocked
    }
}

/// Pieces that can be bought: 0 to 1,000,000,000, which leaves room in 32 bits for all that is taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Available(u32);

impl TryFrom<u64> for Available {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        match u32::try_from(number) {
            Ok(available @ 0..=1_000_000_000) => Ok(Self(available)),
            _ => Err("must be between 0 and 1,000,000,000"),
        }
    }
}

impl From<Available> for u32 {
    fn from(available: Available) -> Self {
        available.0
    }
}

/// The body of `PUT /{id}/stock`.
pub struct Restock(pub Available);

impl Input for Restock {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("available").map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(number: u64) -> Quantity {
        Quantity::try_from(number).unwrap()
    }

    fn stock(available: u64) -> Stock {
        Stock::of(Available::try_from(available).unwrap())
    }

    fn books(stock: &Stock) -> (u32, u64, u64) {
        let books = stock.books();
        assert_eq!(u64::from(books.available) + books.reserved + books.sold, stock.stocked());
        (books.available, books.reserved, books.sold)
    }

    #[test]
    fn pieces_move_from_available_to_reserved_to_sold_and_back() {
        type Step<'s> = (&'s dyn Fn(&mut Stock), (u32, u64, u64));
        let (mut stock, reservation) = (stock(10), ReservationId::new());
        let steps: [Step<'_>; 5] = [
            (&|stock| assert_eq!(stock.hold(reservation, pieces(4), 1), Ok(1)), (6, 4, 0)),
            (&|stock| assert_eq!(stock.hold(reservation, pieces(4), 2), Ok(1)), (6, 4, 0)),
            (&|stock| stock.sell(reservation, 1), (6, 0, 4)),
            (&|stock| stock.sell(reservation, 1), (6, 0, 4)),
            (&|stock| stock.take_back(reservation, 1, pieces(4)), (10, 0, 0)),
        ];
        for (at, (step, expected)) in steps.iter().enumerate() {
            step(&mut stock);
            assert_eq!(books(&stock), *expected, "step {at}");
        }
    }

    #[test]
    fn no_more_is_held_than_there_is() {
        let mut stock = stock(3);
        assert_eq!(stock.hold(ReservationId::new(), pieces(4), 1), Err(Short { available: 3 }));
        assert_eq!(stock.hold(ReservationId::new(), pieces(3), 1), Ok(1));
        assert_eq!(stock.hold(ReservationId::new(), pieces(1), 1), Err(Short { available: 0 }));
        assert_eq!(books(&stock), (0, 3, 0));
    }

    #[test]
    fn a_released_hold_comes_back_once() {
        let (mut stock, reservation) = (stock(3), ReservationId::new());
        stock.hold(reservation, pieces(2), 1).unwrap();
        stock.release(reservation);
        stock.release(reservation);
        assert_eq!(books(&stock), (3, 0, 0));
    }

    #[test]
    fn a_hold_that_comes_after_the_sale_is_not_sold_again() {
        let (mut stock, reservation) = (stock(5), ReservationId::new());
        stock.hold(reservation, pieces(2), 1).unwrap();
        stock.sell(reservation, 1);
        stock.hold(reservation, pieces(2), 2).unwrap();
        stock.sell(reservation, 1);
        assert_eq!(books(&stock), (3, 0, 2));
    }

    #[test]
    fn a_sale_that_is_not_settled_yet_is_taken_back_too() {
        let (mut stock, reservation) = (stock(5), ReservationId::new());
        stock.hold(reservation, pieces(2), 1).unwrap();
        stock.take_back(reservation, 1, pieces(2));
        assert_eq!(books(&stock), (5, 0, 0));
    }

    #[test]
    fn restocking_leaves_holds_and_sales_alone() {
        let (mut stock, reservation) = (stock(5), ReservationId::new());
        stock.hold(reservation, pieces(2), 1).unwrap();
        stock.restock(Available::try_from(50).unwrap());
        assert_eq!(books(&stock), (50, 2, 0));
        assert!(Available::try_from(1_000_000_001).is_err());
    }
}
