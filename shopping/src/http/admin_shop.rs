//! Routes of the documents of the shop, for admins: settings, tax rates, shipping.

use rocket::serde::json::Json as JsonResponse;
use rocket::{State, get, put};
use souk_http::auth::permission::ManageShop;
use souk_http::{IfMatch, Json, Result, Tagged};

use super::auth::Staff;
use crate::App;
use crate::application::shop;
use crate::domain::settings::Settings;
use crate::domain::shipping::Shipping;
use crate::domain::tax_rates::TaxRates;
use crate::repositories::shop::Versioned;

fn tagged<T>(document: Versioned<T>) -> Tagged<JsonResponse<T>> {
    Tagged { tag: document.tag(), response: JsonResponse(document.value) }
}

#[get("/admin/settings")]
pub(super) async fn get_settings(
    app: &State<App>,
    _staff: Staff<ManageShop>,
) -> Result<Tagged<JsonResponse<Settings>>> {
    Ok(tagged(shop::settings(app).await?))
}

#[put("/admin/settings", data = "<body>")]
pub(super) async fn put_settings(
    app: &State<App>,
    _staff: Staff<ManageShop>,
    on: IfMatch,
    body: Json<Settings>,
) -> Result<Tagged<JsonResponse<Settings>>> {
    Ok(tagged(shop::put_settings(app, body.0, on.0).await?))
}

#[get("/admin/taxes")]
pub(super) async fn get_taxes(app: &State<App>, _staff: Staff<ManageShop>) -> Result<Tagged<JsonResponse<TaxRates>>> {
    Ok(tagged(shop::taxes(app).await?))
}

#[put("/admin/taxes", data = "<body>")]
pub(super) async fn put_taxes(
    app: &State<App>,
    _staff: Staff<ManageShop>,
    on: IfMatch,
    body: Json<TaxRates>,
) -> Result<Tagged<JsonResponse<TaxRates>>> {
    Ok(tagged(shop::put_taxes(app, body.0, on.0).await?))
}

#[get("/admin/shipping")]
pub(super) async fn get_shipping(
    app: &State<App>,
    _staff: Staff<ManageShop>,
) -> Result<Tagged<JsonResponse<Shipping>>> {
    Ok(tagged(shop::shipping(app).await?))
}

#[put("/admin/shipping", data = "<body>")]
pub(super) async fn put_shipping(
    app: &State<App>,
    _staff: Staff<ManageShop>,
    on: IfMatch,
    body: Json<Shipping>,
) -> Result<Tagged<JsonResponse<Shipping>>> {
    Ok(tagged(shop::put_shipping(app, body.0, on.0).await?))
}
