//! Erases the personal data of a deleted account: cart, wishlist and saved views are emptied,
//! orders stay without the customer.

use souk_bus::Delivery;
use souk_contract::customer::{CustomerDeleted, CustomerId};
use souk_contract::shopping::CustomerErased;
use souk_types::{Paging, Result};

use super::guest_cart;
use crate::App;
use crate::domain::order::Order;

/// Publishes `CustomerErased` at the end. After an interruption, it can be repeated.
pub(crate) async fn erase(app: &App, deletion: Delivery<CustomerDeleted>) -> Result<()> {
    let customer = deletion.event.id;
    // The account and its documents are closed first, so that concurrent requests cannot add data.
    app.revocations.close(&deletion).await?;
    app.store.close_personal_documents(&deletion).await?;
    guest_cart::erase_personal_data(app, customer).await?;
    erase_orders(app, customer).await?;
    erase_work_as_admin(app, customer).await?;
    app.database.secure_delete().await?;
    app.revocations.record_erasure(customer, CustomerErased { id: customer }).await
}

/// Erased orders no longer match the query, so each query returns the next ones.
pub(super) async fn erase_orders(app: &App, customer: CustomerId) -> Result<()> {
    loop {
        let orders = app.store.orders.of_customer(customer, Paging::default()).await?.items;
        if orders.is_empty() {
            return Ok(());
        }
        for order in orders {
            let erase = |order: &mut Order, _: &mut _| {
                order.erase_personal_data();
                Ok(())
            };
            app.store.orders.update(order.id, erase).await?;
        }
    }
}

/// Shipments and notes name the admin who made them. Erased orders no longer match the query.
async fn erase_work_as_admin(app: &App, admin: CustomerId) -> Result<()> {
    loop {
        let orders = app.store.orders.of_admin(admin).await?;
        if orders.is_empty() {
            return Ok(());
        }
        for order in orders {
            let erase = move |order: &mut Order, _: &mut _| {
                order.erase_admin(admin);
                Ok(())
            };
            app.store.orders.update(order.id, erase).await?;
        }
    }
}
