//! Routes by which staff ships orders.

use rocket::http::Status;
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, post};
use souk_contract::shopping::{OrderId, ShipmentId};
use souk_http::auth::permission::FulfilOrders;
use souk_http::{Json, OptionalKey, Param, Replayable, Result};
use souk_types::input::{Fields, Input};

use super::auth::Staff;
use crate::App;
use crate::application::fulfilment::{self, OrderChange};
use crate::domain::order::OrderView;
use crate::domain::order::shipment::NewShipment;

/// The order that the request has changed.
pub(super) type ChangedOrder = Result<Replayable<(Status, JsonResponse<OrderView>)>>;

pub(super) fn created(OrderChange { order, replayed }: OrderChange) -> Replayable<(Status, JsonResponse<OrderView>)> {
    Replayable { replayed, response: (Status::Created, JsonResponse(order)) }
}

#[post("/admin/orders/<id>/shipments", data = "<body>")]
pub(super) async fn ship_order(
    app: &State<App>,
    staff: Staff<FulfilOrders>,
    id: Param<OrderId>,
    key: OptionalKey,
    body: Json<NewShipment>,
) -> ChangedOrder {
    Ok(created(fulfilment::ship(app, staff.id(), id.0, key.0, body.0).await?))
}

pub(super) struct Delivery {
    /// Without it, everything that was sent has arrived.
    shipment: Option<ShipmentId>,
}

impl Input for Delivery {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { shipment: fields.optional("shipment") })
    }
}

#[post("/admin/orders/<id>/deliver", data = "<body>")]
pub(super) async fn deliver_order(
    app: &State<App>,
    staff: Staff<FulfilOrders>,
    id: Param<OrderId>,
    body: Json<Delivery>,
) -> Result<JsonResponse<OrderView>> {
    Ok(JsonResponse(fulfilment::deliver(app, staff.id(), id.0, body.0.shipment).await?))
}
