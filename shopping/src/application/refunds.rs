//! Refunds of an order by an admin.

use souk_contract::customer::CustomerId;
use souk_contract::shopping::{OrderId, TimelineKind};
use souk_store::Events;
use souk_types::{Error, IdempotencyKey, Result, Timestamp};

use super::{checkout, order, order_log};
use crate::App;
use crate::domain::order::refunds::{NewRefund, OrderRefundView, RefundDecision};
use crate::domain::order::{Order, OrderView};

/// A refund, and whether an earlier request with the same key has made it.
pub(crate) struct Refunded {
    pub(crate) refund: OrderRefundView,
    pub(crate) replayed: bool,
}

/// Refunds a part of an order. Requests with the same key and body get the same refund. When this
/// returns, the refund is decided and stored; the provider may make it later.
pub(crate) async fn refund(
    app: &App,
    admin: CustomerId,
    id: OrderId,
    key: IdempotencyKey,
    new: NewRefund,
) -> Result<Refunded> {
    let order = order::get_any(app, id).await?;
    if order.refund_by_key(&key, &new)?.is_none() {
        order.require_refundable()?;
        checkout::sync_refunds_if_paid(app, &order).await?;
    }
    let decide = move |order: &mut Order, _: &mut Events| {
        let decision = order.refund(&key, &new, admin, Timestamp::now())?;
        if let RefundDecision::New(_) = decision {
            order.log(order_log::entry(TimelineKind::Admin, "refund", "ok").by(admin));
        }
        Ok(decision)
    };
    let (order, decision) = app.store.orders.update_with_outcome(id, decide).await?;
    let order = checkout::advance_or_defer(app, order).await;
    let (refund, replayed) = match decision {
        RefundDecision::New(refund) => (refund, false),
        RefundDecision::Existing(refund) => (refund, true),
    };
    let refund = order.refund_for_admin(refund).ok_or_else(|| Error::internal("a decided refund is missing"))?;
    Ok(Refunded { refund, replayed })
}

/// Requests again, for an admin, what failed refunds should have returned. Errors: `order-state`
/// when nothing is owed.
pub(crate) async fn retry(app: &App, admin: CustomerId, id: OrderId) -> Result<OrderView> {
    let order = order::get_any(app, id).await?;
    if order.may_refund() {
        // A refund on the provider's dashboard may have returned the money.
        checkout::sync_refunds(app, &order).await?;
    }
    let retry = move |order: &mut Order, _: &mut Events| {
        order.retry_refunds(Timestamp::now())?;
        order.log(order_log::entry(TimelineKind::Admin, "retry-refund", "ok").by(admin));
        Ok(())
    };
    let order = app.store.orders.update(id, retry).await?;
    Ok(checkout::advance_or_defer(app, order).await.view())
}
