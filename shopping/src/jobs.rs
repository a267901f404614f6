//! Background jobs: orders whose checkout was interrupted, payment notifications of the demo bank, carts of guests that
//! have expired.

use std::time::Duration;

use souk_store::jobs::{self, Job};
use souk_types::{Result, Timestamp};

use crate::App;
use crate::application::checkout;
use crate::domain::guest_cart;
use crate::domain::order::{Order, Turn};
use crate::providers::demo::DemoPayment;

const ORDERS: Job = Job { name: "orders", every: Duration::from_secs(1), concurrency: 16 };
const DEMO_NOTIFICATIONS: Job = Job { name: "demo-notifications", every: Duration::from_secs(1), concurrency: 16 };
const GUEST_CARTS: Job = Job { name: "guest-carts", every: Duration::from_mins(1), concurrency: 16 };

pub(crate) fn start(app: &App) {
    jobs::run(ORDERS, app.orders.due(), app.clone(), resume_order);
    jobs::run(DEMO_NOTIFICATIONS, app.payments.bank.due(), app.clone(), deliver_notifications);
    jobs::run(GUEST_CARTS, app.guest_carts.expired(), app.clone(), |app, cart| {
        guest_cart::delete_expired(app, cart, Timestamp::now())
    });
}

async fn resume_order(app: App, order: Order) -> Result<()> {
    checkout::carry_on(&app, order, Turn::Sweeper).await.map(drop)
}

/// Delivers what a real bank would send to the webhook.
async fn deliver_notifications(app: App, payment: DemoPayment) -> Result<()> {
    for news in app.payments.bank.notifications(payment.order).await? {
        checkout::notice(&app, news).await?;
    }
    app.payments.bank.told(payment.order).await
}

/// Runs the job of guest carts once, as if it were `now`.
#[cfg(test)]
pub(crate) async fn delete_expired_carts(app: &App, now: Timestamp) -> Result<()> {
    let delete = |app, cart| guest_cart::delete_expired(app, cart, now);
    jobs::run_once(GUEST_CARTS, &app.guest_carts.expired(), now, app, delete).await
}
