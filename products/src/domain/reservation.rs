//! The decision on the stock of one order, sold or released; undecided means that there is no
//! document. No transaction covers the products of an order. While it is in checkout, each of its
//! products has a hold. The decision is one document, inserted once, and the holds follow it. A
//! hold that has expired is released by a decision as well. The states are in
//! `reservation_state.rs`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::products::{
    Confirm, Confirmed, HoldId, ProductId, Released, ReservationId, ReservationLine, Reserved, Restocked,
    RestockedPieces, Shortage,
};
use souk_contract::shopping::{OrderId, RefundId, TimelineEntry, TimelineKind};
use souk_types::{Quantity, Timestamp};

use super::reservation_log::{Cause, ReservationLog};
use super::reservation_state::State;

/// Lease on restocking. After it expires, the instance that began is presumed dead, and the
/// background job restocks.
const RESTOCK_LEASE: Duration = Duration::from_secs(5);

/// How long a released reservation is kept. A request to reserve that arrives in this time finds
/// it. A later one is refused, because the time until which it reserves has passed: `shopping`
/// reserves for at most 24 hours.
const RELEASED_RETENTION: Duration = Duration::from_hours(48);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) id: ReservationId,
    pub(crate) order: OrderId,
    state: State,
    /// The lines of a confirmed reservation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<SoldLine>,
    /// The products that were out of stock. Empty unless they released the reservation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shortages: Vec<Shortage>,
    /// The refunds whose pieces were restocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refunds: Vec<RefundId>,
    /// When the background job restocks returned pieces, or deletes the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    log: ReservationLog,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SoldLine {
    product: ProductId,
    quantity: Quantity,
    /// The hold that is sold. Another hold on the product, placed by a late attempt, is released.
    hold: HoldId,
    /// Pieces that are not sold any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    returned: u32,
    /// The returned pieces that the product has on sale again.
    #[serde(default, skip_serializing_if = "is_zero")]
    restocked: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Reservation {
    /// Sells the lines, unless the reservation is decided. `held` are the lines with their holds;
    /// `None` when a hold is missing, which releases the others.
    pub(crate) fn confirm(
        slot: &mut Option<Self>,
        request: &Confirm,
        held: Option<&[SoldLine]>,
        cause: &Cause,
    ) -> Confirmed {
        let decided = slot.get_or_insert_with(|| {
            let (id, order) = (request.reservation, request.order);
            let Some(held) = held else { return Self::released(id, order, cause) };
            let mut confirmed = Self::new(id, order, State::Confirmed);
            confirmed.lines = held.to_vec();
            if let Some(at) = held.iter().filter_map(|line| line.hold.created_at()).max() {
                confirmed.log.push("held", &Cause { at, request: None });
            }
            confirmed.log.push(State::Confirmed.label(), cause);
            confirmed
        });
        decided.state.confirm_reply()
    }

    /// Releases the reservation, unless it is decided. It is created if there is none, so that a
    /// request to reserve that arrives later holds nothing.
    pub(crate) fn release(slot: &mut Option<Self>, id: ReservationId, order: OrderId, cause: &Cause) -> Released {
        slot.get_or_insert_with(|| Self::released(id, order, cause)).state.release_reply()
    }

    /// Releases the reservation because of these shortages, unless it is decided.
    pub(crate) fn out_of_stock(
        slot: &mut Option<Self>,
        id: ReservationId,
        order: OrderId,
        shortages: &[Shortage],
        cause: &Cause,
    ) {
        slot.get_or_insert_with(|| {
            let mut log = ReservationLog::default();
            log.push("out of stock", cause);
            Self { shortages: shortages.to_vec(), log, ..Self::released(id, order, cause) }
        });
    }

    /// Returns pieces of a confirmed reservation. The products follow.
    pub(crate) fn restock(&mut self, pieces: &RestockedPieces, cause: &Cause) -> Restocked {
        if self.state == State::Confirmed {
            match pieces {
                RestockedPieces::Rest => {
                    self.state = State::Restocked;
                    self.lines.iter_mut().for_each(|line| line.returned = line.quantity.get());
                    self.restock_soon(State::Restocked.label().to_owned(), cause);
                }
                RestockedPieces::Part { refund, lines } => self.restock_part(*refund, lines, cause),
            }
        }
        self.state.restock_reply()
    }

    fn restock_part(&mut self, refund: RefundId, lines: &[ReservationLine], cause: &Cause) {
        if self.refunds.contains(&refund) {
            return;
        }
        let mut returned = Vec::new();
        for line in lines {
            let own = self.lines.iter_mut().find(|own| own.product == line.product);
            let pieces = own.map_or(0, |own| own.mark_returned(line.quantity));
            if pieces > 0 {
                returned.push(format!("{pieces} of {}", line.product));
            }
        }
        // A refund without such pieces finds none later either: nothing is sold twice.
        if !returned.is_empty() {
            self.refunds.push(refund);
            self.restock_soon(format!("restocked {}", returned.join(", ")), cause);
        }
    }

    fn restock_soon(&mut self, entry: String, cause: &Cause) {
        self.log.push(entry, cause);
        self.due = Some(cause.at.after(RESTOCK_LEASE));
    }

    fn new(id: ReservationId, order: OrderId, state: State) -> Self {
        let (lines, shortages, refunds) = (Vec::new(), Vec::new(), Vec::new());
        Self { id, order, state, lines, shortages, refunds, due: None, log: ReservationLog::default() }
    }

    fn released(id: ReservationId, order: OrderId, cause: &Cause) -> Self {
        let mut released = Self::new(id, order, State::Released);
        released.log.push(State::Released.label(), cause);
        released.due = Some(cause.at.after(RELEASED_RETENTION));
        released
    }

    /// Marks the returned pieces of a product as restocked. Returns the sold hold and their number;
    /// `None` when all of them are restocked already.
    pub(crate) fn mark_restocked(&mut self, product: ProductId) -> Option<(HoldId, u32)> {
        let line = self.lines.iter_mut().find(|line| line.product == product)?;
        let pieces = line.returned - line.restocked;
        line.restocked = line.returned;
        let hold = line.hold;
        if self.products_to_restock().next().is_none() {
            self.due = None;
        }
        (pieces > 0).then_some((hold, pieces))
    }

    /// The products with returned pieces that are not on sale yet.
    pub(crate) fn products_to_restock(&self) -> impl Iterator<Item = ProductId> + '_ {
        self.lines.iter().filter(|line| line.restocked != line.returned).map(|line| line.product)
    }

    /// Returns the pieces of each product that are not sold any more.
    pub(crate) fn returned(&self) -> Vec<(ProductId, u32)> {
        let returned = self.lines.iter().map(|line| (line.product, line.returned));
        returned.filter(|(_, pieces)| *pieces > 0).collect()
    }

    /// Whether it is released, and the time to keep it has passed.
    pub(crate) fn is_outdated(&self, now: Timestamp) -> bool {
        self.state == State::Released && self.due.is_some_and(|due| due <= now)
    }

    pub(crate) fn reserve_reply(&self) -> Reserved {
        match self.state {
            State::Confirmed => Reserved::Sold,
            State::Released if !self.shortages.is_empty() => Reserved::OutOfStock { shortages: self.shortages.clone() },
            State::Released | State::Restocked => Reserved::Released,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Returns the hold on a product that is sold; `None` when its hold is to be released.
    pub(crate) fn sold_hold(&self, product: ProductId) -> Option<HoldId> {
        self.lines.iter().find(|line| line.product == product).map(|line| line.hold)
    }

    pub(crate) fn timeline(&self) -> impl Iterator<Item = TimelineEntry> + '_ {
        let lines: Vec<String> =
            self.lines.iter().map(|line| format!("{} of {}", line.quantity.get(), line.product)).collect();
        let outcome = if lines.is_empty() { "ok".to_owned() } else { lines.join(", ") };
        self.log.entries().iter().map(move |entry| TimelineEntry {
            at: entry.at,
            service: "products".to_owned(),
            kind: TimelineKind::Stock,
            what: entry.what.to_string(),
            outcome: outcome.clone(),
            ms: None,
            request_id: entry.request.clone(),
            by: None,
        })
    }
}

impl SoldLine {
    pub(crate) fn new(line: &ReservationLine, hold: HoldId) -> Self {
        Self { product: line.product, quantity: line.quantity, hold, returned: 0, restocked: 0 }
    }

    /// Marks at most `quantity` sold pieces as returned; returns their number.
    fn mark_returned(&mut self, quantity: Quantity) -> u32 {
        let pieces = quantity.get().min(self.quantity.get() - self.returned);
        self.returned += pieces;
        pieces
    }
}

#[cfg(test)]
mod tests;
