use rocket::serde::json::Json as JsonResponse;
use rocket::{State, get, patch, put};
use souk_contract::products::ProductId;
use souk_http::{IfMatch, Json, Param, Result, Tagged};

use super::AdminAuth;
use crate::App;
use crate::application::stock;
use crate::domain::stock::StockLevels;
use crate::domain::stock_change::{AddStock, SetStock, StockChange};

type StockResponse = Result<Tagged<JsonResponse<StockLevels>>>;

// `/images/stock` also matches this route. Rank 2 lets the route of the images match first.
#[get("/<id>/stock", rank = 2)]
pub(super) async fn get_stock(app: &State<App>, _admin: AdminAuth, id: Param<ProductId>) -> StockResponse {
    Ok(tagged(stock::levels(app, id.0).await?))
}

#[put("/<id>/stock", data = "<body>")]
pub(super) async fn set_stock(
    app: &State<App>,
    _admin: AdminAuth,
    id: Param<ProductId>,
    if_match: IfMatch,
    body: Json<SetStock>,
) -> StockResponse {
    let SetStock(available) = body.0;
    Ok(tagged(stock::change(app, id.0, StockChange::Set(available), if_match.0).await?))
}

#[patch("/<id>/stock", data = "<body>")]
pub(super) async fn add_stock(
    app: &State<App>,
    _admin: AdminAuth,
    id: Param<ProductId>,
    if_match: IfMatch,
    body: Json<AddStock>,
) -> StockResponse {
    let AddStock(difference) = body.0;
    Ok(tagged(stock::change(app, id.0, StockChange::Add(difference), if_match.0).await?))
}

fn tagged(levels: StockLevels) -> Tagged<JsonResponse<StockLevels>> {
    Tagged { tag: levels.tag(), response: JsonResponse(levels) }
}
