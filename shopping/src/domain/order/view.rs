//! The view of an order.

use serde::Serialize;
use souk_contract::products::ProductSnapshot;
use souk_contract::shopping::OrderId;
use souk_types::{Address, Email, Money, Quantity, Timestamp};

use super::buyer::CustomerNote;
use super::fulfilment::Fulfilment;
use super::number::OrderNumber;
use super::refunds::OrderRefundView;
use super::shipment::{Shipment, ShipmentView};
use super::staff_note::{NoteView, StaffNote};
use super::{Order, OrderItem, OrderStatus, StatusChange};
use crate::domain::payment::state::{Payment, PaymentView};
use crate::domain::quote::Quote;
use crate::domain::tax::VatNumber;

#[derive(Debug, Serialize)]
pub(crate) struct OrderView {
    id: OrderId,
    number: Option<OrderNumber>,
    status: OrderStatus,
    /// The link that opens the order of a guest; in responses to the guest only.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    email: Option<Email>,
    shipping_address: Option<Address>,
    billing_address: Option<Address>,
    vat_number: Option<VatNumber>,
    note: Option<CustomerNote>,
    items: Vec<OrderItemView>,
    quote: Quote,
    total: Money,
    payment: Option<PaymentView>,
    refunds: Vec<OrderRefundView>,
    /// The sum that the customer has got back; `None` without a payment.
    refunded: Option<Money>,
    shipments: Vec<ShipmentView>,
    history: Vec<StatusChange>,
    created_at: Timestamp,
    /// When the stock is released and the order cancelled, unless it is paid before. Only while it
    /// is reserved.
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_until: Option<Timestamp>,
    #[serde(flatten)]
    for_admins: Option<AdminPart>,
}

/// What only admins see.
#[derive(Debug, Serialize)]
struct AdminPart {
    /// The pieces of each product.
    fulfilment: Fulfilment,
    notes: Vec<NoteView>,
}

#[derive(Debug, Serialize)]
struct OrderItemView {
    product: ProductSnapshot,
    quantity: Quantity,
    total: Money,
}

impl From<&OrderItem> for OrderItemView {
    fn from(item: &OrderItem) -> Self {
        Self { product: item.product.clone(), quantity: item.quantity, total: item.total() }
    }
}

impl OrderView {
    pub(crate) fn id(&self) -> OrderId {
        self.id
    }

    /// Adds the link that opens the order of a guest.
    pub(crate) fn with_link(self, link: String) -> Self {
        Self { link: Some(link), ..self }
    }

    pub(crate) fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }

    /// Whether the checkout has no outcome yet.
    pub(crate) fn is_in_checkout(&self) -> bool {
        self.status.is_in_checkout()
    }
}

impl Order {
    /// Returns the view for the customer who placed the order. While the customer must act to pay,
    /// it contains the secrets of the payment.
    pub(crate) fn view_for_customer(&self) -> OrderView {
        let payment = self.payment.as_ref().filter(|_| self.status == OrderStatus::Reserved);
        let view = self.view();
        OrderView { payment: payment.map(Payment::view_for_customer).or(view.payment), ..view }
    }

    /// Returns the view for admins.
    pub(crate) fn view_for_admin(&self) -> OrderView {
        let notes = self.notes.iter().map(StaffNote::view).collect();
        let for_admins = Some(AdminPart { fulfilment: self.fulfilment(), notes });
        let shipments = self.shipments.iter().map(Shipment::view_for_admin).collect();
        OrderView { shipments, for_admins, ..self.view() }
    }

    /// Returns the view for lists and exports.
    pub(crate) fn view(&self) -> OrderView {
        OrderView {
            id: self.id,
            number: self.number.clone(),
            status: self.status,
            link: None,
            email: self.buyer.email().cloned(),
            shipping_address: self.buyer.shipping_address().cloned(),
            billing_address: self.buyer.billing_address().cloned(),
            vat_number: self.buyer.request.vat_number.clone(),
            note: self.buyer.note.clone(),
            items: self.items.iter().map(OrderItemView::from).collect(),
            quote: self.quote.clone(),
            total: self.total(),
            payment: self.payment.as_ref().map(Payment::view),
            refunds: self.refund_views(),
            refunded: self.payment.as_ref().map(Payment::refunded),
            shipments: self.shipments.iter().map(Shipment::view).collect(),
            history: self.history.clone(),
            created_at: self.created_at,
            reserved_until: (self.status == OrderStatus::Reserved).then_some(self.reserved_until),
            for_admins: None,
        }
    }
}
