//! Routes of discounts, for admins.

use rocket::response::status::{Created, NoContent};
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, delete, get, patch, post};
use souk_http::auth::permission::ManageDiscounts;
use souk_http::{IfMatch, Json, Param, Query, Result, Tagged};
use souk_types::{Page, Paging};

use super::auth::Staff;
use crate::App;
use crate::application::discounts::{self, DiscountView};
use crate::domain::discount::{DiscountId, Terms, TermsPatch};

fn tagged(discount: DiscountView) -> Tagged<JsonResponse<DiscountView>> {
    Tagged { tag: discount.tag(), response: JsonResponse(discount) }
}

#[get("/admin/discounts")]
pub(super) async fn list_discounts(
    app: &State<App>,
    _staff: Staff<ManageDiscounts>,
    paging: Query<Paging>,
) -> Result<JsonResponse<Page<DiscountView>>> {
    Ok(JsonResponse(discounts::list(app, paging.0).await?))
}

#[post("/admin/discounts", data = "<body>")]
pub(super) async fn create_discount(
    app: &State<App>,
    _staff: Staff<ManageDiscounts>,
    body: Json<Terms>,
) -> Result<Created<JsonResponse<DiscountView>>> {
    let discount = discounts::create(app, body.0).await?;
    Ok(Created::new(format!("/shopping/admin/discounts/{}", discount.id())).body(JsonResponse(discount)))
}

#[get("/admin/discounts/<id>")]
pub(super) async fn get_discount(
    app: &State<App>,
    _staff: Staff<ManageDiscounts>,
    id: Param<DiscountId>,
) -> Result<Tagged<JsonResponse<DiscountView>>> {
    Ok(tagged(discounts::get(app, id.0).await?))
}

#[patch("/admin/discounts/<id>", data = "<body>")]
pub(super) async fn patch_discount(
    app: &State<App>,
    _staff: Staff<ManageDiscounts>,
    id: Param<DiscountId>,
    on: IfMatch,
    body: Json<TermsPatch>,
) -> Result<Tagged<JsonResponse<DiscountView>>> {
    Ok(tagged(discounts::patch(app, id.0, body.0, on.0).await?))
}

#[delete("/admin/discounts/<id>")]
pub(super) async fn delete_discount(
    app: &State<App>,
    _staff: Staff<ManageDiscounts>,
    id: Param<DiscountId>,
    on: IfMatch,
) -> Result<NoContent> {
    discounts::delete(app, id.0, on.0).await?;
    Ok(NoContent)
}
