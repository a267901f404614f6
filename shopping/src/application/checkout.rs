//! Checkout: places an order and advances it until it must wait. The table of actions is in
//! [`crate::domain::order::checkout_table`], the actions are in [`steps`] and [`compensation`].
//!
//! The payment provider decides whether the money is captured. The reservation in `products`
//! decides whether the stock is sold. The order follows both decisions.

mod compensation;
mod steps;

use std::time::Duration;

use souk_contract::customer::CustomerId;
use souk_types::{Error, Result, Timestamp};
use tokio::time::Instant;

pub(super) use self::compensation::read_refunds;
pub(crate) use self::steps::{advance, apply_payment, publish_changes};
use super::order;
use crate::App;
use crate::domain::idempotency::{CheckoutRequest, IdempotencyKey};
use crate::domain::order::checkout_table::Trigger;
use crate::domain::order::{NewOrder, Order, OrderView, Placement};

/// How long a request waits until the order of a concurrent request with the same key is visible on
/// most MongoDB nodes.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(1);
const VISIBILITY_POLL_INTERVAL: Duration = Duration::from_millis(20);

pub(crate) struct Placed {
    pub(crate) outcome: Result<OrderView>,
    pub(crate) replayed: bool,
}

/// Orders all products in the cart. Requests with the same key and body get the same order.
pub(crate) async fn place(
    app: &App,
    customer: CustomerId,
    key: IdempotencyKey,
    request: CheckoutRequest,
) -> Result<Placed> {
    let (order, replayed) = match app.store.orders.by_key(customer, &key).await? {
        Some(order) => (order, true),
        None => match store_pending(app, &NewOrder { customer, key: &key, request: &request }).await {
            Ok(placed) => placed,
            Err(error) if error.is_duplicate() => (wait_until_visible(app, customer, &key).await?, true),
            // A concurrent request with the same key may have placed the order and emptied the
            // cart.
            Err(error) => (app.store.orders.by_key(customer, &key).await?.ok_or(error)?, true),
        },
    };
    order.require_same_request(&request)?;
    let order = advance(app, order, Trigger::Request).await?;
    Ok(Placed { outcome: order.outcome(), replayed })
}

/// Stores the pending order, which then owns its key and claims the cart. Returns true with an
/// order that another request with the same key has stored.
async fn store_pending(app: &App, new: &NewOrder<'_>) -> Result<(Order, bool)> {
    if let Err(wait) = app.order_rate.check(&new.customer) {
        let detail = "There are too many new orders from this account; wait before you order again.";
        return Err(Error::too_many_requests("too-many-orders", detail, wait));
    }
    let place = |cart: &mut _, last: Option<&_>| new.place(cart, last, &app.limits, Timestamp::now());
    match app.store.place_order(new.customer, place).await? {
        Placement::Existing(order) => Ok((order, true)),
        Placement::New { order, deleted } => {
            if let Some(deleted) = deleted
                && let Err(error) = order::delete_refused(app, deleted).await
            {
                tracing::warn!(order = %deleted, %error, "a refused order is deleted later, by the background job");
            }
            Ok((order, false))
        }
    }
}

/// Returns the order of the concurrent request that used the key first, once it is visible.
async fn wait_until_visible(app: &App, customer: CustomerId, key: &IdempotencyKey) -> Result<Order> {
    let deadline = Instant::now() + VISIBILITY_TIMEOUT;
    loop {
        match app.store.orders.by_key(customer, key).await? {
            Some(order) => return Ok(order),
            None if Instant::now() < deadline => tokio::time::sleep(VISIBILITY_POLL_INTERVAL).await,
            None => return Err(Error::busy("The same order is being placed; try again with the same key.")),
        }
    }
}

/// Advances an order whose change is already stored, and returns the order. When that fails, the
/// background job continues.
pub(super) async fn advance_or_leave(app: &App, order: Order) -> Order {
    let stored = order.clone();
    match advance(app, order, Trigger::Request).await {
        Ok(order) => order,
        Err(error) => {
            tracing::warn!(order = %stored.id, %error, "an order could not be advanced; the background job continues");
            stored
        }
    }
}
