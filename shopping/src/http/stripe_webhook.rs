//! The route of Stripe's webhooks.

use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::status::NoContent;
use rocket::{State, post};
use souk_http::{Body, Result, guard_outcome};
use souk_types::{Error, Timestamp};

use crate::App;
use crate::application::payment;
use crate::providers::stripe::webhook;

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
