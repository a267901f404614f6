//! Work of the shop's staff on a sold order: shipments, deliveries, notes.

use souk_contract::customer::CustomerId;
use souk_contract::shopping::{OrderId, ParcelSent, ShipmentId, TimelineKind};
use souk_store::Events;
use souk_types::{IdempotencyKey, Result, Timestamp};

use super::order_log;
use crate::App;
use crate::domain::order::shipment::{NewShipment, Shipped};
use crate::domain::order::staff_note::NoteText;
use crate::domain::order::{Order, OrderView};

/// An order, and whether an earlier request with the same key has done the work.
pub(crate) struct OrderChange {
    pub(crate) order: OrderView,
    pub(crate) replayed: bool,
}

/// Ships pieces of an order in one parcel, and publishes `ParcelSent` in the same write.
pub(crate) async fn ship(
    app: &App,
    admin: CustomerId,
    id: OrderId,
    key: Option<IdempotencyKey>,
    new: NewShipment,
) -> Result<OrderChange> {
    let ship = move |order: &mut Order, events: &mut Events| {
        let shipped = order.ship(&new, key.as_ref(), admin, Timestamp::now())?;
        if let Shipped::New(shipment) = shipped {
            order.log(order_log::entry(TimelineKind::Admin, "ship", "ok").by(admin));
            order.log(order_log::published::<ParcelSent>());
            events.publish(&ParcelSent { id, shipment })?;
        }
        Ok(shipped == Shipped::Before)
    };
    let (order, replayed) = app.store.orders.update_with_outcome(id, ship).await?;
    Ok(OrderChange { order: order.view_for_admin(), replayed })
}

/// Records that a shipment, or everything that was sent, has arrived.
pub(crate) async fn deliver(
    app: &App,
    admin: CustomerId,
    id: OrderId,
    shipment: Option<ShipmentId>,
) -> Result<OrderView> {
    let deliver = move |order: &mut Order, _: &mut Events| {
        if order.deliver(shipment, Timestamp::now())? {
            order.log(order_log::entry(TimelineKind::Admin, "deliver", "ok").by(admin));
        }
        Ok(())
    };
    Ok(app.store.orders.update(id, deliver).await?.view_for_admin())
}

/// Adds a note to an order. Requests with the same key and text add one.
pub(crate) async fn add_note(
    app: &App,
    admin: CustomerId,
    id: OrderId,
    key: Option<IdempotencyKey>,
    text: NoteText,
) -> Result<OrderChange> {
    let add = move |order: &mut Order, _: &mut Events| {
        let is_new = order.add_note(text.clone(), key.clone(), admin, Timestamp::now())?;
        if is_new {
            order.log(order_log::entry(TimelineKind::Admin, "note", "ok").by(admin));
        }
        Ok(!is_new)
    };
    let (order, replayed) = app.store.orders.update_with_outcome(id, add).await?;
    Ok(OrderChange { order: order.view_for_admin(), replayed })
}
