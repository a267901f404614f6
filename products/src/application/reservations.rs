//! What is done with a reservation, one guarded write at a time. Each step can be done again, by whoever comes after.

use rocket::futures::future::{join_all, try_join_all};
use souk_contract::products::{
    Confirmed, Release, Released, ReservationId, ReservationLine, Reserve, Reserved, Restocked, Shortage,
};
use souk_contract::shopping::{OrderId, TimelineEntry};
use souk_types::{ErrorKind, Result, Timestamp};

use crate::App;
use crate::domain::product::Product;
use crate::domain::reservation::{Begun, Held, Reservation, State};

/// Holds stock for an order: all lines or none.
pub(crate) async fn reserve(app: &App, reserve: Reserve) -> Result<Reserved> {
    let (id, lines) = (reserve.reservation, reserve.lines.clone());
    let begun = app.reservations.0.upsert(id, move |slot, _| Ok(Reservation::begin(slot, &reserve))).await?;
    let attempt = match begun {
        Begun::Attempt(attempt) => attempt,
        Begun::Held(lines) => return Ok(Reserved::Held { lines }),
        Begun::Over(reply) => return Ok(reply),
    };
    let placed = join_all(lines.iter().map(|line| place(app, id, *line, attempt))).await;
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
    let reservation = app.reservations.0.update(id, complete).await?;
    if reservation.state != State::Held {
        settle(app, &reservation).await?;
    }
    Ok(match reservation.state {
        State::Holding | State::Held | State::Confirmed => Reserved::Held { lines: reservation.held_lines() },
        State::Released | State::TakenBack => reservation.refusal(),
    })
}

async fn place(
    app: &App,
    reservation: ReservationId,
    line: ReservationLine,
    attempt: u32,
) -> Result<std::result::Result<Held, Shortage>> {
    let short = move |name: Option<String>, available| Shortage {
        product_id: line.product,
        name,
        requested: line.quantity.get(),
        available,
    };
    let hold = move |product: &mut Product, _: &mut _| {
        let Ok(offer) = product.offer() else { return Ok(Err(short(None, 0))) };
        Ok(match product.stock.hold(reservation, line.quantity, attempt) {
            Ok(attempt) => Ok(Held { attempt, item: offer.product }),
            Err(left) => Err(short(Some(offer.product.name), left.available)),
        })
    };
    match app.products.0.update(line.product, hold).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Err(short(None, 0))),
        outcome => outcome,
    }
}

/// The order is paid: what is held for it is sold.
pub(crate) async fn confirm(app: &App, id: ReservationId) -> Result<Confirmed> {
    Ok(decide(app, id, Reservation::confirm).await?.unwrap_or(Confirmed::Released))
}

/// A confirmed order is cancelled: what was sold for it comes back.
pub(crate) async fn restock(app: &App, id: ReservationId) -> Result<Restocked> {
    Ok(decide(app, id, Reservation::restock).await?.unwrap_or(Restocked::NotSold))
}

/// Applies a decision and settles it. Returns `None` when there is no such reservation.
async fn decide<R: Send + 'static>(
    app: &App,
    id: ReservationId,
    rule: fn(&mut Reservation, Timestamp) -> R,
) -> Result<Option<R>> {
    let decide = move |slot: &mut Option<Reservation>, _: &mut _| {
        Ok(slot.as_mut().map(|reservation| (rule(reservation, Timestamp::now()), reservation.clone())))
    };
    let Some((outcome, reservation)) = app.reservations.0.upsert(id, decide).await? else { return Ok(None) };
    follow(app, &reservation).await;
    Ok(Some(outcome))
}

/// The order will not be. Tells what has become of it, for it may have been confirmed before.
pub(crate) async fn release(app: &App, release: Release) -> Result<Released> {
    let id = release.reservation;
    let decide = move |slot: &mut Option<Reservation>, _: &mut _| {
        let released = Reservation::release(slot, &release, Timestamp::now());
        Ok((released, slot.clone()))
    };
    let (released, reservation) = app.reservations.0.upsert(id, decide).await?;
    if let Some(reservation) = reservation {
        follow(app, &reservation).await;
    }
    Ok(released)
}

/// What is known of the stock that an order claimed.
pub(crate) async fn explain(app: &App, order: OrderId) -> Result<Vec<TimelineEntry>> {
    Ok(app.reservations.of(order).await?.iter().flat_map(Reservation::told).collect())
}

/// Settles what was decided. The decision stands whatever comes of this: should it fail, the sweeper does it.
async fn follow(app: &App, reservation: &Reservation) {
    if reservation.due.is_none() {
        return;
    }
    if let Err(error) = settle(app, reservation).await {
        tracing::warn!(reservation = %reservation.id, order = %reservation.order, %error, "a reservation is left to the sweeper");
    }
}

/// Makes every hold follow the decision. Can be done any number of times.
async fn settle(app: &App, reservation: &Reservation) -> Result<()> {
    let (id, state) = (reservation.id, reservation.state);
    try_join_all(reservation.lines.iter().map(|line| {
        let attempt = line.attempt();
        app.products.0.upsert(line.product, move |slot, _| {
            if let Some(product) = slot {
                match state {
                    State::Released => product.stock.release(id),
                    State::Confirmed | State::TakenBack => product.stock.sell(id, attempt),
                    State::Holding | State::Held => {}
                }
            }
            Ok(())
        })
    }))
    .await?;
    if state == State::TakenBack {
        for at in 0..reservation.lines.len() {
            take_back_line(app, id, at).await?;
        }
    }
    app.reservations
        .0
        .update(id, move |reservation, _| {
            reservation.settled(Timestamp::now());
            Ok(())
        })
        .await
}

/// Gives one line's pieces back, once. The mark and the pieces must change together, in two documents, because a sale leaves no hold
/// behind by which it could be known. Cancellations are few, so this may stand in the way of a sale for a moment.
async fn take_back_line(app: &App, id: ReservationId, at: usize) -> Result<()> {
    app.database
        .run(|tx| async move {
            let Some(mut reservation) = tx.get(&app.reservations.0, id).await? else { return Ok(()) };
            let Some(line) = reservation.lines.get_mut(at).filter(|line| !line.taken_back) else { return Ok(()) };
            line.taken_back = true;
            let (product_id, attempt, quantity) = (line.product, line.attempt(), line.quantity);
            if let Some(mut product) = tx.get(&app.products.0, product_id).await? {
                product.stock.take_back(id, attempt, quantity);
                tx.put(&app.products.0, product_id, &product).await?;
            }
            tx.put(&app.reservations.0, id, &reservation).await
        })
        .await
}

/// Releases a reservation whose time is over, or finishes one that is decided.
pub(crate) async fn look_after(app: &App, reservation: &Reservation) -> Result<()> {
    match reservation.state {
        State::Holding | State::Held => {
            release(app, Release { reservation: reservation.id, order: reservation.order }).await.map(drop)
        }
        State::Confirmed | State::Released | State::TakenBack => settle(app, reservation).await,
    }
}

#[cfg(test)]
mod tests;
