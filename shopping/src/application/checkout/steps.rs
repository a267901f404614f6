//! The actions of the checkout table, except those in [`compensation`]. Each calls `products` or
//! the payment provider, and applies the reply to the order.

use souk_bus::{Event, Request};
use souk_contract::products::{Confirm, Confirmed, Reserved, Shortage};
use souk_contract::shopping::{
    OrderCancelled, OrderConfirmed, OrderId, OrderRefunded, PaymentFailed, PaymentWaiting, TimelineKind,
};
use souk_store::Events;
use souk_types::{Error, Result, Timestamp};

use super::{compensation, hold};
use crate::App;
use crate::application::discounts::{self, Buyer};
use crate::application::{order, order_log};
use crate::domain::cart::Cart;
use crate::domain::order::checkout_table::{NextAction, Trigger};
use crate::domain::order::history::LogEntry;
use crate::domain::order::{Change, Order, OrderEvent, OrderStatus, PutOff, Reason, interrupted};
use crate::domain::payment::report::{PaymentReport, RefundReport, list_text};
use crate::domain::payment::state::Payment;
use crate::providers::PaymentProvider;
use crate::repositories::CartState;

/// Takes the actions that an order needs, until it must wait. After a transient error, a later
/// trigger takes the action again. Money and stock of an ended order do not wait for each other.
pub(crate) async fn advance(app: &App, mut order: Order, trigger: Trigger) -> Result<Order> {
    let mut put_off = PutOff::default();
    let mut failure = None;
    loop {
        order = match order.next_action(trigger, put_off, Timestamp::now()) {
            NextAction::Wait => break,
            NextAction::ReserveStock => hold::reserve_stock(app, &order).await?,
            NextAction::ChargePayment => charge_payment(app, &order).await?,
            NextAction::CheckPayment => match check_payment(app, &order).await? {
                Checked::Changed(order) => order,
                Checked::Unchanged(order) => return Ok(order),
            },
            NextAction::ConfirmStock => confirm_stock(app, &order).await?,
            NextAction::Abandon => abandon(app, &order).await?,
            NextAction::Decline => update(app, order.id, Order::decline).await?,
            NextAction::Cancel => update(app, order.id, Order::cancel_unpaid).await?,
            NextAction::ExpireReservation => update(app, order.id, Order::expire_reservation).await?,
            action @ (NextAction::CancelPayment | NextAction::RefundPayment | NextAction::CheckRefund) => {
                let settled = match action {
                    NextAction::CancelPayment => compensation::cancel_payment(app, &order).await,
                    NextAction::RefundPayment => compensation::request_refunds(app, &order).await,
                    _ => compensation::check_refunds(app, &order).await,
                };
                match settled {
                    Ok(next) => {
                        // A cancellation that was too late is followed by a refund.
                        let is_cancellation = action == NextAction::CancelPayment;
                        put_off.money = !(is_cancellation && next.payment_work() != order.payment_work());
                        next
                    }
                    Err(error) => {
                        put_off.money = true;
                        failure = Some(error);
                        order
                    }
                }
            }
            NextAction::ReturnStock => match compensation::return_stock(app, &order).await {
                Ok(order) => order,
                Err(error) => {
                    put_off.stock = true;
                    failure = Some(error);
                    order
                }
            },
        };
    }
    match (failure, trigger) {
        (None, _) => Ok(order),
        (Some(error), Trigger::Job) => Err(error),
        // The outcome of the order is decided; the background job completes what it owes.
        (Some(error), Trigger::Request) => {
            tracing::warn!(order = %order.id, %error, "an ended order still owes money or stock");
            Ok(order)
        }
    }
}

async fn charge_payment(app: &App, order: &Order) -> Result<Order> {
    let (id, charge, payment) = (order.id, order.charge(), payment_of(order)?);
    let provider = provider_of(app, order).await?;
    let charged = provider.charge(payment, &charge);
    let (report, entry) = order_log::timed(TimelineKind::Payment, "charge", charged).await;
    match report {
        Ok(report) => apply_payment(app, id, report, entry).await,
        Err(error) if error.is_transient() => {
            let unknown = hold::unknown_outcome(order, &charge, &error);
            apply(app, id, move |order, now| {
                order.log(entry.clone());
                order.apply_payment(&unknown, now)
            })
            .await
        }
        Err(error) => reject(app, order, error, Reason::PaymentRefused, Stock::Held, entry).await,
    }
}

/// Rejects a pending order whose checkout was interrupted, unless its payment was charged.
async fn abandon(app: &App, order: &Order) -> Result<Order> {
    let payment = named_payment(app, order)?;
    if let Some(payment) = &payment {
        let provider = app.payments.provider(payment.method)?;
        let (report, _) = order_log::timed(TimelineKind::Payment, "check", provider.check(payment)).await;
        if payment.clone().apply(&report?) {
            return hold::reserve_stock(app, order).await;
        }
    }
    update(app, order.id, move |order, now| {
        if let Some(payment) = &payment {
            order.attach_payment(payment);
        }
        order.abandon(now)
    })
    .await
}

/// Returns the payment that a pending order has at a provider that names payments after orders.
pub(super) fn named_payment(app: &App, order: &Order) -> Result<Option<Payment>> {
    let charge = order.charge();
    if order.payment().is_some() || charge.amount.is_zero() {
        return Ok(None);
    }
    Ok(app.payments.provider(charge.details.method())?.named_payment(&charge))
}

enum Checked {
    Changed(Order),
    Unchanged(Order),
}

async fn check_payment(app: &App, order: &Order) -> Result<Checked> {
    let (id, payment) = (order.id, payment_of(order)?);
    let provider = provider_of(app, order).await?;
    let (report, entry) = match payment_call(app, id, "check", provider.check(payment)).await? {
        Reply::Done(report, entry) => (report, entry),
        Reply::Refused(error, _) => return Err(error),
    };
    if order.would_change(&report) {
        let before = payment.status();
        let order = apply_payment(app, id, report, entry).await?;
        let has_changed = order.payment().is_some_and(|payment| payment.status() != before);
        return Ok(if has_changed { Checked::Changed(order) } else { Checked::Unchanged(order) });
    }
    let update_unchanged = move |order: &mut Order, now| {
        if order.abandon_uncharged(now)? {
            order.log(entry.clone());
        } else {
            order.report_waiting();
            order.retry_later(now);
        }
        Ok(())
    };
    let order = update(app, id, update_unchanged).await?;
    Ok(if order.status() == OrderStatus::Rejected { Checked::Changed(order) } else { Checked::Unchanged(order) })
}

async fn confirm_stock(app: &App, order: &Order) -> Result<Order> {
    let id = order.id;
    if order.is_paid_late()
        && let Err(error) = update(app, id, |order, _| {
            order.claim_again();
            Ok(())
        })
        .await
    {
        let has_claim = error.is_duplicate();
        return if has_claim { fail(app, id, ordered_again(), Reason::OrderedAgain, None).await } else { Err(error) };
    }
    // The expired order has given up its discounts.
    if order.is_paid_late()
        && let Err(error) = discounts::claim(app, id, order.quote(), Buyer::of(order)).await
    {
        let is_final = !error.is_transient();
        return if is_final { fail(app, id, error, Reason::DiscountUnavailable, None).await } else { Err(error) };
    }
    match stock_call(app, id, Confirm { reservation: order.reservation(), order: id, lines: order.lines() }).await? {
        Reply::Done(Confirmed::Sold, entry) => confirm(app, order, entry).await,
        Reply::Done(Confirmed::Released, entry) => reserve_again(app, order, entry).await,
        Reply::Refused(error, entry) => fail(app, id, error, Reason::OutOfStock, Some(entry)).await,
    }
}

/// Reserves again for a paid order whose reservation has expired, at the price that was paid.
async fn reserve_again(app: &App, order: &Order, released: LogEntry) -> Result<Order> {
    let (id, expired, reservation_time) = (order.id, order.reservation(), app.limits.reservation_time);
    let order = update(app, id, move |order, now| {
        order.log(released.clone());
        order.renew_reservation(expired, reservation_time, now);
        Ok(())
    })
    .await?;
    match reserve(app, &order).await? {
        Reply::Done(Reserved::Held { .. } | Reserved::Sold, entry) => {
            update(app, id, move |order, _| {
                order.log(entry.clone());
                Ok(())
            })
            .await
        }
        Reply::Done(Reserved::OutOfStock { shortages }, entry) => {
            fail(app, id, out_of_stock(&shortages), Reason::OutOfStock, Some(entry)).await
        }
        Reply::Done(Reserved::Released, entry) => fail(app, id, interrupted(), Reason::OutOfStock, Some(entry)).await,
        Reply::Refused(error, entry) => fail(app, id, error, Reason::OutOfStock, Some(entry)).await,
    }
}

async fn confirm(app: &App, order: &Order, entry: LogEntry) -> Result<Order> {
    let cart = complete_cart(app, order).await?;
    let confirm = move |order: &mut Order, events: &mut Events| {
        order.log(entry.clone());
        confirm_sold(order, cart, events, Timestamp::now())
    };
    let confirmed = app.store.orders.update(order.id, confirm).await?;
    confirm_discounts(app, &confirmed).await;
    Ok(confirmed)
}

/// Makes the uses of an order's discounts final. They count before that as well.
pub(super) async fn confirm_discounts(app: &App, order: &Order) {
    if order.status() == OrderStatus::Confirmed
        && let Err(error) = discounts::confirm(app, order.id, order.quote(), Buyer::of(order)).await
    {
        tracing::warn!(order = %order.id, %error, "the uses of an order's discounts stay open");
    }
}

/// Records that the stock is sold, and publishes `OrderConfirmed`, once. The ordered pieces were
/// removed from the cart before.
pub(super) fn confirm_sold(order: &mut Order, cart: CartState, events: &mut Events, now: Timestamp) -> Result<()> {
    if order.confirm(now)? {
        if cart == CartState::Closed {
            order.erase_personal_data();
        }
        let confirmed = OrderConfirmed { id: order.id, customer: order.customer() };
        publish(order, events, &confirmed)?;
    }
    Ok(())
}

/// Removes the ordered pieces from the cart, once.
pub(super) async fn complete_cart(app: &App, order: &Order) -> Result<CartState> {
    let Some(owner) = order.placed_by() else { return Ok(CartState::Closed) };
    let (id, (revision, lines)) = (order.id, order.ordered_lines());
    let complete = move |cart: &mut Cart| {
        cart.orders.remove_unpaid(id);
        cart.complete_order(revision, &lines);
    };
    app.store.change_cart(owner, complete).await.map(|(state, ())| state)
}

pub(super) enum Reply<T> {
    Done(T, LogEntry),
    Refused(Error, LogEntry),
}

pub(super) async fn reserve(app: &App, order: &Order) -> Result<Reply<Reserved>> {
    stock_call(app, order.id, order.reserve_request(app.limits.scarce_reservation_time)).await
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
            record_retry(app, id, entry).await;
            Err(error)
        }
        Err(error) => Ok(Reply::Refused(error, entry)),
    }
}

/// Records a failed attempt and schedules the next one. If that fails, the order stays due.
pub(super) async fn record_retry(app: &App, id: OrderId, entry: LogEntry) {
    let record = move |order: &mut Order, now| {
        order.log(entry.clone());
        order.retry_later(now);
        Ok(())
    };
    if let Err(error) = update(app, id, record).await {
        tracing::debug!(order = %id, %error, "a failed attempt could not be recorded");
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

async fn apply(
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
fn publish<E: Event>(order: &mut Order, events: &mut Events, event: &E) -> Result<()> {
    order.log(order_log::published::<E>());
    events.publish(event).map(drop)
}

/// Whether stock is held for an order that is rejected.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Stock {
    Held,
    NotHeld,
}

/// Rejects an order. A payment that an interrupted checkout may have charged is cancelled.
pub(super) async fn reject(
    app: &App,
    order: &Order,
    refusal: Error,
    reason: Reason,
    stock: Stock,
    entry: LogEntry,
) -> Result<Order> {
    let (id, payment) = (order.id, if stock == Stock::Held { named_payment(app, order)? } else { None });
    let is_refused = payment.is_none() && order.payment().is_none();
    let (cart, surplus) = if is_refused { record_refused(app, order).await? } else { (CartState::Open, None) };
    let rejected = update(app, id, move |order, now| {
        order.log(entry.clone());
        if let Some(payment) = &payment {
            order.attach_payment(payment);
        }
        order.reject(refusal.clone(), reason, stock == Stock::Held, now)?;
        if cart == CartState::Closed {
            order.erase_personal_data();
        }
        Ok(())
    })
    .await?;
    if let Some(surplus) = surplus
        && let Err(error) = order::delete_refused(app, surplus).await
    {
        tracing::warn!(order = %surplus, %error, "a refused order is deleted later, by the background job");
    }
    Ok(rejected)
}

/// Records a refused order in its cart. Returns the oldest one when there are too many.
async fn record_refused(app: &App, order: &Order) -> Result<(CartState, Option<OrderId>)> {
    let id = order.id;
    match order.placed_by() {
        Some(owner) => app.store.change_cart(owner, move |cart| cart.orders.add_refused(id)).await,
        None => Ok((CartState::Closed, None)),
    }
}

/// Cancels a paid order whose stock cannot be sold.
async fn fail(app: &App, id: OrderId, refusal: Error, reason: Reason, entry: Option<LogEntry>) -> Result<Order> {
    update(app, id, move |order, now| {
        if let Some(entry) = &entry {
            order.log(entry.clone());
        }
        order.fail(refusal.clone(), reason, now)
    })
    .await
}

fn ordered_again() -> Error {
    let detail = "The payment arrived after the cart had been ordered again; the money is returned.";
    Error::conflict("order-state", detail)
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

pub(super) fn payment_of(order: &Order) -> Result<&Payment> {
    order.payment().ok_or_else(|| Error::internal(format!("order {} is reserved without a payment", order.id)))
}

/// Returns the provider of an order's payment. Errors: `internal` when the operator disabled it;
/// the order is tried again later.
pub(super) async fn provider_of<'a>(app: &'a App, order: &Order) -> Result<&'a dyn PaymentProvider> {
    let provider = app.payments.provider(payment_of(order)?.method);
    if let Err(error) = &provider {
        let entry = order_log::entry(TimelineKind::Retry, "payment-provider", error.code().to_owned());
        record_retry(app, order.id, entry).await;
    }
    provider
}

pub(super) fn out_of_stock(shortages: &[Shortage]) -> Error {
    match serde_json::to_value(shortages) {
        Ok(items) => Error::conflict(
            "out-of-stock",
            "Some products are out of stock; change the cart and order under a new key.",
        )
        .with_member("items", items),
        Err(error) => Error::internal(error),
    }
}
