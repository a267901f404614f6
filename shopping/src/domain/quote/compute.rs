//! The computation of a quote, step by step: unit prices, discounts, shipping, taxes, total.
//!
//! Lines are computed in the order of their products' ids, so that the order in the cart changes no
//! amount.

use std::collections::BTreeMap;

use souk_types::{Currency, Error, Money, Result, TaxClass, Timestamp};

use super::discounts::{self, Goods};
use super::{
    Item, Missing, Quote, QuoteDiscount, QuoteInput, QuoteLine, QuoteShipping, QuoteTax, ShippingOption, TaxBasis,
};
use crate::domain::location::Location;
use crate::domain::rounding::Rounding;
use crate::domain::shipping::{Method, Parcel};
use crate::domain::shop::ShopConfig;
use crate::domain::tax::{Taxation, taxation};

pub(super) fn quote(input: &QuoteInput, shop: &ShopConfig, now: Timestamp) -> Result<Quote> {
    let context = Context::new(input, shop, now)?;
    let lines = context.unit_prices()?;
    let subtotals: Vec<u64> = lines.iter().map(Line::subtotal).collect();
    let goods =
        Goods { lines: lines.iter().map(|line| &line.item.product).zip(subtotals).collect(), ..context.goods() };
    let applied = discounts::apply(input, shop, &goods, now, |total| context.expected_shipping(&lines, total));
    let lines: Vec<Line<'_>> =
        lines.into_iter().zip(&applied.by_line).map(|(line, discount)| Line { discount: *discount, ..line }).collect();
    let options = context.shipping_options(&lines, sum(lines.iter().map(Line::amount)))?;
    let full_price = context.chosen_price(&options)?;
    let price = if applied.frees_shipping { 0 } else { full_price };
    let shipping_parts = context.split_shipping(&lines, price, |line| line.rate_bp);
    let mut taxes: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let mut shipping_tax = 0;
    let line_parts = lines.iter().map(|line| (line.rate_bp, line.amount(), false));
    let shipping_parts = shipping_parts.into_iter().map(|(rate_bp, amount)| (rate_bp, amount, true));
    for (rate_bp, amount, is_shipping) in line_parts.chain(shipping_parts) {
        let (net, tax) = context.net_and_tax(amount, rate_bp);
        let (net_sum, tax_sum) = taxes.entry(rate_bp).or_default();
        (*net_sum, *tax_sum) = (net_sum.saturating_add(net), tax_sum.saturating_add(tax));
        shipping_tax += if is_shipping { tax } else { 0 };
    }
    let total = sum(taxes.values().flat_map(|(net, tax)| [*net, *tax]));
    let money = |amount| context.money(amount);
    let quoted_tax = |(rate_bp, (net, tax))| Ok(QuoteTax { rate_bp, net: money(net)?, tax: money(tax)? });
    let mut quoted: Vec<(usize, QuoteLine)> =
        lines.iter().map(|line| Ok((line.position, context.quoted_line(line)?))).collect::<Result<_>>()?;
    quoted.sort_by_key(|(position, _)| *position);
    let used = applied.used.into_iter().map(|(discount, amount)| {
        let amount = if discount.is_free_shipping() { full_price } else { amount };
        let code = discount.terms.code.as_ref().map(ToString::to_string);
        let (id, amount) = (Some(discount.id), money(amount)?);
        let is_counted = discount.terms.limit.is_some() && !amount.is_zero();
        let is_counted_for_customer = discount.terms.per_customer.is_some() && !amount.is_zero();
        Ok(QuoteDiscount { id, code, amount, is_counted, is_counted_for_customer, reason: None })
    });
    let refused = applied.refused.into_iter().map(|(code, id, reason)| {
        let code = Some(code.to_string());
        let (is_counted, is_counted_for_customer) = (false, false);
        Ok(QuoteDiscount { id, code, amount: money(0)?, is_counted, is_counted_for_customer, reason: Some(reason) })
    });
    Ok(Quote {
        lines: quoted.into_iter().map(|(_, line)| line).collect(),
        discounts: used.chain(refused).collect::<Result<_>>()?,
        taxes: taxes.into_iter().rev().map(quoted_tax).collect::<Result<_>>()?,
        tax_basis: TaxBasis {
            country: context.taxation.place.country.clone(),
            scheme: context.taxation.scheme,
            is_estimate: context.is_estimate,
            vat_number: input.vat_check,
        },
        total: money(total)?,
        prices_include_tax: context.includes_tax,
        missing: context.missing(),
        shipping: QuoteShipping {
            chosen: context.method.map(|method| method.id.clone()),
            options,
            price: money(price)?,
            tax: money(shipping_tax)?,
        },
    })
}

/// A line while it is computed.
struct Line<'q> {
    /// Its position in the cart.
    position: usize,
    item: &'q Item,
    unit_price: u64,
    rate_bp: u32,
    /// The rate that is included in the shop's prices.
    home_rate_bp: u32,
    discount: u64,
}

impl Line<'_> {
    fn subtotal(&self) -> u64 {
        self.unit_price.saturating_mul(self.item.quantity.get().into())
    }

    fn amount(&self) -> u64 {
        self.subtotal().saturating_sub(self.discount)
    }

    fn is_shipped(&self) -> bool {
        !self.item.product.digital
    }
}

/// What holds for the whole quote.
struct Context<'q> {
    input: &'q QuoteInput,
    shop: &'q ShopConfig,
    now: Timestamp,
    currency: Currency,
    rounding: Rounding,
    has_goods: bool,
    /// The place that goods are shipped to.
    destination: Location,
    method: Option<&'q Method>,
    taxation: Taxation,
    is_estimate: bool,
    /// Whether the prices of the quote include tax.
    includes_tax: bool,
}

impl<'q> Context<'q> {
    fn new(input: &'q QuoteInput, shop: &'q ShopConfig, now: Timestamp) -> Result<Self> {
        let (settings, request) = (&shop.settings, &input.request);
        for item in &input.items {
            require_currency(item, settings.currency)?;
        }
        let has_goods = input.items.iter().any(|item| !item.product.digital);
        let shipping = request.shipping_address.as_ref().map(Location::from);
        let billing = request.billing_address.as_ref().map(Location::from);
        let destination = shipping.clone().unwrap_or_else(|| settings.home());
        let method = if has_goods { chosen_method(input, shop, &destination)? } else { None };
        let is_pickup = method.is_some_and(Method::is_pickup);
        let known = if has_goods { shipping.or(billing) } else { billing.or(shipping) };
        let known = if is_pickup { Some(settings.home()) } else { known };
        let vat = request.vat_number.as_ref().zip(input.vat_check);
        let taxation = taxation(settings, known.as_ref().unwrap_or(&settings.home()), has_goods, vat);
        Ok(Self {
            input,
            shop,
            now,
            currency: settings.currency,
            rounding: Rounding::of(settings.currency),
            has_goods,
            destination,
            method,
            is_estimate: known.is_none(),
            includes_tax: settings.prices_include_tax && !taxation.scheme.is_untaxed(),
            taxation,
        })
    }

    /// Returns the lines at unit prices, in the order of their products' ids. The prices of a sale
    /// without tax are those of the shop without the home country's tax.
    fn unit_prices(&self) -> Result<Vec<Line<'q>>> {
        let mut lines = Vec::with_capacity(self.input.items.len());
        for (position, item) in self.input.items.iter().enumerate() {
            let class = item.product.tax_class;
            let home_rate_bp = if self.removes_home_tax() { self.home_rate(class)? } else { 0 };
            let rate_bp = if self.taxation.scheme.is_untaxed() {
                0
            } else {
                self.shop.taxes.rate(&self.taxation.place, class, self.now)?
            };
            let unit_price = self.rounding.net_of(item.product.price.amount(), home_rate_bp);
            lines.push(Line { position, item, unit_price, rate_bp, home_rate_bp, discount: 0 });
        }
        lines.sort_by_key(|line| (line.item.product.id, line.position));
        Ok(lines)
    }

    fn removes_home_tax(&self) -> bool {
        self.shop.settings.prices_include_tax && !self.includes_tax
    }

    fn home_rate(&self, class: TaxClass) -> Result<u32> {
        self.shop.taxes.rate(&self.shop.settings.home(), class, self.now)
    }

    fn goods(&self) -> Goods<'q> {
        Goods { lines: Vec::new(), currency: self.currency, rounding: self.rounding, is_shipped: self.has_goods }
    }

    /// Returns the price of shipping that discounts are compared with: of the chosen method, or of
    /// the cheapest.
    fn expected_shipping(&self, lines: &[Line<'_>], total: u64) -> u64 {
        let options = self.shipping_options(lines, total).unwrap_or_default();
        let chosen = options.iter().find(|option| self.method.is_some_and(|method| method.id == option.id));
        chosen.or_else(|| options.iter().min_by_key(|option| option.price.amount())).map_or(0, |o| o.price.amount())
    }

    /// Returns the methods for goods that cost `total` after discounts.
    fn shipping_options(&self, lines: &[Line<'_>], total: u64) -> Result<Vec<ShippingOption>> {
        if !self.has_goods {
            return Ok(Vec::new());
        }
        let weight = |line: &Line<'_>| u64::from(line.item.product.weight_grams) * u64::from(line.item.quantity.get());
        let grams = sum(lines.iter().filter(|line| line.is_shipped()).map(weight));
        let parcel = Parcel { grams, total: self.money(total)? };
        let option = |(method, price): (&Method, Money)| {
            let parts = self.split_shipping(lines, price.amount(), |line| line.home_rate_bp);
            let price = sum(parts.into_iter().map(|(rate_bp, amount)| self.rounding.net_of(amount, rate_bp)));
            let (id, name) = (method.id.clone(), method.name.to_string());
            Ok(ShippingOption { id, name, price: self.money(price)?, days: method.days })
        };
        self.shop.shipping.options(&self.destination, parcel).into_iter().map(option).collect()
    }

    /// Errors: `validation` when the goods are too heavy or too cheap for the chosen method.
    fn chosen_price(&self, options: &[ShippingOption]) -> Result<u64> {
        let Some(method) = self.method else { return Ok(0) };
        match options.iter().find(|option| option.id == method.id) {
            Some(option) => Ok(option.price.amount()),
            None => Err(unavailable_method("is not available for goods of this weight or total", options)),
        }
    }

    /// Splits a price of shipping over the rates of the shipped goods, in proportion to their
    /// amounts. Highest rate first.
    fn split_shipping(&self, lines: &[Line<'_>], price: u64, rate: impl Fn(&Line<'_>) -> u32) -> Vec<(u32, u64)> {
        let shipped = || lines.iter().filter(|line| line.is_shipped());
        let has_amount = shipped().any(|line| line.amount() > 0);
        let mut weights: BTreeMap<u32, u64> = BTreeMap::new();
        for line in shipped() {
            // Goods that are free of charge count by their pieces.
            let weight = if has_amount { line.amount() } else { line.item.quantity.get().into() };
            let sum = weights.entry(rate(line)).or_default();
            *sum = sum.saturating_add(weight);
        }
        let (rates, weights): (Vec<u32>, Vec<u64>) = weights.into_iter().rev().unzip();
        let parts = self.rounding.spread(price, &weights);
        rates.into_iter().zip(parts).filter(|(_, part)| *part > 0).collect()
    }

    fn net_and_tax(&self, amount: u64, rate_bp: u32) -> (u64, u64) {
        if self.includes_tax {
            let net = self.rounding.net_of(amount, rate_bp);
            (net, amount.saturating_sub(net))
        } else {
            (amount, self.rounding.tax_on(amount, rate_bp))
        }
    }

    fn quoted_line(&self, line: &Line<'_>) -> Result<QuoteLine> {
        let (net, tax) = self.net_and_tax(line.amount(), line.rate_bp);
        Ok(QuoteLine {
            product_id: line.item.product.id,
            name: line.item.product.name.clone(),
            quantity: line.item.quantity,
            unit_price: self.money(line.unit_price)?,
            discount: self.money(line.discount)?,
            net: self.money(net)?,
            tax: self.money(tax)?,
            gross: self.money(net.saturating_add(tax))?,
            tax_rate_bp: line.rate_bp,
        })
    }

    fn missing(&self) -> Vec<Missing> {
        let request = &self.input.request;
        let is_pickup = self.method.is_some_and(Method::is_pickup);
        let needs_shipping = self.has_goods && !is_pickup;
        let no_shipping_address = request.shipping_address.is_none();
        let no_address = no_shipping_address && request.billing_address.is_none();
        let needed = [
            (Missing::Email, !self.input.has_account && request.email.is_none()),
            (Missing::ShippingAddress, needs_shipping && no_shipping_address),
            (Missing::BillingAddress, !needs_shipping && no_address),
            (Missing::ShippingMethod, self.has_goods && self.method.is_none()),
        ];
        needed.into_iter().filter(|(_, is_missing)| *is_missing).map(|(field, _)| field).collect()
    }

    /// Errors: `total-too-large`.
    fn money(&self, amount: u64) -> Result<Money> {
        Money::new(amount, self.currency).map_err(|_| {
            let detail = "The total is too large to be charged; order fewer pieces at once.";
            Error::unprocessable("total-too-large", detail)
        })
    }
}

fn require_currency(item: &Item, currency: Currency) -> Result<()> {
    let product = &item.product;
    if product.price.currency() == currency {
        return Ok(());
    }
    let (own, name) = (product.price.currency(), &product.name);
    let detail = format!(
        "The shop sells in {}, and the price of {name} is in {}. Remove it from the cart.",
        currency.code(),
        own.code()
    );
    Err(Error::conflict("currency-mixed", detail).with_member("product_id", product.id.to_string()))
}

/// Errors: `validation` for an unknown method, or one that does not ship to the destination.
fn chosen_method<'q>(input: &QuoteInput, shop: &'q ShopConfig, destination: &Location) -> Result<Option<&'q Method>> {
    let Some(id) = &input.request.shipping_method else { return Ok(None) };
    match shop.shipping.method(destination, id) {
        Some(method) => Ok(Some(method)),
        None if shop.shipping.knows(id) => {
            let message = format!("does not ship to this address in {}", destination.country.as_str());
            Err(unavailable_method(&message, &[]))
        }
        None => Err(unavailable_method("is not a shipping method of this shop", &[])),
    }
}

fn unavailable_method(problem: &str, options: &[ShippingOption]) -> Error {
    let remedy = "; choose one of the shipping options of POST /shopping/quote";
    let ids: Vec<String> = options.iter().map(|option| option.id.to_string()).collect();
    let error = Error::invalid_field("shipping_method", format!("{problem}{remedy}"));
    if ids.is_empty() { error } else { error.with_member("options", ids) }
}

/// A sum above [`Money::MAX_AMOUNT`] is refused where it becomes money.
fn sum(amounts: impl Iterator<Item = u64>) -> u64 {
    amounts.fold(0, u64::saturating_add)
}
