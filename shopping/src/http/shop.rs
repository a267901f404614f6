//! The route of what everyone may know of the shop.

use rocket::serde::json::Json as JsonResponse;
use rocket::{State, get};
use souk_http::{Public, Result};

use crate::App;
use crate::domain::public_shop::PublicShop;

#[get("/shop")]
pub(super) async fn get_shop(app: &State<App>) -> Result<Public<JsonResponse<PublicShop>>> {
    Ok(Public(JsonResponse(PublicShop::new(&*app.shop().await?, app.payments.offered()))))
}
