//! Addresses.

use rocket::http::Status;
use rocket::response::status::NoContent;
use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, delete, post, put, routes};
use souk_http::{Json, Param};
use souk_types::input::{Fields, Input};

use super::auth::CustomerAuth;
use crate::app::App;
use crate::application::addresses;
use crate::domain::address::{Address, AddressId, PostalAddress};

pub(super) fn routes() -> Vec<Route> {
    routes![add_address, replace_address, remove_address]
}

impl Input for PostalAddress {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (street, city) = (fields.required("street"), fields.required("city"));
        let (postal_code, country) = (fields.required("postal_code"), fields.required("country"));
        Some(Self { street: street?, city: city?, postal_code: postal_code?, country: country? })
    }
}

#[post("/address", data = "<address>")]
async fn add_address(
    app: &State<App>,
    auth: CustomerAuth,
    address: Json<PostalAddress>,
) -> souk_http::Result<(Status, JsonResponse<Address>)> {
    Ok((Status::Created, JsonResponse(addresses::add(app, auth.id(), address.0).await?)))
}

#[put("/address/<id>", data = "<address>")]
async fn replace_address(
    app: &State<App>,
    auth: CustomerAuth,
    id: Param<AddressId>,
    address: Json<PostalAddress>,
) -> souk_http::Result<JsonResponse<Address>> {
    Ok(JsonResponse(addresses::replace(app, auth.id(), id.0, address.0).await?))
}

#[delete("/address/<id>")]
async fn remove_address(app: &State<App>, auth: CustomerAuth, id: Param<AddressId>) -> souk_http::Result<NoContent> {
    addresses::remove(app, auth.id(), id.0).await?;
    Ok(NoContent)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use souk_types::input::from_json;

    use super::*;

    #[test]
    fn an_address_names_every_bad_field() {
        for (changed, bad) in [
            (json!({"street": " "}), "street"),
            (json!({"city": null}), "city"),
            (json!({"postal_code": 11511}), "postal_code"),
            (json!({"country": "eg"}), "country"),
            (json!({"id": "018f4b3a-5c6d-7e8f-9a0b-1c2d3e4f5a6b"}), "id"),
        ] {
            let mut body = json!({"street": "1 Khan", "city": "Cairo", "postal_code": "11511", "country": "EG"});
            if let (Value::Object(body), Value::Object(changed)) = (&mut body, changed) {
                body.extend(changed);
            }
            let error = from_json::<PostalAddress>(body.clone()).err().unwrap();
            assert_eq!(error.fields().iter().map(|bad| &*bad.field).collect::<Vec<_>>(), [bad], "{body}");
        }
    }
}
