//! Requests and events from the bus.

use souk_bus::Delivery;
use souk_contract::customer::{CustomerDeleted, EmailVerified, TokensRevoked};
use souk_contract::shopping::{ExportCustomer, GetOrderMail, GetShop};

use crate::App;
use crate::application::{erasure, export, guest_orders, order_mail};

pub(crate) fn serve(app: &App) {
    app.bus.publishes_events_of("shopping");
    let own = app.clone();
    app.bus.serve(move |request: ExportCustomer| {
        let app = own.clone();
        async move { export::page(&app, request).await }
    });
    let own = app.clone();
    app.bus.serve(move |_: GetShop| {
        let app = own.clone();
        async move { Ok(app.shop().await?.settings.public()) }
    });
    let own = app.clone();
    app.bus.serve(move |request: GetOrderMail| {
        let app = own.clone();
        async move { order_mail::get(&app, request).await }
    });
    let own = app.clone();
    app.bus.subscribe("shopping", move |verified: Delivery<EmailVerified>| {
        let app = own.clone();
        async move { guest_orders::move_to_account(&app, verified.event.id).await }
    });
    let own = app.clone();
    app.bus.subscribe("shopping", move |deletion: Delivery<CustomerDeleted>| {
        let app = own.clone();
        async move { erasure::erase(&app, deletion).await }
    });
    let revocations = app.revocations.clone();
    app.bus.subscribe("shopping", move |revoked: Delivery<TokensRevoked>| {
        let revocations = revocations.clone();
        async move { revocations.revoke(&revoked.event).await }
    });
}
