//! Events from the bus. Most ask for one mail.

use souk_bus::{Bus, Delivery, Event};
use souk_contract::customer::{AccountMailDue, CustomerDeleted, TokensRevoked};
use souk_contract::shopping::{
    OrderCancelled, OrderConfirmed, OrderMailSubject, OrderRefunded, ParcelSent, PaymentFailed, PaymentWaiting,
};

use crate::app::App;
use crate::application::{erasure, queue};
use crate::domain::mail::Source;

pub(crate) fn subscribe(app: &App, bus: &Bus) {
    use OrderMailSubject as Subject;

    bus.publishes_events_of("mail");
    let order = |order, subject| Source::Order { order, subject };
    mails_for(app, bus, |event: &AccountMailDue| Source::Account { mail: event.id });
    mails_for(app, bus, move |event: &OrderConfirmed| order(event.id, Subject::Received));
    mails_for(app, bus, move |event: &PaymentFailed| order(event.id, Subject::PaymentFailed));
    mails_for(app, bus, move |event: &PaymentWaiting| order(event.id, Subject::PaymentWaiting));
    mails_for(app, bus, move |event: &ParcelSent| order(event.id, Subject::ParcelSent { shipment: event.shipment }));
    mails_for(app, bus, move |event: &OrderRefunded| order(event.id, Subject::Refunded { refund: event.refund }));
    mails_for(app, bus, move |event: &OrderCancelled| order(event.id, Subject::Cancelled));
    let own = app.clone();
    bus.subscribe("mail", move |deletion: Delivery<CustomerDeleted>| {
        let app = own.clone();
        async move {
            app.revocations.close(&deletion).await?;
            erasure::erase(&app, deletion.event.id).await
        }
    });
    let revocations = app.revocations.clone();
    bus.subscribe("mail", move |revoked: Delivery<TokensRevoked>| {
        let revocations = revocations.clone();
        async move { revocations.revoke(&revoked.event).await }
    });
}

/// Queues one mail for each event of a type.
fn mails_for<E: Event>(app: &App, bus: &Bus, source: impl Fn(&E) -> Source + Send + Sync + 'static) {
    let app = app.clone();
    bus.subscribe("mail", move |delivery: Delivery<E>| {
        let (app, source) = (app.clone(), source(&delivery.event));
        async move { queue::add(&app, delivery.id, source).await }
    });
}
