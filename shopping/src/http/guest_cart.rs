//! Routes of guest carts.

use rocket::http::Status;
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, post};
use souk_http::{ClientNetwork, Json, NoInput, Result};
use souk_types::input::{Fields, Input};

use super::auth::CustomerAuth;
use crate::App;
use crate::application::guest_cart::{self, MergedCart, NewGuestCart};

#[post("/guest", data = "<_input>")]
pub(super) async fn create_guest_cart(
    app: &State<App>,
    client: ClientNetwork,
    _input: NoInput,
) -> Result<(Status, JsonResponse<NewGuestCart>)> {
    Ok((Status::Created, JsonResponse(guest_cart::create(app, client.0).await?)))
}

pub(super) struct MergeCart {
    guest: String,
}

impl Input for MergeCart {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("guest").map(|guest| Self { guest })
    }
}

#[post("/cart/merge", data = "<body>")]
pub(super) async fn merge_cart(
    app: &State<App>,
    customer: CustomerAuth,
    body: Json<MergeCart>,
) -> Result<JsonResponse<MergedCart>> {
    Ok(JsonResponse(guest_cart::merge(app, customer.id(), &body.0.guest).await?))
}
