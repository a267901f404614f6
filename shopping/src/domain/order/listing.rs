//! The shop's list of orders: what it filters by, and what it shows of each order.

use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer, Serialize};
use souk_contract::shopping::OrderId;
use souk_store::{index_words, query_words};
use souk_types::input::{Fields, Input};
use souk_types::{Country, Email, Money, Paging, Text, Timestamp};

use super::number::OrderNumber;
use super::sales::Sale;
use super::{Order, OrderStatus};
use crate::domain::payment::state::{Payment, PaymentStatus};

/// `payment` of an order without a payment.
const NO_PAYMENT: &str = "none";
/// `payment` of the orders whose payment an admin must act upon.
const NEEDS_ADMIN: &str = "attention";

/// `?status&payment&fulfilment&country&q&from&to&sort&after&limit`. Filters are combined with
/// "and".
#[derive(Debug, Default)]
pub(crate) struct OrderQuery {
    status: Option<OrderStatus>,
    payment: Option<PaymentFilter>,
    fulfilment: Option<FulfilmentStatus>,
    pub(crate) country: Option<Country>,
    words: Option<Text<0, 100>>,
    /// The first moment.
    pub(crate) from: Option<Timestamp>,
    /// The moment after the last one.
    pub(crate) to: Option<Timestamp>,
    pub(crate) sort: OrderSort,
    pub(crate) paging: Paging,
}

impl Input for OrderQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            status: fields.optional("status"),
            payment: fields.optional("payment"),
            fulfilment: fields.optional("fulfilment"),
            country: fields.optional("country"),
            words: fields.optional("q"),
            from: fields.optional("from"),
            to: fields.optional("to"),
            sort: fields.optional("sort").unwrap_or_default(),
            paging: Paging::read(fields).unwrap_or_default(),
        })
    }
}

/// Order of the list, by the time when the orders were placed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OrderSort {
    #[default]
    Newest,
    Oldest,
}

/// How far the goods of a sold order are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FulfilmentStatus {
    Unfulfilled,
    Partial,
    Shipped,
    Delivered,
}

impl FulfilmentStatus {
    fn of(status: OrderStatus) -> Option<Self> {
        match status {
            OrderStatus::Confirmed => Some(Self::Unfulfilled),
            OrderStatus::PartiallyShipped => Some(Self::Partial),
            OrderStatus::Shipped => Some(Self::Shipped),
            OrderStatus::Delivered => Some(Self::Delivered),
            _ => None,
        }
    }
}

/// A status of a payment, `none`, or `attention`.
#[derive(Debug, Clone, Copy)]
enum PaymentFilter {
    NoPayment,
    NeedsAdmin,
    Status(PaymentStatus),
}

impl PaymentFilter {
    fn selects(self, payment: Option<PaymentStatus>) -> bool {
        match self {
            Self::NoPayment => payment.is_none(),
            Self::NeedsAdmin => payment.and_then(Attention::of).is_some(),
            Self::Status(status) => payment == Some(status),
        }
    }
}

impl<'de> Deserialize<'de> for PaymentFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            NO_PAYMENT => Ok(Self::NoPayment),
            NEEDS_ADMIN => Ok(Self::NeedsAdmin),
            _ => PaymentStatus::deserialize(text.into_deserializer()).map(Self::Status),
        }
    }
}

impl OrderQuery {
    /// Returns the query for the orders in a state.
    pub(crate) fn in_state(status: OrderStatus) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// Returns the query for the orders whose payment an admin must act upon.
    pub(crate) fn needing_admin() -> Self {
        Self { payment: Some(PaymentFilter::NeedsAdmin), ..Self::default() }
    }

    /// Returns the states and the payments that the query selects; `None` when it selects all.
    pub(crate) fn states(&self) -> Option<(Vec<OrderStatus>, Vec<Option<PaymentStatus>>)> {
        let Self { status, payment, fulfilment, .. } = self;
        if status.is_none() && payment.is_none() && fulfilment.is_none() {
            return None;
        }
        let is_selected = |candidate: &OrderStatus| {
            status.is_none_or(|status| status == *candidate)
                && fulfilment.is_none_or(|fulfilment| FulfilmentStatus::of(*candidate) == Some(fulfilment))
        };
        let statuses = OrderStatus::ALL.into_iter().filter(is_selected).collect();
        let payments = PaymentStatus::ALL.into_iter().map(Some).chain([None]);
        let payments = payments.filter(|candidate| payment.is_none_or(|payment| payment.selects(*candidate))).collect();
        Some((statuses, payments))
    }

    /// Returns the words that an order must have; `None` without a search.
    pub(crate) fn words(&self) -> Option<Vec<String>> {
        self.words.as_ref().map(|words| searched_words(words))
    }
}

/// Returns the words of a search. An e-mail address is one word.
fn searched_words(text: &str) -> Vec<String> {
    let words = |part: &str| {
        if part.contains('@') {
            // An international domain is stored in its ASCII form.
            vec![part.parse().map_or_else(|_| part.to_lowercase(), |email: Email| email.as_str().to_owned())]
        } else {
            query_words(part)
        }
    };
    let mut words: Vec<String> = text.split_whitespace().flat_map(words).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The fields by which the list is filtered. They follow from the order.
#[derive(Debug, Serialize)]
pub(crate) struct ListFields {
    payment: String,
    country: Option<Country>,
    /// The words of number, names and products, folded; the e-mail address; the ids of the admins
    /// who have worked on the order, for the erasure of their accounts.
    words: Vec<String>,
    sale: Option<Sale>,
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
enum Attention {
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
    fn of(payment: PaymentStatus) -> Option<Self> {
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

    pub(crate) fn list_fields(&self) -> ListFields {
        let mut words: Vec<String> = self.items.iter().flat_map(|item| index_words(&item.product.name)).collect();
        words.extend(self.number.iter().flat_map(|number| index_words(&number.to_string())));
        words.extend(self.buyer.email().map(|email| email.as_str().to_owned()));
        let addresses = self.buyer.shipping_address().into_iter().chain(self.buyer.billing_address());
        let names = addresses.flat_map(|address| [Some(address.name()), address.company()]);
        words.extend(names.flatten().flat_map(index_words));
        words.extend(self.admins().map(|admin| admin.to_string()));
        words.sort_unstable();
        words.dedup();
        let payment = payment_field(self.payment.as_ref().map(Payment::status));
        ListFields { payment, country: self.country().cloned(), words, sale: self.sale() }
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
            pieces: self.items.iter().map(|item| item.quantity.get()).sum(),
            country: self.country().cloned(),
            placed_at: self.created_at,
            attention: payment.and_then(Attention::of),
        }
    }
}

#[cfg(test)]
mod tests {
    use souk_types::input::from_query;

    use super::*;

    fn query(pairs: &[(&str, &str)]) -> souk_types::Result<OrderQuery> {
        from_query(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn statuses_and_fulfilment_are_combined() {
        for (pairs, expected) in [
            (vec![], None),
            (vec![("status", "partially-shipped")], Some("PartiallyShipped")),
            (vec![("fulfilment", "unfulfilled")], Some("Confirmed")),
            (vec![("fulfilment", "delivered"), ("status", "delivered")], Some("Delivered")),
            (vec![("fulfilment", "shipped"), ("status", "paid")], Some("")),
        ] {
            let states = query(&pairs).unwrap().states().map(|(statuses, payments)| {
                assert_eq!(payments.len(), PaymentStatus::ALL.len() + 1);
                statuses.iter().map(|status| format!("{status:?}")).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(states.as_deref(), expected, "{pairs:?}");
        }
        let states = query(&[("payment", "none")]).unwrap().states().unwrap();
        assert_eq!((states.0.len(), states.1), (OrderStatus::ALL.len(), vec![None]));
        let states = query(&[("payment", "refund-failed")]).unwrap().states().unwrap();
        assert_eq!(states.1, [Some(PaymentStatus::RefundFailed)]);
        let attention = query(&[("payment", "attention")]).unwrap().states().unwrap().1;
        assert_eq!((attention.len(), attention.contains(&Some(PaymentStatus::Disputed))), (5, true), "{attention:?}");
    }

    #[test]
    fn every_bad_filter_is_named() {
        let error = query(&[
            ("status", "sent"),
            ("payment", "paid"),
            ("fulfilment", "no"),
            ("country", "Germany"),
            ("q", &*"x".repeat(101)),
            ("from", "yesterday"),
            ("to", "2026-13-01T00:00:00Z"),
            ("sort", "total"),
            ("after", "x"),
            ("limit", "0"),
            ("page", "2"),
        ])
        .unwrap_err();
        let mut fields: Vec<&str> = error.fields().iter().map(|field| &*field.field).collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            ["after", "country", "from", "fulfilment", "limit", "page", "payment", "q", "sort", "status", "to"]
        );
    }

    #[test]
    fn an_address_is_one_word_and_other_text_is_folded() {
        for (text, words) in [
            ("S-10042", vec!["10042", "s"]),
            ("Ana@Example.org", vec!["ana@example.org"]),
            ("Ana@Bücher.example", vec!["ana@xn--bcher-kva.example"]),
            ("ana@", vec!["ana@"]),
            ("Łódź  łódź Tea", vec!["lodz", "tea"]),
            ("!!!", vec![]),
        ] {
            assert_eq!(searched_words(text), words, "{text}");
        }
    }
}
