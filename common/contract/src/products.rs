//! The requests that `products` answers and the events that it publishes.

use serde::{Deserialize, Serialize};
use souk_types::format::{FormatChange, rename};
use souk_types::{Id, Price, Quantity, TaxClass, Timestamp};

use crate::customer::CustomerId;
use crate::shopping::{OrderId, RefundId, TimelineEntry};
use crate::{Event, Request};

/// Marks ids of products; the type itself is private to `products`.
pub enum Product {}

/// The id of a product.
pub type ProductId = Id<Product>;

/// Marks ids of reservations; the type itself is private to `products`.
pub enum Reservation {}

/// The id of the stock that one order holds. An order that reserves again gets a new id.
pub type ReservationId = Id<Reservation>;

/// Marks ids of holds; the type itself is private to `products`.
pub enum Hold {}

/// The id of the pieces of one product that are kept for a reservation until it is decided.
pub type HoldId = Id<Hold>;

/// Returns products by id.
#[derive(Debug, Serialize, Deserialize)]
pub struct GetProducts {
    /// At most 1,000.
    pub ids: Vec<ProductId>,
}

/// The reply to [`GetProducts`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Products {
    /// The products that exist and are for sale, in no particular order.
    pub products: Vec<CatalogueEntry>,
}

impl Request for GetProducts {
    const NAME: &'static str = "products.get";
    type Reply = Products;
}

/// A product with the quantity that a customer can buy now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueEntry {
    /// The product.
    #[serde(flatten)]
    pub product: ProductSnapshot,
    /// The quantity that is neither reserved nor sold.
    pub available: u32,
}

/// A product as it was at one moment. Carts, wishlists and orders store snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductSnapshot {
    /// The product's id.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// Its price for one unit.
    pub price: Price,
    /// The URL of its image.
    pub image: Option<String>,
    /// Its category.
    pub category: String,
    /// Its tax class.
    pub tax_class: TaxClass,
    /// The weight of one unit with its packaging, in grams.
    pub weight_grams: u32,
    /// Whether it is delivered without a parcel: a download, a voucher, a service.
    pub digital: bool,
}

/// A quantity of one product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationLine {
    /// The product.
    pub product: ProductId,
    /// The quantity.
    pub quantity: Quantity,
}

/// Holds stock for an order: all lines or none. Until the reservation is decided, a repeated
/// request gets the same reply.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reserve {
    /// The id, chosen by the caller.
    pub reservation: ReservationId,
    /// The order that the stock is for.
    pub order: OrderId,
    /// The lines to hold; each product at most once.
    pub lines: Vec<ReservationLine>,
    /// When the reservation expires while stock is plentiful, unless it is confirmed before. A
    /// request that arrives later holds nothing.
    pub expires_at: Timestamp,
    /// When the reservation expires while stock is scarce. Between the two, the time depends on the
    /// share of the stock that is reserved.
    pub expires_at_if_scarce: Timestamp,
    /// Whether the caller has sent no request for this reservation before. `products` then does not
    /// look for a decision on it.
    #[serde(default)]
    pub is_first: bool,
}

/// The reply to [`Reserve`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Reserved {
    /// All lines are held.
    Held {
        /// The held lines in the order of the request, at the catalogue's prices.
        lines: Vec<HeldLine>,
        /// When the reservation expires.
        expires_at: Timestamp,
    },
    /// Nothing is held, because the stock of some products is too low.
    OutOfStock {
        /// The products whose stock is too low.
        shortages: Vec<Shortage>,
    },
    /// Nothing is held: the reservation was released or has expired before.
    Released,
    /// Nothing is held any more: the reservation was confirmed before, and its stock is sold.
    Sold,
}

/// A line that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLine {
    /// The product at the moment when it was held.
    pub product: ProductSnapshot,
    /// The quantity that is held.
    pub quantity: Quantity,
    /// The hold. `None` in replies of the previous release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldId>,
}

impl Request for Reserve {
    const NAME: &'static str = "products.reserve";
    type Reply = Reserved;
    const CHANGE: Option<FormatChange> = Some(FormatChange {
        upgrade: |request| {
            rename(request, "until", "expires_at");
            rename(request, "until_if_scarce", "expires_at_if_scarce");
        },
        downgrade: |request| {
            rename(request, "expires_at", "until");
            rename(request, "expires_at_if_scarce", "until_if_scarce");
        },
    });
    const REPLY_CHANGE: Option<FormatChange> = Some(FormatChange {
        upgrade: |reply| rename(reply, "until", "expires_at"),
        downgrade: |reply| rename(reply, "expires_at", "until"),
    });
}

/// A product whose stock is too low for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// The product.
    pub product_id: ProductId,
    /// Its name; `None` when the product is discontinued.
    pub name: Option<String>,
    /// The quantity that was ordered.
    pub requested: u32,
    /// The quantity that is available.
    pub available: u32,
}

/// Sells the stock that is held for a paid order: all lines or none. A repeated request gets the
/// same reply.
#[derive(Debug, Serialize, Deserialize)]
pub struct Confirm {
    /// The reservation.
    pub reservation: ReservationId,
    /// The order.
    pub order: OrderId,
    /// The lines that were reserved.
    pub lines: Vec<ReservationLine>,
    /// The holds of the lines, in their order, as the reply to [`Reserve`] named them. Empty when
    /// the caller does not know them: `products` then looks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HoldId>,
}

/// The reply to [`Confirm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmed {
    /// The stock is sold.
    Sold,
    /// Nothing is sold: the reservation was released, has expired, or not all lines were held.
    Released,
}

impl Request for Confirm {
    const NAME: &'static str = "products.confirm";
    type Reply = Confirmed;
}

/// Releases the stock that is held for an order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Release {
    /// The reservation.
    pub reservation: ReservationId,
    /// The order.
    pub order: OrderId,
    /// The lines that may be held. `products` records the reservation as released even if nothing
    /// is held, so that a [`Reserve`] that arrives later holds nothing either.
    pub lines: Vec<ReservationLine>,
}

/// The reply to [`Release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Released {
    /// Nothing is held any more.
    Released,
    /// Nothing is released: the reservation was confirmed before, and its stock is sold.
    Sold,
}

impl Request for Release {
    const NAME: &'static str = "products.release";
    type Reply = Released;
}

/// Puts sold stock back on sale. A repeated request changes nothing and gets the same reply.
#[derive(Debug, Serialize, Deserialize)]
pub struct Restock {
    /// The reservation.
    pub reservation: ReservationId,
    /// The pieces.
    pub pieces: RestockedPieces,
}

/// The pieces that are put back on sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "which")]
pub enum RestockedPieces {
    /// All pieces that are still sold: those of a cancelled order.
    Rest,
    /// Some of them, such as the ones that a customer sent back, or the unshipped part of an order.
    Part {
        /// The refund. `products` restocks its pieces once.
        refund: RefundId,
        /// The pieces. Those that are not sold any more are left out.
        lines: Vec<ReservationLine>,
    },
}

/// The reply to [`Restock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restocked {
    /// The pieces are available again, by this request or an earlier one.
    Restocked,
    /// Nothing changed: the reservation was never confirmed.
    NotSold,
}

impl Request for Restock {
    const NAME: &'static str = "products.restock";
    type Reply = Restocked;
}

/// Returns the log of the stock that an order claimed.
#[derive(Debug, Serialize, Deserialize)]
pub struct GetStockLog {
    /// The order.
    pub order: OrderId,
}

/// The reply to [`GetStockLog`].
#[derive(Debug, Serialize, Deserialize)]
pub struct StockLog {
    /// At most about a hundred entries, in no particular order.
    pub entries: Vec<TimelineEntry>,
}

impl Request for GetStockLog {
    const NAME: &'static str = "products.stock-log";
    type Reply = StockLog;
}

/// `products` has erased a customer's personal data. Published for each `customer.deleted`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CustomerErased {
    /// The deleted account.
    pub id: CustomerId,
}

impl Event for CustomerErased {
    const NAME: &'static str = "products.customer-erased";
    const LISTENERS: &'static [&'static str] = &["customer"];
}
