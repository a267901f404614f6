//! The price of what a customer buys: lines, discounts, shipping, taxes, total. [`quote`] is the
//! only code that computes it: the cart, the quote, the order and the charge use it.

mod check;
mod compute;
mod discounts;
mod request;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use souk_contract::products::{ProductId, ProductSnapshot};
use souk_types::{Country, Currency, Money, Quantity, Result, Timestamp};

pub(crate) use self::request::{MethodId, QuoteRequest, optional_object};
use super::discount::{DiscountId, DiscountRefusal};
use super::shipping::DeliveryDays;
use super::shop::ShopConfig;
use super::tax::{Scheme, VatCheck};

/// A quantity of one product, at the price of its snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) product: ProductSnapshot,
    pub(crate) quantity: Quantity,
}

/// All that a quote is computed from, besides the documents of the shop and the time.
#[derive(Debug, Clone, Default)]
pub(crate) struct QuoteInput {
    pub(crate) items: Vec<Item>,
    pub(crate) request: QuoteRequest,
    /// Whether the buyer has an account, whose e-mail address is used when the request has none.
    pub(crate) has_account: bool,
    /// The result of the check of `request.vat_number`, if it has one.
    pub(crate) vat_check: Option<VatCheck>,
    /// The discounts whose limit is reached, in all or for this customer.
    pub(crate) exhausted: Vec<(DiscountId, DiscountRefusal)>,
}

/// Computes the price. It has no other input than its arguments.
///
/// Errors: `currency-mixed` when a product is priced in another currency than the shop's;
/// `tax-rate-missing` when the shop has no rate for the place of taxation; `total-too-large`.
pub(crate) fn quote(input: &QuoteInput, shop: &ShopConfig, now: Timestamp) -> Result<Quote> {
    compute::quote(input, shop, now)
}

/// A price with its parts. Its JSON is the one of `POST /shopping/quote`. An order stores the quote
/// that it was charged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quote {
    pub(crate) lines: Vec<QuoteLine>,
    pub(crate) shipping: QuoteShipping,
    /// The discounts that apply, and the codes of the request that do not, with the reason.
    pub(crate) discounts: Vec<QuoteDiscount>,
    /// The sums of net amounts and taxes for each rate, shipping included. Highest rate first.
    pub(crate) taxes: Vec<QuoteTax>,
    pub(crate) tax_basis: TaxBasis,
    /// The amount to pay: the gross of all lines, and shipping.
    pub(crate) total: Money,
    /// Whether `unit_price`, `discount` and the price of shipping include tax.
    pub(crate) prices_include_tax: bool,
    /// The fields of the request that an order needs in addition.
    pub(crate) missing: Vec<Missing>,
}

/// A line. `net + tax = gross`; with `prices_include_tax`, `gross = unit_price * quantity -
/// discount`, else `net` is that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QuoteLine {
    pub(crate) product_id: ProductId,
    pub(crate) name: String,
    pub(crate) quantity: Quantity,
    pub(crate) unit_price: Money,
    /// The share of all discounts.
    pub(crate) discount: Money,
    pub(crate) net: Money,
    pub(crate) tax: Money,
    pub(crate) gross: Money,
    pub(crate) tax_rate_bp: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QuoteShipping {
    /// The methods that ship to the address, or to the home country while there is no address.
    pub(crate) options: Vec<ShippingOption>,
    /// `None` until the request names a method, and when nothing is shipped.
    pub(crate) chosen: Option<MethodId>,
    /// The price of the chosen method, after discounts.
    pub(crate) price: Money,
    /// The tax on `price`, or included in it.
    pub(crate) tax: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShippingOption {
    pub(crate) id: MethodId,
    pub(crate) name: String,
    pub(crate) price: Money,
    /// The estimated time until delivery.
    pub(crate) days: DeliveryDays,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QuoteDiscount {
    /// `None` for an unknown code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<DiscountId>,
    /// `None` for an automatic discount.
    pub(crate) code: Option<String>,
    /// The amount that it takes off.
    pub(crate) amount: Money,
    /// Whether it takes something off and has a limit in all, so that the order must have claimed a
    /// use.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_counted: bool,
    /// The same for a limit of each customer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_counted_for_customer: bool,
    /// Why the code does not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<DiscountRefusal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QuoteTax {
    pub(crate) rate_bp: u32,
    pub(crate) net: Money,
    pub(crate) tax: Money,
}

/// The place whose tax is charged, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaxBasis {
    pub(crate) country: Country,
    pub(crate) scheme: Scheme,
    /// Whether no address is known, so that the home country is assumed.
    pub(crate) is_estimate: bool,
    /// How the VAT number was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vat_number: Option<VatCheck>,
}

/// A field that an order needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Missing {
    Email,
    ShippingAddress,
    BillingAddress,
    ShippingMethod,
}

impl Missing {
    /// Returns the name of the field in a request.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::ShippingAddress => "shipping_address",
            Self::BillingAddress => "billing_address",
            Self::ShippingMethod => "shipping_method",
        }
    }
}

impl QuoteLine {
    /// Returns the price of all units, before discounts.
    pub(crate) fn price(&self) -> Money {
        let amount = self.unit_price.amount() * u64::from(self.quantity.get());
        Money::new(amount, self.unit_price.currency()).unwrap_or(self.gross)
    }
}

impl Quote {
    /// Returns the discounts that apply.
    pub(crate) fn applied_discounts(&self) -> impl Iterator<Item = DiscountId> {
        self.discounts.iter().filter(|discount| discount.reason.is_none()).filter_map(|discount| discount.id)
    }

    /// Returns the net amount and the tax of the shipping, for each rate that it has: what the
    /// taxes contain beyond the lines.
    pub(crate) fn shipping_taxes(&self) -> Vec<QuoteTax> {
        let of_shipping = |total: &QuoteTax| {
            let lines = self.lines.iter().filter(|line| line.tax_rate_bp == total.rate_bp);
            let rest = lines.fold(total.clone(), |rest, line| QuoteTax {
                net: rest.net.minus(line.net).unwrap_or(rest.net),
                tax: rest.tax.minus(line.tax).unwrap_or(rest.tax),
                rate_bp: rest.rate_bp,
            });
            Some(rest).filter(|rest| !rest.net.is_zero() || !rest.tax.is_zero())
        };
        self.taxes.iter().filter_map(of_shipping).collect()
    }

    /// Returns the discounts that take something off, of which an order may need a use.
    pub(crate) fn used_discounts(&self) -> impl Iterator<Item = (DiscountId, &QuoteDiscount)> {
        let used = |discount: &&QuoteDiscount| discount.reason.is_none() && !discount.amount.is_zero();
        self.discounts.iter().filter(used).filter_map(|discount| Some((discount.id?, discount)))
    }

    /// Returns the discounts whose uses in all are counted.
    pub(crate) fn counted_discounts(&self) -> impl Iterator<Item = DiscountId> {
        self.discounts.iter().filter(|discount| discount.is_counted).filter_map(|discount| discount.id)
    }

    pub(crate) fn currency(&self) -> Currency {
        self.total.currency()
    }
}
