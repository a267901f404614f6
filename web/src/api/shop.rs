//! The public settings of the shop.

use serde::Deserialize;
use souk_types::{Address, Country, Money};

use super::quote::Days;
use super::{Api, Result, Service};

/// The public settings of the shop. The default is used until `shopping` has answered once.
#[derive(Clone, Deserialize)]
pub(crate) struct Shop {
    pub(crate) name: String,
    pub(crate) legal_name: String,
    pub(crate) address: Option<Address>,
    pub(crate) email: Option<String>,
    pub(crate) vat_number: Option<String>,
    pub(crate) prices_include_tax: bool,
    pub(crate) home_country: Option<Country>,
    /// The code of the currency of the prices.
    #[serde(default)]
    pub(crate) currency: String,
    /// The countries that the shop ships to; `None` for all.
    pub(crate) ships_to: Option<Vec<Country>>,
    /// The methods that orders can be paid by: `demo`, `stripe`. The first is the default.
    #[serde(default)]
    pub(crate) payment_methods: Vec<String>,
    /// The methods that ship to the home country.
    pub(crate) shipping: Vec<ShippingMethod>,
}

/// A method of shipping to the home country.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ShippingMethod {
    pub(crate) days: Days,
    /// The total of goods from which it is free.
    pub(crate) free_from: Option<Money>,
    /// Whether the customer collects the goods.
    pub(crate) pickup: bool,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            name: "Souk".to_owned(),
            legal_name: "Souk".to_owned(),
            address: None,
            email: None,
            vat_number: None,
            prices_include_tax: true,
            home_country: None,
            currency: String::new(),
            ships_to: None,
            payment_methods: Vec::new(),
            shipping: Vec::new(),
        }
    }
}

impl Shop {
    /// Returns the time until delivery in the home country by the first method that ships: the
    /// standard one.
    pub(crate) fn delivery(&self) -> Option<Days> {
        self.shipping.iter().find(|method| !method.pickup).map(|method| method.days)
    }

    /// Returns the lowest total of goods from which shipping to the home country is free.
    pub(crate) fn free_shipping_from(&self) -> Option<Money> {
        self.shipping.iter().filter_map(|method| method.free_from).min_by_key(|money| money.amount())
    }
}

impl Api<'_> {
    /// Returns the public settings of the shop.
    pub(crate) async fn shop(self) -> Result<Shop> {
        self.get(Service::Shopping, "/shop").send().await
    }
}
