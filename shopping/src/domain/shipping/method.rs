//! A method of shipping: its price for a parcel, and the days that it takes.

use serde::{Deserialize, Serialize};
use souk_contract::shopping::MAX_BRACKETS;
use souk_types::{Currency, Integer, Money, Price, Result, Text};

use crate::domain::quote::MethodId;

/// A way to ship to a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Method {
    pub(crate) id: MethodId,
    pub(crate) name: Text<1, 100>,
    pub(super) price: MethodPrice,
    /// Shipping is free for goods of this total, after discounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) free_from: Option<Price>,
    pub(crate) days: DeliveryDays,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(super) enum MethodPrice {
    /// One price.
    Flat { price: Price },
    /// By the weight of all goods, in grams. A heavier order cannot have the method.
    ByWeight { brackets: Vec<WeightBracket> },
    /// By the total of all goods, after discounts.
    ByTotal { brackets: Vec<TotalBracket> },
    /// The customer collects the goods at the shop, free of charge.
    Pickup,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WeightBracket {
    /// The largest weight.
    pub(super) up_to_grams: Grams,
    pub(super) price: Price,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TotalBracket {
    /// The smallest total.
    pub(super) from: Price,
    pub(super) price: Price,
}

/// A weight in grams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Integer", into = "u32")]
pub(super) struct Grams(u32);

impl TryFrom<Integer> for Grams {
    type Error = &'static str;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        u32::try_from(number.get()).map(Self).map_err(|_| "must be between 0 and 4,294,967,295")
    }
}

impl From<Grams> for u32 {
    fn from(Grams(grams): Grams) -> Self {
        grams
    }
}

/// An estimated time until delivery, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedDays")]
pub(crate) struct DeliveryDays {
    pub(super) from: Days,
    pub(super) to: Days,
}

/// A number of days, at most a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Integer", into = "u16")]
pub(super) struct Days(u16);

impl TryFrom<Integer> for Days {
    type Error = &'static str;

    fn try_from(number: Integer) -> Result<Self, Self::Error> {
        match u16::try_from(number.get()) {
            Ok(days @ 0..=365) => Ok(Self(days)),
            _ => Err("must be between 0 and 365 days"),
        }
    }
}

impl From<Days> for u16 {
    fn from(Days(days): Days) -> Self {
        days
    }
}

#[derive(Deserialize)]
struct UncheckedDays {
    from: Days,
    to: Days,
}

impl TryFrom<UncheckedDays> for DeliveryDays {
    type Error = &'static str;

    fn try_from(UncheckedDays { from, to }: UncheckedDays) -> Result<Self, Self::Error> {
        if from <= to { Ok(Self { from, to }) } else { Err("must not be before from") }
    }
}

/// The goods that are shipped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parcel {
    pub(crate) grams: u64,
    /// Their total after discounts.
    pub(crate) total: Money,
}

impl Method {
    /// Whether the customer collects the goods.
    pub(crate) fn is_pickup(&self) -> bool {
        self.price == MethodPrice::Pickup
    }

    /// Returns the total of goods, after discounts, from which it is free.
    pub(crate) fn free_from(&self) -> Option<Money> {
        self.free_from.map(Money::from)
    }

    /// Returns its price for a parcel; `None` when it does not take the parcel.
    pub(super) fn price(&self, parcel: Parcel) -> Option<Money> {
        let currency = parcel.total.currency();
        let price = match &self.price {
            MethodPrice::Flat { price } => Some(Money::from(*price)),
            MethodPrice::ByWeight { brackets } => {
                let bracket = brackets.iter().find(|bracket| parcel.grams <= u64::from(bracket.up_to_grams.0));
                bracket.map(|bracket| bracket.price.into())
            }
            MethodPrice::ByTotal { brackets } => {
                let is_reached = |from: &Price| from.currency() == currency && from.amount() <= parcel.total.amount();
                brackets.iter().rev().find(|bracket| is_reached(&bracket.from)).map(|bracket| bracket.price.into())
            }
            MethodPrice::Pickup => Some(Money::zero(currency)),
        }?;
        let is_free =
            self.free_from.is_some_and(|from| from.currency() == currency && from.amount() <= parcel.total.amount());
        let price = if is_free { Money::zero(currency) } else { price };
        (price.currency() == currency).then_some(price)
    }

    /// Returns the currencies of all its prices.
    fn currencies(&self) -> impl Iterator<Item = Currency> {
        let prices: Vec<Price> = match &self.price {
            MethodPrice::Flat { price } => vec![*price],
            MethodPrice::ByWeight { brackets } => brackets.iter().map(|bracket| bracket.price).collect(),
            MethodPrice::ByTotal { brackets } => {
                brackets.iter().flat_map(|bracket| [bracket.from, bracket.price]).collect()
            }
            MethodPrice::Pickup => Vec::new(),
        };
        prices.into_iter().chain(self.free_from).map(Price::currency)
    }

    /// Returns what is wrong with its prices.
    pub(super) fn problem(&self) -> Option<String> {
        let mut currencies = self.currencies();
        let first = currencies.next();
        if currencies.any(|currency| Some(currency) != first) {
            return Some("must have one currency, with that of free_from".to_owned());
        }
        let is_sorted = match &self.price {
            MethodPrice::ByWeight { brackets } => {
                (1..=MAX_BRACKETS).contains(&brackets.len())
                    && brackets.is_sorted_by(|one, next| one.up_to_grams < next.up_to_grams)
            }
            MethodPrice::ByTotal { brackets } => {
                (1..=MAX_BRACKETS).contains(&brackets.len())
                    && brackets.is_sorted_by(|one, next| one.from.amount() < next.from.amount())
            }
            MethodPrice::Flat { .. } | MethodPrice::Pickup => true,
        };
        (!is_sorted).then(|| format!("must have 1 to {MAX_BRACKETS} brackets, the smallest first"))
    }
}
