//! The compensations of the checkout table: they return the money and the stock of an ended order.
//! Every call can be repeated.

use souk_contract::products::{Release, Released, Restock, Restocked, RestockedPieces};
use souk_types::{Error, Result, Timestamp};

use super::outcomes::{
    Reply, apply_payment, apply_refund, apply_refunds, payment_call, payment_of, provider_of,
    record_and_schedule_retry, stock_call, update,
};
use crate::App;
use crate::application::discounts::{self, DiscountUser};
use crate::domain::cart::Cart;
use crate::domain::order::Order;
use crate::domain::order::history::LogEntry;
use crate::domain::owner::Owner;
use crate::domain::payment::report::{PaymentRefundId, RefundReport, RefundRequest};
use crate::repositories::CartState;

/// Cancels the payment. When it is too late, a later check finds the captured money.
pub(super) async fn cancel_payment(app: &App, order: &Order) -> Result<Order> {
    let (id, payment) = (order.id, payment_of(order)?);
    let provider = provider_of(app, order).await?;
    match payment_call(app, id, "cancel", provider.cancel(payment)).await? {
        Reply::Done(report, entry) if payment.clone().apply(&report) => apply_payment(app, id, report, entry).await,
        Reply::Done(..) => check_later(app, order).await,
        Reply::Refused(error, entry) => {
            record_and_schedule_retry(app, id, entry).await;
            Err(error)
        }
    }
}

/// Reads the provider's list of refunds, then requests each refund that the order still owes. A
/// refund is stored before it is requested, so that a repetition has the same idempotency key and
/// the same amount.
///
/// A refund that is made at the provider after the list was read is not seen. Stripe refuses a
/// refund of more than what is captured and not refunded; that refund fails and waits for an admin,
/// whose retry reads the list again. Of two refunds that fit into the captured money Stripe makes
/// both.
pub(super) async fn request_refunds(app: &App, order: &Order) -> Result<Order> {
    let id = order.id;
    let mut order = match sync_refunds(app, order).await? {
        RefundSync::Changed(order) => order,
        RefundSync::Unchanged => order.clone(),
    };
    let provider = provider_of(app, &order).await?;
    let mut requested = Vec::new();
    // Each stored reply also brings the refunds that concurrent requests have completed meanwhile.
    while let Some(request) = next_refund(&order, &requested)? {
        requested.push(request.id);
        let (report, entry) = match payment_call(app, id, "refund", provider.refund(&request)).await? {
            Reply::Done(report, entry) => (report, entry),
            Reply::Refused(error, entry) => (RefundReport::refused(&request, error.code()), entry),
        };
        order = apply_refund(app, id, report, entry).await?;
    }
    Ok(order)
}

/// Returns the first refund that the order still owes and that is not in `requested`.
fn next_refund(order: &Order, requested: &[PaymentRefundId]) -> Result<Option<RefundRequest>> {
    let payment = payment_of(order)?;
    let refund = payment.requested_refunds().find(|refund| !requested.contains(&refund.id));
    Ok(refund.map(|refund| {
        let (payment, amount) = (payment.reference.clone(), refund.amount);
        RefundRequest { id: refund.id, order: order.id, payment, amount }
    }))
}

/// Reads the provider's list of refunds, for the state of those that it has not completed.
pub(super) async fn check_refunds(app: &App, order: &Order) -> Result<Order> {
    match sync_refunds(app, order).await? {
        RefundSync::Changed(order) => Ok(order),
        RefundSync::Unchanged => check_later(app, order).await,
    }
}

#[expect(clippy::large_enum_variant, reason = "one value for each call")]
pub(crate) enum RefundSync {
    Changed(Order),
    Unchanged,
}

/// Reads the provider's whole list of refunds, and applies it to the order.
pub(crate) async fn sync_refunds(app: &App, order: &Order) -> Result<RefundSync> {
    let (id, payment) = (order.id, payment_of(order)?);
    let provider = provider_of(app, order).await?;
    match payment_call(app, id, "list-refunds", provider.refunds(payment)).await? {
        Reply::Done(list, entry) if order.would_change_refunds(&list) => {
            Ok(RefundSync::Changed(apply_refunds(app, id, list, entry).await?))
        }
        Reply::Done(..) => Ok(RefundSync::Unchanged),
        Reply::Refused(error, entry) => {
            record_and_schedule_retry(app, id, entry).await;
            Err(error)
        }
    }
}

/// Reads the provider's list of refunds before the shop decides one: refunds on the provider's
/// dashboard leave less money. An order of 0.00 has no payment.
pub(crate) async fn sync_refunds_if_paid(app: &App, order: &Order) -> Result<()> {
    if order.payment().is_some() { sync_refunds(app, order).await.map(drop) } else { Ok(()) }
}

async fn check_later(app: &App, order: &Order) -> Result<Order> {
    update(app, order.id, |order, now| {
        order.check_later(now);
        Ok(())
    })
    .await
}

/// Returns the stock of an order that has ended, and the pieces of refunds.
pub(super) async fn return_stock(app: &App, order: &Order) -> Result<Order> {
    let mut order = order.clone();
    while let Some(pieces) = order.next_piece_return() {
        let part = RestockedPieces::Part { refund: pieces.id, lines: pieces.lines };
        let entry = restock(app, &order, part).await?;
        order = update(app, order.id, move |order, now| {
            order.log(entry.clone());
            order.complete_piece_return(pieces.id, now)
        })
        .await?;
    }
    if order.owes_stock() { return_all_stock(app, &order).await } else { Ok(order) }
}

/// Counts an order that was not paid, and releases its stock, or restocks it when it is sold.
async fn return_all_stock(app: &App, order: &Order) -> Result<Order> {
    let (id, reservation) = (order.id, order.reservation());
    let cart = record_unpaid_in_cart(app, order).await?;
    // A discount that a confirmed order has used stays used when the order is cancelled.
    if order.was_confirmed() {
        discounts::confirm(app, id, order.quote(), DiscountUser::of(order)).await?;
    } else {
        discounts::release(app, id, order.quote(), DiscountUser::of(order)).await?;
    }
    let release = Release { reservation, order: id, lines: order.lines() };
    let (released, entry) = match stock_call(app, id, release).await? {
        Reply::Done(released, entry) => (released, entry),
        Reply::Refused(error, entry) => {
            record_and_schedule_retry(app, id, entry).await;
            return Err(error);
        }
    };
    let mut entries = vec![entry];
    if released != Released::Released {
        entries.push(restock(app, order, RestockedPieces::Rest).await?);
    }
    update(app, id, move |order, now| {
        for entry in &entries {
            order.log(entry.clone());
        }
        if cart == CartState::Closed {
            order.erase_personal_data();
        }
        order.complete_stock_return(now)
    })
    .await
}

/// Puts sold pieces back on sale, and returns the log entry.
async fn restock(app: &App, order: &Order, pieces: RestockedPieces) -> Result<LogEntry> {
    let (id, reservation) = (order.id, order.reservation());
    match stock_call(app, id, Restock { reservation, pieces }).await? {
        Reply::Done(Restocked::Restocked, entry) => Ok(entry),
        // `products` has sold this stock. The order stays due, so that no sold stock is lost
        // silently.
        Reply::Done(Restocked::NotSold, entry) => {
            record_and_schedule_retry(app, id, entry).await;
            Err(Error::internal(format!("products reports reservation {reservation} as sold and as not sold")))
        }
        Reply::Refused(error, entry) => {
            record_and_schedule_retry(app, id, entry).await;
            Err(error)
        }
    }
}

/// Counts the order in its cart if it held stock and was not paid. An account may have been deleted
/// while its order was being placed, and the order has its personal data then.
async fn record_unpaid_in_cart(app: &App, order: &Order) -> Result<CartState> {
    let (id, owner) = (order.id, order.placed_by());
    match (owner, order.ended_unpaid()) {
        (Some(owner), Some(at)) => {
            let count = move |cart: &mut Cart| cart.orders.add_unpaid(id, at, Timestamp::now());
            app.store.change_cart(owner, count).await.map(|(state, ())| state)
        }
        (Some(Owner::Customer(customer)), None) => {
            let is_closed = app.store.carts.get(customer).await?.is_closed();
            Ok(if is_closed { CartState::Closed } else { CartState::Open })
        }
        (Some(Owner::Guest(_)), None) => Ok(CartState::Open),
        (None, _) => Ok(CartState::Closed),
    }
}
