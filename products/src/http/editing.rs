use rocket::response::status::{Created, NoContent};
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, delete, patch, post, put};
use souk_contract::products::ProductId;
use souk_http::auth::permission::ManageCatalogue;
use souk_http::{IfMatch, Json, OptionalKey, Param, Replayable, Result, Tagged};

use super::{Staff, tagged};
use crate::App;
use crate::application::editing;
use crate::domain::product_edit::{NewProduct, ProductPatch, ProductReplacement};
use crate::domain::product_view::ProductView;

#[post("/", data = "<new>")]
pub(super) async fn create(
    app: &State<App>,
    _staff: Staff<ManageCatalogue>,
    key: OptionalKey,
    new: Json<NewProduct>,
) -> Result<Replayable<Created<JsonResponse<ProductView>>>> {
    let (product, replayed) = editing::create(app, new.0, key.0).await?;
    let response = Created::new(format!("/products/{}", product.id())).body(JsonResponse(product));
    Ok(Replayable { replayed, response })
}

#[put("/<id>", data = "<replacement>")]
pub(super) async fn replace(
    app: &State<App>,
    _staff: Staff<ManageCatalogue>,
    id: Param<ProductId>,
    if_match: IfMatch,
    replacement: Json<ProductReplacement>,
) -> Result<Tagged<JsonResponse<ProductView>>> {
    Ok(tagged(editing::replace(app, id.0, replacement.0, if_match.0).await?))
}

#[patch("/<id>", data = "<body>")]
pub(super) async fn patch(
    app: &State<App>,
    _staff: Staff<ManageCatalogue>,
    id: Param<ProductId>,
    if_match: IfMatch,
    body: Json<ProductPatch>,
) -> Result<Tagged<JsonResponse<ProductView>>> {
    Ok(tagged(editing::patch(app, id.0, body.0, if_match.0).await?))
}

#[delete("/<id>")]
pub(super) async fn discontinue(
    app: &State<App>,
    _staff: Staff<ManageCatalogue>,
    id: Param<ProductId>,
    if_match: IfMatch,
) -> Result<NoContent> {
    editing::discontinue(app, id.0, if_match.0).await?;
    Ok(NoContent)
}
