//! The actions of the checkout table, except those in [`hold`] and [`compensation`]. Each calls
//! `products` or the payment provider, and applies the reply to the order.

use souk_contract::products::{Confirm, Confirmed, Reserved};
use souk_contract::shopping::{OrderConfirmed, TimelineKind};
use souk_store::Events;
use souk_types::{Result, Timestamp};

use super::outcomes::{
    Reply, apply, apply_payment, payment_call, payment_of, provider_of, publish, stock_call, update,
};
use super::refusals::{Stock, cancel_paid, ordered_again, out_of_stock, reject};
use super::{compensation, hold};
use crate::App;
use crate::application::discounts::{self, DiscountUser};
use crate::application::order_log;
use crate::domain::cart::Cart;
use crate::domain::order::checkout_table::{NextAction, Trigger};
use crate::domain::order::history::LogEntry;
use crate::domain::order::{AttemptedWork, Order, OrderStatus, StatusReason, interrupted};
use crate::domain::payment::state::Payment;
use crate::repositories::CartState;

/// Takes the actions that an order needs, until it must wait. After a transient error, a later
/// trigger takes the action again. Money and stock of an ended order do not wait for each other.
pub(crate) async fn advance(app: &App, mut order: Order, trigger: Trigger) -> Result<Order> {
    let mut attempted = AttemptedWork::default();
    let mut failure = None;
    loop {
        order = match order.next_action(trigger, attempted, Timestamp::now()) {
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
                        attempted.money = !(is_cancellation && next.payment_work() != order.payment_work());
                        next
                    }
                    Err(error) => {
                        attempted.money = true;
                        failure = Some(error);
                        order
                    }
                }
            }
            NextAction::ReturnStock => match compensation::return_stock(app, &order).await {
                Ok(order) => order,
                Err(error) => {
                    attempted.stock = true;
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
        Err(error) => reject(app, order, error, StatusReason::PaymentRefused, Stock::MayBeHeld, entry).await,
    }
}

/// Rejects a pending order whose checkout was interrupted, unless its payment was charged.
async fn abandon(app: &App, order: &Order) -> Result<Order> {
    let payment = payment_by_order_id(app, order)?;
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
pub(super) fn payment_by_order_id(app: &App, order: &Order) -> Result<Option<Payment>> {
    let charge = order.charge();
    if order.payment().is_some() || charge.amount.is_zero() {
        return Ok(None);
    }
    Ok(app.payments.provider(charge.details.method())?.payment_by_order_id(&charge))
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
        return if has_claim {
            cancel_paid(app, id, ordered_again(), StatusReason::OrderedAgain, None).await
        } else {
            Err(error)
        };
    }
    // The expired order has given up its discounts.
    if order.is_paid_late()
        && let Err(error) = discounts::claim(app, id, order.quote(), DiscountUser::of(order)).await
    {
        let is_final = !error.is_transient();
        return if is_final {
            cancel_paid(app, id, error, StatusReason::DiscountUnavailable, None).await
        } else {
            Err(error)
        };
    }
    let (reservation, lines) = (order.reservation(), order.lines());
    match stock_call(app, id, Confirm { reservation, order: id, lines, holds: Vec::new() }).await? {
        Reply::Done(Confirmed::Sold, entry) => confirm(app, order, entry).await,
        Reply::Done(Confirmed::Released, entry) => reserve_again(app, order, entry).await,
        Reply::Refused(error, entry) => cancel_paid(app, id, error, StatusReason::OutOfStock, Some(entry)).await,
    }
}

/// Reserves again for a paid order whose reservation has expired, at the price that was paid.
async fn reserve_again(app: &App, order: &Order, released: LogEntry) -> Result<Order> {
    let (id, expired, reservation_time) = (order.id, order.reservation(), app.checkout_limits.reservation_time);
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
            cancel_paid(app, id, out_of_stock(&shortages), StatusReason::OutOfStock, Some(entry)).await
        }
        Reply::Done(Reserved::Released, entry) => {
            cancel_paid(app, id, interrupted(), StatusReason::OutOfStock, Some(entry)).await
        }
        Reply::Refused(error, entry) => cancel_paid(app, id, error, StatusReason::OutOfStock, Some(entry)).await,
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
        && let Err(error) = discounts::confirm(app, order.id, order.quote(), DiscountUser::of(order)).await
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
        let id = order.id;
        publish(order, events, &OrderConfirmed { id })?;
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

pub(super) async fn reserve(app: &App, order: &Order) -> Result<Reply<Reserved>> {
    stock_call(app, order.id, order.reserve_request(app.checkout_limits.scarce_reservation_time)).await
}
