//! Routes by which an admin moves the money of an order: capture, cancel, refund.

use rocket::http::Status;
use rocket::request::Request;
use rocket::response::{self, Responder};
use rocket::serde::json::Json as Body;
use rocket::{State, post};
use souk_contract::shopping::OrderId;
use souk_http::auth::permission::MoveMoney;
use souk_http::{Json, NoInput, Param, Result};

use super::auth::Staff;
use crate::App;
use crate::application::refunds::{self, Refunded};
use crate::application::{order, payment};
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::order::OrderView;
use crate::domain::order::refunds::NewRefund;

#[post("/admin/orders/<id>/capture", data = "<_input>")]
pub(super) async fn capture_payment(
    app: &State<App>,
    _staff: Staff<MoveMoney>,
    id: Param<OrderId>,
    _input: NoInput,
) -> Result<Body<OrderView>> {
    Ok(Body(payment::capture(app, id.0).await?))
}

#[post("/admin/orders/<id>/cancel", data = "<_input>")]
pub(super) async fn cancel_order(
    app: &State<App>,
    staff: Staff<MoveMoney>,
    id: Param<OrderId>,
    _input: NoInput,
) -> Result<Body<OrderView>> {
    Ok(Body(order::cancel_any(app, staff.id(), id.0).await?))
}

/// The response to a refund. A repeated request is marked with `Idempotent-Replayed`.
pub(super) struct RefundResponse(Refunded);

impl<'r> Responder<'r, 'static> for RefundResponse {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let mut response = (Status::Created, Body(self.0.refund)).respond_to(request)?;
        if self.0.replayed {
            response.set_raw_header("Idempotent-Replayed", "true");
        }
        Ok(response)
    }
}

#[post("/admin/orders/<id>/refunds", data = "<body>")]
pub(super) async fn refund_order(
    app: &State<App>,
    staff: Staff<MoveMoney>,
    id: Param<OrderId>,
    key: IdempotencyKey,
    body: Json<NewRefund>,
) -> Result<RefundResponse> {
    Ok(RefundResponse(refunds::refund(app, staff.id(), id.0, key, body.0).await?))
}

#[post("/admin/orders/<id>/refunds/retry", data = "<_input>")]
pub(super) async fn retry_refunds(
    app: &State<App>,
    _staff: Staff<MoveMoney>,
    id: Param<OrderId>,
    _input: NoInput,
) -> Result<Body<OrderView>> {
    Ok(Body(refunds::retry(app, id.0).await?))
}
