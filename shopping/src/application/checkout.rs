//! Checkout: advances an order until it must wait. The table of actions is in
//! [`crate::domain::order::checkout_table`], the actions are in [`hold`], [`actions`] and
//! [`compensation`]. [`outcomes`] has the calls and writes their outcomes to the order,
//! [`refusals`] ends an order without a sale, and [`placing`] stores a new order.
//!
//! The payment provider decides whether the money is captured. The reservation in `products`
//! decides whether the stock is sold. The order follows both decisions.

mod actions;
mod compensation;
mod hold;
mod outcomes;
mod placing;
mod refusals;

pub(crate) use self::actions::advance;
pub(super) use self::compensation::{sync_refunds, sync_refunds_if_paid};
pub(crate) use self::outcomes::{apply_capture, publish_changes, record_failed_attempt};
pub(crate) use self::placing::{Client, Placed, place};
use crate::App;
use crate::domain::order::Order;
use crate::domain::order::checkout_table::Trigger;

/// Advances an order whose change is already stored, and returns the order. When that fails, the
/// background job continues.
pub(super) async fn advance_or_defer(app: &App, order: Order) -> Order {
    let stored = order.clone();
    // Boxed, because the future of a checkout is large.
    match Box::pin(advance(app, order, Trigger::Request)).await {
        Ok(order) => order,
        Err(error) => {
            tracing::warn!(order = %stored.id, %error, "an order could not be advanced; the background job continues");
            stored
        }
    }
}
