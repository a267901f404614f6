use rocket::serde::json::Json as JsonResponse;
use rocket::{State, get, patch, put};
use souk_contract::products::ProductId;
use souk_http::auth::permission::ManageCatalogue;
use souk_http::{IfMatch, Json, OptionalKey, Param, Query, Replayable, Result, Tagged};
use souk_types::Page;

use super::Staff;
use crate::App;
use crate::application::stock;
use crate::domain::low_stock::{LowStockQuery, StockSummary, SummaryQuery};
use crate::domain::product_view::ProductView;
use crate::domain::stock::StockLevels;
use crate::domain::stock_change::{AddStock, SetStock, StockChange};

#[get("/low-stock")]
pub(super) async fn list_low_stock(
    app: &State<App>,
    _staff: Staff<ManageCatalogue>,
    query: Query<LowStockQuery>,
) -> Result<JsonResponse<Page<ProductView>>> {
    Ok(JsonResponse(stock::low(app, query.0).await?))
}

#[get("/summary")]
pub(super) async fn get_summary(
    app: &State<App>,
    _staff: Staff<ManageCatalogue>,
    query: Query<SummaryQuery>,
) -> Result<JsonResponse<StockSummary>> {
    Ok(JsonResponse(stock::summary(app, query.0.0).await?))
}

type StockResponse = Result<Tagged<JsonResponse<StockLevels>>>;

// `/images/stock` also matches this route. Rank 2 lets the route of the images match first.
#[get("/<id>/stock", rank = 2)]
pub(super) async fn get_stock(app: &State<App>, _staff: Staff<ManageCatalogue>, id: Param<ProductId>) -> StockResponse {
    Ok(tagged(stock::levels(app, id.0).await?))
}

#[put("/<id>/stock", data = "<body>")]
pub(super) async fn set_stock(
    app: &State<App>,
    _staff: Staff<ManageCatalogue>,
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
    _staff: Staff<ManageCatalogue>,
    id: Param<ProductId>,
    if_match: IfMatch,
    key: OptionalKey,
    body: Json<AddStock>,
) -> Result<Replayable<Tagged<JsonResponse<StockLevels>>>> {
    let AddStock(difference) = body.0;
    let (levels, replayed) = stock::add(app, id.0, difference, key.0, if_match.0).await?;
    Ok(Replayable { replayed, response: tagged(levels) })
}

fn tagged(levels: StockLevels) -> Tagged<JsonResponse<StockLevels>> {
    Tagged { tag: levels.tag(), response: JsonResponse(levels) }
}
