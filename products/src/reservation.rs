//! The stock of one order, which may stand on many products. No transaction spans them: the reservation is one document
//! and its state decides; holds on the products follow it. Whoever is interrupted, the sweeper (or a second try) carries on from
//! the state.
//!
//! `Holding -> Held -> Confirmed -> TakenBack`, or `Holding | Held -> Released`. Holds are placed before `Held` and settled after
//! a decision. Several attempts to reserve one order may run at the same time (a client that clicked twice, a retry after a
//! time-out); each hold says which attempt placed it, so that one which comes after the decision is taken back.

use std::time::Duration;

use common::contract::products::{HeldLine, Item, Line, ProductId, Released, Reserve, Shortage};
use common::contract::shopping::OrderId;
use common::error::{Error, Result};
use common::{Kind, Quantity, Timestamp};
use rocket::futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};

use crate::App;
use crate::product::Product;

/// What is decided is settled at once; after this long the sweeper takes it that whoever decided has died.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);
/// How often the sweeper looks. It costs one look-up in an index.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// A cancellation of a product that sells without pause may take a second to find its gap; others go on meanwhile.
const SWEPT_TOGETHER: usize = 16;

/// The stock that one order claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reservation {
    /// Whose it is.
    pub order: OrderId,
    state: State,
    lines: Vec<ReservedLine>,
    /// How many times somebody began to place holds.
    attempts: u32,
    /// Without a decision by then, it is released.
    until: Timestamp,
    /// When the sweeper must look at it; never, when nothing is left to do.
    due: Option<Timestamp>,
    /// Why it was released, when it was for want of stock: every attempt gets the same answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    short: Vec<Shortage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Holding,
    Held,
    Confirmed,
    Released,
    TakenBack,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ReservedLine {
    product: ProductId,
    quantity: Quantity,
    held: Option<Held>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    taken_back: bool,
}

/// A hold that counts: which attempt placed it, and what the product was then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Held {
    attempt: u32,
    item: Item,
}

/// How to go on with an order that is to be reserved.
#[derive(Debug, PartialEq)]
enum Begun {
    /// Place holds, as this attempt.
    Attempt(u32),
    /// They are there.
    Held(Vec<HeldLine>),
}

impl Reservation {
    /// Whether the sweeper must look at it by `now`.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    fn begin(slot: &mut Option<Self>, reserve: &Reserve) -> Result<Begun> {
        let reservation = slot.get_or_insert_with(|| Self {
            order: reserve.order,
            state: State::Holding,
            lines: reserve.lines.iter().map(ReservedLine::wanted).collect(),
            attempts: 0,
            until: reserve.until,
            due: Some(reserve.until),
            short: Vec::new(),
        });
        match reservation.state {
            State::Holding => {
                reservation.attempts += 1;
                Ok(Begun::Attempt(reservation.attempts))
            }
            State::Held | State::Confirmed => Ok(Begun::Held(reservation.held_lines())),
            State::Released | State::TakenBack => Err(reservation.ended()),
        }
    }

    /// All holds are placed. Another attempt may have been faster, or a decision: the state stands.
    fn complete(&mut self, held: &[Held]) {
        if self.state == State::Holding {
            self.state = State::Held;
            for (line, held) in self.lines.iter_mut().zip(held) {
                line.held = Some(held.clone());
            }
        }
    }

    fn confirm(&mut self, now: Timestamp) -> Result<()> {
        match self.state {
            State::Held => self.decide(State::Confirmed, now),
            State::Confirmed => {}
            State::Holding | State::Released | State::TakenBack => return Err(self.ended()),
        }
        Ok(())
    }

    /// Also makes a reservation that never was a released one: a reserve that is still under way must not come after.
    fn release(slot: &mut Option<Self>, order: OrderId, now: Timestamp) -> Released {
        let reservation = slot.get_or_insert_with(|| Self {
            order,
            state: State::Released,
            lines: Vec::new(),
            attempts: 0,
            until: now,
            due: None,
            short: Vec::new(),
        });
        match reservation.state {
            State::Holding | State::Held => reservation.decide(State::Released, now),
            State::Released => {}
            State::Confirmed | State::TakenBack => return Released::Confirmed,
        }
        Released::Released
    }

    /// There is too little of something. Another attempt may have found enough, perhaps the very pieces that this one
    /// missed: then its word counts.
    fn fall_short(&mut self, short: &[Shortage], now: Timestamp) {
        if self.state == State::Holding {
            short.clone_into(&mut self.short);
            self.decide(State::Released, now);
        }
    }

    fn take_back(&mut self, now: Timestamp) -> Result<()> {
        match self.state {
            State::Confirmed => self.decide(State::TakenBack, now),
            State::TakenBack => {}
            State::Holding | State::Held | State::Released => return Err(self.ended()),
        }
        Ok(())
    }

    fn decide(&mut self, state: State, now: Timestamp) {
        // An attempt that is under way may place a hold after the decision. It takes it back by itself; should it die
        // just then, the sweeper looks once more when the time of the reservation is over.
        let in_flight = self.attempts > 1 || self.state == State::Holding;
        self.until = if in_flight { self.until.max(now) } else { now };
        self.state = state;
        self.due = Some(now.after(SETTLED_WITHIN));
    }

    /// Every hold has followed the decision.
    fn settled(&mut self, now: Timestamp) {
        let finished = self.state != State::TakenBack || self.lines.iter().all(|line| line.taken_back);
        if finished {
            self.due = (self.until > now).then_some(self.until);
        }
    }

    /// Why nothing more can be done with it.
    fn ended(&self) -> Error {
        if self.short.is_empty() {
            return ended();
        }
        match serde_json::to_value(&self.short) {
            Ok(items) => {
                Error::conflict("out-of-stock", "There is too little in stock of some products.").with("items", items)
            }
            Err(error) => Error::internal(error),
        }
    }

    fn held_lines(&self) -> Vec<HeldLine> {
        let held = |line: &ReservedLine| {
            let item = line.held.as_ref()?.item.clone();
            Some(HeldLine { item, quantity: line.quantity })
        };
        self.lines.iter().filter_map(held).collect()
    }
}

impl ReservedLine {
    fn wanted(line: &Line) -> Self {
        Self { product: line.product, quantity: line.quantity, held: None, taken_back: false }
    }

    /// The attempt whose hold counts; 0, which is none, while it is not known.
    fn attempt(&self) -> u32 {
        self.held.as_ref().map_or(0, |held| held.attempt)
    }
}

fn ended() -> Error {
    Error::conflict("reservation-released", "What was held for this order is released.")
}

/// Holds stock for an order: all lines or none.
pub(crate) async fn reserve(app: &App, reserve: Reserve) -> Result<Vec<HeldLine>> {
    let (order, lines) = (reserve.order, reserve.lines.clone());
    let begun = app.reservations.0.change(order, move |slot, _| Reservation::begin(slot, &reserve)).await?;
    let attempt = match begun {
        Begun::Attempt(attempt) => attempt,
        Begun::Held(lines) => return Ok(lines),
    };
    let placed = join_all(lines.iter().map(|line| place(app, order, *line, attempt))).await;
    let placed = placed.into_iter().collect::<Result<Vec<_>>>()?;
    let mut held = Vec::with_capacity(placed.len());
    let mut short = Vec::new();
    for outcome in placed {
        match outcome {
            Ok(placed) => held.push(placed),
            Err(shortage) => short.push(shortage),
        }
    }
    let complete = move |reservation: &mut Reservation, _: &mut _| {
        if short.is_empty() {
            reservation.complete(&held);
        } else {
            reservation.fall_short(&short, Timestamp::now());
        }
        Ok(reservation.clone())
    };
    let reservation = app.reservations.0.update(order, complete).await?;
    if reservation.state != State::Held {
        settle(app, &reservation).await?;
    }
    match reservation.state {
        State::Holding | State::Held | State::Confirmed => Ok(reservation.held_lines()),
        State::Released | State::TakenBack => Err(reservation.ended()),
    }
}

async fn place(app: &App, order: OrderId, line: Line, attempt: u32) -> Result<std::result::Result<Held, Shortage>> {
    let short = move |name: Option<String>, available| Shortage {
        product_id: line.product,
        name,
        requested: line.quantity.get(),
        available,
    };
    let hold = move |product: &mut Product, _: &mut _| {
        let Ok(offer) = product.offer() else { return Ok(Err(short(None, 0))) };
        Ok(match product.stock.hold(order, line.quantity, attempt) {
            Ok(attempt) => Ok(Held { attempt, item: offer.item }),
            Err(left) => Err(short(Some(offer.item.name), left.available)),
        })
    };
    match app.products.0.update(line.product, hold).await {
        Err(error) if error.kind() == Kind::NotFound => Ok(Err(short(None, 0))),
        outcome => outcome,
    }
}

/// The order is paid: what is held for it is sold.
pub(crate) async fn confirm(app: &App, order: OrderId) -> Result<()> {
    decide(app, order, Reservation::confirm).await
}

/// A confirmed order is cancelled: what was sold for it comes back.
pub(crate) async fn take_back(app: &App, order: OrderId) -> Result<()> {
    decide(app, order, Reservation::take_back).await
}

async fn decide(app: &App, order: OrderId, rule: fn(&mut Reservation, Timestamp) -> Result<()>) -> Result<()> {
    let decide = move |reservation: &mut Reservation, _: &mut _| {
        rule(reservation, Timestamp::now())?;
        Ok(reservation.clone())
    };
    let reservation = app.reservations.0.update(order, decide).await.map_err(|error| match error.kind() {
        Kind::NotFound => ended(),
        _ => error,
    })?;
    follow(app, &reservation).await;
    Ok(())
}

/// The order will not be. Tells what has become of it, for it may have been confirmed before.
pub(crate) async fn release(app: &App, order: OrderId) -> Result<Released> {
    let decide = move |slot: &mut Option<Reservation>, _: &mut _| {
        let released = Reservation::release(slot, order, Timestamp::now());
        Ok((released, slot.clone()))
    };
    let (released, reservation) = app.reservations.0.change(order, decide).await?;
    if let Some(reservation) = reservation {
        follow(app, &reservation).await;
    }
    Ok(released)
}

/// Settles what was decided. The decision stands whatever comes of this: should it fail, the sweeper does it.
async fn follow(app: &App, reservation: &Reservation) {
    if reservation.due.is_none() {
        return;
    }
    if let Err(error) = settle(app, reservation).await {
        tracing::warn!(order = %reservation.order, %error, "a reservation is left to the sweeper");
    }
}

/// Makes every hold follow the decision. Can be done any number of times.
async fn settle(app: &App, reservation: &Reservation) -> Result<()> {
    let (order, state) = (reservation.order, reservation.state);
    try_join_all(reservation.lines.iter().map(|line| {
        let attempt = line.attempt();
        app.products.0.change(line.product, move |slot, _| {
            if let Some(product) = slot {
                match state {
                    State::Released => product.stock.release(order),
                    State::Confirmed | State::TakenBack => product.stock.sell(order, attempt),
                    State::Holding | State::Held => {}
                }
            }
            Ok(())
        })
    }))
    .await?;
    if state == State::TakenBack {
        for at in 0..reservation.lines.len() {
            take_back_line(app, order, at).await?;
        }
    }
    app.reservations
        .0
        .update(order, move |reservation, _| {
            reservation.settled(Timestamp::now());
            Ok(())
        })
        .await
}

/// Gives one line's pieces back, once. The mark and the pieces must change together, in two documents, because a sale leaves no hold
/// behind by which it could be known. Cancellations are few, so this may stand in the way of a sale for a moment.
async fn take_back_line(app: &App, order: OrderId, at: usize) -> Result<()> {
    app.database
        .run(|tx| async move {
            let Some(mut reservation) = tx.get(&app.reservations.0, order).await? else { return Err(ended()) };
            let Some(line) = reservation.lines.get_mut(at).filter(|line| !line.taken_back) else { return Ok(()) };
            line.taken_back = true;
            let (id, attempt, quantity) = (line.product, line.attempt(), line.quantity);
            if let Some(mut product) = tx.get(&app.products.0, id).await? {
                product.stock.take_back(order, attempt, quantity);
                tx.put(&app.products.0, id, &product).await?;
            }
            tx.put(&app.reservations.0, order, &reservation).await
        })
        .await
}

/// Looks after reservations whose time is over and those that nobody settled, until the process ends.
pub(crate) fn sweep(app: App) {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(SWEEP_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = sweep_once(&app).await {
                tracing::error!(%error, "reservations could not be swept");
            }
        }
    });
}

async fn sweep_once(app: &App) -> Result<()> {
    let (now, mut after) = (Timestamp::now(), None);
    loop {
        let due = app.reservations.due(now, after).await?;
        for some in due.items.chunks(SWEPT_TOGETHER) {
            let outcomes = join_all(some.iter().map(|reservation| look_after(app, reservation))).await;
            // One that cannot be settled now must not keep the others waiting.
            for (reservation, error) in
                some.iter().zip(outcomes).filter_map(|(one, outcome)| Some((one, outcome.err()?)))
            {
                tracing::warn!(order = %reservation.order, %error, "a reservation is left for the next sweep");
            }
        }
        after = due.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn look_after(app: &App, reservation: &Reservation) -> Result<()> {
    match reservation.state {
        State::Holding | State::Held => release(app, reservation.order).await.map(drop),
        State::Confirmed | State::Released | State::TakenBack => settle(app, reservation).await,
    }
}

#[cfg(test)]
mod tests;
