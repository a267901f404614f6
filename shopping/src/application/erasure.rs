//! What `shopping` does when an account is deleted: cart and wishlist go, orders stay without the person in them, and `customer` hears
//! that it is done.

use souk_bus::Delivery;
use souk_contract::customer::{CustomerDeleted, CustomerId};
use souk_contract::shopping::CustomerErased;
use souk_types::{Paging, Result};

use crate::App;
use crate::domain::guest_cart as guest;

/// Forgets a customer, and says so. May be interrupted anywhere and done again.
pub(crate) async fn erase(app: &App, deletion: Delivery<CustomerDeleted>) -> Result<()> {
    let customer = deletion.event.id;
    // First the doors: a request that is under way finds token, cart and wishlist closed, so that nothing comes after.
    app.closed.close(&deletion).await?;
    app.database
        .handle_once(&deletion, |tx| async move {
            let mut cart = tx.get(&app.carts.0, customer).await?.unwrap_or_default();
            let mut wishlist = tx.get(&app.wishlists.0, customer).await?.unwrap_or_default();
            cart.close();
            wishlist.close();
            tx.put(&app.carts.0, customer, &cart).await?;
            tx.put(&app.wishlists.0, customer, &wishlist).await
        })
        .await?;
    guest::forget_customer(app, customer).await?;
    forget_orders(app, customer).await?;
    app.database.secure_delete().await?;
    app.closed.record_erasure(customer, CustomerErased { id: customer }).await
}

/// An order that is forgotten is no longer found here, so each round finds the next ones.
async fn forget_orders(app: &App, customer: CustomerId) -> Result<()> {
    loop {
        let orders = app.orders.of(customer, Paging::default()).await?.items;
        if orders.is_empty() {
            return Ok(());
        }
        for order in orders {
            app.orders
                .0
                .update(order.id, |order, _| {
                    order.forget_customer();
                    Ok(())
                })
                .await?;
        }
    }
}
