//! Routes of checkout and orders.

use rocket::http::Status;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::status::Created;
use rocket::response::{self, Responder};
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, get, post};
use souk_contract::customer::AddressId;
use souk_contract::shopping::OrderId;
use souk_http::auth::permission::ViewOrders;
use souk_http::{Json, NoInput, Param, Problem, Query, Replayable, RequestKey, Result};
use souk_types::input::{Fields, Input};
use souk_types::{Error, Money, Page, Paging};

use super::auth::{CustomerAuth, Staff};
use crate::App;
use crate::application::checkout::{self, Client, Placed};
use crate::application::order::{self, Access};
use crate::application::timeline::{self, Timeline};
use crate::domain::checkout_request::CheckoutRequest;
use crate::domain::order::OrderView;
use crate::domain::order::buyer::CustomerNote;
use crate::domain::payment::PaymentDetails;
use crate::domain::quote::{QuoteRequest, optional_object};

pub(super) struct PlaceOrder {
    quote_request: QuoteRequest,
    shipping_address_id: Option<AddressId>,
    note: Option<CustomerNote>,
    /// Without it, the shop's default method is used.
    payment: Option<PaymentDetails>,
    expected_total: Option<Money>,
}

impl Input for PlaceOrder {
    fn read(fields: &mut Fields) -> Option<Self> {
        if fields.is_given("shipping_address_id") {
            fields.forbid("shipping_address", "must not be given beside shipping_address_id");
        }
        let (shipping_address_id, note) = (fields.optional("shipping_address_id"), fields.optional("note"));
        let (payment, expected_total) = (fields.optional_object("payment"), optional_object(fields, "expected_total"));
        let quote_request = QuoteRequest::read(fields)?;
        Some(Self { quote_request, shipping_address_id, note, payment, expected_total })
    }
}

/// Query of the link to a guest's order.
pub(super) struct Link {
    key: Option<String>,
}

impl Input for Link {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { key: fields.optional("key") })
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Access {
    type Error = Error;

    /// A key takes the place of an access token.
    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        match request.guard::<Query<Link>>().await {
            Outcome::Success(Query(Link { key: Some(key) })) => Outcome::Success(Self::Key(key)),
            Outcome::Success(_) => request.guard::<CustomerAuth>().await.map(|customer| Self::Account(customer.id())),
            Outcome::Error(error) => Outcome::Error(error),
            Outcome::Forward(status) => Outcome::Forward(status),
        }
    }
}

/// The response to `POST /order`.
pub(super) struct PlacedResponse(Result<OrderView>);

impl<'r> Responder<'r, 'static> for PlacedResponse {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let created = |order: OrderView| {
            let status = if order.is_in_checkout() { Status::Accepted } else { Status::Created };
            let location = order.link().map_or_else(|| format!("/shopping/order/{}", order.id()), str::to_owned);
            (status, Created::new(location).body(JsonResponse(order)))
        };
        self.0.map(created).respond_to(request)
    }
}

#[post("/order", data = "<body>")]
pub(super) async fn place_order(
    app: &State<App>,
    client: Client,
    key: RequestKey,
    body: Json<PlaceOrder>,
) -> Result<Replayable<PlacedResponse>> {
    let PlaceOrder { quote_request, shipping_address_id, note, payment, expected_total } = body.0;
    let payment = app.payments.choose(payment)?;
    let request = CheckoutRequest { quote_request, shipping_address_id, note, payment, expected_total };
    let Placed { outcome, replayed } = Box::pin(checkout::place(app, client, key.0, request)).await?;
    Ok(Replayable { replayed, response: PlacedResponse(outcome.map_err(Problem)) })
}

#[get("/orders")]
pub(super) async fn list_orders(
    app: &State<App>,
    customer: CustomerAuth,
    paging: Query<Paging>,
) -> Result<JsonResponse<Page<OrderView>>> {
    Ok(JsonResponse(order::list(app, customer.id(), paging.0).await?))
}

#[get("/order/<id>")]
pub(super) async fn get_order(app: &State<App>, access: Access, id: Param<OrderId>) -> Result<JsonResponse<OrderView>> {
    Ok(JsonResponse(order::get(app, &access, id.0).await?))
}

#[post("/order/<id>/cancel", data = "<_input>")]
pub(super) async fn cancel_order(
    app: &State<App>,
    access: Access,
    id: Param<OrderId>,
    _input: NoInput,
) -> Result<JsonResponse<OrderView>> {
    Ok(JsonResponse(order::cancel_own(app, &access, id.0).await?))
}

#[get("/order/<id>/timeline")]
pub(super) async fn get_timeline(
    app: &State<App>,
    _staff: Staff<ViewOrders>,
    id: Param<OrderId>,
) -> Result<JsonResponse<Timeline>> {
    Ok(JsonResponse(timeline::get(app, id.0).await?))
}
