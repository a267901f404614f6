//! Everything that the shop keeps about a customer, as one JSON document. What `shopping` has is asked for page by page; when it cannot be
//! asked there is no export, because an incomplete one must not look complete. Secrets (the password's hash, the secrets of sessions) are
//! left out: they are about us.

use rocket::serde::json::Value;
use serde::Serialize;
use souk_contract::customer::CustomerId;
use souk_contract::products::ProductSnapshot;
use souk_contract::shopping::{CartLine, CustomerExport, ExportCustomer};
use souk_types::{Error, Result, Timestamp};

use crate::App;
use crate::application::accounts::{self as account, ProfileView};
use crate::application::sessions as session;

/// All of them are in memory at once, here and on their way out.
const MAX_ORDERS: usize = 10_000;

/// What each service keeps about somebody.
#[derive(Serialize)]
pub(crate) struct Export {
    exported_at: Timestamp,
    customer: Own,
    shopping: Shopping,
    products: Nothing,
}

#[derive(Serialize)]
struct Own {
    profile: ProfileView,
    sessions: Vec<session::Opened>,
}

#[derive(Serialize)]
struct Shopping {
    cart: Vec<CartLine>,
    wishlist: Vec<ProductSnapshot>,
    orders: Vec<Value>,
}

/// `products` keeps nothing about people; the stock of an order is held under the order's id.
#[derive(Serialize)]
struct Nothing {}

/// All that is kept about a customer now. Errors: `Unavailable` while `shopping` cannot be asked, `conflict` for more orders than fit.
pub(crate) async fn export(app: &App, customer: CustomerId) -> Result<Export> {
    let shopping = from_shopping(app, customer).await?;
    let sessions = session::opened(app, customer).await?;
    // Last: whose account is deleted while we ask would miss what is erased already.
    let profile = account::get(app, customer).await?.into();
    Ok(Export { exported_at: Timestamp::now(), customer: Own { profile, sessions }, shopping, products: Nothing {} })
}

async fn from_shopping(app: &App, customer: CustomerId) -> Result<Shopping> {
    let CustomerExport { cart, wishlist, orders } = app.bus.call(ExportCustomer { customer, after: None }).await?;
    let missing = || Error::internal("the first page of an export has no cart or no wishlist");
    let (cart, wishlist) = (cart.ok_or_else(missing)?, wishlist.ok_or_else(missing)?);
    let (mut all, mut after) = (orders.items, orders.next);
    while after.is_some() {
        if all.len() >= MAX_ORDERS {
            let detail = format!("There are more than {MAX_ORDERS} orders: page through GET /shopping/orders instead.");
            return Err(Error::conflict("conflict", detail));
        }
        let page = app.bus.call(ExportCustomer { customer, after }).await?.orders;
        all.extend(page.items);
        after = page.next;
    }
    Ok(Shopping { cart, wishlist, orders: all })
}
