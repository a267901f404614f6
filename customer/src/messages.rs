//! What other services ask and announce: the sibling of `routes`. They ask for the keys alone, because what they must know about an
//! account is in its tokens; and they say when they have erased one, or confirmed an order of it.

use souk_bus::{Bus, Delivery};
use souk_contract::customer::{CustomerDeleted, GetKeys};
use souk_contract::{products, shopping};

use crate::App;
use crate::application::accounts as account;
use crate::application::erasures::{self as erasure, Service};

pub(crate) fn serve(app: &App, bus: &Bus) {
    bus.publishes::<CustomerDeleted>();
    let own = app.clone();
    bus.serve(move |_: GetKeys| {
        let keys = own.keys();
        async move { Ok(keys) }
    });
    let own = app.clone();
    bus.subscribe("customer", move |erased: Delivery<products::CustomerErased>| {
        let app = own.clone();
        async move { erasure::acknowledge(&app, &erased, erased.event.id, Service::Products).await }
    });
    let own = app.clone();
    bus.subscribe("customer", move |erased: Delivery<shopping::CustomerErased>| {
        let app = own.clone();
        async move { erasure::acknowledge(&app, &erased, erased.event.id, Service::Shopping).await }
    });
    let own = app.clone();
    bus.subscribe("customer", move |confirmed: Delivery<shopping::OrderConfirmed>| {
        let app = own.clone();
        async move { account::count_order(&app, &confirmed).await }
    });
}
