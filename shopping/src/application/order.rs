//! Orders after checkout: read and cancelled.

use souk_contract::customer::CustomerId;
use souk_contract::shopping::{OrderId, TimelineKind};
use souk_store::Events;
use souk_types::{Error, Page, Paging, Result, Timestamp};

use super::{checkout, guest_orders, order_log};
use crate::App;
use crate::domain::order::{Actor, Order, OrderStatus, OrderView};

/// Returns a page of a customer's orders, newest first. The first page includes what the customer
/// has ordered as a guest since the address was verified.
pub(crate) async fn list(app: &App, customer: CustomerId, paging: Paging) -> Result<Page<OrderView>> {
    if paging.after.is_none()
        && let Err(error) = guest_orders::move_to_account(app, customer).await
    {
        tracing::warn!(%error, "orders of guests are not moved into their account; the next list tries again");
    }
    Ok(app.store.orders.of_customer(customer, paging).await?.map(|order| order.view()))
}

/// The right to one order.
#[derive(Debug, Clone)]
pub(crate) enum Access {
    Account(CustomerId),
    /// The key in the link to a guest's order.
    Key(String),
}

/// Returns an order to its customer, or to the holder of its link. Errors: `not-found` for another
/// customer's order, or a wrong key.
pub(crate) async fn get(app: &App, access: &Access, id: OrderId) -> Result<OrderView> {
    require_key(app, access, id).await?;
    let order = get_any(app, id).await?;
    match access {
        Access::Account(customer) if order.customer() == Some(*customer) => Ok(order.view_for_customer()),
        Access::Key(_) => with_link(app, &order, order.view_for_customer()).await,
        Access::Account(_) => Err(Error::not_found("order")),
    }
}

/// Errors: `not-found` for a key of another order.
async fn require_key(app: &App, access: &Access, id: OrderId) -> Result<()> {
    match access {
        Access::Key(key) if !app.guest_tokens.opens(id, key).await? => Err(Error::not_found("order")),
        Access::Key(_) | Access::Account(_) => Ok(()),
    }
}

/// Adds the link to the view of a guest's order.
pub(super) async fn with_link(app: &App, order: &Order, view: OrderView) -> Result<OrderView> {
    if order.is_of_guest() {
        let key = app.guest_tokens.order_key(order.id).await?;
        return Ok(view.with_link(format!("/shopping/order/{}?key={key}", order.id)));
    }
    Ok(view)
}

/// Returns any customer's order, for an admin.
pub(super) async fn get_any(app: &App, id: OrderId) -> Result<Order> {
    app.store.orders.get(id).await?.ok_or_else(|| Error::not_found("order"))
}

/// Cancels an order for its customer, or for the holder of its link.
pub(crate) async fn cancel_own(app: &App, access: &Access, id: OrderId) -> Result<OrderView> {
    require_key(app, access, id).await?;
    match access {
        Access::Account(customer) => Ok(cancel(app, Actor::Customer(*customer), id).await?.view()),
        Access::Key(_) => {
            let order = cancel(app, Actor::Guest, id).await?;
            with_link(app, &order, order.view()).await
        }
    }
}

/// Cancels an order for the shop. Of an order whose first parcel was sent, it cancels what is left.
pub(crate) async fn cancel_any(app: &App, admin: CustomerId, id: OrderId) -> Result<OrderView> {
    let order = get_any(app, id).await?;
    if order.status() == OrderStatus::PartiallyShipped {
        checkout::sync_refunds_if_paid(app, &order).await?;
    }
    Ok(cancel(app, Actor::Admin(admin), id).await?.view())
}

/// Cancels an order, and returns money and stock at once or as soon as possible.
async fn cancel(app: &App, actor: Actor, id: OrderId) -> Result<Order> {
    let cancel = move |order: &mut Order, events: &mut Events| {
        let (now, before) = (Timestamp::now(), order.status());
        let is_new = match actor {
            Actor::Admin(admin) if before == OrderStatus::PartiallyShipped => order.cancel_rest(admin, now)?,
            _ => order.cancel(actor, now)?,
        };
        if let Actor::Admin(admin) = actor
            && is_new
        {
            order.log(order_log::entry(TimelineKind::Admin, "cancel", "ok").by(admin));
        }
        checkout::publish_changes(order, events)
    };
    Ok(checkout::advance_or_defer(app, app.store.orders.update(id, cancel).await?).await)
}

/// Deletes a refused order.
pub(crate) async fn delete_refused(app: &App, id: OrderId) -> Result<()> {
    app.store.orders.delete_refused(id).await
}
