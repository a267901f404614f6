//! What `products` answers: the catalogue for other services, and the stock of an order; and what it announces.

use serde::{Deserialize, Serialize};

use crate::customer::CustomerId;
use crate::shopping::{Happened, OrderId};
use crate::{Event, Request};
use souk_types::{Id, Money, Quantity, Timestamp};

/// Names the type of a product's id; `products` has the real thing.
pub enum Product {}

/// The id of a product.
pub type ProductId = Id<Product>;

/// Names the type of a reservation's id; `products` has the real thing.
pub enum Reservation {}

/// The id of a reservation: the stock that one order claims. An order has another one when it claims stock anew.
pub type ReservationId = Id<Reservation>;

/// Asks for products by id; those that do not exist are missing in the reply.
#[derive(Debug, Serialize, Deserialize)]
pub struct GetProducts {
    /// At most 1,000.
    pub ids: Vec<ProductId>,
}

/// The products asked for, in no particular order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Products {
    /// Those that exist.
    pub products: Vec<Offer>,
}

impl Request for GetProducts {
    const NAME: &'static str = "products.get";
    type Reply = Products;
}

/// What a shopper is offered: a product as carts and orders show it, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// As carts and orders show it.
    #[serde(flatten)]
    pub item: Item,
    /// Pieces that can be bought now.
    pub available: u32,
}

/// A product as carts and orders show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Which product.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// Its price for one unit.
    pub price: Money,
    /// Where its picture is.
    pub image: Option<String>,
}

/// So many pieces of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Of which product.
    pub product: ProductId,
    /// How many.
    pub quantity: Quantity,
}

/// Asks to hold stock for an order, all lines or none. The same reservation again gives the same reply.
///
/// Errors: `out-of-stock` with `items` (see [`Shortage`]), `reservation-released` when the hold has ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reserve {
    /// The caller's name for the claim.
    pub reservation: ReservationId,
    /// For which order.
    pub order: OrderId,
    /// What to hold; no product twice.
    pub lines: Vec<Line>,
    /// The hold ends by itself then.
    pub until: Timestamp,
}

/// Stock is held, at these prices.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reserved {
    /// One for each line, in the order of the request.
    pub lines: Vec<HeldLine>,
}

/// A line that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLine {
    /// The product as it was offered at that moment.
    pub item: Item,
    /// How many are held.
    pub quantity: Quantity,
}

impl Request for Reserve {
    const NAME: &'static str = "products.reserve";
    type Reply = Reserved;
}

/// One product that there is too little of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Which product.
    pub product_id: ProductId,
    /// Its name; `None` when it is no longer sold.
    pub name: Option<String>,
    /// How many were wanted.
    pub requested: u32,
    /// How many there are.
    pub available: u32,
}

/// Says that an order is paid: what is held for it is sold. Again: the same reply.
///
/// Errors: `reservation-released` when the hold has ended before.
#[derive(Debug, Serialize, Deserialize)]
pub struct Confirm {
    /// Which reservation.
    pub reservation: ReservationId,
}

/// It is done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done {}

impl Request for Confirm {
    const NAME: &'static str = "products.confirm";
    type Reply = Done;
}

/// Says that an order will not be: what is held for it can be bought again. The reply tells what has become of the
/// reservation, because a confirmation may have come first.
#[derive(Debug, Serialize, Deserialize)]
pub struct Release {
    /// Which reservation.
    pub reservation: ReservationId,
    /// Of which order, should nothing be known of it yet: then a late [`Reserve`] must find it released.
    pub order: OrderId,
}

/// What became of a reservation that was to be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Released {
    /// It is released, now or before, or never was.
    Released,
    /// It is confirmed: the order exists.
    Confirmed,
}

impl Request for Release {
    const NAME: &'static str = "products.release";
    type Reply = Released;
}

/// Says that a confirmed order is cancelled: what was sold for it comes back, once.
#[derive(Debug, Serialize, Deserialize)]
pub struct TakeBack {
    /// Which reservation.
    pub reservation: ReservationId,
}

impl Request for TakeBack {
    const NAME: &'static str = "products.take-back";
    type Reply = Done;
}

/// Asks what is known of the stock that an order claimed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Explain {
    /// Which order.
    pub order: OrderId,
}

/// What happened, in no particular order; nothing, for an order that claimed none.
#[derive(Debug, Serialize, Deserialize)]
pub struct Explained {
    /// At most some hundred lines.
    pub happened: Vec<Happened>,
}

impl Request for Explain {
    const NAME: &'static str = "products.explain";
    type Reply = Explained;
}

/// `products` has nothing about this person any more. The answer to every `customer.deleted`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CustomerErased {
    /// Whose account it was.
    pub id: CustomerId,
}

impl Event for CustomerErased {
    const NAME: &'static str = "products.customer-erased";
    const LISTENERS: &'static [&'static str] = &["customer"];
}
