//! The compensations of the checkout table: they return the money and the stock of an ended order.
//! Every call can be repeated.

use souk_contract::products::{Release, Released, Restock, Restocked, RestockedPieces};
use souk_types::{Error, Result};

use super::steps::{
    Reply, apply_payment, apply_refund, apply_refused_refund, payment_call, payment_of, provider_of, record_retry,
    stock_call, update,
};
use crate::App;
use crate::domain::order::Order;
use crate::domain::payment::report::{RefundReport, RefundRequest};
use crate::domain::payment::state::Payment;

/// Cancels the payment. When it is too late, a later check finds the captured money.
pub(super) async fn cancel_payment(app: &App, order: &Order) -> Result<Order> {
    let (id, payment) = (order.id, payment_of(order)?);
    let provider = provider_of(app, order).await?;
    match payment_call(app, id, "cancel", provider.cancel(payment)).await? {
        Reply::Done(report, entry) if payment.clone().apply(&report) => apply_payment(app, id, report, entry).await,
        Reply::Done(..) => look_later(app, order).await,
        Reply::Refused(error, entry) => {
            record_retry(app, id, entry).await;
            Err(error)
        }
    }
}

/// Whether an order that requested refunds before now requests less. Each round is smaller, so the
/// rounds end.
pub(super) fn requests_smaller_refund(before: &Order, after: &Order) -> bool {
    let requested = |order: &Order| {
        let refunds = order.payment().into_iter().flat_map(Payment::requested_refunds);
        refunds.map(|refund| refund.amount.amount()).sum::<u64>()
    };
    (1..requested(before)).contains(&requested(after))
}

/// Requests each refund that the order owes. The refund is stored before it is requested, so that a
/// repetition has the same idempotency key and the same amount.
pub(super) async fn request_refunds(app: &App, order: &Order) -> Result<Order> {
    let (id, payment) = (order.id, payment_of(order)?);
    let provider = provider_of(app, order).await?;
    let mut changed = order.clone();
    for refund in payment.requested_refunds() {
        let (reference, amount) = (payment.reference.clone(), refund.amount);
        let request = RefundRequest { id: refund.id, order: id, payment: reference, amount };
        let (report, entry) = match payment_call(app, id, "refund", provider.refund(&request)).await? {
            Reply::Done(report, entry) => (report, entry),
            Reply::Refused(error, entry) => (RefundReport::refused(&request, error.code()), entry),
        };
        changed = if report.is_refusal() {
            // Refunds that the shop does not know may have left less money than it requests.
            match payment_call(app, id, "check", provider.check(payment)).await? {
                Reply::Done(found, checked) => apply_refused_refund(app, id, (report, entry), (found, checked)).await?,
                Reply::Refused(..) => apply_refund(app, id, report, entry).await?,
            }
        } else {
            apply_refund(app, id, report, entry).await?
        };
    }
    Ok(changed)
}

/// Looks up each refund that the provider has not completed.
pub(super) async fn check_refunds(app: &App, order: &Order) -> Result<Order> {
    let (id, payment) = (order.id, payment_of(order)?);
    let provider = provider_of(app, order).await?;
    let mut changed = None;
    for refund in payment.pending_refunds() {
        match payment_call(app, id, "check-refund", provider.check_refund(refund)).await? {
            Reply::Done(report, entry) => {
                if payment.clone().apply_refund(&report) {
                    changed = Some(apply_refund(app, id, report, entry).await?);
                }
            }
            Reply::Refused(error, entry) => {
                record_retry(app, id, entry).await;
                return Err(error);
            }
        }
    }
    match changed {
        Some(order) => Ok(order),
        None => look_later(app, order).await,
    }
}

async fn look_later(app: &App, order: &Order) -> Result<Order> {
    update(app, order.id, |order, now| {
        order.look_later(now);
        Ok(())
    })
    .await
}

/// Releases the stock, or restocks it when it is sold.
pub(super) async fn return_stock(app: &App, order: &Order) -> Result<Order> {
    let (id, reservation) = (order.id, order.reservation());
    let (released, entry) = match stock_call(app, id, Release { reservation, order: id }).await? {
        Reply::Done(released, entry) => (released, entry),
        Reply::Refused(error, entry) => {
            record_retry(app, id, entry).await;
            return Err(error);
        }
    };
    let mut entries = vec![entry];
    if released != Released::Released {
        match stock_call(app, id, Restock { reservation, pieces: RestockedPieces::Rest }).await? {
            Reply::Done(Restocked::Restocked, entry) => entries.push(entry),
            // The two replies contradict each other. The order stays due, so that no sold stock is
            // lost silently.
            Reply::Done(Restocked::NotSold, entry) => {
                record_retry(app, id, entry).await;
                let problem = format!("products reports reservation {reservation} as sold and as not sold");
                return Err(Error::internal(problem));
            }
            Reply::Refused(error, entry) => {
                record_retry(app, id, entry).await;
                return Err(error);
            }
        }
    }
    update(app, id, move |order, now| {
        for entry in &entries {
            order.log(entry.clone());
        }
        order.complete_stock_return(now)
    })
    .await
}
