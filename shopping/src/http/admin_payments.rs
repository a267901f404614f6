//! Routes by which staff moves the money of an order: capture and refund.

use rocket::http::Status;
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, post};
use souk_contract::shopping::OrderId;
use souk_http::auth::permission::MoveMoney;
use souk_http::{Json, NoInput, Param, Replayable, RequestKey, Result};

use super::auth::Staff;
use crate::App;
use crate::application::payment;
use crate::application::refunds::{self, Refunded};
use crate::domain::order::OrderView;
use crate::domain::order::refunds::{NewRefund, OrderRefundView};

#[post("/admin/orders/<id>/capture", data = "<_input>")]
pub(super) async fn capture_payment(
    app: &State<App>,
    staff: Staff<MoveMoney>,
    id: Param<OrderId>,
    _input: NoInput,
) -> Result<JsonResponse<OrderView>> {
    Ok(JsonResponse(payment::capture(app, staff.id(), id.0).await?))
}

#[post("/admin/orders/<id>/refunds", data = "<body>")]
pub(super) async fn refund_order(
    app: &State<App>,
    staff: Staff<MoveMoney>,
    id: Param<OrderId>,
    key: RequestKey,
    body: Json<NewRefund>,
) -> Result<Replayable<(Status, JsonResponse<OrderRefundView>)>> {
    let Refunded { refund, replayed } = refunds::refund(app, staff.id(), id.0, key.0, body.0).await?;
    Ok(Replayable { replayed, response: (Status::Created, JsonResponse(refund)) })
}

#[post("/admin/orders/<id>/refunds/retry", data = "<_input>")]
pub(super) async fn retry_refunds(
    app: &State<App>,
    staff: Staff<MoveMoney>,
    id: Param<OrderId>,
    _input: NoInput,
) -> Result<JsonResponse<OrderView>> {
    Ok(JsonResponse(refunds::retry(app, staff.id(), id.0).await?))
}
