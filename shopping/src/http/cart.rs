//! Routes of carts, for customers and guests.

use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, delete, get, post, put};
use souk_contract::products::ProductId;
use souk_http::{Json, Param, Result};
use souk_types::Quantity;
use souk_types::input::{Fields, Input};

use crate::App;
use crate::application::cart::{self, CartOwner};
use crate::domain::cart::CartView;

#[get("/cart")]
pub(super) async fn get_cart(app: &State<App>, owner: CartOwner) -> Result<JsonResponse<CartView>> {
    Ok(JsonResponse(cart::get(app, owner).await?))
}

pub(super) struct AddToCart {
    product: ProductId,
    quantity: Quantity,
}

impl Input for AddToCart {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (product, quantity) = (fields.required("product_id"), fields.required("quantity"));
        Some(Self { product: product?, quantity: quantity? })
    }
}

#[post("/cart", data = "<body>")]
pub(super) async fn add_to_cart(
    app: &State<App>,
    owner: CartOwner,
    body: Json<AddToCart>,
) -> Result<JsonResponse<CartView>> {
    Ok(JsonResponse(cart::add(app, owner, body.0.product, body.0.quantity).await?))
}

pub(super) struct SetQuantity(Quantity);

impl Input for SetQuantity {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("quantity").map(Self)
    }
}

#[put("/cart/<product_id>", data = "<body>")]
pub(super) async fn set_quantity(
    app: &State<App>,
    owner: CartOwner,
    product_id: Param<ProductId>,
    body: Json<SetQuantity>,
) -> Result<JsonResponse<CartView>> {
    Ok(JsonResponse(cart::set(app, owner, product_id.0, body.0.0).await?))
}

#[delete("/cart/<product_id>")]
pub(super) async fn remove_from_cart(
    app: &State<App>,
    owner: CartOwner,
    product_id: Param<ProductId>,
) -> Result<NoContent> {
    cart::remove(app, owner, product_id.0).await?;
    Ok(NoContent)
}

#[delete("/cart")]
pub(super) async fn clear_cart(app: &State<App>, owner: CartOwner) -> Result<NoContent> {
    cart::clear(app, owner).await?;
    Ok(NoContent)
}
