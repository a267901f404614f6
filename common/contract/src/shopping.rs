//! What `shopping` answers and announces.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::customer::CustomerId;
use crate::products::ProductSnapshot;
use crate::{Event, Request};
use souk_types::{Cursor, Id, Page, Quantity, RequestId, Timestamp};

/// Names the type of an order's id; `shopping` has the real thing.
pub enum Order {}

/// The id of an order.
pub type OrderId = Id<Order>;

/// An order is paid and its goods are sold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderConfirmed {
    /// Which order.
    pub id: OrderId,
    /// Whose; nobody's, when their account was deleted meanwhile.
    pub customer: Option<CustomerId>,
}

impl Event for OrderConfirmed {
    const NAME: &'static str = "shopping.order-confirmed";
    const LISTENERS: &'static [&'static str] = &["customer"];
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
pub struct TimelineEntry {
    /// When, by the clock of the instance that saw it.
    pub at: Timestamp,
    /// Which service says so.
    pub service: String,
    /// What sort of thing.
    pub kind: TimelineKind,
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
pub enum TimelineKind {
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

/// `shopping` has nothing about this person any more. The answer to every `customer.deleted`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CustomerErased {
    /// Whose account it was.
    pub id: CustomerId,
}

impl Event for CustomerErased {
    const NAME: &'static str = "shopping.customer-erased";
    const LISTENERS: &'static [&'static str] = &["customer"];
}

/// Asks for all that is kept about a customer, a page at a time, so that no message grows with a customer's orders.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExportCustomer {
    /// Whose.
    pub customer: CustomerId,
    /// The `next` of the page before; `None` for the first.
    pub after: Option<Cursor>,
}

/// A page of what is kept about a customer.
#[derive(Debug, Serialize, Deserialize)]
pub struct CustomerExport {
    /// What is in the cart; on the first page only.
    pub cart: Option<Vec<CartLine>>,
    /// What is on the wishlist, as it was when it was wished for; on the first page only.
    pub wishlist: Option<Vec<ProductSnapshot>>,
    /// Orders as `shopping` shows them to the customer, newest first. Nobody else needs to know what is in them.
    pub orders: Page<Value>,
}

/// So many of a product in a cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CartLine {
    /// As it was when the line was last changed.
    pub product: ProductSnapshot,
    /// How many.
    pub quantity: Quantity,
}

impl Request for ExportCustomer {
    const NAME: &'static str = "shopping.export";
    type Reply = CustomerExport;
}
