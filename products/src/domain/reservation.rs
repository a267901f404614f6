//! The stock of one order over several products. No transaction covers them: the state of this
//! document decides (`reservation_state.rs`), and the holds on the products follow it. All lines
//! are held before the state becomes held. A decision (confirm, release, restock) is then applied
//! to every product. A background job repeats both steps after a crash. Attempts overlap when a
//! client repeats a request: each hold records its attempt, so that a hold placed after the
//! decision is recognised and released.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::products::{
    Confirmed, HeldLine, ProductId, ProductSnapshot, Release, Released, ReservationId, ReservationLine, Reserve,
    Reserved, Restocked, RestockedPieces, Shortage,
};
use souk_contract::shopping::{OrderId, RefundId, TimelineEntry, TimelineKind};
use souk_store::RetrySchedule;
use souk_types::{Quantity, Timestamp};

use super::reservation_log::{Cause, ReservationLog};
use super::reservation_state::{State, Trigger};

/// Lease on applying a decision to the products. After it expires, the instance that decided is
/// presumed dead, and the background job applies the decision.
const DECISION_LEASE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) id: ReservationId,
    pub(crate) order: OrderId,
    state: State,
    lines: Vec<ReservedLine>,
    attempts: u32,
    /// Time at which the background job releases an undecided reservation. For a decided one, the
    /// job then searches for holds that a late attempt has placed.
    expires: Timestamp,
    schedule: RetrySchedule,
    /// The products that were out of stock. Empty unless they released the reservation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shortages: Vec<Shortage>,
    /// The refunds whose pieces were restocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refunds: Vec<RefundId>,
    log: ReservationLog,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReservedLine {
    pub(crate) product: ProductId,
    pub(crate) quantity: Quantity,
    /// The hold that the reservation owns; `None` until all lines are held.
    hold: Option<PlacedHold>,
    /// Pieces of a confirmed reservation that are not sold any more.
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlacedHold {
    pub(crate) attempt: u32,
    pub(crate) product: ProductSnapshot,
}

#[derive(Debug, PartialEq)]
pub(crate) enum ReserveAction {
    /// Place a hold on every line, as this attempt.
    PlaceHolds { attempt: u32 },
    /// Reply. The holds are placed already, or the reservation is released.
    Reply(Reserved),
}

impl Reservation {
    /// Begins an attempt to place holds. Creates the reservation if there is none.
    pub(crate) fn reserve(slot: &mut Option<Self>, request: &Reserve, cause: &Cause) -> ReserveAction {
        let reservation = slot.get_or_insert_with(|| Self {
            lines: request.lines.iter().map(ReservedLine::new).collect(),
            expires: request.until,
            schedule: RetrySchedule::at(request.until),
            ..Self::new(request.reservation, request.order, State::Holding, cause)
        });
        if reservation.state != State::Holding {
            return ReserveAction::Reply(reservation.reserve_reply());
        }
        reservation.attempts += 1;
        reservation.log.push(format!("holding, attempt {}", reservation.attempts), cause);
        ReserveAction::PlaceHolds { attempt: reservation.attempts }
    }

    /// Does nothing when another attempt or a decision came first.
    pub(crate) fn all_held(&mut self, holds: &[PlacedHold], until: Timestamp, cause: &Cause) {
        if self.apply(Trigger::AllHeld, cause) {
            self.expires = until;
            self.schedule.set_due(until);
            for (line, hold) in self.lines.iter_mut().zip(holds) {
                line.hold = Some(hold.clone());
            }
        }
    }

    /// Does nothing when another attempt has held the stock.
    pub(crate) fn out_of_stock(&mut self, shortages: &[Shortage], cause: &Cause) {
        if self.apply(Trigger::OutOfStock, cause) {
            shortages.clone_into(&mut self.shortages);
        }
    }

    /// Sells the lines, if all of them are held.
    pub(crate) fn confirm(&mut self, cause: &Cause) -> Confirmed {
        self.apply(Trigger::Confirm, cause);
        self.state.confirm_reply()
    }

    /// Releases the reservation, unless it is confirmed. Creates a released one if there is none,
    /// so that a request to reserve that arrives later holds nothing.
    pub(crate) fn release(slot: &mut Option<Self>, request: &Release, cause: &Cause) -> Released {
        let reservation =
            slot.get_or_insert_with(|| Self::new(request.reservation, request.order, State::Released, cause));
        reservation.apply(Trigger::Release, cause);
        reservation.state.release_reply()
    }

    /// Returns pieces of a confirmed reservation. The products follow.
    pub(crate) fn restock(&mut self, pieces: &RestockedPieces, cause: &Cause) -> Restocked {
        match pieces {
            RestockedPieces::Rest => {
                if self.apply(Trigger::Restock, cause) {
                    self.lines.iter_mut().for_each(|line| line.returned = line.quantity.get());
                }
            }
            RestockedPieces::Part { refund, lines } => self.restock_part(*refund, lines, cause),
        }
        self.state.restock_reply()
    }

    fn restock_part(&mut self, refund: RefundId, lines: &[ReservationLine], cause: &Cause) {
        if self.state != State::Confirmed || self.refunds.contains(&refund) {
            return;
        }
        let mut returned = Vec::new();
        for line in lines {
            let own = self.lines.iter_mut().find(|own| own.product == line.product);
            let pieces = own.map_or(0, |own| own.give_back(line.quantity));
            if pieces > 0 {
                returned.push(format!("{pieces} of {}", line.product));
            }
        }
        // A refund without such pieces finds none later either: nothing is sold twice.
        if !returned.is_empty() {
            self.refunds.push(refund);
            self.log.push(format!("restocked {}", returned.join(", ")), cause);
            self.schedule.set_due(cause.at.after(DECISION_LEASE));
        }
    }

    fn new(id: ReservationId, order: OrderId, state: State, cause: &Cause) -> Self {
        Self {
            id,
            order,
            state,
            lines: Vec::new(),
            attempts: 0,
            expires: cause.at,
            schedule: RetrySchedule::default(),
            shortages: Vec::new(),
            refunds: Vec::new(),
            log: ReservationLog::default(),
        }
    }

    /// Returns whether the state changed.
    fn apply(&mut self, trigger: Trigger, cause: &Cause) -> bool {
        let (before, after) = (self.state, self.state.after(trigger));
        if after == before {
            return false;
        }
        self.state = after;
        if trigger == Trigger::OutOfStock {
            self.log.push("out of stock", cause);
        }
        self.log.push(after.label(), cause);
        if after.is_decided() {
            // An attempt in flight may place a hold after the decision. It releases that hold
            // itself. The job checks again when the reservation expires, because the attempt's
            // instance may crash.
            let is_attempt_in_flight = self.attempts > 1 || before == State::Holding;
            self.expires = if is_attempt_in_flight { self.expires.max(cause.at) } else { cause.at };
            self.schedule.set_due(cause.at.after(DECISION_LEASE));
        }
        true
    }

    pub(crate) fn mark_applied(&mut self, cause: &Cause) {
        if self.lines.iter().all(|line| line.restocked == line.returned) {
            self.log.push("applied", cause);
            if self.expires > cause.at {
                self.schedule.set_due(self.expires);
            } else {
                self.schedule.clear_due();
            }
        }
    }

    /// Marks the returned pieces of a product as restocked. Returns the line and their number;
    /// `None` when all of them are restocked already.
    pub(crate) fn mark_restocked(&mut self, product: ProductId) -> Option<(&ReservedLine, u32)> {
        let line = self.lines.iter_mut().find(|line| line.product == product)?;
        let pieces = line.returned - line.restocked;
        line.restocked = line.returned;
        (pieces > 0).then_some((line, pieces))
    }

    /// Returns the pieces of each product that are not sold any more.
    pub(crate) fn returned(&self) -> Vec<(ProductId, u32)> {
        let returned = self.lines.iter().map(|line| (line.product, line.returned));
        returned.filter(|(_, pieces)| *pieces > 0).collect()
    }

    pub(crate) fn reserve_reply(&self) -> Reserved {
        match self.state {
            State::Holding | State::Held | State::Confirmed => {
                Reserved::Held { lines: self.held_lines(), until: self.expires }
            }
            State::Released | State::Restocked if self.shortages.is_empty() => Reserved::Released,
            State::Released | State::Restocked => Reserved::OutOfStock { shortages: self.shortages.clone() },
        }
    }

    fn held_lines(&self) -> Vec<HeldLine> {
        let held = |line: &ReservedLine| {
            let product = line.hold.as_ref()?.product.clone();
            Some(HeldLine { product, quantity: line.quantity })
        };
        self.lines.iter().filter_map(held).collect()
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn lines(&self) -> &[ReservedLine] {
        &self.lines
    }

    /// When the background job handles the reservation; `None` when no work is left.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.schedule.due()
    }

    pub(crate) fn timeline(&self) -> impl Iterator<Item = TimelineEntry> + '_ {
        let lines: Vec<String> =
            self.lines.iter().map(|line| format!("{} of {}", line.quantity.get(), line.product)).collect();
        let lines = lines.join(", ");
        self.log.entries().iter().map(move |entry| TimelineEntry {
            at: entry.at,
            service: "products".to_owned(),
            kind: TimelineKind::Stock,
            what: entry.what.to_string(),
            outcome: lines.clone(),
            ms: None,
            request_id: entry.request.clone(),
        })
    }
}

impl ReservedLine {
    fn new(line: &ReservationLine) -> Self {
        Self { product: line.product, quantity: line.quantity, hold: None, returned: 0, restocked: 0 }
    }

    /// Returns at most `quantity` of the sold pieces, and their number.
    fn give_back(&mut self, quantity: Quantity) -> u32 {
        let pieces = quantity.get().min(self.quantity.get() - self.returned);
        self.returned += pieces;
        pieces
    }

    /// Whether returned pieces are not on sale yet.
    pub(crate) fn awaits_restock(&self) -> bool {
        self.restocked != self.returned
    }

    pub(crate) fn attempt(&self) -> Option<u32> {
        self.hold.as_ref().map(|hold| hold.attempt)
    }
}

#[cfg(test)]
mod tests;
