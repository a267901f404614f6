//! Routes of checkout and orders.

use rocket::http::Status;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::status::Created;
use rocket::response::{self, Responder};
use rocket::serde::json::Json as Body;
use rocket::{State, get, post};
use souk_contract::shopping::OrderId;
use souk_http::{Json, NoInput, Param, Problem, Query, Result, guard_outcome};
use souk_types::input::{Fields, Input};
use souk_types::{Error, Page, Paging};

use super::auth::{AdminAuth, CustomerAuth};
use crate::App;
use crate::application::checkout::{self, Placed};
use crate::application::order;
use crate::application::timeline::{self, Timeline};
use crate::domain::idempotency::{CheckoutRequest, IdempotencyKey};
use crate::domain::order::{Actor, OrderView};
use crate::domain::payment::PaymentDetails;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for IdempotencyKey {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let header = souk_http::header(request, "Idempotency-Key");
        let missing =
            || Error::malformed("Send the header Idempotency-Key: a unique key of your own for this request.");
        guard_outcome(request, header.and_then(|key| key.ok_or_else(missing)).and_then(str::parse))
    }
}

pub(super) struct PlaceOrder {
    /// Without it, the shop's default method is used.
    payment: Option<PaymentDetails>,
}

impl Input for PlaceOrder {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { payment: fields.optional_object("payment") })
    }
}

/// The response to `POST /order`. A repeated request is marked with `Idempotent-Replayed`.
pub(super) struct PlacedResponse(Placed);

impl<'r> Responder<'r, 'static> for PlacedResponse {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let Placed { outcome, replayed } = self.0;
        let created = |order: OrderView| {
            let status = if order.is_in_progress() { Status::Accepted } else { Status::Created };
            (status, Created::new(format!("/shopping/order/{}", order.id())).body(Body(order)))
        };
        let mut response = outcome.map(created).map_err(Problem).respond_to(request)?;
        if replayed {
            response.set_raw_header("Idempotent-Replayed", "true");
        }
        Ok(response)
    }
}

#[post("/order", data = "<body>")]
pub(super) async fn place_order(
    app: &State<App>,
    customer: CustomerAuth,
    key: IdempotencyKey,
    body: Json<PlaceOrder>,
) -> Result<PlacedResponse> {
    let request = CheckoutRequest { payment: app.payments.choose(body.0.payment)? };
    Ok(PlacedResponse(checkout::place(app, customer.id(), key, request).await?))
}

#[get("/orders")]
pub(super) async fn list_orders(
    app: &State<App>,
    customer: CustomerAuth,
    paging: Query<Paging>,
) -> Result<Body<Page<OrderView>>> {
    Ok(Body(order::list(app, customer.id(), paging.0).await?))
}

#[get("/order/<id>")]
pub(super) async fn get_order(app: &State<App>, customer: CustomerAuth, id: Param<OrderId>) -> Result<Body<OrderView>> {
    Ok(Body(order::get(app, customer.id(), id.0).await?))
}

#[post("/order/<id>/cancel", data = "<_input>")]
pub(super) async fn cancel_order(
    app: &State<App>,
    customer: CustomerAuth,
    id: Param<OrderId>,
    _input: NoInput,
) -> Result<Body<OrderView>> {
    Ok(Body(order::cancel(app, Actor::Customer(customer.id()), id.0).await?))
}

#[post("/order/<id>/ship", data = "<_input>")]
pub(super) async fn ship_order(
    app: &State<App>,
    _admin: AdminAuth,
    id: Param<OrderId>,
    _input: NoInput,
) -> Result<Body<OrderView>> {
    Ok(Body(order::ship(app, id.0).await?))
}

#[get("/order/<id>/timeline")]
pub(super) async fn get_timeline(app: &State<App>, _admin: AdminAuth, id: Param<OrderId>) -> Result<Body<Timeline>> {
    Ok(Body(timeline::get(app, id.0).await?))
}
