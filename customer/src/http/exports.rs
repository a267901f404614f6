//! The export of personal data.

use rocket::serde::json::Json as JsonResponse;
use rocket::{Route, State, get, routes};
use serde::Serialize;
use serde_json::Value;
use souk_contract::products::ProductSnapshot;
use souk_contract::shopping::CartLine;
use souk_types::Timestamp;

use super::accounts::ProfileView;
use super::auth::CustomerAuth;
use crate::app::App;
use crate::application::exports::{self, Export, ShoppingData};
use crate::domain::session::Session;

pub(super) fn routes() -> Vec<Route> {
    routes![export_customer]
}

#[derive(Serialize)]
struct ExportView {
    exported_at: Timestamp,
    customer: CustomerView,
    shopping: ShoppingView,
    products: ProductsView,
}

#[derive(Serialize)]
struct CustomerView {
    profile: ProfileView,
    sessions: Vec<SessionView>,
}

#[derive(Serialize)]
struct SessionView {
    opened_at: Option<Timestamp>,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct ShoppingView {
    cart: Vec<CartLine>,
    wishlist: Vec<ProductSnapshot>,
    orders: Vec<Value>,
}

/// `products` stores no personal data.
#[derive(Serialize)]
struct ProductsView {}

impl From<Export> for ExportView {
    fn from(Export { profile, sessions, shopping }: Export) -> Self {
        let session =
            |session: Session| SessionView { opened_at: session.opened_at(), expires_at: session.expires_at() };
        let ShoppingData { cart, wishlist, orders } = shopping;
        Self {
            exported_at: Timestamp::now(),
            customer: CustomerView { profile: profile.into(), sessions: sessions.into_iter().map(session).collect() },
            shopping: ShoppingView { cart, wishlist, orders },
            products: ProductsView {},
        }
    }
}

#[get("/profile/export")]
async fn export_customer(app: &State<App>, auth: CustomerAuth) -> souk_http::Result<JsonResponse<ExportView>> {
    Ok(JsonResponse(exports::export(app, auth.id()).await?.into()))
}
