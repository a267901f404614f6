//! Calls of `products` and of payment providers, and how their outcomes are written to the order.

use souk_bus::{Event, Request};
use souk_contract::customer::CustomerId;
use souk_contract::shopping::{OrderCancelled, OrderId, OrderRefunded, PaymentFailed, PaymentWaiting, TimelineKind};
use souk_store::Events;
use souk_types::{Error, Result, Timestamp};

use crate::App;
use crate::application::order_log;
use crate::domain::order::history::LogEntry;
use crate::domain::order::{Change, Order, OrderEvent};
use crate::domain::payment::report::{PaymentReport, RefundReport, list_text};
use crate::domain::payment::state::Payment;
use crate::providers::PaymentProvider;

pub(super) enum Reply<T> {
    Done(T, LogEntry),
    Refused(Error, LogEntry),
}

/// Calls `products`. Errors: transient ones only, which it records in the order's log.
pub(super) async fn stock_call<R: Request>(app: &App, id: OrderId, request: R) -> Result<Reply<R::Reply>> {
    final_reply(app, id, order_log::timed(TimelineKind::Call, R::NAME, app.bus.call(request)).await).await
}

/// Calls a payment provider. Errors: transient ones only, which it records in the order's log.
pub(super) async fn payment_call<T>(
    app: &App,
    id: OrderId,
    what: &'static str,
    call: impl Future<Output = Result<T>>,
) -> Result<Reply<T>> {
    final_reply(app, id, order_log::timed(TimelineKind::Payment, what, call).await).await
}

async fn final_reply<T>(app: &App, id: OrderId, (result, entry): (Result<T>, LogEntry)) -> Result<Reply<T>> {
    match result {
        Ok(reply) => Ok(Reply::Done(reply, entry)),
        Err(error) if error.is_transient() => {
            record_and_schedule_retry(app, id, entry).await;
            Err(error)
        }
        Err(error) => Ok(Reply::Refused(error, entry)),
    }
}

/// Records a failed attempt and schedules the next one. If that fails, the order stays due.
pub(super) async fn record_and_schedule_retry(app: &App, id: OrderId, entry: LogEntry) {
    let record = move |order: &mut Order, now| {
        order.log(entry.clone());
        order.retry_later(now);
        Ok(())
    };
    if let Err(error) = update(app, id, record).await {
        tracing::debug!(order = %id, %error, "a failed attempt could not be recorded");
    }
}

/// Records a failed attempt of an admin. No job repeats it.
pub(crate) async fn record_failed_attempt(app: &App, id: OrderId, entry: LogEntry) {
    let record = move |order: &mut Order, _| {
        order.log(entry.clone());
        Ok(())
    };
    if let Err(error) = update(app, id, record).await {
        tracing::warn!(order = %id, %error, "a failed attempt could not be recorded");
    }
}

/// Applies a provider's report of a payment, and adds it to the log entry.
pub(crate) async fn apply_payment(app: &App, id: OrderId, report: PaymentReport, entry: LogEntry) -> Result<Order> {
    let entry = entry.with_outcome(report.to_string());
    apply(app, id, move |order, now| {
        order.log(entry.clone());
        order.apply_payment(&report, now)
    })
    .await
}

/// Applies a provider's report of a payment that an admin has captured.
pub(crate) async fn apply_capture(
    app: &App,
    id: OrderId,
    report: PaymentReport,
    entry: LogEntry,
    admin: CustomerId,
) -> Result<Order> {
    let entry = entry.with_outcome(report.to_string());
    apply(app, id, move |order, now| {
        order.log(entry.clone());
        order.log(order_log::entry(TimelineKind::Admin, "capture", "ok").by(admin));
        order.apply_payment(&report, now)
    })
    .await
}

/// Applies the provider's list of refunds, and adds it to the log entry.
pub(super) async fn apply_refunds(app: &App, id: OrderId, list: Vec<RefundReport>, entry: LogEntry) -> Result<Order> {
    let entry = entry.with_outcome(list_text(&list));
    apply(app, id, move |order, now| {
        order.log(entry.clone());
        order.apply_refunds(&list, now)
    })
    .await
}

/// Applies a provider's reply to the request for a refund, and adds it to the log entry.
pub(super) async fn apply_refund(app: &App, id: OrderId, report: RefundReport, entry: LogEntry) -> Result<Order> {
    let entry = entry.with_outcome(report.to_string());
    apply(app, id, move |order, now| {
        order.log(entry.clone());
        order.apply_refund(&report, now)
    })
    .await
}

pub(super) async fn apply(
    app: &App,
    id: OrderId,
    rule: impl Fn(&mut Order, Timestamp) -> Result<Change> + Send + 'static,
) -> Result<Order> {
    let apply = move |order: &mut Order, events: &mut Events| {
        rule(order, Timestamp::now())?;
        publish_changes(order, events)
    };
    app.store.orders.update(id, apply).await
}

pub(super) async fn update(
    app: &App,
    id: OrderId,
    rule: impl Fn(&mut Order, Timestamp) -> Result<()> + Send + 'static,
) -> Result<Order> {
    let update = move |order: &mut Order, events: &mut Events| {
        rule(order, Timestamp::now())?;
        publish_changes(order, events)
    };
    app.store.orders.update(id, update).await
}

/// Publishes what the buyer must know about a change, and refunds that have succeeded.
pub(crate) fn publish_changes(order: &mut Order, events: &mut Events) -> Result<()> {
    let id = order.id;
    for event in order.take_events() {
        match event {
            OrderEvent::PaymentFailed => publish(order, events, &PaymentFailed { id })?,
            OrderEvent::PaymentWaiting => publish(order, events, &PaymentWaiting { id })?,
            OrderEvent::Cancelled => publish(order, events, &OrderCancelled { id })?,
        }
    }
    for refund in order.take_succeeded_refunds() {
        publish(order, events, &OrderRefunded { id, refund })?;
    }
    Ok(())
}

/// Publishes an event with the write of its order, whose log records it.
pub(super) fn publish<E: Event>(order: &mut Order, events: &mut Events, event: &E) -> Result<()> {
    order.log(order_log::published::<E>());
    events.publish(event).map(drop)
}

pub(super) fn payment_of(order: &Order) -> Result<&Payment> {
    order.payment().ok_or_else(|| Error::internal(format!("order {} is reserved without a payment", order.id)))
}

/// Returns the provider of an order's payment. Errors: `internal` when the operator disabled it;
/// the order is tried again later.
pub(super) async fn provider_of<'a>(app: &'a App, order: &Order) -> Result<&'a dyn PaymentProvider> {
    let provider = app.payments.provider(payment_of(order)?.method);
    if let Err(error) = &provider {
        let entry = order_log::entry(TimelineKind::Retry, "payment-provider", error.code().to_owned());
        record_and_schedule_retry(app, order.id, entry).await;
    }
    provider
}
