//! The export of all personal data (GDPR, articles 15 and 20). It fails while `shopping` is
//! unavailable, because an incomplete export would look complete. Password hashes and token digests
//! are left out.

use serde_json::Value;
use souk_contract::customer::CustomerId;
use souk_contract::products::ProductSnapshot;
use souk_contract::shopping::{CartLine, CustomerExport, ExportCustomer};
use souk_types::{Error, Result};

use super::{accounts, sessions};
use crate::app::App;
use crate::domain::account::Profile;
use crate::domain::session::Session;

/// Orders in one export, which is built in memory.
const MAX_ORDERS: usize = 10_000;

/// The data that the services store about a customer. `products` stores none.
pub(crate) struct Export {
    pub(crate) profile: Profile,
    pub(crate) sessions: Vec<Session>,
    pub(crate) shopping: ShoppingData,
}

pub(crate) struct ShoppingData {
    pub(crate) cart: Vec<CartLine>,
    pub(crate) wishlist: Vec<ProductSnapshot>,
    pub(crate) orders: Vec<Value>,
}

/// Errors: `Unavailable` without a reply of `shopping`, a conflict when there are too many orders.
pub(crate) async fn export(app: &App, customer: CustomerId) -> Result<Export> {
    let shopping = shopping_data(app, customer).await?;
    let sessions = sessions::active(app, customer).await?;
    // Read last: an erasure that ran meanwhile fails the export instead of leaving gaps in it.
    let profile = accounts::get(app, customer).await?;
    Ok(Export { profile, sessions, shopping })
}

async fn shopping_data(app: &App, customer: CustomerId) -> Result<ShoppingData> {
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
    Ok(ShoppingData { cart, wishlist, orders: all })
}
