//! The actions of the checkout table. Each calls `products` or the payment provider, and applies
//! the reply to the order.

use souk_bus::Request;
use souk_contract::products::{Confirm, Confirmed, Release, Released, Reserve, Reserved, Restock, Restocked, Shortage};
use souk_contract::shopping::{OrderConfirmed, OrderId, TimelineKind};
use souk_types::{Error, Result, Timestamp};

use crate::App;
use crate::application::order_log;
use crate::domain::order::checkout_table::{NextAction, PaymentCompensation, Trigger, payment_compensation};
use crate::domain::order::history::LogEntry;
use crate::domain::order::{Order, OrderStatus, Reason, interrupted};
use crate::domain::payment::{Payment, PaymentStatus};

/// Takes the actions that an order needs, until it must wait. After a transient error, a later
/// trigger takes the action again.
pub(crate) async fn advance(app: &App, mut order: Order, trigger: Trigger) -> Result<Order> {
    loop {
        order = match order.next_action(trigger, Timestamp::now()) {
            NextAction::Wait => return Ok(order),
            NextAction::ReserveStock => reserve_stock(app, &order).await?,
            NextAction::ChargePayment => charge_payment(app, &order).await?,
            NextAction::CheckPayment => match check_payment(app, &order).await? {
                Checked::Changed(order) => order,
                Checked::Unchanged(order) => return Ok(order),
            },
            NextAction::ConfirmStock => confirm_stock(app, &order).await?,
            NextAction::Abandon => update(app, order.id, Order::abandon).await?,
            NextAction::Decline => update(app, order.id, Order::decline).await?,
            NextAction::Cancel => update(app, order.id, Order::cancel_unpaid).await?,
            NextAction::ExpireReservation => update(app, order.id, Order::expire_reservation).await?,
            NextAction::Compensate => compensate(app, &order).await?,
        };
    }
}

async fn reserve_stock(app: &App, order: &Order) -> Result<Order> {
    let id = order.id;
    let (lines, reserved) = match reserve(app, order).await? {
        Reply::Done(Reserved::Held { lines }, entry) => (lines, entry),
        Reply::Done(Reserved::OutOfStock { shortages }, entry) => {
            return reject(app, id, out_of_stock(&shortages), Reason::OutOfStock, Stock::NotHeld, entry).await;
        }
        Reply::Done(Reserved::Released, entry) => {
            return reject(app, id, interrupted(), Reason::Interrupted, Stock::NotHeld, entry).await;
        }
        Reply::Refused(error, entry) => {
            return reject(app, id, error, Reason::ReservationRefused, Stock::NotHeld, entry).await;
        }
    };
    let items: Vec<_> = lines.into_iter().map(Into::into).collect();
    let charge = match order.charge_for(&items) {
        Ok(charge) => charge,
        Err(error) => return reject(app, id, error, Reason::CurrencyMixed, Stock::Held, reserved).await,
    };
    // The payment is opened before the order is reserved, so that a reserved order always has the
    // provider's reference.
    let provider = app.payments.provider(charge.details.method())?;
    let (payment, opened) = match payment_call(app, id, "open", provider.open(&charge)).await? {
        Reply::Done(payment, entry) => (payment, entry),
        Reply::Refused(error, entry) => {
            return reject(app, id, error, Reason::PaymentRefused, Stock::Held, entry).await;
        }
    };
    update(app, id, move |order, now| {
        order.log(reserved.clone());
        order.log(opened.clone());
        order.reserve(&items, &payment, now)
    })
    .await
}

async fn charge_payment(app: &App, order: &Order) -> Result<Order> {
    let (id, charge, payment) = (order.id, order.charge()?, payment_of(order)?);
    let provider = app.payments.provider(payment.method)?;
    let charged = provider.charge(&payment.reference, &charge);
    let (status, entry) = order_log::timed(TimelineKind::Payment, "charge", charged).await;
    match status {
        Ok(status) => apply_payment(app, id, status, entry).await,
        Err(error) if error.is_transient() => {
            tracing::warn!(order = %id, %error, "the outcome of a charge is unknown; the background job checks it");
            apply_payment(app, id, PaymentStatus::Processing, entry).await
        }
        Err(error) => reject(app, id, error, Reason::PaymentRefused, Stock::Held, entry).await,
    }
}

enum Checked {
    Changed(Order),
    Unchanged(Order),
}

async fn check_payment(app: &App, order: &Order) -> Result<Checked> {
    let (id, payment) = (order.id, payment_of(order)?);
    let before = payment.status;
    let provider = app.payments.provider(payment.method)?;
    let (status, entry) = match payment_call(app, id, "check", provider.check(&payment.reference)).await? {
        Reply::Done(status, entry) => (status, entry),
        Reply::Refused(error, _) => return Err(error),
    };
    if status != before {
        let order = apply_payment(app, id, status, entry).await?;
        let has_changed = order.payment().is_some_and(|payment| payment.status != before);
        return Ok(if has_changed { Checked::Changed(order) } else { Checked::Unchanged(order) });
    }
    let update_unchanged = move |order: &mut Order, now| {
        if order.abandon_uncharged(now)? {
            order.log(entry.clone());
        } else {
            order.retry_later(now);
        }
        Ok(())
    };
    let order = update(app, id, update_unchanged).await?;
    Ok(if order.status() == OrderStatus::Rejected { Checked::Changed(order) } else { Checked::Unchanged(order) })
}

async fn confirm_stock(app: &App, order: &Order) -> Result<Order> {
    let id = order.id;
    match stock_call(app, id, Confirm { reservation: order.reservation() }).await? {
        Reply::Done(Confirmed::Sold, entry) => confirm(app, id, entry).await,
        Reply::Done(Confirmed::Released, entry) => reserve_again(app, id, entry).await,
        Reply::Refused(error, entry) => fail(app, id, error, entry).await,
    }
}

/// Reserves again for a paid order whose reservation has expired, at the price that was paid.
async fn reserve_again(app: &App, id: OrderId, expired: LogEntry) -> Result<Order> {
    let reservation_time = app.reservation_time;
    let order = update(app, id, move |order, now| {
        order.log(expired.clone());
        order.renew_reservation(reservation_time, now);
        Ok(())
    })
    .await?;
    match reserve(app, &order).await? {
        Reply::Done(Reserved::Held { .. }, entry) => {
            update(app, id, move |order, _| {
                order.log(entry.clone());
                Ok(())
            })
            .await
        }
        Reply::Done(Reserved::OutOfStock { shortages }, entry) => fail(app, id, out_of_stock(&shortages), entry).await,
        Reply::Done(Reserved::Released, entry) => fail(app, id, interrupted(), entry).await,
        Reply::Refused(error, entry) => fail(app, id, error, entry).await,
    }
}

async fn confirm(app: &App, id: OrderId, entry: LogEntry) -> Result<Order> {
    let confirm = |order: &mut Order| {
        order.log(entry.clone());
        let is_new = order.confirm(Timestamp::now())?;
        if is_new {
            order.log(order_log::published::<OrderConfirmed>());
        }
        Ok(is_new)
    };
    app.store.confirm_order(id, confirm).await
}

/// Returns the money, then the stock. Every call can be repeated.
async fn compensate(app: &App, order: &Order) -> Result<Order> {
    let id = order.id;
    if let Some(payment) = order.payment() {
        let (provider, reference) = (app.payments.provider(payment.method)?, &payment.reference);
        let reply = match payment_compensation(Some(payment.status)) {
            PaymentCompensation::None => None,
            PaymentCompensation::Cancel => Some(payment_call(app, id, "cancel", provider.cancel(reference)).await?),
            PaymentCompensation::Refund => Some(payment_call(app, id, "refund", provider.refund(reference)).await?),
        };
        match reply {
            None => {}
            Some(Reply::Refused(error, _)) => return Err(error),
            Some(Reply::Done(status, entry)) => {
                let order = apply_payment(app, id, status, entry).await?;
                // The cancellation was too late: the money is captured, and the table decides the
                // next action.
                if order.payment().is_some_and(|payment| payment.status == PaymentStatus::Captured) {
                    return Ok(order);
                }
            }
        }
    }
    let entries = return_stock(app, order).await?;
    update(app, id, move |order, now| {
        for entry in &entries {
            order.log(entry.clone());
        }
        order.complete_compensation(now)
    })
    .await
}

/// Releases the stock, or restocks it when it is sold.
async fn return_stock(app: &App, order: &Order) -> Result<Vec<LogEntry>> {
    let (id, reservation) = (order.id, order.reservation());
    let (released, entry) = match stock_call(app, id, Release { reservation, order: id }).await? {
        Reply::Done(released, entry) => (released, entry),
        Reply::Refused(error, _) => return Err(error),
    };
    if released == Released::Released {
        return Ok(vec![entry]);
    }
    match stock_call(app, id, Restock { reservation }).await? {
        Reply::Done(Restocked::Restocked, restocked) => Ok(vec![entry, restocked]),
        // The two replies contradict each other. The order stays due, so that no sold stock is lost
        // silently.
        Reply::Done(Restocked::NotSold, restock) => {
            let error = Error::internal(format!("products reports reservation {reservation} as sold and as not sold"));
            record_retry(app, id, restock).await;
            Err(error)
        }
        Reply::Refused(error, _) => Err(error),
    }
}

enum Reply<T> {
    Done(T, LogEntry),
    Refused(Error, LogEntry),
}

async fn reserve(app: &App, order: &Order) -> Result<Reply<Reserved>> {
    let (reservation, until) = (order.reservation(), order.reserved_until());
    stock_call(app, order.id, Reserve { reservation, order: order.id, lines: order.lines(), until }).await
}

/// Calls `products`. Errors: transient ones only, which it records in the order's log.
async fn stock_call<R: Request>(app: &App, id: OrderId, request: R) -> Result<Reply<R::Reply>> {
    final_reply(app, id, order_log::timed(TimelineKind::Call, R::NAME, app.bus.call(request)).await).await
}

/// Calls a payment provider. Errors: transient ones only, which it records in the order's log.
async fn payment_call<T>(
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
async fn record_retry(app: &App, id: OrderId, entry: LogEntry) {
    let record = move |order: &mut Order, now| {
        order.log(entry.clone());
        order.retry_later(now);
        Ok(())
    };
    if let Err(error) = update(app, id, record).await {
        tracing::debug!(order = %id, %error, "a failed attempt could not be recorded");
    }
}

pub(crate) async fn apply_payment(app: &App, id: OrderId, status: PaymentStatus, entry: LogEntry) -> Result<Order> {
    update(app, id, move |order, now| {
        order.log(entry.clone());
        order.apply_payment(status, now).map(drop)
    })
    .await
}

/// Whether stock is held for an order that is rejected.
#[derive(Clone, Copy, PartialEq)]
enum Stock {
    Held,
    NotHeld,
}

async fn reject(
    app: &App,
    id: OrderId,
    refusal: Error,
    reason: Reason,
    stock: Stock,
    entry: LogEntry,
) -> Result<Order> {
    update(app, id, move |order, now| {
        order.log(entry.clone());
        order.reject(refusal.clone(), reason, stock == Stock::Held, now)
    })
    .await
}

/// Cancels a paid order whose stock is no longer available.
async fn fail(app: &App, id: OrderId, refusal: Error, entry: LogEntry) -> Result<Order> {
    update(app, id, move |order, now| {
        order.log(entry.clone());
        order.fail(refusal.clone(), Reason::OutOfStock, now)
    })
    .await
}

async fn update(
    app: &App,
    id: OrderId,
    rule: impl Fn(&mut Order, Timestamp) -> Result<()> + Send + 'static,
) -> Result<Order> {
    app.store.orders.update(id, move |order, _| rule(order, Timestamp::now())).await
}

fn payment_of(order: &Order) -> Result<&Payment> {
    order.payment().ok_or_else(|| Error::internal(format!("order {} is reserved without a payment", order.id)))
}

fn out_of_stock(shortages: &[Shortage]) -> Error {
    match serde_json::to_value(shortages) {
        Ok(items) => Error::conflict(
            "out-of-stock",
            "Some products are out of stock; change the cart and order under a new key.",
        )
        .with_member("items", items),
        Err(error) => Error::internal(error),
    }
}
