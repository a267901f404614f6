//! Checkout: advances an order until it must wait. The table of actions is in
//! [`crate::domain::order::checkout_table`], the actions are in [`hold`], [`steps`] and
//! [`compensation`]. [`outcomes`] has the calls and writes their outcomes to the order,
//! [`refusals`] ends an order without a sale, and [`placing`] stores a new order.
//!
//! The payment provider decides whether the money is captured. The reservation in `products`
//! decides whether the stock is sold. The order follows both decisions.

mod compensation;
mod hold;
mod outcomes;
mod placing;
mod refusals;
mod steps;

pub(super) use self::compensation::{read_refunds, read_refunds_if_paid};
pub(crate) use self::outcomes::{apply_payment, publish_changes, record_attempt};
pub(crate) use self::placing::{Client, Placed, place};
pub(crate) use self::steps::advance;
use crate::App;
use crate::domain::order::Order;
use crate::domain::order::checkout_table::Trigger;

/// Advances an order whose change is already stored, and returns the order. When that fails, the
/// background job continues.
pub(super) async fn advance_or_leave(app: &App, order: Order) -> Order {
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
