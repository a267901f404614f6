//! The routes of this service, documented in `docs/api.md`.

mod catalogue;
mod editing;
mod images;
mod imports;
mod stock;

use rocket::request::Outcome;
use rocket::serde::json::{Json as JsonResponse, Value};
use rocket::{Route, State, get, routes};
use souk_http::auth::permission::OperateSystem;
use souk_http::auth::{self, Authenticator, Identity};
use souk_http::documents::{self, DocumentsPage, DocumentsQuery};
use souk_http::telemetry::whoami;
use souk_http::{Query, Tagged, with_limits, without_limits};
use souk_types::{Error, Result};

use crate::App;
use crate::domain::product_view::ProductView;

/// Returns the routes, to be mounted under the service's prefix. They need a managed [`App`].
#[must_use]
pub fn routes() -> Vec<Route> {
    let mut routes = with_limits(routes![
        catalogue::list,
        catalogue::list_categories,
        catalogue::list_category,
        catalogue::get_product,
        catalogue::get_products,
        editing::create,
        editing::replace,
        editing::patch,
        editing::discontinue,
        stock::list_low_stock,
        stock::get_summary,
        stock::get_stock,
        stock::set_stock,
        stock::add_stock,
        images::get_image,
        images::upload_image,
        get_documents,
        get_whoami
    ]);
    routes.extend(without_limits(routes![imports::import]));
    routes
}

/// Returns the value or the error of a guard that another guard has asked for.
fn into_result<T>(outcome: Outcome<T, Error>) -> Result<T> {
    match outcome {
        Outcome::Success(value) => Ok(value),
        Outcome::Error((_, error)) => Err(error),
        Outcome::Forward(status) => Err(Error::internal(format!("a guard forwards with {status}"))),
    }
}

fn tagged(product: ProductView) -> Tagged<JsonResponse<ProductView>> {
    Tagged { tag: product.tag(), response: JsonResponse(product) }
}

type Staff<P> = auth::StaffAuth<App, P>;

impl Authenticator for App {
    async fn authenticate(&self, token: &str) -> Result<Identity> {
        let identity = self.verifier.verify(token).await?;
        self.revocations.require_unrevoked(identity).await
    }
}

#[get("/whoami")]
fn get_whoami() -> JsonResponse<Value> {
    JsonResponse(whoami("products"))
}

#[get("/admin/documents")]
async fn get_documents(
    app: &State<App>,
    _staff: Staff<OperateSystem>,
    query: Query<DocumentsQuery>,
) -> souk_http::Result<JsonResponse<DocumentsPage>> {
    Ok(JsonResponse(documents::read(&app.database, &query.0).await?))
}
