//! Background jobs: continue orders whose checkout was interrupted, delete old refused orders,
//! deliver the demo bank's notifications, and remove expired guest carts.

use std::time::Duration;

use souk_store::jobs::{self, Job};
use souk_types::{Result, Timestamp};

use crate::App;
use crate::application::{checkout, guest_cart, order, payment};
use crate::domain::guest_cart::GuestCart;
use crate::domain::order::Order;
use crate::domain::order::checkout_table::Trigger;
use crate::providers::demo::DemoPayment;

const ORDERS: Job = Job { name: "orders", every: Duration::from_secs(1), concurrency: 16 };
const REFUSED_ORDERS: Job = Job { name: "refused-orders", every: Duration::from_mins(10), concurrency: 4 };
const DEMO_NOTIFICATIONS: Job = Job { name: "demo-notifications", every: Duration::from_secs(1), concurrency: 16 };
const GUEST_CARTS: Job = Job { name: "guest-carts", every: Duration::from_mins(1), concurrency: 16 };

pub(crate) fn start(app: &App) {
    jobs::run(ORDERS, app.store.orders.due(), app.clone(), advance_order);
    jobs::run(REFUSED_ORDERS, app.store.orders.refused(), app.clone(), delete_refused_order);
    jobs::run(DEMO_NOTIFICATIONS, app.payments.demo_bank.due_notifications(), app.clone(), deliver_notifications);
    let remove = |app, cart| remove_guest_cart(app, cart, Timestamp::now());
    jobs::run(GUEST_CARTS, app.store.guest_carts.expired(), app.clone(), remove);
}

async fn advance_order(app: App, order: Order) -> Result<()> {
    checkout::advance(&app, order, Trigger::Job).await.map(drop)
}

async fn delete_refused_order(app: App, order: Order) -> Result<()> {
    order::delete_refused(&app, order.id).await
}

async fn deliver_notifications(app: App, payment: DemoPayment) -> Result<()> {
    payment::deliver_demo_notifications(&app, payment.order).await
}

async fn remove_guest_cart(app: App, cart: GuestCart, now: Timestamp) -> Result<()> {
    guest_cart::remove_expired(&app, cart.id, now).await
}

#[cfg(test)]
pub(crate) async fn remove_expired_guest_carts(app: &App, now: Timestamp) -> Result<()> {
    let remove = |app, cart| remove_guest_cart(app, cart, now);
    jobs::run_once(GUEST_CARTS, &app.store.guest_carts.expired(), now, app, remove).await
}
