//! Payments outside of a checkout request: captures by an admin, and notifications by a provider.

use souk_contract::shopping::{OrderId, TimelineKind};
use souk_types::{Result, Timestamp};

use super::{checkout, order, order_log};
use crate::App;
use crate::domain::order::history::wire_name;
use crate::domain::order::{Order, OrderView};
use crate::domain::payment::{PaymentMethod, PaymentNotification};
use crate::providers::stripe::event::Event;

/// Captures the authorized payment of an order, and sells its stock.
pub(crate) async fn capture(app: &App, id: OrderId) -> Result<OrderView> {
    let order = order::get_any(app, id).await?;
    let Some(payment) = order.authorized_payment()? else { return Ok(order.view()) };
    let provider = app.payments.provider(payment.method)?;
    let captured = provider.capture(&payment.reference);
    let (status, entry) = order_log::timed(TimelineKind::Payment, "capture", captured).await;
    let order = checkout::apply_payment(app, id, status?, entry).await?;
    Ok(checkout::advance_or_leave(app, order).await)
}

/// Handles a signed event of Stripe. An event about no order of this shop is ignored: an error would
/// make Stripe repeat it, and disable the endpoint in the end.
pub(crate) async fn handle_stripe_event(app: &App, event: &[u8]) -> Result<()> {
    let Some(event) = Event::read(event) else {
        tracing::debug!("ignored an event of Stripe: the shop does not handle its type");
        return Ok(());
    };
    let Some(order) = app.store.orders.by_payment(PaymentMethod::Stripe, event.payment_intent()).await? else {
        tracing::debug!(payment = event.payment_intent(), "ignored an event of Stripe: no order has this payment");
        return Ok(());
    };
    handle_notification(app, event.notification(order.id)?).await
}

/// When this returns, the notification is stored; the checkout may continue later.
pub(crate) async fn handle_notification(app: &App, notification: PaymentNotification) -> Result<()> {
    let id = notification.order;
    let what = format!("notification {}", notification.id);
    let entry = order_log::entry(TimelineKind::Payment, what, wire_name(&notification.status));
    let apply = move |order: &mut Order| order.apply_notification(&notification, entry.clone(), Timestamp::now());
    if let Some(order) = app.store.orders.update_if_known(id, apply).await? {
        checkout::advance_or_leave(app, order).await;
    } else {
        tracing::debug!(order = %id, "ignored a payment notification: repeated, or for an unknown order");
    }
    Ok(())
}

/// Delivers the due notifications of a demo payment. A real provider sends webhooks.
pub(crate) async fn deliver_demo_notifications(app: &App, order: OrderId) -> Result<()> {
    for notification in app.payments.demo_bank.notifications(order).await? {
        handle_notification(app, notification).await?;
    }
    app.payments.demo_bank.mark_notified(order).await
}
