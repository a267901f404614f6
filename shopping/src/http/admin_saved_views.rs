//! Routes of the views of the list of orders that an admin has saved.

use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{State, delete, get, post};
use souk_http::auth::permission::ViewOrders;
use souk_http::{Json, Param, Result};
use souk_types::Page;

use super::auth::Staff;
use crate::App;
use crate::application::saved_views;
use crate::domain::saved_views::{NewView, SavedView, SavedViewId};

#[get("/admin/order-views")]
pub(super) async fn list_views(app: &State<App>, staff: Staff<ViewOrders>) -> Result<JsonResponse<Page<SavedView>>> {
    Ok(JsonResponse(saved_views::list(app, staff.id()).await?))
}

#[post("/admin/order-views", data = "<body>")]
pub(super) async fn save_view(
    app: &State<App>,
    staff: Staff<ViewOrders>,
    body: Json<NewView>,
) -> Result<JsonResponse<SavedView>> {
    Ok(JsonResponse(saved_views::save(app, staff.id(), body.0).await?))
}

#[delete("/admin/order-views/<id>")]
pub(super) async fn remove_view(
    app: &State<App>,
    staff: Staff<ViewOrders>,
    id: Param<SavedViewId>,
) -> Result<NoContent> {
    saved_views::remove(app, staff.id(), id.0).await?;
    Ok(NoContent)
}
