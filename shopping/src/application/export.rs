//! All that `shopping` keeps about a customer, for their own eyes. It is shown as it is kept, so that nobody has to be asked for it; orders
//! are as `GET /order/{id}` shows them.

use souk_contract::shopping::{CartLine, CustomerExport, ExportCustomer};
use souk_types::{Error, PageLimit, Paging, Result};

use crate::App;
use crate::domain::order;

/// Orders of one page. With 100 lines each, and names and addresses of pictures as long as they may be, they have some 2 MiB, half of
/// what a message may have.
const ORDERS: u64 = 10;

/// One page; cart and wishlist are on the first.
pub(crate) async fn page(app: &App, request: ExportCustomer) -> Result<CustomerExport> {
    let ExportCustomer { customer, after } = request;
    let (mut cart, mut wishlist) = (None, None);
    if after.is_none() {
        let kept = app.carts.0.get(customer).await?.unwrap_or_default();
        let line =
            |line: &crate::domain::cart::CartLine| CartLine { product: line.seen.clone(), quantity: line.quantity };
        cart = Some(kept.lines().iter().map(line).collect());
        wishlist = Some(app.wishlists.0.get(customer).await?.unwrap_or_default().seen().to_vec());
    }
    let limit = PageLimit::try_from(ORDERS).map_err(Error::internal)?;
    let orders = order::list(app, customer, Paging { after, limit }).await?;
    let shown = orders.items.iter().map(serde_json::to_value).collect::<serde_json::Result<_>>();
    let orders = souk_types::Page { items: shown.map_err(Error::internal)?, next: orders.next };
    Ok(CustomerExport { cart, wishlist, orders })
}
