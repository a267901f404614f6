//! Settlement: the holds on products follow the decisions on reservations, and returned pieces are
//! restocked. All of it can be repeated.

use rocket::futures::future::try_join_all;
use souk_contract::products::{ProductId, Release, ReservationId, ReservationLine};
use souk_types::{Result, Timestamp};

use super::reservations::release;
use crate::App;
use crate::domain::hold::Hold;
use crate::domain::product::Product;
use crate::domain::reservation::Reservation;

/// Applies a decision to the holds on these products.
pub(crate) async fn settle(
    app: &App,
    decision: &Reservation,
    products: impl IntoIterator<Item = ProductId>,
) -> Result<()> {
    let id = decision.id;
    let settle = |product: ProductId| {
        let sold = decision.sold_hold(product);
        app.products.update_if_exists(product, move |product| product.stock.settle(id, sold))
    };
    try_join_all(products.into_iter().map(settle)).await.map(drop)
}

/// An error does not change the reply: the decision is stored, and the job settles it.
pub(crate) async fn settle_or_defer(app: &App, decision: &Reservation, products: Vec<ProductId>) {
    if let Err(error) = settle(app, decision, products).await {
        tracing::warn!(
            reservation = %decision.id, order = %decision.order, %error,
            "the background job will apply the decision on this reservation"
        );
    }
}

/// Settles all holds of a product that are decided or expired.
pub(crate) async fn settle_product(app: &App, product: &Product) -> Result<()> {
    let holds = product.stock.holds();
    let ids: Vec<ReservationId> = holds.keys().copied().collect();
    let decisions = app.reservations.get_many(&ids).await?;
    try_join_all(decisions.iter().map(|decision| settle(app, decision, [product.id]))).await?;
    let now = Timestamp::now();
    let is_expired = |(id, hold): &(&ReservationId, &Hold)| {
        hold.expires_at <= now && !decisions.iter().any(|decision| decision.id == **id)
    };
    let expire = |(reservation, hold): (&ReservationId, &Hold)| {
        let line = ReservationLine { product: product.id, quantity: hold.quantity };
        release(app, Release { reservation: *reservation, order: hold.order, lines: vec![line] })
    };
    try_join_all(holds.iter().filter(is_expired).map(expire)).await.map(drop)
}

/// Restocks returned pieces, or deletes a released reservation that is not needed any more.
pub(crate) async fn handle_due(app: &App, reservation: &Reservation) -> Result<()> {
    if reservation.is_outdated(Timestamp::now()) {
        return app.reservations.delete_if(reservation.id, |found| found.is_outdated(Timestamp::now())).await;
    }
    restock_returned(app, reservation).await
}

/// Restocks the returned pieces of each product.
pub(crate) async fn restock_returned(app: &App, reservation: &Reservation) -> Result<()> {
    for product in reservation.products_to_restock() {
        restock_product(app, reservation.id, product).await?;
    }
    Ok(())
}

/// Restocks the returned pieces of a product once. The product has no hold after a sale, so the
/// same transaction marks the pieces in the reservation. The transaction may delay a sale of the
/// product, which is acceptable because returns are rare.
async fn restock_product(app: &App, id: ReservationId, product: ProductId) -> Result<()> {
    app.database
        .run(|tx| async move {
            let Some(mut reservation) = app.reservations.get_in(&tx, id).await? else { return Ok(()) };
            let Some((sold, pieces)) = reservation.mark_restocked(product) else { return Ok(()) };
            if let Some(mut product) = app.products.get_in(&tx, product).await? {
                product.stock.restock(id, sold, pieces);
                app.products.put_in(&tx, &product).await?;
            }
            app.reservations.put_in(&tx, &reservation).await
        })
        .await
}
