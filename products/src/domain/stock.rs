//! The stock of one product. `available + reserved + sold = stocked`, and no number is negative.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use souk_contract::products::{HoldId, ProductSnapshot, ReservationId};
use souk_types::mutant::Mutant;
use souk_types::{EntityTag, Error, KeyedRequest, Precondition, Result, Timestamp};

use super::hold::{Hold, HoldRequest};
use super::reservation_time::expiry;
use super::stock_change::{AvailableQuantity, StockChange, StockDifference};

/// Additions whose keys a product remembers.
const MAX_ADDITIONS: usize = 10;

/// Age from which the background job searches for the decision on a hold. Before, the instance that
/// decides applies the decision itself.
const SETTLEMENT_LEASE: Duration = Duration::from_secs(5);

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
    /// When the background job checks the oldest hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    /// The latest additions that had an idempotency key, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    additions: Vec<KeyedRequest>,
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
        let available = available.into();
        Self { available, stocked: available.into(), version: 1, ..Self::default() }
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

    /// The sum that the stock levels must have.
    pub(crate) fn stocked(&self) -> u64 {
        self.stocked
    }

    pub(crate) fn holds(&self) -> &BTreeMap<ReservationId, Hold> {
        &self.holds
    }

    /// Places the hold of a reservation that has none yet. Returns the hold and when it expires.
    pub(crate) fn hold(
        &mut self,
        reservation: ReservationId,
        request: &HoldRequest,
    ) -> std::result::Result<(HoldId, Timestamp), InsufficientStock> {
        let HoldRequest { order, quantity, expires_at, expires_at_if_scarce } = *request;
        match self.available.checked_sub(quantity.get()) {
            Some(rest) => self.available = rest,
            None if Mutant::NoStockGuard.is_active() => self.available = 0,
            None => return Err(InsufficientStock { available: self.available }),
        }
        let reserved = self.reserved() + u64::from(quantity.get());
        let reserved_percent = percent_of(reserved, reserved + u64::from(self.available));
        let expires_at = expiry(expires_at, expires_at_if_scarce, reserved_percent);
        let id = HoldId::new();
        self.holds.insert(reservation, Hold { id, order, quantity, expires_at, product: None });
        self.count_change();
        Ok((id, expires_at))
    }

    /// Applies a decision to the hold of a reservation, if there is one: sells the hold that the
    /// decision names, and releases any other.
    pub(crate) fn settle(&mut self, reservation: ReservationId, sold: Option<HoldId>) {
        let Some(hold) = self.holds.remove(&reservation) else { return };
        if Some(hold.id) == sold {
            self.sold += u64::from(hold.quantity.get());
        } else {
            self.available += hold.quantity.get();
        }
        self.count_change();
    }

    /// Puts sold pieces back on sale. Not idempotent: the caller restocks each piece once.
    pub(crate) fn restock(&mut self, reservation: ReservationId, sold: HoldId, pieces: u32) {
        // The sale may not be applied yet.
        self.settle(reservation, Some(sold));
        let pieces = pieces.min(u32::try_from(self.sold).unwrap_or(u32::MAX));
        self.sold -= u64::from(pieces);
        self.available += pieces;
        self.count_change();
    }

    /// Keeps the product in its holds as it is before an edit: a repeated request for a hold gets
    /// the same price.
    pub(crate) fn keep_in_holds(&mut self, product: &ProductSnapshot) {
        for hold in self.holds.values_mut().filter(|hold| hold.product.is_none()) {
            hold.product = Some(Box::new(product.clone()));
        }
    }

    fn count_change(&mut self) {
        self.version += 1;
        let oldest = self.holds.values().filter_map(|hold| hold.id.created_at()).min();
        self.due = oldest.map(|oldest| oldest.after(SETTLEMENT_LEASE));
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

    /// Adds a difference, unless the request repeats one of the latest ones: then it returns true.
    /// The error has the current stock levels.
    pub(crate) fn add_once(
        &mut self,
        difference: StockDifference,
        request: Option<KeyedRequest>,
        precondition: &Precondition,
    ) -> Result<bool> {
        if let Some(request) = &request {
            for earlier in &self.additions {
                if request.repeats(earlier)? {
                    return Ok(true);
                }
            }
        }
        self.change(StockChange::Add(difference), precondition)?;
        self.additions.extend(request);
        self.additions.drain(..self.additions.len().saturating_sub(MAX_ADDITIONS));
        Ok(false)
    }

    pub(crate) fn set_available(&mut self, available: AvailableQuantity) {
        self.replace_available(available.into());
    }

    fn replace_available(&mut self, available: u32) {
        if available == self.available {
            return;
        }
        self.stocked = (self.stocked + u64::from(available)).saturating_sub(self.available.into());
        self.available = available;
        self.count_change();
    }

    fn add(&mut self, difference: StockDifference) -> Result<()> {
        let difference = difference.get();
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

/// Returns the share of a part, in percent, rounded up.
fn percent_of(part: u64, whole: u64) -> u32 {
    u32::try_from((part * 100).div_ceil(whole.max(1))).unwrap_or(100)
}

#[cfg(test)]
pub(crate) mod tests;
