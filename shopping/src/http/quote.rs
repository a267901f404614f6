//! The route of quotes.

use rocket::serde::json::Json as JsonResponse;
use rocket::{State, post};
use souk_http::{ClientNetwork, Json, Result};

use crate::App;
use crate::application::cart::CartOwner;
use crate::application::quote;
use crate::domain::quote::{Quote, QuoteRequest};

#[post("/quote", data = "<body>")]
pub(super) async fn get_quote(
    app: &State<App>,
    owner: CartOwner,
    client: ClientNetwork,
    body: Json<QuoteRequest>,
) -> Result<JsonResponse<Quote>> {
    Ok(JsonResponse(quote::of_cart(app, owner, client.0, body.0).await?))
}
