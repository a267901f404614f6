//! Routes by which staff sees the sales, finds orders, cancels them and writes notes.

use rocket::serde::json::Json as JsonResponse;
use rocket::{State, get, post};
use souk_contract::shopping::OrderId;
use souk_http::auth::permission::{AssistCustomers, MoveMoney, ViewOrders};
use souk_http::{Json, NoInput, OptionalKey, Param, Query, Result};
use souk_types::Page;

use super::admin_fulfilment::{ChangedOrder, created};
use super::auth::Staff;
use crate::App;
use crate::application::admin_orders::{self, OrderWithTimeline};
use crate::application::{fulfilment, order};
use crate::domain::order::OrderView;
use crate::domain::order::filters::OrderQuery;
use crate::domain::order::listing::OrderSummary;
use crate::domain::order::sales::SalesSummary;
use crate::domain::order::staff_note::NewNote;

#[get("/admin/orders")]
pub(super) async fn list_all_orders(
    app: &State<App>,
    _staff: Staff<ViewOrders>,
    query: Query<OrderQuery>,
) -> Result<JsonResponse<Page<OrderSummary>>> {
    Ok(JsonResponse(admin_orders::list(app, query.0).await?))
}

#[get("/admin/summary")]
pub(super) async fn get_summary(app: &State<App>, _staff: Staff<ViewOrders>) -> Result<JsonResponse<SalesSummary>> {
    Ok(JsonResponse(admin_orders::summary(app).await?))
}

#[get("/admin/orders/<id>")]
pub(super) async fn get_any_order(
    app: &State<App>,
    _staff: Staff<ViewOrders>,
    id: Param<OrderId>,
) -> Result<JsonResponse<OrderWithTimeline>> {
    Ok(JsonResponse(admin_orders::get(app, id.0).await?))
}

#[post("/admin/orders/<id>/cancel", data = "<_input>")]
pub(super) async fn cancel_order(
    app: &State<App>,
    staff: Staff<MoveMoney>,
    id: Param<OrderId>,
    _input: NoInput,
) -> Result<JsonResponse<OrderView>> {
    Ok(JsonResponse(order::cancel_any(app, staff.id(), id.0).await?))
}

#[post("/admin/orders/<id>/notes", data = "<body>")]
pub(super) async fn add_note(
    app: &State<App>,
    staff: Staff<AssistCustomers>,
    id: Param<OrderId>,
    key: OptionalKey,
    body: Json<NewNote>,
) -> ChangedOrder {
    Ok(created(fulfilment::add_note(app, staff.id(), id.0, key.0, body.0.0).await?))
}
