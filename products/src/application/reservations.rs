//! Reserving, selling, releasing and restocking the stock of an order. Each step is one guarded
//! write and can be repeated.

use rocket::futures::future::{join_all, try_join_all};
use souk_bus::request_context;
use souk_contract::products::{
    Confirmed, ProductId, Release, Released, ReservationId, ReservationLine, Reserve, Reserved, Restock, Restocked,
    Shortage,
};
use souk_types::{ErrorKind, Result, Timestamp};

use crate::App;
use crate::domain::product::Product;
use crate::domain::reservation::{PlacedHold, Reservation, ReserveAction};
use crate::domain::reservation_log::Cause;
use crate::domain::reservation_state::State;
use crate::domain::reservation_time::expiry;

/// Holds stock for an order: all lines or none.
pub(crate) async fn reserve(app: &App, request: Reserve) -> Result<Reserved> {
    let (id, lines) = (request.reservation, request.lines.clone());
    let (until, until_if_scarce) = (request.until, request.until_if_scarce);
    let begin = move |slot: &mut Option<Reservation>| Reservation::reserve(slot, &request, &cause());
    let attempt = match app.reservations.upsert(id, begin).await? {
        ReserveAction::PlaceHolds { attempt } => attempt,
        ReserveAction::Reply(reply) => return Ok(reply),
    };
    let outcomes = join_all(lines.iter().map(|line| place_hold(app, id, *line, attempt))).await;
    let (mut holds, mut shortages, mut reserved_percent) = (Vec::with_capacity(lines.len()), Vec::new(), 0);
    for outcome in outcomes {
        match outcome? {
            Ok((hold, percent)) => {
                holds.push(hold);
                reserved_percent = percent.max(reserved_percent);
            }
            Err(shortage) => shortages.push(shortage),
        }
    }
    let complete = move |reservation: &mut Reservation| {
        if shortages.is_empty() {
            reservation.all_held(&holds, expiry(until, until_if_scarce, reserved_percent), &cause());
        } else {
            reservation.out_of_stock(&shortages, &cause());
        }
        reservation.clone()
    };
    let reservation = app.reservations.update(id, complete).await?;
    if reservation.state() != State::Held {
        // The attempt failed, or another request decided first. The holds of this attempt follow
        // that decision.
        apply_decision(app, &reservation).await?;
    }
    Ok(reservation.reserve_reply())
}

/// Places a hold, and returns it with the share of the product's stock that is reserved, in
/// percent.
async fn place_hold(
    app: &App,
    reservation: ReservationId,
    line: ReservationLine,
    attempt: u32,
) -> Result<std::result::Result<(PlacedHold, u32), Shortage>> {
    let shortage = move |name: Option<String>, available| Shortage {
        product_id: line.product,
        name,
        requested: line.quantity.get(),
        available,
    };
    let hold = move |product: &mut Product| {
        let Ok(entry) = product.catalogue_entry() else { return Ok(Err(shortage(None, 0))) };
        Ok(match product.stock.hold(reservation, line.quantity, attempt) {
            Ok(attempt) => Ok((PlacedHold { attempt, product: entry.product }, product.stock.reserved_percent())),
            Err(insufficient) => Err(shortage(Some(entry.product.name), insufficient.available)),
        })
    };
    match app.products.update(line.product, hold).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Err(shortage(None, 0))),
        outcome => outcome,
    }
}

pub(crate) async fn confirm(app: &App, id: ReservationId) -> Result<Confirmed> {
    Ok(decide(app, id, Reservation::confirm).await?.unwrap_or(Confirmed::Released))
}

pub(crate) async fn restock(app: &App, Restock { reservation: id, pieces }: Restock) -> Result<Restocked> {
    let restock = move |reservation: &mut Reservation, cause: &Cause| reservation.restock(&pieces, cause);
    Ok(decide(app, id, restock).await?.unwrap_or(Restocked::NotSold))
}

pub(crate) async fn release(app: &App, request: Release) -> Result<Released> {
    let id = request.reservation;
    let decide = move |slot: &mut Option<Reservation>| {
        let reply = Reservation::release(slot, &request, &cause());
        (reply, slot.clone())
    };
    let (reply, reservation) = app.reservations.upsert(id, decide).await?;
    if let Some(reservation) = reservation {
        apply_decision_or_defer(app, &reservation).await;
    }
    Ok(reply)
}

/// Decides by `rule` and applies the decision. Returns `None` when there is no such reservation.
async fn decide<R: Send + 'static>(
    app: &App,
    id: ReservationId,
    rule: impl Fn(&mut Reservation, &Cause) -> R + Send + 'static,
) -> Result<Option<R>> {
    let decide = move |slot: &mut Option<Reservation>| {
        slot.as_mut().map(|reservation| (rule(reservation, &cause()), reservation.clone()))
    };
    let Some((reply, reservation)) = app.reservations.upsert(id, decide).await? else { return Ok(None) };
    apply_decision_or_defer(app, &reservation).await;
    Ok(Some(reply))
}

/// Handles a reservation that is due: releases an expired one, and applies a decision.
pub(crate) async fn handle_due(app: &App, reservation: &Reservation) -> Result<()> {
    if reservation.state().is_decided() {
        apply_decision(app, reservation).await
    } else {
        release(app, Release { reservation: reservation.id, order: reservation.order }).await.map(drop)
    }
}

/// An error does not change the reply: the decision is stored, and the job applies it.
async fn apply_decision_or_defer(app: &App, reservation: &Reservation) {
    if reservation.due().is_none() {
        return;
    }
    if let Err(error) = apply_decision(app, reservation).await {
        tracing::warn!(
            reservation = %reservation.id, order = %reservation.order, %error,
            "the background job will apply the decision on this reservation"
        );
    }
}

/// Applies a decision to the hold on each product. Idempotent.
async fn apply_decision(app: &App, reservation: &Reservation) -> Result<()> {
    let (id, state) = (reservation.id, reservation.state());
    try_join_all(reservation.lines().iter().map(|line| {
        let attempt = line.attempt();
        app.products.update_if_exists(line.product, move |product| match state {
            State::Released => product.stock.release(id),
            State::Confirmed | State::Restocked => product.stock.sell(id, attempt),
            State::Holding | State::Held => {}
        })
    }))
    .await?;
    for line in reservation.lines().iter().filter(|line| line.awaits_restock()) {
        restock_line(app, id, line.product).await?;
    }
    app.reservations.update(id, move |reservation| reservation.mark_applied(&cause())).await
}

/// Restocks the returned pieces of a line once. The product has no hold after a sale, so the same transaction marks the
/// line in the reservation. The transaction may delay a sale of the product, which is acceptable
/// because cancellations are rare.
async fn restock_line(app: &App, id: ReservationId, product: ProductId) -> Result<()> {
    app.database
        .run(|tx| async move {
            let Some(mut reservation) = app.reservations.get_in(&tx, id).await? else { return Ok(()) };
            let Some((line, pieces)) = reservation.mark_restocked(product) else { return Ok(()) };
            if let Some(mut product) = app.products.get_in(&tx, product).await? {
                product.stock.restock(id, line.attempt(), pieces);
                app.products.put_in(&tx, &product).await?;
            }
            app.reservations.put_in(&tx, &reservation).await
        })
        .await
}

fn cause() -> Cause {
    Cause { at: Timestamp::now(), request: request_context::current() }
}

#[cfg(test)]
pub(crate) mod tests;
