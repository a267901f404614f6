use rocket::serde::json::Json as JsonResponse;
use rocket::{State, get, put};
use souk_contract::products::ProductId;
use souk_http::{Json, Param, Result};

use super::AdminAuth;
use crate::App;
use crate::application::stock;
use crate::domain::stock::{SetStock, StockLevels};

// `/images/stock` also matches this route. Rank 2 lets the route of the images match first.
#[get("/<id>/stock", rank = 2)]
pub(super) async fn get_stock(
    app: &State<App>,
    _admin: AdminAuth,
    id: Param<ProductId>,
) -> Result<JsonResponse<StockLevels>> {
    Ok(JsonResponse(stock::levels(app, id.0).await?))
}

#[put("/<id>/stock", data = "<body>")]
pub(super) async fn set_stock(
    app: &State<App>,
    _admin: AdminAuth,
    id: Param<ProductId>,
    body: Json<SetStock>,
) -> Result<JsonResponse<StockLevels>> {
    Ok(JsonResponse(stock::set_available(app, id.0, body.0.available).await?))
}
