//! Addresses.

use rocket::http::Status;
use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, delete, post, put, routes};
use souk_contract::customer::AddressId;
use souk_http::{Json, Param};
use souk_types::Address;
use souk_types::input::{Fields, Input};

use super::auth::CustomerAuth;
use crate::app::App;
use crate::application::addresses;
use crate::domain::address::{NewAddress, SavedAddress};

pub(super) fn routes() -> Vec<Route> {
    routes![add_address, replace_address, remove_address]
}

impl Input for NewAddress {
    fn read(fields: &mut Fields) -> Option<Self> {
        let is_given = fields.is_given("default");
        let default: Option<bool> = fields.optional("default");
        let address = Address::read(fields)?;
        // A given value that is none was refused.
        Some(Self { address, default: if is_given { default? } else { false } })
    }
}

#[post("/address", data = "<address>")]
async fn add_address(
    app: &State<App>,
    auth: CustomerAuth,
    address: Json<NewAddress>,
) -> souk_http::Result<(Status, JsonResponse<SavedAddress>)> {
    Ok((Status::Created, JsonResponse(addresses::add(app, auth.id(), address.0).await?)))
}

#[put("/address/<id>", data = "<address>")]
async fn replace_address(
    app: &State<App>,
    auth: CustomerAuth,
    id: Param<AddressId>,
    address: Json<NewAddress>,
) -> souk_http::Result<JsonResponse<SavedAddress>> {
    Ok(JsonResponse(addresses::replace(app, auth.id(), id.0, address.0).await?))
}

#[delete("/address/<id>")]
async fn remove_address(app: &State<App>, auth: CustomerAuth, id: Param<AddressId>) -> souk_http::Result<NoContent> {
    addresses::remove(app, auth.id(), id.0).await?;
    Ok(NoContent)
}
