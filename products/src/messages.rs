//! Requests and events from the bus.

use souk_bus::{Bus, Delivery};
use souk_contract::customer::{CustomerDeleted, TokensRevoked};
use souk_contract::products::{
    Confirm, CustomerErased, GetProducts, GetStockLog, Products, Release, Reserve, Restock, StockLog,
};
use souk_types::Error;

use crate::App;
use crate::application::{catalogue, ledger, reservations};

/// Most products in one request: more than a cart or a wishlist can hold.
const MAX_IDS: usize = 1_000;

pub(crate) fn serve(app: &App, bus: &Bus) {
    let own = app.clone();
    bus.serve(move |request: GetProducts| {
        let app = own.clone();
        async move {
            if request.ids.len() > MAX_IDS {
                return Err(Error::malformed(format!("A request names at most {MAX_IDS} products.")));
            }
            Ok(Products { products: catalogue::entries(&app, &request.ids).await? })
        }
    });
    let own = app.clone();
    bus.serve(move |request: Reserve| {
        let app = own.clone();
        async move { reservations::reserve(&app, request).await }
    });
    let own = app.clone();
    bus.serve(move |request: Confirm| {
        let app = own.clone();
        async move { reservations::confirm(&app, request).await }
    });
    let own = app.clone();
    bus.serve(move |request: Release| {
        let app = own.clone();
        async move { reservations::release(&app, request).await }
    });
    let own = app.clone();
    bus.serve(move |request: Restock| {
        let app = own.clone();
        async move { reservations::restock(&app, request).await }
    });
    let own = app.clone();
    bus.serve(move |request: GetStockLog| {
        let app = own.clone();
        async move { Ok(StockLog { entries: ledger::stock_log_of(&app.reservations, request.order).await? }) }
    });
    bus.publishes_events_of("products");
    let revocations = app.revocations.clone();
    bus.subscribe("products", move |deletion: Delivery<CustomerDeleted>| {
        let (revocations, id) = (revocations.clone(), deletion.event.id);
        // This service stores no personal data. It only has to refuse the tokens of the deleted
        // account.
        async move { revocations.record_erasure(id, CustomerErased { id }).await }
    });
    let revocations = app.revocations.clone();
    bus.subscribe("products", move |revoked: Delivery<TokensRevoked>| {
        let revocations = revocations.clone();
        async move { revocations.revoke(&revoked.event).await }
    });
}
