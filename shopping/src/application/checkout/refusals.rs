//! Orders that end without a sale: rejected before they are paid, or cancelled afterwards.

use souk_contract::products::Shortage;
use souk_contract::shopping::OrderId;
use souk_types::{Error, Result};

use super::actions::payment_by_order_id;
use super::outcomes::update;
use crate::App;
use crate::application::order;
use crate::domain::order::history::LogEntry;
use crate::domain::order::{Order, StatusReason};
use crate::repositories::CartState;

/// Whether `products` may still hold stock for an order that is rejected.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Stock {
    MayBeHeld,
    NotHeld,
}

/// Rejects an order. A payment that an interrupted checkout may have charged is cancelled.
pub(super) async fn reject(
    app: &App,
    order: &Order,
    refusal: Error,
    reason: StatusReason,
    stock: Stock,
    entry: LogEntry,
) -> Result<Order> {
    let (id, payment) = (order.id, if stock == Stock::MayBeHeld { payment_by_order_id(app, order)? } else { None });
    let is_refused = payment.is_none() && order.payment().is_none();
    let (cart, surplus) = if is_refused { record_refused(app, order).await? } else { (CartState::Open, None) };
    let rejected = update(app, id, move |order, now| {
        order.log(entry.clone());
        if let Some(payment) = &payment {
            order.attach_payment(payment);
        }
        order.reject(refusal.clone(), reason, stock == Stock::MayBeHeld, now)?;
        if cart == CartState::Closed {
            order.erase_personal_data();
        }
        Ok(())
    })
    .await?;
    if let Some(surplus) = surplus
        && let Err(error) = order::delete_refused(app, surplus).await
    {
        tracing::warn!(order = %surplus, %error, "a refused order is deleted later, by the background job");
    }
    Ok(rejected)
}

/// Records a refused order in its cart. Returns the oldest one when there are too many.
async fn record_refused(app: &App, order: &Order) -> Result<(CartState, Option<OrderId>)> {
    let id = order.id;
    match order.placed_by() {
        Some(owner) => app.store.change_cart(owner, move |cart| cart.orders.add_refused(id)).await,
        None => Ok((CartState::Closed, None)),
    }
}

/// Cancels a paid order that cannot be completed: its stock or its discount is gone, or its cart
/// was ordered again.
pub(super) async fn cancel_paid(
    app: &App,
    id: OrderId,
    refusal: Error,
    reason: StatusReason,
    entry: Option<LogEntry>,
) -> Result<Order> {
    update(app, id, move |order, now| {
        if let Some(entry) = &entry {
            order.log(entry.clone());
        }
        order.cancel_because(refusal.clone(), reason, now)
    })
    .await
}

pub(super) fn ordered_again() -> Error {
    let detail = "The payment arrived after the cart had been ordered again; the money is returned.";
    Error::conflict("order-state", detail)
}

pub(super) fn out_of_stock(shortages: &[Shortage]) -> Error {
    match serde_json::to_value(shortages) {
        Ok(items) => Error::conflict(
            "out-of-stock",
            "Some products are out of stock; change the cart and order under a new key.",
        )
        .with_member("items", items),
        Err(error) => Error::internal(error),
    }
}
