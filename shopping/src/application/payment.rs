//! Payments outside of a checkout request: captures by an admin, and notifications by a provider.

use souk_contract::customer::CustomerId;
use souk_contract::shopping::{OrderId, TimelineKind};
use souk_store::Events;
use souk_types::{Result, Timestamp};

use super::{checkout, order, order_log};
use crate::App;
use crate::domain::order::{Change, Order, OrderView};
use crate::domain::payment::PaymentMethod;
use crate::domain::payment::report::{PaymentNotification, PaymentUpdate};
use crate::providers::stripe::event::Event;

/// Captures the authorized payment of an order for an admin, and sells its stock.
pub(crate) async fn capture(app: &App, admin: CustomerId, id: OrderId) -> Result<OrderView> {
    let order = order::get_any(app, id).await?;
    let Some(payment) = order.authorized_payment()? else { return Ok(order.view()) };
    let provider = app.payments.provider(payment.method)?;
    let captured = provider.capture(payment);
    let (report, entry) = order_log::timed(TimelineKind::Payment, "capture", captured).await;
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            checkout::record_failed_attempt(app, id, entry).await;
            return Err(error);
        }
    };
    let order = checkout::apply_capture(app, id, report, entry, admin).await?;
    Ok(checkout::advance_or_defer(app, order).await.view())
}

/// Handles a signed event of Stripe. An event about no order of this shop is ignored: an error
/// would make Stripe repeat it, and disable the endpoint in the end.
pub(crate) async fn handle_stripe_event(app: &App, event: &[u8]) -> Result<()> {
    let Some(event) = Event::read(event) else {
        tracing::debug!("ignored an event of Stripe: the shop does not handle its type");
        return Ok(());
    };
    let order = app.store.orders.by_payment(PaymentMethod::Stripe, event.payment_intent()).await?;
    let Some((id, payment)) = order.as_ref().and_then(|order| Some((order.id, order.payment()?))) else {
        tracing::debug!(payment = event.payment_intent(), "ignored an event of Stripe: no order has this payment");
        return Ok(());
    };
    let mut notification = event.notification(id, payment)?;
    if let PaymentUpdate::Refunds(list) = &mut notification.update {
        // An event has one refund, or their sum, as of a moment in the past.
        *list = app.payments.provider(payment.method)?.refunds(payment).await?;
    }
    handle_notification(app, notification).await
}

/// When this returns, the notification is stored; the checkout may continue later.
pub(crate) async fn handle_notification(app: &App, notification: PaymentNotification) -> Result<()> {
    let id = notification.order;
    let what = format!("notification {}", notification.id);
    let entry = order_log::entry(TimelineKind::Payment, what, notification.update.to_string());
    let apply = move |order: &mut Order, events: &mut Events| {
        let change = order.apply_notification(&notification, entry.clone(), Timestamp::now())?;
        checkout::publish_changes(order, events)?;
        Ok(change != Change::Nothing)
    };
    if let Some(order) = app.store.orders.update_if_known(id, apply).await? {
        checkout::advance_or_defer(app, order).await;
    } else {
        tracing::debug!(order = %id, "ignored a payment notification: repeated, or for an unknown order");
    }
    Ok(())
}

/// Delivers the due notifications of a demo payment. A real provider sends webhooks.
pub(crate) async fn deliver_demo_notifications(app: &App, order: OrderId) -> Result<()> {
    for notification in app.payments.demo_bank.complete_and_notify(order).await? {
        handle_notification(app, notification).await?;
    }
    app.payments.demo_bank.mark_notified(order).await
}
