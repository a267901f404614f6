//! What the shop's list of orders is filtered by.

use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use souk_store::query_words;
use souk_types::input::{Fields, Input};
use souk_types::{Country, Email, Paging, Text, Timestamp};

use super::OrderStatus;
use super::listing::Attention;
use crate::domain::payment::state::PaymentStatus;

/// `payment` of an order without a payment.
pub(super) const NO_PAYMENT: &str = "none";
/// `payment` of the orders whose payment an admin must act upon.
const NEEDS_ADMIN: &str = "attention";

/// `?status&payment&fulfilment&country&q&from&to&sort&after&limit`.
#[derive(Debug, Default)]
pub(crate) struct OrderQuery {
    pub(crate) filters: OrderFilters,
    pub(crate) paging: Paging,
}

impl Input for OrderQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let filters = OrderFilters::read(fields)?;
        Some(Self { filters, paging: Paging::read(fields).unwrap_or_default() })
    }
}

/// The filters, which are combined with "and", and the order of the list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OrderFilters {
    status: Option<OrderStatus>,
    payment: Option<PaymentFilter>,
    fulfilment: Option<FulfilmentStatus>,
    pub(crate) country: Option<Country>,
    #[serde(rename = "q")]
    words: Option<Text<0, 100>>,
    /// The first moment.
    pub(crate) from: Option<Timestamp>,
    /// The moment after the last one.
    pub(crate) to: Option<Timestamp>,
    #[serde(default)]
    pub(crate) sort: OrderSort,
}

impl Input for OrderFilters {
    fn read(fields: &mut Fields) -> Option<Self> {
        let filters = Self {
            status: fields.optional("status"),
            payment: fields.optional("payment"),
            fulfilment: fields.optional("fulfilment"),
            country: fields.optional("country"),
            words: fields.optional("q"),
            from: fields.optional("from"),
            to: fields.optional("to"),
            sort: fields.optional("sort").unwrap_or_default(),
        };
        if filters.from.zip(filters.to).is_some_and(|(from, to)| to <= from) {
            return fields.refuse("to", "must be after from");
        }
        Some(filters)
    }
}

/// Order of the list, by the time when the orders were placed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OrderSort {
    #[default]
    Newest,
    Oldest,
}

/// How far the goods of a sold order are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FulfilmentStatus {
    Unfulfilled,
    Partial,
    Shipped,
    Delivered,
}

impl FulfilmentStatus {
    pub(super) fn of(status: OrderStatus) -> Option<Self> {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Serialize for PaymentFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::NoPayment => serializer.serialize_str(NO_PAYMENT),
            Self::NeedsAdmin => serializer.serialize_str(NEEDS_ADMIN),
            Self::Status(status) => status.serialize(serializer),
        }
    }
}

impl OrderFilters {
    /// Returns the filters for the orders in a state.
    pub(crate) fn in_state(status: OrderStatus) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// Returns the filters for the orders whose payment an admin must act upon.
    pub(crate) fn needing_admin() -> Self {
        Self { payment: Some(PaymentFilter::NeedsAdmin), ..Self::default() }
    }

    /// Returns the states and the payments that the filters select; `None` when they select all.
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

    /// Whether an e-mail address is searched for.
    pub(crate) fn searches_an_address(&self) -> bool {
        self.words.as_ref().is_some_and(|words| words.contains('@'))
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
            let states = query(&pairs).unwrap().filters.states().map(|(statuses, payments)| {
                assert_eq!(payments.len(), PaymentStatus::ALL.len() + 1);
                statuses.iter().map(|status| format!("{status:?}")).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(states.as_deref(), expected, "{pairs:?}");
        }
        let states = query(&[("payment", "none")]).unwrap().filters.states().unwrap();
        assert_eq!((states.0.len(), states.1), (OrderStatus::ALL.len(), vec![None]));
        let states = query(&[("payment", "refund-failed")]).unwrap().filters.states().unwrap();
        assert_eq!(states.1, [Some(PaymentStatus::RefundFailed)]);
        let attention = query(&[("payment", "attention")]).unwrap().filters.states().unwrap().1;
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
    fn a_period_ends_after_its_start() {
        let period = |from, to| query(&[("from", from), ("to", to)]);
        assert!(period("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z").is_ok());
        for to in ["2026-11-01T00:00:00Z", "2026-10-01T00:00:00Z"] {
            let error = period("2026-11-01T00:00:00Z", to).unwrap_err();
            assert_eq!(error.fields()[0].field, "to", "{to}");
        }
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
