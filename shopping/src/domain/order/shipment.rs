//! Shipments: each is one parcel with pieces of the order.

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::products::ProductId;
use souk_contract::shopping::ShipmentId;
use souk_types::input::{Fields, Input};
use souk_types::{Error, IdempotencyKey, KeyedRequest, Quantity, Result, Text, Timestamp};

use super::fulfilment::{Fulfilment, Pieces};
use super::{Order, OrderStatus, request_pair};
use crate::domain::tracking;

/// Maximum number of shipments of one order.
const MAX_SHIPMENTS: usize = 100;

/// Pieces of one product in a shipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShippedLine {
    pub(crate) product_id: ProductId,
    pub(crate) quantity: Quantity,
}

impl Input for ShippedLine {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (product_id, quantity) = (fields.required("product_id"), fields.required("quantity"));
        Some(Self { product_id: product_id?, quantity: quantity? })
    }
}

/// A request to ship pieces of an order in one parcel.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NewShipment {
    /// `None` ships all that is left.
    pub(crate) lines: Option<Vec<ShippedLine>>,
    pub(crate) carrier: Option<Text<1, 50>>,
    pub(crate) tracking: Option<Text<1, 100>>,
}

impl Input for NewShipment {
    fn read(fields: &mut Fields) -> Option<Self> {
        let lines: Option<Vec<ShippedLine>> = fields.optional_list("lines");
        if let Some(lines) = &lines {
            let is_repeated =
                |(at, line): (usize, &ShippedLine)| lines[..at].iter().any(|other| other.product_id == line.product_id);
            if lines.is_empty() {
                fields.refuse::<()>("lines", "must name a product; leave it out to ship all that is left");
            } else if lines.iter().enumerate().any(is_repeated) {
                fields.refuse::<()>("lines", "must name each product once");
            }
        }
        let (carrier, tracking) = (fields.optional("carrier"), fields.optional("tracking"));
        Some(Self { lines, carrier, tracking })
    }
}

/// A parcel that was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shipment {
    id: ShipmentId,
    lines: Vec<ShippedLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carrier: Option<Text<1, 50>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracking: Option<Text<1, 100>>,
    shipped_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivered_at: Option<Timestamp>,
    /// The admin; `None` when the account is deleted.
    by: Option<CustomerId>,
    /// The request that sent it, if it had an idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "request_pair")]
    request: Option<KeyedRequest>,
}

/// A shipment as customers see it.
#[derive(Debug, Serialize)]
pub(crate) struct ShipmentView {
    id: ShipmentId,
    lines: Vec<ShippedLine>,
    carrier: Option<String>,
    tracking: Option<String>,
    tracking_url: Option<String>,
    shipped_at: Timestamp,
    delivered_at: Option<Timestamp>,
    /// The admin who sent it, for admins only.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<CustomerId>,
}

impl Shipment {
    pub(super) fn id(&self) -> ShipmentId {
        self.id
    }

    pub(super) fn lines(&self) -> &[ShippedLine] {
        &self.lines
    }

    pub(super) fn carrier(&self) -> Option<&str> {
        self.carrier.as_deref()
    }

    pub(super) fn tracking(&self) -> Option<&str> {
        self.tracking.as_deref()
    }

    pub(super) fn by(&self) -> Option<CustomerId> {
        self.by
    }

    /// The tracking number leads to the recipient's address.
    pub(super) fn erase_personal_data(&mut self) {
        self.tracking = None;
    }

    pub(super) fn erase_admin(&mut self, admin: CustomerId) {
        self.by = self.by.filter(|by| *by != admin);
    }

    pub(super) fn view(&self) -> ShipmentView {
        let tracking_url =
            self.carrier().zip(self.tracking()).and_then(|(carrier, number)| tracking::url(carrier, number));
        ShipmentView {
            id: self.id,
            lines: self.lines.clone(),
            carrier: self.carrier().map(str::to_owned),
            tracking: self.tracking().map(str::to_owned),
            tracking_url,
            shipped_at: self.shipped_at,
            delivered_at: self.delivered_at,
            by: None,
        }
    }

    pub(super) fn view_for_admin(&self) -> ShipmentView {
        ShipmentView { by: self.by, ..self.view() }
    }
}

/// The effect of a request to ship.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shipped {
    New(ShipmentId),
    /// A request with the same key has sent the parcel.
    Before,
}

impl Order {
    /// Returns what is ordered, shipped, refunded and left of each product.
    pub(crate) fn fulfilment(&self) -> Fulfilment {
        let shipped = |product: ProductId| {
            let lines = self.shipments.iter().flat_map(Shipment::lines).filter(|line| line.product_id == product);
            lines.map(|line| line.quantity.get()).sum()
        };
        let pieces = |item: &super::OrderItem| {
            let product = &item.product;
            let refunded = self.refunded_pieces(product.id);
            let needs_parcel = !product.digital && !self.has_ended();
            Pieces::new(product.id, item.quantity, needs_parcel, shipped(product.id), refunded)
        };
        Fulfilment(self.items.iter().map(pieces).collect())
    }

    /// Whether no more pieces are shipped, or refunded, than ordered, and the state follows from
    /// the shipments.
    pub(crate) fn are_pieces_consistent(&self) -> bool {
        let (fulfilment, has_parcel) = (self.fulfilment(), !self.shipments.is_empty());
        let follows = match self.status {
            OrderStatus::PartiallyShipped => has_parcel && fulfilment.is_anything_left(),
            OrderStatus::Shipped => has_parcel && !fulfilment.is_anything_left(),
            OrderStatus::Delivered => !fulfilment.is_anything_left(),
            _ => !has_parcel,
        };
        follows && fulfilment.is_consistent()
    }

    /// Sends a parcel of an order whose stock is sold. A part of its money may be refunded, but not
    /// all of it. Errors: `order-state`, `not-left`, `key-reused`, `too-many-shipments`.
    pub(crate) fn ship(
        &mut self,
        new: &NewShipment,
        key: Option<&IdempotencyKey>,
        admin: CustomerId,
        now: Timestamp,
    ) -> Result<Shipped> {
        let request = key.map(|key| KeyedRequest::new(key.clone(), new)).transpose()?;
        if let Some(request) = &request {
            for earlier in self.shipments.iter().filter_map(|shipment| shipment.request.as_ref()) {
                if request.repeats(earlier)? {
                    return Ok(Shipped::Before);
                }
            }
        }
        if !matches!(self.status, OrderStatus::Confirmed | OrderStatus::PartiallyShipped) {
            let detail = "Only a confirmed order of which pieces are left can be shipped.";
            return Err(Error::conflict("order-state", detail));
        }
        if self.payment.as_ref().is_some_and(|payment| !payment.keeps_money()) {
            let detail = "All the money is refunded or being refunded; the order cannot be shipped.";
            return Err(Error::conflict("order-state", detail));
        }
        let lines = self.fulfilment().parcel(new.lines.as_deref())?;
        if self.shipments.len() >= MAX_SHIPMENTS {
            let detail = format!("An order has at most {MAX_SHIPMENTS} shipments.");
            return Err(Error::conflict("too-many-shipments", detail));
        }
        let id = ShipmentId::new();
        let (carrier, tracking) = (new.carrier.clone(), new.tracking.clone());
        let by = Some(admin);
        self.shipments.push(Shipment {
            id,
            lines,
            carrier,
            tracking,
            shipped_at: now,
            delivered_at: None,
            by,
            request,
        });
        self.follow_shipments(now)?;
        Ok(Shipped::New(id))
    }

    /// Records that a shipment, or everything that was sent, has arrived. An order that needs no
    /// parcel is delivered without one. Returns whether that was new. Errors: `order-state`;
    /// `not-found` for an unknown shipment.
    pub(crate) fn deliver(&mut self, shipment: Option<ShipmentId>, now: Timestamp) -> Result<bool> {
        if let Some(id) = shipment {
            let found = self.shipments.iter_mut().find(|known| known.id == id);
            let found = found.ok_or_else(|| Error::not_found("shipment"))?;
            let is_new = found.delivered_at.is_none();
            found.delivered_at.get_or_insert(now);
            self.follow_shipments(now)?;
            return Ok(is_new);
        }
        match self.status {
            OrderStatus::Delivered => Ok(false),
            OrderStatus::Confirmed if self.needs_no_parcel() => {
                self.enter(OrderStatus::Delivered, None, now)?;
                Ok(true)
            }
            OrderStatus::PartiallyShipped | OrderStatus::Shipped => {
                let is_new = self.shipments.iter().any(|shipment| shipment.delivered_at.is_none());
                for shipment in &mut self.shipments {
                    shipment.delivered_at.get_or_insert(now);
                }
                self.follow_shipments(now)?;
                Ok(is_new)
            }
            _ => Err(Error::conflict("order-state", "Nothing of the order was shipped, so nothing can be delivered.")),
        }
    }

    /// Whether the order has digital goods, and no piece is left to send: the others were refunded,
    /// or there are none.
    fn needs_no_parcel(&self) -> bool {
        self.items.iter().any(|item| item.product.digital) && !self.fulfilment().is_anything_left()
    }

    /// Moves the order to the state that its shipments and refunded pieces require.
    pub(crate) fn follow_shipments(&mut self, now: Timestamp) -> Result<()> {
        if self.shipments.is_empty() {
            return Ok(());
        }
        let is_complete = !self.fulfilment().is_anything_left();
        if matches!(self.status, OrderStatus::Confirmed | OrderStatus::PartiallyShipped) {
            let status = if is_complete { OrderStatus::Shipped } else { OrderStatus::PartiallyShipped };
            if status != self.status {
                self.enter(status, None, now)?;
            }
        }
        if self.status == OrderStatus::Shipped && self.shipments.iter().all(|shipment| shipment.delivered_at.is_some())
        {
            self.enter(OrderStatus::Delivered, None, now)?;
        }
        Ok(())
    }
}
