//! What other services ask and announce: the sibling of `routes`, calling the same functions.

use souk_bus::{Bus, Delivery};
use souk_contract::customer::CustomerDeleted;
use souk_contract::products::{
    Confirm, CustomerErased, GetProducts, GetStockLog, Products, Release, Reserve, Restock, StockLog,
};
use souk_types::Error;

use crate::App;
use crate::application::{catalogue, reservations};

/// One call may ask for this many products: more than a cart or a wishlist can hold.
const MAX_IDS: usize = 1_000;

pub(crate) fn serve(app: &App, bus: &Bus) {
    let own = app.clone();
    bus.serve(move |request: GetProducts| {
        let app = own.clone();
        async move {
            if request.ids.len() > MAX_IDS {
                return Err(Error::malformed("Too many ids."));
            }
            Ok(Products { products: catalogue::offers(&app, &request.ids).await? })
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
        async move { reservations::confirm(&app, request.reservation).await }
    });
    let own = app.clone();
    bus.serve(move |request: Release| {
        let app = own.clone();
        async move { reservations::release(&app, request).await }
    });
    let own = app.clone();
    bus.serve(move |request: Restock| {
        let app = own.clone();
        async move { reservations::restock(&app, request.reservation).await }
    });
    let own = app.clone();
    bus.serve(move |request: GetStockLog| {
        let app = own.clone();
        async move { Ok(StockLog { entries: reservations::explain(&app, request.order).await? }) }
    });
    bus.publishes::<CustomerErased>();
    let closed = app.closed.clone();
    bus.subscribe("products", move |deletion: Delivery<CustomerDeleted>| {
        let (closed, id) = (closed.clone(), deletion.event.id);
        // Nothing here is about a person, but that their tokens may still be about.
        async move { closed.record_erasure(id, CustomerErased { id }).await }
    });
}
