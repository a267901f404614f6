//! Routes of payments: captures and refunds by an admin, and Stripe's webhooks.

use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::status::NoContent;
use rocket::serde::json::Json;
use rocket::{State, post};
use souk_contract::shopping::OrderId;
use souk_http::{Body, NoInput, Param, Result, guard_outcome};
use souk_types::{Error, Timestamp};

use super::auth::AdminAuth;
use crate::App;
use crate::application::payment;
use crate::domain::order::OrderView;
use crate::providers::stripe::webhook;

#[post("/order/<id>/capture", data = "<_input>")]
pub(super) async fn capture_payment(
    app: &State<App>,
    _admin: AdminAuth,
    id: Param<OrderId>,
    _input: NoInput,
) -> Result<Json<OrderView>> {
    Ok(Json(payment::capture(app, id.0).await?))
}

#[post("/order/<id>/refund", data = "<_input>")]
pub(super) async fn refund_payment(
    app: &State<App>,
    _admin: AdminAuth,
    id: Param<OrderId>,
    _input: NoInput,
) -> Result<Json<OrderView>> {
    Ok(Json(payment::refund(app, id.0).await?))
}

pub(super) struct StripeSignature(String);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for StripeSignature {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let header = souk_http::header(request, "Stripe-Signature");
        let missing = || Error::malformed("The header Stripe-Signature is missing.");
        let signature = header.and_then(|header| header.ok_or_else(missing));
        guard_outcome(request, signature.map(|signature| Self(signature.to_owned())))
    }
}

#[post("/payment/webhook", data = "<body>")]
pub(super) async fn handle_webhook(app: &State<App>, signature: StripeSignature, body: Body<'_>) -> Result<NoContent> {
    let Some(stripe) = &app.payments.stripe else { return Err(Error::not_found("route").into()) };
    let body = body.read(webhook::MAX_BODY).await?;
    stripe.webhook().verify(&signature.0, &body, Timestamp::now())?;
    payment::handle_stripe_event(app, &body).await?;
    Ok(NoContent)
}
