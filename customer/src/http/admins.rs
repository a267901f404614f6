//! For admins: the admins of the shop, and the documents of this service.

use rocket::http::Status;
use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, delete, get, post, routes};
use serde::Serialize;
use souk_contract::customer::CustomerId;
use souk_http::documents::{self, DocumentsPage, DocumentsQuery};
use souk_http::{Json, Param, Query};
use souk_types::input::{Fields, Input};
use souk_types::{Email, Timestamp};

use super::auth::AdminAuth;
use crate::app::App;
use crate::application::admins;
use crate::domain::account::Profile;

pub(super) fn routes() -> Vec<Route> {
    routes![list, add, remove, get_documents]
}

#[derive(Serialize)]
struct AdminView {
    id: CustomerId,
    email: Email,
    created_at: Timestamp,
}

impl From<Profile> for AdminView {
    fn from(profile: Profile) -> Self {
        Self { id: profile.id, email: profile.email, created_at: profile.created_at }
    }
}

#[derive(Serialize)]
struct AdminsView {
    items: Vec<AdminView>,
}

#[get("/admins")]
async fn list(app: &State<App>, _admin: AdminAuth) -> souk_http::Result<JsonResponse<AdminsView>> {
    let admins = admins::list(app).await?;
    Ok(JsonResponse(AdminsView { items: admins.into_iter().map(AdminView::from).collect() }))
}

struct NewAdmin {
    email: Email,
}

impl Input for NewAdmin {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("email").map(|email| Self { email })
    }
}

#[post("/admins", data = "<new>")]
async fn add(
    app: &State<App>,
    admin: AdminAuth,
    new: Json<NewAdmin>,
) -> souk_http::Result<(Status, JsonResponse<AdminView>)> {
    let added = admins::add(app, &new.0.email).await?;
    tracing::info!(by = %admin.id(), added = %added.id, "an account is an admin");
    Ok((Status::Ok, JsonResponse(added.into())))
}

#[delete("/admins/<id>")]
async fn remove(app: &State<App>, admin: AdminAuth, id: Param<CustomerId>) -> souk_http::Result<NoContent> {
    admins::remove(app, admin.id(), id.0).await?;
    tracing::info!(by = %admin.id(), removed = %id.0, "an account is no admin any more");
    Ok(NoContent)
}

#[get("/admin/documents")]
async fn get_documents(
    app: &State<App>,
    _admin: AdminAuth,
    query: Query<DocumentsQuery>,
) -> souk_http::Result<JsonResponse<DocumentsPage>> {
    Ok(JsonResponse(documents::read(&app.database, &query.0).await?))
}
