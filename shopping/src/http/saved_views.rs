//! Routes of the views of the list of orders that an admin has saved.

use rocket::response::status::NoContent;
use rocket::serde::json::Json as Body;
use rocket::{State, delete, get, post};
use souk_http::{Json, Param, Result};
use souk_types::Page;

use super::auth::AdminAuth;
use crate::App;
use crate::application::saved_views;
use crate::domain::saved_views::{NewView, SavedView, SavedViewId};

#[get("/admin/order-views")]
pub(super) async fn list_views(app: &State<App>, admin: AdminAuth) -> Result<Body<Page<SavedView>>> {
    Ok(Body(saved_views::list(app, admin.id()).await?))
}

#[post("/admin/order-views", data = "<body>")]
pub(super) async fn save_view(app: &State<App>, admin: AdminAuth, body: Json<NewView>) -> Result<Body<SavedView>> {
    Ok(Body(saved_views::save(app, admin.id(), body.0).await?))
}

#[delete("/admin/order-views/<id>")]
pub(super) async fn remove_view(app: &State<App>, admin: AdminAuth, id: Param<SavedViewId>) -> Result<NoContent> {
    saved_views::remove(app, admin.id(), id.0).await?;
    Ok(NoContent)
}
