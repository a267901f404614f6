//! What `shopping` announces.

use serde::{Deserialize, Serialize};

use crate::bus::Event;
use crate::id::Id;

/// Names the type of an order's id; `shopping` has the real thing.
pub enum Order {}

/// The id of an order.
pub type OrderId = Id<Order>;

/// An order is paid and its goods are sold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderConfirmed {
    /// Which order.
    pub id: OrderId,
}

impl Event for OrderConfirmed {
    const NAME: &'static str = "shopping.order-confirmed";
    const LISTENERS: &'static [&'static str] = &[];
}

/// A confirmed order is cancelled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// Which order.
    pub id: OrderId,
}

impl Event for OrderCancelled {
    const NAME: &'static str = "shopping.order-cancelled";
    const LISTENERS: &'static [&'static str] = &[];
}
