//! What `shopping` announces.

use serde::{Deserialize, Serialize};

use crate::bus::Event;
use crate::clock::Timestamp;
use crate::id::Id;
use crate::request_id::RequestId;

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

/// Something that happened to an order, in one of the services: a line of its timeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Happened {
    /// When, by the clock of the instance that saw it.
    pub at: Timestamp,
    /// Which service says so.
    pub service: String,
    /// What sort of thing.
    pub kind: Kind,
    /// What was done, or what became of the order.
    pub what: String,
    /// How it went.
    pub outcome: String,
    /// How long it took, in milliseconds, where something was waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// The request that it was done for; nobody's when a sweeper did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
}

/// What sort of thing happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It stood somewhere else from then on.
    State,
    /// Another service was asked.
    Call,
    /// A payment provider was asked, or told something.
    Payment,
    /// Other services were told.
    Event,
    /// Pieces were held, sold or given back.
    Stock,
    /// Something did not work and was to be tried again.
    Retry,
}
