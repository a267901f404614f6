//! Orders after checkout: read, cancelled, shipped.

use souk_contract::customer::CustomerId;
use souk_contract::shopping::{OrderCancelled, OrderId};
use souk_store::Events;
use souk_types::{Error, Page, Paging, Result, Timestamp};

use super::{checkout, order_log};
use crate::App;
use crate::domain::order::{Actor, Order, OrderView};

/// Returns a page of a customer's orders, newest first.
pub(crate) async fn list(app: &App, customer: CustomerId, paging: Paging) -> Result<Page<OrderView>> {
    Ok(app.store.orders.of_customer(customer, paging).await?.map(|order| order.view()))
}

/// Returns a customer's order. Errors: `not-found` for another customer's order.
pub(crate) async fn get(app: &App, customer: CustomerId, id: OrderId) -> Result<OrderView> {
    let order = app.store.orders.get(id).await?.filter(|order| order.customer() == Some(customer));
    order.map(|order| order.view_for_customer()).ok_or_else(|| Error::not_found("order"))
}

/// Returns any customer's order, for an admin.
pub(super) async fn get_any(app: &App, id: OrderId) -> Result<Order> {
    app.store.orders.get(id).await?.ok_or_else(|| Error::not_found("order"))
}

/// Cancels an order, and returns money and stock at once or as soon as possible.
pub(crate) async fn cancel(app: &App, actor: Actor, id: OrderId) -> Result<OrderView> {
    let cancel = move |order: &mut Order, events: &mut Events| {
        if order.cancel(actor, Timestamp::now())? {
            order.log(order_log::published::<OrderCancelled>());
            events.publish(&OrderCancelled { id })?;
        }
        Ok(())
    };
    let order = app.store.orders.update(id, cancel).await?;
    Ok(checkout::advance_or_leave(app, order).await.view())
}

/// Deletes a refused order, and the demo bank's record of it from a checkout that was interrupted
/// before the order got its payment.
pub(crate) async fn delete_refused(app: &App, id: OrderId) -> Result<()> {
    if app.store.orders.get(id).await?.is_some_and(|order| order.is_deletable()) {
        app.payments.demo_bank.delete(id).await?;
        app.store.orders.delete_refused(id).await?;
    }
    Ok(())
}

pub(crate) async fn ship(app: &App, id: OrderId) -> Result<OrderView> {
    let order = app.store.orders.update(id, |order, _| order.ship(Timestamp::now())).await?;
    Ok(order.view())
}
