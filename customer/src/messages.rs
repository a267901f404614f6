//! Requests and events from the bus.

use souk_bus::{Bus, Delivery};
use souk_contract::customer::{AccountMailSent, GetAccountMail, GetContact, GetKeys};
use souk_contract::{mail, products, shopping};
use souk_types::Timestamp;

use crate::app::App;
use crate::application::{accounts, erasures, mails};
use crate::domain::erasure::Service;

pub(crate) fn serve(app: &App, bus: &Bus) {
    bus.publishes_events_of("customer");
    let own = app.clone();
    bus.serve(move |_: GetKeys| {
        let keys = own.keys();
        async move { Ok(keys) }
    });
    let own = app.clone();
    bus.serve(move |request: GetAccountMail| {
        let app = own.clone();
        async move { mails::reply(&app, request.id, Timestamp::now()).await }
    });
    let own = app.clone();
    bus.serve(move |sent: AccountMailSent| {
        let app = own.clone();
        async move { mails::delete_sent_notice(&app, sent.id).await }
    });
    let own = app.clone();
    bus.serve(move |request: GetContact| {
        let app = own.clone();
        async move { accounts::contact(&app, request).await }
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
}
