//! The stock of one order, which may stand on many products. No transaction spans them: the reservation is one document
//! and its state decides; holds on the products follow it. Whoever is interrupted, the sweeper (or a second try) carries on from
//! the state.
//!
//! `Holding -> Held -> Confirmed -> TakenBack`, or `Holding | Held -> Released`. Holds are placed before `Held` and settled after
//! a decision. Several attempts at one reservation may run at the same time (a client that clicked twice, a retry after a
//! time-out); each hold says which attempt placed it, so that one which comes after the decision is taken back.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_bus::request_context;
use souk_contract::products::{
    Confirmed, HeldLine, ProductId, ProductSnapshot, Release, Released, ReservationId, ReservationLine, Reserve,
    Reserved, Restocked, Shortage,
};
use souk_contract::shopping::{OrderId, TimelineEntry, TimelineKind};
use souk_types::{Quantity, RequestId, Timestamp};

/// What is decided is settled at once; after this long the sweeper takes it that whoever decided has died.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// The stock that one order claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// For which order.
    pub(crate) order: OrderId,
    pub(crate) state: State,
    pub(crate) lines: Vec<ReservedLine>,
    /// How many times somebody began to place holds.
    pub(crate) attempts: u32,
    /// Without a decision by then, it is released.
    pub(crate) until: Timestamp,
    /// When the sweeper must look at it; never, when nothing is left to do.
    pub(crate) due: Option<Timestamp>,
    /// Why it was released, when it was for want of stock: every attempt gets the same answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) short: Vec<Shortage>,
    /// What was done, for whoever must explain the order.
    pub(crate) log: Vec<Done>,
}

/// Something that was done with a reservation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    at: Timestamp,
    what: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<RequestId>,
}

/// Lines that are kept: several times what an order has that goes well. Of more, the ones in the middle go.
const MOST_LINES: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Holding,
    Held,
    Confirmed,
    Released,
    TakenBack,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReservedLine {
    pub(crate) product: ProductId,
    pub(crate) quantity: Quantity,
    pub(crate) held: Option<Held>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) taken_back: bool,
}

/// A hold that counts: which attempt placed it, and what the product was then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) attempt: u32,
    pub(crate) item: ProductSnapshot,
}

/// How to go on with an order that is to be reserved.
#[derive(Debug, PartialEq)]
pub(crate) enum Begun {
    /// Place holds, as this attempt.
    Attempt(u32),
    /// They are there.
    Held(Vec<HeldLine>),
    /// The reservation is over.
    Over(Reserved),
}

/// The claim of one order.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub reservation: ReservationId,
    /// Whose it is.
    pub order: OrderId,
    /// What became of it.
    pub claim: Claim,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is being made, or its holds are there.
    Held,
    /// Sold.
    Sold,
    /// Given up, or given back after it was sold.
    Ended,
}

impl Reservation {
    /// As an audit reads it.
    pub(crate) fn claimed(&self) -> Claimed {
        let claim = match self.state {
            State::Holding | State::Held => Claim::Held,
            State::Confirmed => Claim::Sold,
            State::Released | State::TakenBack => Claim::Ended,
        };
        Claimed { reservation: self.id, order: self.order, claim }
    }

    pub(crate) fn begin(slot: &mut Option<Self>, reserve: &Reserve) -> Begun {
        let reservation = slot.get_or_insert_with(|| Self {
            id: reserve.reservation,
            order: reserve.order,
            state: State::Holding,
            lines: reserve.lines.iter().map(ReservedLine::wanted).collect(),
            attempts: 0,
            until: reserve.until,
            due: Some(reserve.until),
            short: Vec::new(),
            log: Vec::new(),
        });
        match reservation.state {
            State::Holding => {
                reservation.attempts += 1;
                reservation.note(format!("holding, attempt {}", reservation.attempts));
                Begun::Attempt(reservation.attempts)
            }
            State::Held | State::Confirmed => Begun::Held(reservation.held_lines()),
            State::Released | State::TakenBack => Begun::Over(reservation.refusal()),
        }
    }

    /// All holds are placed. Another attempt may have been faster, or a decision: the state stands.
    pub(crate) fn complete(&mut self, held: &[Held]) {
        if self.state == State::Holding {
            self.state = State::Held;
            self.note("held");
            for (line, held) in self.lines.iter_mut().zip(held) {
                line.held = Some(held.clone());
            }
        }
    }

    pub(crate) fn confirm(&mut self, now: Timestamp) -> Confirmed {
        match self.state {
            State::Held => self.decide(State::Confirmed, now),
            State::Confirmed => {}
            State::Holding | State::Released | State::TakenBack => return Confirmed::Released,
        }
        Confirmed::Sold
    }

    /// Also makes a reservation that never was a released one: a reserve that is still under way must not come after.
    pub(crate) fn release(slot: &mut Option<Self>, release: &Release, now: Timestamp) -> Released {
        let reservation = slot.get_or_insert_with(|| Self {
            id: release.reservation,
            order: release.order,
            state: State::Released,
            lines: Vec::new(),
            attempts: 0,
            until: now,
            due: None,
            short: Vec::new(),
            log: Vec::new(),
        });
        match reservation.state {
            State::Holding | State::Held => reservation.decide(State::Released, now),
            State::Released => {}
            State::Confirmed | State::TakenBack => return Released::Sold,
        }
        Released::Released
    }

    /// There is too little of something. Another attempt may have found enough, perhaps the very pieces that this one
    /// missed: then its word counts.
    pub(crate) fn fall_short(&mut self, short: &[Shortage], now: Timestamp) {
        if self.state == State::Holding {
            short.clone_into(&mut self.short);
            self.note("short");
            self.decide(State::Released, now);
        }
    }

    pub(crate) fn restock(&mut self, now: Timestamp) -> Restocked {
        match self.state {
            State::Confirmed => self.decide(State::TakenBack, now),
            State::TakenBack => {}
            State::Holding | State::Held | State::Released => return Restocked::NotSold,
        }
        Restocked::Restocked
    }

    fn decide(&mut self, state: State, now: Timestamp) {
        // An attempt that is under way may place a hold after the decision. It takes it back by itself; should it die
        // just then, the sweeper looks once more when the time of the reservation is over.
        let in_flight = self.attempts > 1 || self.state == State::Holding;
        self.until = if in_flight { self.until.max(now) } else { now };
        self.state = state;
        self.note(match state {
            State::Holding => "holding",
            State::Held => "held",
            State::Confirmed => "sold",
            State::Released => "released",
            State::TakenBack => "taken back",
        });
        self.due = Some(now.after(SETTLED_WITHIN));
    }

    /// Every hold has followed the decision.
    pub(crate) fn settled(&mut self, now: Timestamp) {
        let finished = self.state != State::TakenBack || self.lines.iter().all(|line| line.taken_back);
        if finished {
            self.note("settled");
            self.due = (self.until > now).then_some(self.until);
        }
    }

    fn note(&mut self, what: impl Into<Cow<'static, str>>) {
        if self.log.len() >= MOST_LINES {
            self.log.remove(MOST_LINES / 2);
        }
        self.log.push(Done { at: Timestamp::now(), what: what.into(), request: request_context::current() });
    }

    /// What was done with it, and to which products.
    pub(crate) fn told(&self) -> impl Iterator<Item = TimelineEntry> + '_ {
        let pieces: Vec<String> =
            self.lines.iter().map(|line| format!("{} of {}", line.quantity.get(), line.product)).collect();
        let pieces = pieces.join(", ");
        self.log.iter().map(move |done| TimelineEntry {
            at: done.at,
            service: "products".to_owned(),
            kind: TimelineKind::Stock,
            what: done.what.to_string(),
            outcome: pieces.clone(),
            ms: None,
            request_id: done.request.clone(),
        })
    }

    /// The reply to a request to hold stock after the reservation was released.
    pub(crate) fn refusal(&self) -> Reserved {
        if self.short.is_empty() { Reserved::Released } else { Reserved::OutOfStock { shortages: self.short.clone() } }
    }

    pub(crate) fn held_lines(&self) -> Vec<HeldLine> {
        let held = |line: &ReservedLine| {
            let product = line.held.as_ref()?.item.clone();
            Some(HeldLine { product, quantity: line.quantity })
        };
        self.lines.iter().filter_map(held).collect()
    }
}

impl ReservedLine {
    fn wanted(line: &ReservationLine) -> Self {
        Self { product: line.product, quantity: line.quantity, held: None, taken_back: false }
    }

    /// The attempt whose hold counts; 0, which is none, while it is not known.
    pub(crate) fn attempt(&self) -> u32 {
        self.held.as_ref().map_or(0, |held| held.attempt)
    }
}
