//! Routes, one file per noun. Each parses, authorises, calls one use case and responds.
//! `docs/api.md` documents them.

mod admin_discounts;
mod admin_fulfilment;
mod admin_orders;
mod admin_payments;
mod admin_saved_views;
mod admin_shop;
mod auth;
mod cart;
mod countries;
mod guest_cart;
mod order;
mod quote;
mod shop;
mod stripe_webhook;
mod wishlist;

use rocket::serde::json::{Json as JsonResponse, Value};
use rocket::{Route, State, get, routes};
use souk_http::auth::permission::OperateSystem;
use souk_http::documents::{self, DocumentsPage, DocumentsQuery};
use souk_http::{Query, Result, telemetry, with_limits};

use self::auth::Staff;
use crate::App;

/// Returns the routes of this service. They need a managed [`crate::App`].
#[must_use]
pub fn routes() -> Vec<Route> {
    with_limits(routes![
        guest_cart::create_guest_cart,
        guest_cart::merge_cart,
        cart::get_cart,
        cart::add_to_cart,
        cart::set_quantity,
        cart::remove_from_cart,
        cart::clear_cart,
        wishlist::get_wishlist,
        wishlist::add_to_wishlist,
        wishlist::remove_from_wishlist,
        order::place_order,
        order::list_orders,
        order::get_order,
        order::cancel_order,
        order::get_timeline,
        admin_orders::get_summary,
        admin_orders::list_all_orders,
        admin_orders::get_any_order,
        admin_orders::cancel_order,
        admin_orders::add_note,
        admin_payments::capture_payment,
        admin_payments::refund_order,
        admin_payments::retry_refunds,
        admin_fulfilment::ship_order,
        admin_fulfilment::deliver_order,
        admin_saved_views::list_views,
        admin_saved_views::save_view,
        admin_saved_views::remove_view,
        stripe_webhook::handle_webhook,
        quote::get_quote,
        shop::get_shop,
        admin_shop::get_settings,
        admin_shop::put_settings,
        admin_shop::get_taxes,
        admin_shop::put_taxes,
        admin_shop::get_shipping,
        admin_shop::put_shipping,
        admin_discounts::list_discounts,
        admin_discounts::create_discount,
        admin_discounts::get_discount,
        admin_discounts::patch_discount,
        admin_discounts::delete_discount,
        countries::list_countries,
        get_documents,
        whoami
    ])
}

#[get("/whoami")]
fn whoami() -> JsonResponse<Value> {
    JsonResponse(telemetry::whoami("shopping"))
}

#[get("/admin/documents")]
async fn get_documents(
    app: &State<App>,
    _staff: Staff<OperateSystem>,
    query: Query<DocumentsQuery>,
) -> Result<JsonResponse<DocumentsPage>> {
    Ok(JsonResponse(documents::read(&app.database, &query.0).await?))
}
