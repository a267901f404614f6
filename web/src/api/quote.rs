//! What a cart costs.

use serde::{Deserialize, Serialize};
use souk_types::Money;

use super::{Api, Result, Service, Token};

/// The price of a cart with its parts.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Quote {
    pub(crate) lines: Vec<QuoteLine>,
    pub(crate) shipping: Shipping,
    pub(crate) discounts: Vec<QuoteDiscount>,
    pub(crate) taxes: Vec<Tax>,
    pub(crate) total: Money,
    pub(crate) prices_include_tax: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct QuoteLine {
    pub(crate) name: String,
    pub(crate) quantity: u32,
    pub(crate) unit_price: Money,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Shipping {
    /// The methods that ship to the address, or to the home country while there is none.
    pub(crate) options: Vec<ShippingOption>,
    /// The id of the chosen method.
    pub(crate) chosen: Option<String>,
    /// The price of the chosen method, after discounts.
    pub(crate) price: Money,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ShippingOption {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) price: Money,
    pub(crate) days: Days,
}

/// An estimated time until delivery, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Days {
    pub(crate) from: u16,
    pub(crate) to: u16,
}

/// A discount on a cart.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct QuoteDiscount {
    /// `None` for an automatic discount.
    pub(crate) code: Option<String>,
    pub(crate) amount: Money,
    /// Why the code does not apply: `expired`.
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Tax {
    /// In basis points.
    pub(crate) rate_bp: u32,
    pub(crate) tax: Money,
}

impl QuoteLine {
    /// Returns the price of all pieces before discounts.
    pub(crate) fn price(&self) -> Money {
        let amount = self.unit_price.amount() * u64::from(self.quantity);
        Money::new(amount, self.unit_price.currency()).unwrap_or(self.unit_price)
    }
}

impl Quote {
    /// Returns the price of all lines before discounts, as the shop names its prices.
    pub(crate) fn goods(&self) -> Money {
        let amount = self.lines.iter().map(|line| line.unit_price.amount() * u64::from(line.quantity)).sum();
        Money::new(amount, self.total.currency()).unwrap_or(self.total)
    }

    /// Returns the lowest price of shipping; `None` when nothing is shipped. Collecting the goods,
    /// which may take less than a day, is no shipping.
    pub(crate) fn cheapest_shipping(&self) -> Option<Money> {
        let shipped = self.shipping.options.iter().filter(|option| option.days.from > 0);
        shipped.map(|option| option.price).min_by_key(|price| price.amount())
    }
}

impl Api<'_> {
    /// Returns what the cart costs. `request` is the body of `POST /shopping/quote`.
    pub(crate) async fn quote(self, token: &Token, request: &impl Serialize) -> Result<Quote> {
        self.post(Service::Shopping, "/quote").token(token).json(request).send().await
    }
}
