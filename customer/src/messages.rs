//! Requests and events from the bus.

use souk_bus::{Bus, Delivery};
use souk_contract::customer::{CustomerDeleted, GetKeys, TokensRevoked};
use souk_contract::{mail, products, shopping};

use crate::app::App;
use crate::application::{accounts, erasures};
use crate::domain::erasure::Service;

pub(crate) fn serve(app: &App, bus: &Bus) {
    bus.publishes::<CustomerDeleted>();
    bus.publishes::<TokensRevoked>();
    let own = app.clone();
    bus.serve(move |_: GetKeys| {
        let keys = own.keys();
        async move { Ok(keys) }
    });
    let own = app.clone();
    bus.subscribe("customer", move |erased: Delivery<mail::CustomerErased>| {
        let app = own.clone();
        async move { erasures::acknowledge(&app, &erased, erased.event.id, Service::Mail).await }
    });
    let own = app.clone();
    bus.subscribe("customer", move |erased: Delivery<products::CustomerErased>| {
        let app = own.clone();
        async move { erasures::acknowledge(&app, &erased, erased.event.id, Service::Products).await }
    });
    let own = app.clone();
    bus.subscribe("customer", move |erased: Delivery<shopping::CustomerErased>| {
        let app = own.clone();
        async move { erasures::acknowledge(&app, &erased, erased.event.id, Service::Shopping).await }
    });
    let own = app.clone();
    bus.subscribe("customer", move |confirmed: Delivery<shopping::OrderConfirmed>| {
        let app = own.clone();
        async move { accounts::count_confirmed_order(&app, &confirmed).await }
    });
}
