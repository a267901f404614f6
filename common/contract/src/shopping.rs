//! The requests and events of `shopping`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::customer::CustomerId;
use crate::products::ProductSnapshot;
use crate::{Event, Request};
use souk_types::{Address, Cursor, Email, Id, Language, Money, Page, Quantity, RequestId, Timestamp};

/// Maximum number of discount codes of one quote or order.
pub const MAX_CODES: usize = 10;

/// The longest discount code, in characters.
pub const MAX_CODE: usize = 40;

/// The longest id of a shipping method, in characters.
pub const MAX_METHOD_ID: usize = 40;

/// Maximum number of brackets in the price of one shipping method.
pub const MAX_BRACKETS: usize = 50;

/// The longest name of a saved view of the orders, in characters.
pub const MAX_VIEW_NAME: usize = 40;

/// Marks ids of orders; the type itself is private to `shopping`.
pub enum Order {}

/// The id of an order.
pub type OrderId = Id<Order>;

/// An order was confirmed: it is paid and its stock is sold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderConfirmed {
    /// The order.
    pub id: OrderId,
}

impl Event for OrderConfirmed {
    const NAME: &'static str = "shopping.order-confirmed";
    const LISTENERS: &'static [&'static str] = &["mail"];
}

/// A paid or confirmed order was cancelled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// The order.
    pub id: OrderId,
}

impl Event for OrderCancelled {
    const NAME: &'static str = "shopping.order-cancelled";
    const LISTENERS: &'static [&'static str] = &["mail"];
}

/// The payment of an order has failed: nothing was ordered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentFailed {
    /// The order.
    pub id: OrderId,
}

impl Event for PaymentFailed {
    const NAME: &'static str = "shopping.payment-failed";
    const LISTENERS: &'static [&'static str] = &["mail"];
}

/// The payment of an order is in progress at the provider, and may take days.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentWaiting {
    /// The order.
    pub id: OrderId,
}

impl Event for PaymentWaiting {
    const NAME: &'static str = "shopping.payment-waiting";
    const LISTENERS: &'static [&'static str] = &["mail"];
}

/// Marks ids of shipments; the type itself is private to `shopping`.
pub enum Shipment {}

/// The id of a shipment: one parcel of an order.
pub type ShipmentId = Id<Shipment>;

/// A parcel of an order was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ParcelSent {
    /// The order.
    pub id: OrderId,
    /// The parcel.
    pub shipment: ShipmentId,
}

impl Event for ParcelSent {
    const NAME: &'static str = "shopping.parcel-sent";
    const LISTENERS: &'static [&'static str] = &["mail"];
}

/// Marks ids of refunds; the type itself is private to `shopping`.
pub enum Refund {}

/// The id of a refund of an order.
pub type RefundId = Id<Refund>;

/// A refund of an order has succeeded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderRefunded {
    /// The order.
    pub id: OrderId,
    /// The refund.
    pub refund: RefundId,
}

impl Event for OrderRefunded {
    const NAME: &'static str = "shopping.order-refunded";
    const LISTENERS: &'static [&'static str] = &["mail"];
}

/// The subject of a mail about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum OrderMailSubject {
    /// The order is received and paid.
    Received,
    /// The payment has failed.
    PaymentFailed,
    /// The payment is in progress.
    PaymentWaiting,
    /// A parcel was sent.
    ParcelSent {
        /// The parcel.
        shipment: ShipmentId,
    },
    /// Money was refunded.
    Refunded {
        /// The refund.
        refund: RefundId,
    },
    /// The order was cancelled.
    Cancelled,
}

/// Returns the recipient and the content of a mail about an order. `mail` calls it whenever it
/// sends.
#[derive(Debug, Serialize, Deserialize)]
pub struct GetOrderMail {
    /// The order.
    pub order: OrderId,
    /// The subject.
    pub subject: OrderMailSubject,
}

impl Request for GetOrderMail {
    const NAME: &'static str = "shopping.mail";
    type Reply = OrderMailReply;
}

/// The reply to [`GetOrderMail`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum OrderMailReply {
    /// The mail is to be sent.
    Send(Box<OrderMail>),
    /// Nothing is to be sent: the customer is erased, the order is unknown, or it has left the
    /// state that the mail reports.
    Obsolete,
}

/// The content of a mail about an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderMail {
    /// The recipient.
    pub to: Email,
    /// The account; `None` for a guest.
    pub customer: Option<CustomerId>,
    /// The language of the mail.
    #[serde(default)]
    pub language: Language,
    /// The order's number.
    pub number: String,
    /// The key of the link that opens this order; `None` for an account.
    pub key: Option<String>,
    /// When the order was placed.
    pub placed_at: Timestamp,
    /// The ordered lines.
    pub lines: Vec<OrderMailLine>,
    /// The name of the shipping method; `None` when nothing is shipped.
    pub shipping_method: Option<String>,
    /// The price of shipping.
    pub shipping: Money,
    /// What the discounts took off.
    pub discount: Money,
    /// The taxes, one for each rate.
    pub taxes: Vec<OrderMailTax>,
    /// The total that the customer pays.
    pub total: Money,
    /// Whether the prices of the lines include tax.
    pub prices_include_tax: bool,
    /// The shipping address.
    pub shipping_address: Option<Address>,
    /// The parcel, of a mail about one.
    pub parcel: Option<OrderMailParcel>,
    /// The refunded amount and its reason, of a mail about a refund.
    pub refund: Option<(Money, String)>,
    /// What becomes of money that arrives although the payment was not completed. `None` from an
    /// earlier release.
    #[serde(default)]
    pub late_money: Option<LateMoney>,
    /// The shop.
    pub shop: Shop,
}

/// What becomes of money that arrives although the payment of an order was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LateMoney {
    /// None arrives: the provider says that nothing is charged.
    None,
    /// It is refunded.
    Refunded,
    /// The goods are sent after all if they are still available. Otherwise it is refunded.
    Accepted,
}

/// A line in a mail about an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderMailLine {
    /// The product's name.
    pub name: String,
    /// The quantity.
    pub quantity: u32,
    /// The price of the line.
    pub total: Money,
}

/// The tax of one rate in a mail about an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderMailTax {
    /// The rate in basis points: 1900 is 19 %.
    pub rate_bp: u32,
    /// The tax.
    pub tax: Money,
}

/// The parcel in a mail about an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderMailParcel {
    /// The carrier.
    pub carrier: Option<String>,
    /// The tracking number.
    pub tracking: Option<String>,
    /// The names and quantities of its content.
    pub lines: Vec<(String, u32)>,
}

/// Returns the name and the contact data of the shop, for a mail that is not about an order.
#[derive(Debug, Serialize, Deserialize)]
pub struct GetShop {}

impl Request for GetShop {
    const NAME: &'static str = "shopping.shop";
    type Reply = Shop;
}

/// The name and the contact data of the shop. The reply to [`GetShop`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shop {
    /// The name.
    pub name: String,
    /// The legal name.
    pub legal_name: String,
    /// The address of the business.
    pub address: Option<Address>,
    /// The VAT identification number.
    pub vat_number: Option<String>,
    /// The address that answers customers.
    pub email: Option<Email>,
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
    /// The admin who acted; `None` for other entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<CustomerId>,
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
    /// An admin acted.
    Admin,
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
