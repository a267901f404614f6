//! The shop's list of orders: what it shows of each order.

use serde::Serialize;
use souk_contract::shopping::OrderId;
use souk_store::index_words;
use souk_types::{Country, Email, Money, Timestamp};

use super::filters::{FulfilmentStatus, NO_PAYMENT};
use super::number::OrderNumber;
use super::sales::Sale;
use super::shipment::Shipment;
use super::{Order, OrderStatus};
use crate::domain::payment::state::{Payment, PaymentStatus};

/// The fields by which the list is filtered. They follow from the order.
#[derive(Debug, Serialize)]
pub(crate) struct ListFields {
    payment: String,
    country: Option<Country>,
    /// The words of number, names, products and tracking numbers, folded; the e-mail address; the
    /// ids of the admins who have worked on the order, for the erasure of their accounts.
    words: Vec<String>,
    sale: Option<Sale>,
    /// The pieces of an unpaid order that count for the limit of its network.
    #[serde(skip_serializing_if = "Option::is_none")]
    unverified_pieces: Option<u32>,
}

/// Returns the value of [`ListFields::payment`].
pub(crate) fn payment_field(payment: Option<PaymentStatus>) -> String {
    payment.as_ref().map_or_else(|| NO_PAYMENT.to_owned(), super::history::wire_name)
}

/// An order in the list.
#[derive(Debug, Serialize)]
pub(crate) struct OrderSummary {
    id: OrderId,
    number: Option<OrderNumber>,
    email: Option<Email>,
    /// The recipient.
    name: Option<String>,
    status: OrderStatus,
    payment: Option<PaymentStatus>,
    fulfilment: Option<FulfilmentStatus>,
    total: Money,
    /// The number of pieces.
    pieces: u32,
    country: Option<Country>,
    placed_at: Timestamp,
    attention: Option<Attention>,
}

/// Why an order needs an admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Attention {
    /// A refund failed.
    RefundFailed,
    /// The customer paid less than the total.
    Underpaid,
    /// The customer paid more than the total.
    Overpaid,
    /// The payment waits for its capture.
    Authorized,
    /// The customer's bank disputes the payment.
    Disputed,
}

impl Attention {
    pub(super) fn of(payment: PaymentStatus) -> Option<Self> {
        match payment {
            PaymentStatus::RefundFailed => Some(Self::RefundFailed),
            PaymentStatus::Underpaid => Some(Self::Underpaid),
            PaymentStatus::Overpaid => Some(Self::Overpaid),
            PaymentStatus::Authorized => Some(Self::Authorized),
            PaymentStatus::Disputed => Some(Self::Disputed),
            _ => None,
        }
    }
}

impl Order {
    fn country(&self) -> Option<&Country> {
        self.buyer.country.as_ref()
    }

    fn pieces(&self) -> u32 {
        self.items.iter().map(|item| item.quantity.get()).fold(0, u32::saturating_add)
    }

    pub(crate) fn list_fields(&self) -> ListFields {
        let mut words: Vec<String> = self.items.iter().flat_map(|item| index_words(&item.product.name)).collect();
        words.extend(self.number.iter().flat_map(|number| index_words(&number.to_string())));
        words.extend(self.buyer.email().map(|email| email.as_str().to_owned()));
        let addresses = self.buyer.shipping_address().into_iter().chain(self.buyer.billing_address());
        let names = addresses.flat_map(|address| [Some(address.name()), address.company()]);
        words.extend(names.flatten().flat_map(index_words));
        words.extend(self.shipments.iter().filter_map(Shipment::tracking).flat_map(index_words));
        words.extend(self.admins().map(|admin| admin.to_string()));
        words.sort_unstable();
        words.dedup();
        let payment = payment_field(self.payment.as_ref().map(Payment::status));
        let unverified_pieces = self.unverified_network.map(|_| self.pieces());
        ListFields { payment, country: self.country().cloned(), words, sale: self.sale(), unverified_pieces }
    }

    pub(crate) fn summary(&self) -> OrderSummary {
        let payment = self.payment.as_ref().map(Payment::status);
        OrderSummary {
            id: self.id,
            number: self.number.clone(),
            email: self.buyer.email().cloned(),
            name: self
                .buyer
                .shipping_address()
                .or(self.buyer.billing_address())
                .map(|address| address.name().to_owned()),
            status: self.status,
            payment,
            fulfilment: FulfilmentStatus::of(self.status),
            total: self.total(),
            pieces: self.pieces(),
            country: self.country().cloned(),
            placed_at: self.created_at,
            attention: payment.and_then(Attention::of),
        }
    }
}
