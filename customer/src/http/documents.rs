//! The documents of this service, read-only.

use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, get, routes};
use souk_http::Query;
use souk_http::auth::permission::OperateSystem;
use souk_http::documents::{self, DocumentsPage, DocumentsQuery};

use super::auth::Staff;
use crate::app::App;

pub(super) fn routes() -> Vec<Route> {
    routes![list]
}

#[get("/admin/documents")]
async fn list(
    app: &State<App>,
    _staff: Staff<OperateSystem>,
    query: Query<DocumentsQuery>,
) -> souk_http::Result<JsonResponse<DocumentsPage>> {
    Ok(JsonResponse(documents::read(&app.database, &query.0).await?))
}
