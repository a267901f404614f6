//! The cart of a customer or a guest. It stores a snapshot of each product; its view shows the
//! catalogue's current prices.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use souk_contract::products::{ProductId, ProductSnapshot};
use souk_contract::shopping::OrderId;
use souk_types::{Currency, Error, Money, Quantity, Result};

use super::cart_orders::CartOrders;
use super::catalogue::{Availability, Catalogue};
use super::quote::{Item, Quote, QuoteDiscount, QuoteTax, TaxBasis};

/// Maximum number of lines, so that all fit into one call and one document.
const MAX_LINES: usize = 100;

/// A cart: at most [`MAX_LINES`] lines of different products, whose snapshots have one currency.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct Cart {
    lines: Vec<CartLine>,
    /// Whether the account is deleted. The empty document stays, so that a concurrent request
    /// cannot create the cart again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    closed: bool,
    /// The number of the next line.
    #[serde(skip_serializing_if = "is_zero")]
    next_line: u64,
    #[serde(skip_serializing_if = "CartOrders::is_empty")]
    pub(crate) orders: CartOrders,
}

#[derive(Deserialize)]
struct Unchecked {
    lines: Vec<CartLine>,
    #[serde(default)]
    closed: bool,
    #[serde(default)]
    next_line: u64,
    #[serde(default)]
    orders: CartOrders,
}

impl TryFrom<Unchecked> for Cart {
    type Error = &'static str;

    fn try_from(Unchecked { lines, closed, next_line, orders }: Unchecked) -> Result<Self, Self::Error> {
        let products: HashSet<_> = lines.iter().map(|line| line.product.id).collect();
        let mut currencies = lines.iter().map(|line| line.product.price.currency());
        let first = currencies.next();
        if lines.len() > MAX_LINES {
            return Err("a cart has too many lines");
        }
        if products.len() < lines.len() {
            return Err("a cart has two lines of one product");
        }
        if currencies.any(|currency| Some(currency) != first) {
            return Err("a cart has several currencies");
        }
        if closed && !lines.is_empty() {
            return Err("a closed cart has lines");
        }
        if lines.iter().any(|line| line.number >= next_line) {
            return Err("a line has the number of a later line");
        }
        Ok(Self { lines, closed, next_line, orders })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CartLine {
    /// The product as it was when the line was last changed.
    pub(crate) product: ProductSnapshot,
    pub(crate) quantity: Quantity,
    /// Distinguishes the line from an earlier line of the same product.
    pub(crate) number: u64,
}

/// A quantity of a cart's line that an order contains.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrderedLine {
    pub(crate) number: u64,
    pub(crate) quantity: Quantity,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Cart {
    /// Returns the lines, oldest first.
    pub(crate) fn lines(&self) -> &[CartLine] {
        &self.lines
    }

    /// Returns the number of pieces of all lines.
    pub(crate) fn pieces(&self) -> u32 {
        self.lines.iter().map(|line| line.quantity.get()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Errors: `validation` above the largest quantity; those of [`Cart::set`].
    pub(crate) fn add(&mut self, product: ProductSnapshot, quantity: Quantity) -> Result<()> {
        let quantity = match self.lines.iter().find(|line| line.product.id == product.id) {
            Some(line) => line.quantity.checked_add(quantity).map_err(|message| {
                Error::invalid_field("quantity", format!("{message}; {} are in the cart", line.quantity.get()))
            })?,
            None => quantity,
        };
        self.set(product, quantity)
    }

    /// Errors: `currency-mixed`; `conflict` for too many lines; `unauthenticated` when closed.
    pub(crate) fn set(&mut self, product: ProductSnapshot, quantity: Quantity) -> Result<()> {
        let mut others = self.lines.iter().filter(|line| line.product.id != product.id);
        if let Some(other) = others.find(|line| line.product.price.currency() != product.price.currency()) {
            return Err(mixed_currencies(other.product.price.currency(), product.price.currency()));
        }
        match self.lines.iter_mut().find(|line| line.product.id == product.id) {
            Some(line) => (line.product, line.quantity) = (product, quantity),
            None => self.append(product, quantity)?,
        }
        Ok(())
    }

    fn append(&mut self, product: ProductSnapshot, quantity: Quantity) -> Result<()> {
        if self.closed {
            return Err(Error::unauthenticated("The account is deleted."));
        }
        if self.lines.len() >= MAX_LINES {
            return Err(Error::conflict("conflict", format!("A cart has at most {MAX_LINES} lines.")));
        }
        self.lines.push(CartLine { product, quantity, number: self.next_line });
        self.next_line += 1;
        Ok(())
    }

    pub(crate) fn remove(&mut self, product: ProductId) -> Result<()> {
        let before = self.lines.len();
        self.lines.retain(|line| line.product.id != product);
        if self.lines.len() == before { Err(Error::not_found("product in the cart")) } else { Ok(()) }
    }

    /// Replaces the snapshots by the catalogue's current products, so that rules decide on the
    /// prices that the customer sees. A cart whose products have several currencies today keeps its
    /// snapshots, which have the currency that it was filled in.
    pub(crate) fn refresh(&mut self, catalogue: &Catalogue) {
        if self.is_mixed_today(catalogue) {
            return;
        }
        for line in &mut self.lines {
            line.product = catalogue.current(&line.product).clone();
        }
    }

    /// Whether the products have several currencies in the catalogue. Discontinued ones count, with
    /// the price that is shown.
    fn is_mixed_today(&self, catalogue: &Catalogue) -> bool {
        let mut currencies = self.lines.iter().map(|line| catalogue.current(&line.product).price.currency());
        let first = currencies.next();
        currencies.any(|currency| Some(currency) != first)
    }

    pub(crate) fn clear(&mut self) {
        self.lines.clear();
    }

    /// Removes the pieces of the order of a revision, once. A line that was added again after the
    /// order stays, and so do further pieces of an ordered line.
    pub(crate) fn complete_order(&mut self, revision: u64, ordered: &[OrderedLine]) {
        if !self.orders.complete(revision) {
            return;
        }
        self.lines.retain_mut(|line| {
            let Some(ordered) = ordered.iter().find(|ordered| ordered.number == line.number) else { return true };
            let left = line.quantity.checked_sub(ordered.quantity);
            left.is_some_and(|left| {
                line.quantity = left;
                true
            })
        });
    }

    pub(crate) fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn require_open(&self) -> Result<()> {
        if self.closed { Err(Error::unauthenticated("The account is deleted.")) } else { Ok(()) }
    }

    /// Returns the items that are for sale, at current prices; all of them while `products` is
    /// down.
    pub(crate) fn items_for_sale(&self, catalogue: &Catalogue) -> Vec<Item> {
        let item = |line: &CartLine| {
            let is_for_sale = catalogue.is_unavailable() || catalogue.get(line.product.id).is_some();
            is_for_sale.then(|| Item { product: catalogue.current(&line.product).clone(), quantity: line.quantity })
        };
        self.lines.iter().filter_map(item).collect()
    }

    pub(crate) fn product_ids(&self) -> Vec<ProductId> {
        self.lines.iter().map(|line| line.product.id).collect()
    }
}

pub(crate) fn mixed_currencies(one: Currency, other: Currency) -> Error {
    let detail = format!("An order has one currency, but there are products in {} and {}.", one.code(), other.code());
    Error::conflict("currency-mixed", detail)
}

#[derive(Debug, Serialize)]
pub(crate) struct CartView {
    items: Vec<CartItem>,
    /// `None` when an item is `currency-mixed`, because an admin has changed the currency of its
    /// product. Checkout rejects such a cart.
    total: Option<Money>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    price: Option<CartPrice>,
    /// Whether the items are snapshots, because `products` is down.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
    /// The order of this cart that is not decided yet. Until then no other is placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_under_way: Option<OrderId>,
}

/// The discounts and taxes in the total of a cart, without shipping. See [`Quote`].
#[derive(Debug, Serialize)]
struct CartPrice {
    discounts: Vec<QuoteDiscount>,
    taxes: Vec<QuoteTax>,
    tax_basis: TaxBasis,
    prices_include_tax: bool,
}

#[derive(Debug, Serialize)]
struct CartItem {
    product: ProductSnapshot,
    quantity: Quantity,
    total: Money,
    status: Availability,
    /// The quantity in stock; `None` while `products` is down.
    available: Option<u32>,
}

impl CartView {
    pub(crate) fn with_order_under_way(self, order: Option<OrderId>) -> Self {
        Self { order_under_way: order, ..self }
    }

    /// Returns the view of a cart. `quote` is the price of its items for sale, if it has one.
    pub(crate) fn new(cart: &Cart, catalogue: &Catalogue, quote: Option<Quote>) -> Self {
        let is_mixed = cart.is_mixed_today(catalogue);
        let item = |line: &CartLine| {
            let product = catalogue.current(&line.product).clone();
            let (mut status, available) = catalogue.availability(product.id, line.quantity.get());
            // All snapshots have the currency that the cart was filled in.
            if product.price.currency() != line.product.price.currency() && is_mixed {
                status = Availability::CurrencyMixed;
            }
            CartItem {
                total: product.price.line_total(line.quantity),
                product,
                quantity: line.quantity,
                status,
                available,
            }
        };
        let items: Vec<CartItem> = cart.lines.iter().map(item).collect();
        let for_sale = items.iter().filter(|item| item.status != Availability::Discontinued);
        let zero = Money::zero(items.first().map_or(Currency::EUR, |item| item.total.currency()));
        let sum = || Money::sum(for_sale.map(|item| item.total)).ok();
        let total = if is_mixed { None } else { sum().map(|total| total.unwrap_or(zero)) };
        let total = quote.as_ref().map_or(total, |quote| Some(quote.total));
        let price = quote.map(|Quote { discounts, taxes, tax_basis, prices_include_tax, .. }| CartPrice {
            discounts,
            taxes,
            tax_basis,
            prices_include_tax,
        });
        Self { items, total, price, stale: catalogue.is_unavailable(), order_under_way: None }
    }
}
