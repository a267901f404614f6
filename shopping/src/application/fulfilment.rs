//! Work of the shop's staff on a sold order: shipments, deliveries, notes.

use souk_contract::customer::CustomerId;
use souk_contract::shopping::{OrderId, ParcelSent, ShipmentId, TimelineKind};
use souk_store::Events;
use souk_types::{Result, Timestamp};

use super::order_log;
use crate::App;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::order::note::NoteText;
use crate::domain::order::shipment::{NewShipment, Shipped};
use crate::domain::order::{Order, OrderView};

/// An order with a parcel, and whether an earlier request with the same key has sent it.
pub(crate) struct Sent {
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
) -> Result<Sent> {
    let ship = move |order: &mut Order, events: &mut Events| {
        let shipped = order.ship(&new, key.as_ref(), admin, Timestamp::now())?;
        if let Shipped::New(shipment) = shipped {
            order.log(order_log::entry(TimelineKind::Admin, "ship", "ok").by(admin));
            order.log(order_log::published::<ParcelSent>());
            events.publish(&ParcelSent { id, shipment })?;
        }
        Ok(shipped == Shipped::Before)
    };
    let (order, replayed) = app.store.orders.decide(id, ship).await?;
    Ok(Sent { order: order.view_for_admin(), replayed })
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

pub(crate) async fn add_note(app: &App, admin: CustomerId, id: OrderId, text: NoteText) -> Result<OrderView> {
    let add = move |order: &mut Order, _: &mut Events| {
        order.log(order_log::entry(TimelineKind::Admin, "note", "ok").by(admin));
        order.add_note(text.clone(), admin, Timestamp::now())
    };
    Ok(app.store.orders.update(id, add).await?.view_for_admin())
}
