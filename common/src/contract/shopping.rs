//! What `shopping` answers and announces.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bus::{Event, Request};
use crate::contract::customer::CustomerId;
use crate::contract::products::Item;
use crate::id::Id;
use crate::page::{Cursor, Page};
use crate::quantity::Quantity;

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
    pub wishlist: Option<Vec<Item>>,
    /// Orders as `shopping` shows them to the customer, newest first. Nobody else needs to know what is in them.
    pub orders: Page<Value>,
}

/// So many of a product in a cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CartLine {
    /// As it was when the line was last changed.
    pub product: Item,
    /// How many.
    pub quantity: Quantity,
}

impl Request for ExportCustomer {
    const NAME: &'static str = "shopping.export";
    type Reply = CustomerExport;
}
