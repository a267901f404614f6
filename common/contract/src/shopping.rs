//! The requests and events of `shopping`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::customer::CustomerId;
use crate::products::ProductSnapshot;
use crate::{Event, Request};
use souk_types::{Cursor, Id, Page, Quantity, RequestId, Timestamp};

/// Marks ids of orders; the type itself is private to `shopping`.
pub enum Order {}

/// The id of an order.
pub type OrderId = Id<Order>;

/// An order was confirmed: it is paid and its stock is sold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderConfirmed {
    /// The order.
    pub id: OrderId,
    /// The customer; `None` when the account was deleted meanwhile.
    pub customer: Option<CustomerId>,
}

impl Event for OrderConfirmed {
    const NAME: &'static str = "shopping.order-confirmed";
    const LISTENERS: &'static [&'static str] = &["customer"];
}

/// A confirmed order was cancelled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// The order.
    pub id: OrderId,
}

impl Event for OrderCancelled {
    const NAME: &'static str = "shopping.order-cancelled";
    const LISTENERS: &'static [&'static str] = &[];
}

/// An entry in the timeline of an order, from one service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// The time, by the clock of the instance that recorded it.
    pub at: Timestamp,
    /// The recording service.
    pub service: String,
    /// The kind of entry.
    pub kind: TimelineKind,
    /// The action, or the order's new status.
    pub what: String,
    /// The result: `ok`, a reason or an error code.
    pub outcome: String,
    /// The duration of a call, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// The request that caused it; `None` for a background job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
}

/// The kind of a timeline entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimelineKind {
    /// The order changed its status.
    State,
    /// A call to another service.
    Call,
    /// A request to the payment provider, or a notification from it.
    Payment,
    /// An event was published.
    Event,
    /// Stock was reserved, sold, released or restocked.
    Stock,
    /// A step failed and will be retried.
    Retry,
}

/// `shopping` has erased a customer's personal data. Published for each `customer.deleted`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CustomerErased {
    /// The deleted account.
    pub id: CustomerId,
}

impl Event for CustomerErased {
    const NAME: &'static str = "shopping.customer-erased";
    const LISTENERS: &'static [&'static str] = &["customer"];
}

/// Returns the data of a customer, one page of orders at a time. Pages bound the size of a message.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExportCustomer {
    /// The customer.
    pub customer: CustomerId,
    /// The `next` of the previous page; `None` for the first.
    pub after: Option<Cursor>,
}

/// A page of the data of a customer.
#[derive(Debug, Serialize, Deserialize)]
pub struct CustomerExport {
    /// The cart; on the first page only.
    pub cart: Option<Vec<CartLine>>,
    /// The wishlist, as the products were when they were added; on the first page only.
    pub wishlist: Option<Vec<ProductSnapshot>>,
    /// The orders in the JSON of the API, newest first. `customer` passes them on unparsed.
    pub orders: Page<Box<RawValue>>,
}

/// A line of a cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CartLine {
    /// The product as it was when the line last changed.
    pub product: ProductSnapshot,
    /// The quantity.
    pub quantity: Quantity,
}

impl Request for ExportCustomer {
    const NAME: &'static str = "shopping.export";
    type Reply = CustomerExport;
}
