//! Routes by which admins see the sales, find orders, ship them and write notes.

use rocket::http::Status;
use rocket::serde::json::Json as Body;
use rocket::{State, get, post};
use souk_contract::shopping::{OrderId, ShipmentId};
use souk_http::auth::permission::{AssistCustomers, FulfilOrders, ViewOrders};
use souk_http::{Json, OptionalKey, Param, Query, Replayable, Result};
use souk_types::Page;
use souk_types::input::{Fields, Input};

use super::auth::Staff;
use crate::App;
use crate::application::fulfilment::{self, Worked};
use crate::application::order_list::{self, OrderWithTimeline};
use crate::domain::order::OrderView;
use crate::domain::order::filters::OrderQuery;
use crate::domain::order::listing::OrderSummary;
use crate::domain::order::note::NewNote;
use crate::domain::order::sales::SalesSummary;
use crate::domain::order::shipment::NewShipment;

#[get("/admin/orders")]
pub(super) async fn list_all_orders(
    app: &State<App>,
    _staff: Staff<ViewOrders>,
    query: Query<OrderQuery>,
) -> Result<Body<Page<OrderSummary>>> {
    Ok(Body(order_list::list(app, query.0).await?))
}

#[get("/admin/summary")]
pub(super) async fn get_summary(app: &State<App>, _staff: Staff<ViewOrders>) -> Result<Body<SalesSummary>> {
    Ok(Body(order_list::summary(app).await?))
}

#[get("/admin/orders/<id>")]
pub(super) async fn get_any_order(
    app: &State<App>,
    _staff: Staff<ViewOrders>,
    id: Param<OrderId>,
) -> Result<Body<OrderWithTimeline>> {
    Ok(Body(order_list::get(app, id.0).await?))
}

/// The order that the request has changed.
type WorkedResponse = Result<Replayable<(Status, Body<OrderView>)>>;

fn created(Worked { order, replayed }: Worked) -> Replayable<(Status, Body<OrderView>)> {
    Replayable { replayed, response: (Status::Created, Body(order)) }
}

#[post("/admin/orders/<id>/shipments", data = "<body>")]
pub(super) async fn ship_order(
    app: &State<App>,
    staff: Staff<FulfilOrders>,
    id: Param<OrderId>,
    key: OptionalKey,
    body: Json<NewShipment>,
) -> WorkedResponse {
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
) -> Result<Body<OrderView>> {
    Ok(Body(fulfilment::deliver(app, staff.id(), id.0, body.0.shipment).await?))
}

#[post("/admin/orders/<id>/notes", data = "<body>")]
pub(super) async fn add_note(
    app: &State<App>,
    staff: Staff<AssistCustomers>,
    id: Param<OrderId>,
    key: OptionalKey,
    body: Json<NewNote>,
) -> WorkedResponse {
    Ok(created(fulfilment::add_note(app, staff.id(), id.0, key.0, body.0.0).await?))
}
