//! Routes of wishlists.

use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, delete, get, post};
use souk_contract::products::ProductId;
use souk_http::{Json, Param, Result};
use souk_types::input::{Fields, Input};

use super::auth::CustomerAuth;
use crate::App;
use crate::application::wishlist;
use crate::domain::wishlist::WishlistView;

#[get("/wishlist")]
pub(super) async fn get_wishlist(app: &State<App>, customer: CustomerAuth) -> Result<JsonResponse<WishlistView>> {
    Ok(JsonResponse(wishlist::get(app, customer.id()).await?))
}

pub(super) struct AddToWishlist(ProductId);

impl Input for AddToWishlist {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("product_id").map(Self)
    }
}

#[post("/wishlist", data = "<body>")]
pub(super) async fn add_to_wishlist(
    app: &State<App>,
    customer: CustomerAuth,
    body: Json<AddToWishlist>,
) -> Result<JsonResponse<WishlistView>> {
    Ok(JsonResponse(wishlist::add(app, customer.id(), body.0.0).await?))
}

#[delete("/wishlist/<product_id>")]
pub(super) async fn remove_from_wishlist(
    app: &State<App>,
    customer: CustomerAuth,
    product_id: Param<ProductId>,
) -> Result<NoContent> {
    wishlist::remove(app, customer.id(), product_id.0).await?;
    Ok(NoContent)
}
