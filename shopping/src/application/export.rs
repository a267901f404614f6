//! Exports the data of a customer. It contains snapshots of products, so that it does not depend on
//! `products`.

use serde_json::value::to_raw_value;
use souk_contract::shopping::{CartLine, CustomerExport, ExportCustomer};
use souk_types::{Error, Page, PageLimit, Paging, Result};

use super::order;
use crate::App;

/// Number of orders in a page. Large orders end a page earlier: the store bounds its size, far
/// below the limit of a message.
const ORDERS_PER_PAGE: u64 = 100;

/// Returns one page; the cart and the wishlist are on the first.
pub(crate) async fn page(app: &App, request: ExportCustomer) -> Result<CustomerExport> {
    let ExportCustomer { customer, after } = request;
    let (mut cart, mut wishlist) = (None, None);
    if after.is_none() {
        let stored = app.store.carts.get(customer).await?;
        let line = |line: &crate::domain::cart::CartLine| {
            let (product, quantity) = (line.product.clone(), line.quantity);
            CartLine { product, quantity }
        };
        cart = Some(stored.lines().iter().map(line).collect());
        wishlist = Some(app.store.wishlists.get(customer).await?.products().to_vec());
    }
    let limit = PageLimit::try_from(ORDERS_PER_PAGE).map_err(Error::internal)?;
    let orders = order::list(app, customer, Paging { after, limit }).await?;
    let items = orders.items.iter().map(to_raw_value).collect::<serde_json::Result<_>>();
    let orders = Page { items: items.map_err(Error::internal)?, next: orders.next };
    Ok(CustomerExport { cart, wishlist, orders })
}
