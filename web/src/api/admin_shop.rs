//! The documents of the shop and its discounts, for admins.

use serde::Deserialize;
use serde_json::Value;
use souk_contract::api::ApiMethod;
use souk_types::{Address, Country, Money, Timestamp};

use super::quote::Days;
use super::{Api, List, Result, Service, Tagged, Token};
use crate::links::encode;

/// A document of the shop, which admins replace as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Document {
    Settings,
    Taxes,
    Shipping,
}

impl Document {
    const fn target(self) -> &'static str {
        match self {
            Self::Settings => "/admin/settings",
            Self::Taxes => "/admin/taxes",
            Self::Shipping => "/admin/shipping",
        }
    }
}

/// The settings of the shop.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) legal_name: String,
    pub(crate) address: Option<Address>,
    pub(crate) vat_number: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) home_country: Country,
    pub(crate) currency: String,
    pub(crate) prices_include_tax: bool,
    pub(crate) order_numbers: OrderNumbers,
    pub(crate) one_stop_shop: bool,
    /// `off`, `format` or `vies`.
    pub(crate) reverse_charge: String,
    pub(crate) tax_registrations: Vec<Country>,
}

/// The format of order numbers.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OrderNumbers {
    pub(crate) prefix: String,
    pub(crate) first: u64,
}

/// A rate of tax.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TaxRate {
    pub(crate) country: Country,
    #[serde(default)]
    pub(crate) region: Option<String>,
    #[serde(default)]
    pub(crate) postal_codes: Option<String>,
    /// The class of products that it is for.
    pub(crate) class: String,
    /// In basis points.
    pub(crate) rate_bp: u32,
    pub(crate) from: Timestamp,
    #[serde(default)]
    pub(crate) until: Option<Timestamp>,
}

/// A zone of shipping.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Zone {
    pub(crate) name: String,
    /// Empty for all countries.
    #[serde(default)]
    pub(crate) countries: Vec<Country>,
    /// Empty for all regions of the countries.
    #[serde(default)]
    pub(crate) regions: Vec<String>,
    /// Empty for all postal codes.
    #[serde(default)]
    pub(crate) postal_codes: Vec<String>,
    pub(crate) methods: Vec<ZoneMethod>,
}

/// A method of shipping to a zone.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ZoneMethod {
    pub(crate) name: String,
    pub(crate) price: ZonePrice,
    #[serde(default)]
    pub(crate) free_from: Option<Money>,
    pub(crate) days: Days,
}

/// What shipping costs.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum ZonePrice {
    Flat { price: Money },
    ByWeight { brackets: Vec<WeightBracket> },
    ByTotal { brackets: Vec<TotalBracket> },
    Pickup,
}

/// A price up to a weight.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WeightBracket {
    pub(crate) up_to_grams: u64,
    pub(crate) price: Money,
}

/// A price from a total of goods.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TotalBracket {
    pub(crate) from: Money,
    pub(crate) price: Money,
}

/// A discount.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Discount {
    pub(crate) id: String,
    /// `None` for one that applies by itself.
    pub(crate) code: Option<String>,
    #[serde(flatten)]
    pub(crate) benefit: Benefit,
    pub(crate) minimum: Option<Money>,
    pub(crate) limit: Option<u64>,
    pub(crate) per_customer: Option<u64>,
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) products: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) combines: bool,
    /// The orders that have used it, if they are counted.
    pub(crate) used: Option<u64>,
}

/// What a discount takes off.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub(crate) enum Benefit {
    /// In basis points.
    Percent(u32),
    Amount(Money),
    FreeShipping,
}

impl Api<'_> {
    /// Returns a document with its entity tag.
    pub(crate) async fn document(self, token: &Token, document: Document) -> Result<Tagged<Value>> {
        self.get(Service::Shopping, document.target()).token(token).send_tagged().await
    }

    /// Replaces a document. Errors: 412 when it was replaced meanwhile.
    pub(crate) async fn replace_document(
        self,
        token: &Token,
        document: Document,
        tag: &str,
        value: &Value,
    ) -> Result<()> {
        let call = self.call(Service::Shopping, ApiMethod::Put, document.target()).token(token);
        call.header("If-Match", tag).json(value).send_without_reply().await
    }

    /// Returns the settings with their entity tag.
    pub(crate) async fn settings(self, token: &Token) -> Result<Tagged<Settings>> {
        self.get(Service::Shopping, Document::Settings.target()).token(token).send_tagged().await
    }

    /// Returns a page of discounts.
    pub(crate) async fn discounts(self, token: &Token, after: Option<&str>, limit: usize) -> Result<List<Discount>> {
        let after = after.map(|after| format!("&after={}", encode(after))).unwrap_or_default();
        self.get(Service::Shopping, format!("/admin/discounts?limit={limit}{after}")).token(token).send().await
    }

    /// Returns a discount with its entity tag.
    pub(crate) async fn discount(self, token: &Token, id: &str) -> Result<Tagged<Discount>> {
        self.get(Service::Shopping, format!("/admin/discounts/{}", encode(id))).token(token).send_tagged().await
    }

    /// Creates a discount. Errors: 409 `code-taken`, `too-many-discounts`.
    pub(crate) async fn create_discount(self, token: &Token, terms: &Value) -> Result<()> {
        self.post(Service::Shopping, "/admin/discounts").token(token).json(terms).send_without_reply().await
    }

    /// Changes a discount. Errors: 409 `code-taken`; 412 when it was changed meanwhile.
    pub(crate) async fn change_discount(self, token: &Token, id: &str, tag: &str, terms: &Value) -> Result<()> {
        let call = self.call(Service::Shopping, ApiMethod::Patch, format!("/admin/discounts/{}", encode(id)));
        call.token(token).header("If-Match", tag).json(terms).send_without_reply().await
    }

    /// Deletes a discount. Orders keep what it took off.
    pub(crate) async fn delete_discount(self, token: &Token, id: &str) -> Result<()> {
        let call = self.call(Service::Shopping, ApiMethod::Delete, format!("/admin/discounts/{}", encode(id)));
        call.token(token).send_without_reply().await
    }
}
