//! An order in the public API.

use serde::Serialize;
use souk_contract::shopping::OrderId;
use souk_types::{Money, Timestamp};

use super::{Order, OrderItem, OrderStatus, StatusChange};
use crate::domain::payment::{Payment, PaymentView};

/// An order as its customer sees it.
#[derive(Debug, Serialize)]
pub(crate) struct OrderView {
    id: OrderId,
    status: OrderStatus,
    items: Vec<OrderItem>,
    total: Option<Money>,
    payment: Option<PaymentView>,
    history: Vec<StatusChange>,
    created_at: Timestamp,
}

impl OrderView {
    pub(crate) fn id(&self) -> OrderId {
        self.id
    }

    /// Whether the checkout has no outcome yet.
    pub(crate) fn is_in_progress(&self) -> bool {
        matches!(self.status, OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Paid)
    }
}

impl Order {
    pub(crate) fn view(&self) -> OrderView {
        OrderView {
            id: self.id,
            status: self.status,
            items: self.items.clone(),
            total: self.total(),
            payment: self.payment.as_ref().map(Payment::view),
            history: self.history.clone(),
            created_at: self.created_at,
        }
    }
}
