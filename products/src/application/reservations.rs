//! Holding, selling, releasing and restocking the stock of an order. A crash between two writes
//! leaves holds behind; the background job finds them (`settlement.rs`). Every request can be
//! repeated.

use rocket::futures::future::{join, join_all};
use souk_bus::request_context;
use souk_contract::products::{
    Confirm, Confirmed, HeldLine, ProductId, Release, Released, ReservationLine, Reserve, Reserved, Restock, Restocked,
    Shortage,
};
use souk_types::{ErrorKind, Result, Timestamp};

use super::settlement::{restock_returned, settle, settle_or_defer};
use crate::App;
use crate::domain::hold::HoldRequest;
use crate::domain::product::Product;
use crate::domain::reservation::{Reservation, SoldLine};
use crate::domain::reservation_log::Cause;

/// Holds stock for an order: all lines or none.
pub(crate) async fn reserve(app: &App, request: Reserve) -> Result<Reserved> {
    // A request that is as late as this may be about a released reservation that is deleted.
    if request.expires_at <= Timestamp::now() {
        return Ok(Reserved::Released);
    }
    let id = request.reservation;
    let holds = join_all(request.lines.iter().map(|line| place_hold(app, &request, *line)));
    // A decision that is made at the same time may be missed here. Then the background job finds
    // the holds.
    let decision = async { if request.is_first { Ok(None) } else { app.reservations.get(id).await } };
    let (decision, outcomes) = join(decision, holds).await;
    let (mut lines, mut shortages) = (Vec::with_capacity(request.lines.len()), Vec::new());
    let mut expires_at = request.expires_at;
    for outcome in outcomes {
        match outcome? {
            Ok((line, expires)) => {
                lines.push(line);
                expires_at = expires_at.min(expires);
            }
            Err(shortage) => shortages.push(shortage),
        }
    }
    let decision = match decision? {
        Some(decision) => decision,
        None if shortages.is_empty() => return Ok(Reserved::Held { lines, expires_at }),
        None => {
            let order = request.order;
            let decide = move |slot: &mut Option<Reservation>| {
                Reservation::out_of_stock(slot, id, order, &shortages, &cause());
            };
            app.reservations.decide(id, decide).await?.1
        }
    };
    settle(app, &decision, lines.iter().map(|line| line.product.id)).await?;
    Ok(decision.reserve_reply())
}

/// Places a hold, unless there is one already. Returns the line and when the hold expires.
async fn place_hold(
    app: &App,
    request: &Reserve,
    line: ReservationLine,
) -> Result<std::result::Result<(HeldLine, Timestamp), Shortage>> {
    let reservation = request.reservation;
    let hold_request = HoldRequest {
        order: request.order,
        quantity: line.quantity,
        expires_at: request.expires_at,
        expires_at_if_scarce: request.expires_at_if_scarce,
    };
    let hold = move |product: &mut Product| Ok(product.hold(reservation, &hold_request));
    match app.products.update(line.product, hold).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let requested = line.quantity.get();
            Ok(Err(Shortage { product_id: line.product, name: None, requested, available: 0 }))
        }
        outcome => outcome,
    }
}

/// Sells the stock that is held. The reply does not wait for the products.
pub(crate) async fn confirm(app: &App, request: Confirm) -> Result<Confirmed> {
    let (id, products) = (request.reservation, products_of(&request.lines));
    let held = if request.holds.len() == request.lines.len() {
        Some(request.lines.iter().zip(&request.holds).map(|(line, hold)| SoldLine::new(line, *hold)).collect())
    } else {
        find_holds(app, &request, &products).await?
    };
    // As long as there is no decision, a hold that was placed or found is still there.
    let decide = move |slot: &mut Option<Reservation>| Reservation::confirm(slot, &request, held.as_deref(), &cause());
    let (reply, decision) = app.reservations.decide(id, decide).await?;
    let app = app.clone();
    tokio::spawn(async move { settle_or_defer(&app, &decision, products).await });
    Ok(reply)
}

/// Returns the lines with their holds; `None` when one of them has none.
async fn find_holds(app: &App, request: &Confirm, products: &[ProductId]) -> Result<Option<Vec<SoldLine>>> {
    let found = app.products.get_many(products).await?;
    let held = |line: &ReservationLine| {
        let product = found.iter().find(|product| product.id == line.product)?;
        let hold = product.stock.holds().get(&request.reservation);
        hold.filter(|hold| hold.quantity == line.quantity).map(|hold| SoldLine::new(line, hold.id))
    };
    Ok(request.lines.iter().map(held).collect())
}

/// Releases the stock that is held.
pub(crate) async fn release(app: &App, request: Release) -> Result<Released> {
    let Release { reservation: id, order, lines } = request;
    let decide = move |slot: &mut Option<Reservation>| Reservation::release(slot, id, order, &cause());
    let (reply, decision) = app.reservations.decide(id, decide).await?;
    settle_or_defer(app, &decision, products_of(&lines)).await;
    Ok(reply)
}

/// Puts sold pieces back on sale.
pub(crate) async fn restock(app: &App, Restock { reservation: id, pieces }: Restock) -> Result<Restocked> {
    let decide = move |slot: &mut Option<Reservation>| {
        let reservation = slot.as_mut()?;
        Some((reservation.restock(&pieces, &cause()), reservation.clone()))
    };
    let Some((reply, reservation)) = app.reservations.upsert(id, decide).await? else { return Ok(Restocked::NotSold) };
    if let Err(error) = restock_returned(app, &reservation).await {
        tracing::warn!(reservation = %id, order = %reservation.order, %error, "the background job will restock");
    }
    Ok(reply)
}

fn products_of(lines: &[ReservationLine]) -> Vec<ProductId> {
    lines.iter().map(|line| line.product).collect()
}

fn cause() -> Cause {
    Cause { at: Timestamp::now(), request: request_context::current() }
}

#[cfg(test)]
pub(crate) mod tests;
