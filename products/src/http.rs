//! The routes of this service, documented in `docs/api.md`.

mod catalogue;
mod editing;
mod images;
mod imports;
mod stock;

use rocket::request::{FromRequest, Outcome, Request};
use rocket::serde::json::{Json as Answer, Value};
use rocket::{Route, get, routes};
use souk_http::auth::Identity;
use souk_http::telemetry::whoami;
use souk_http::{refuse, with_limits, without_limits};
use souk_types::Error;

use crate::App;

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
        stock::get_stock,
        stock::set_stock,
        images::get_image,
        get_whoami
    ]);
    routes.extend(without_limits(routes![imports::import]));
    routes
}

/// Guard of routes for admins.
struct AdminAuth(#[expect(dead_code, reason = "routes only need the guard")] Identity);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for AdminAuth {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let Some(app) = request.rocket().state::<App>() else {
            return refuse(request, Error::internal("products is not managed"));
        };
        let admin = async {
            let identity = app.verifier.identify(request).await?;
            app.closed_accounts.require_open(identity).await?.require_admin()
        };
        match admin.await {
            Ok(identity) => Outcome::Success(Self(identity)),
            Err(error) => refuse(request, error),
        }
    }
}

#[get("/whoami")]
fn get_whoami() -> Answer<Value> {
    Answer(whoami("products"))
}
