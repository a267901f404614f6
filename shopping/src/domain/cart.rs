//! The cart of a customer or a guest. It stores a snapshot of each product; its view shows the
//! catalogue's current prices.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use souk_contract::products::{ProductId, ProductSnapshot};
use souk_types::{Currency, Error, Money, Quantity, Result};

use super::cart_orders::CartOrders;
use super::catalogue::{Availability, Catalogue};
use super::quote::{Item, Quote, QuoteDiscount, QuoteTax, TaxBasis};

/// Maximum number of lines. So many fit into one call and one document.
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
        Self { items, total, price, stale: catalogue.is_unavailable() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use souk_contract::products::CatalogueEntry;
    use souk_types::{Price, TaxClass};

    use super::*;

    fn euros(cents: u64) -> Money {
        Money::new(cents, Currency::EUR).unwrap()
    }

    fn dollars(cents: u64) -> Price {
        Price::new(cents, Currency::try_from("USD").unwrap()).unwrap()
    }

    fn item(cents: u64) -> ProductSnapshot {
        ProductSnapshot {
            id: ProductId::new(),
            name: "Tea".to_owned(),
            price: Price::new(cents, Currency::EUR).unwrap(),
            image: None,
            category: "tea".to_owned(),
            tax_class: TaxClass::Standard,
            weight_grams: 100,
            digital: false,
        }
    }

    fn pieces(number: u64) -> Quantity {
        Quantity::try_from(number).unwrap()
    }

    fn quantities(cart: &Cart) -> Vec<u32> {
        cart.lines().iter().map(|line| line.quantity.get()).collect()
    }

    #[test]
    fn add_increases_a_quantity_and_set_replaces_it() {
        let (mut cart, tea, mug) = (Cart::default(), item(499), item(1200));
        cart.add(tea.clone(), pieces(2)).unwrap();
        cart.add(tea.clone(), pieces(3)).unwrap();
        cart.set(mug.clone(), pieces(7)).unwrap();
        cart.set(mug.clone(), pieces(1)).unwrap();
        assert_eq!(quantities(&cart), [5, 1]);
        assert!(cart.add(tea.clone(), pieces(995)).is_err(), "1,000 of one product");
        assert_eq!(quantities(&cart), [5, 1]);
        cart.remove(tea.id).unwrap();
        assert!(cart.remove(tea.id).is_err());
        assert_eq!(quantities(&cart), [1]);
    }

    #[test]
    fn a_cart_is_bounded_and_has_one_currency() {
        let mut cart = Cart::default();
        for _ in 0..MAX_LINES {
            cart.add(item(1), pieces(1)).unwrap();
        }
        assert_eq!(cart.add(item(1), pieces(1)).unwrap_err().code(), "conflict");
        let (mut cart, tea, mug) = (Cart::default(), item(1), item(1));
        cart.add(tea.clone(), pieces(1)).unwrap();
        let in_dollars = |product: &ProductSnapshot| ProductSnapshot { price: dollars(1), ..product.clone() };
        assert_eq!(cart.add(in_dollars(&mug), pieces(1)).unwrap_err().code(), "currency-mixed");
        cart.add(mug.clone(), pieces(1)).unwrap();
        assert_eq!(cart.add(in_dollars(&mug), pieces(1)).unwrap_err().code(), "currency-mixed");
        cart.remove(tea.id).unwrap();
        cart.add(in_dollars(&mug), pieces(1)).unwrap();
        assert_eq!(quantities(&cart), [2]);
    }

    #[test]
    fn a_stored_cart_that_breaks_a_rule_is_not_deserialised() {
        let (tea, mug) = (item(1), item(2));
        let jeans = ProductSnapshot { price: dollars(1), ..item(1) };
        let lines = |products: &[ProductSnapshot]| -> serde_json::Value {
            let line = |(number, product)| json!({"product": product, "quantity": 1, "number": number});
            products.iter().enumerate().map(line).collect()
        };
        let items = |number: usize| (0..number).map(|_| item(1)).collect::<Vec<_>>();
        for (case, stored, is_valid) in [
            ("empty", json!({"lines": []}), true),
            ("closed", json!({"lines": [], "closed": true}), true),
            ("two products", json!({"lines": lines(&[tea.clone(), mug]), "next_line": 2}), true),
            ("as many lines as fit", json!({"lines": lines(&items(MAX_LINES)), "next_line": MAX_LINES}), true),
            ("too many lines", json!({"lines": lines(&items(MAX_LINES + 1)), "next_line": 101}), false),
            ("one product twice", json!({"lines": lines(&[tea.clone(), tea.clone()]), "next_line": 2}), false),
            ("two currencies", json!({"lines": lines(&[tea.clone(), jeans]), "next_line": 2}), false),
            (
                "closed with lines",
                json!({"lines": lines(std::slice::from_ref(&tea)), "closed": true, "next_line": 1}),
                false,
            ),
            ("the number of a later line", json!({"lines": lines(&[tea])}), false),
            ("ordered before", json!({"lines": [], "next_line": 7, "orders": {"revision": 2}}), true),
        ] {
            let cart = serde_json::from_value::<Cart>(stored.clone());
            assert_eq!(cart.is_ok(), is_valid, "{case}: {cart:?}");
            if let Ok(cart) = cart {
                assert_eq!(serde_json::to_value(cart).unwrap(), stored, "{case}");
            }
        }
    }

    fn catalogue_of(products: &[&ProductSnapshot]) -> Catalogue {
        let entry = |product: &&ProductSnapshot| CatalogueEntry { product: (*product).clone(), available: 9 };
        Catalogue::new(products.iter().map(entry).collect())
    }

    #[test]
    fn a_line_in_another_currency_than_the_cart_is_marked_and_there_is_no_total() {
        use Availability::{CurrencyMixed, Discontinued, Ok};
        let (tea, mug) = (item(499), item(1200));
        let in_dollars = |product: &ProductSnapshot| ProductSnapshot { price: dollars(100), ..product.clone() };
        let mut cart = Cart::default();
        for item in [&tea, &mug] {
            cart.add(item.clone(), pieces(1)).unwrap();
        }
        let total = |amount, code| Some(Money::new(amount, Currency::try_from(code).unwrap()).unwrap());
        for (case, products, statuses, expected) in [
            ("unchanged", vec![tea.clone(), mug.clone()], [Ok, Ok], total(1699, "EUR")),
            ("the second changed", vec![tea.clone(), in_dollars(&mug)], [Ok, CurrencyMixed], None),
            ("the first changed", vec![in_dollars(&tea), mug.clone()], [CurrencyMixed, Ok], None),
            ("both changed", vec![in_dollars(&tea), in_dollars(&mug)], [Ok, Ok], total(200, "USD")),
            ("one is gone", vec![tea.clone()], [Ok, Discontinued], total(499, "EUR")),
            ("one is gone, one changed", vec![in_dollars(&mug)], [Discontinued, CurrencyMixed], None),
        ] {
            let view = CartView::new(&cart, &catalogue_of(&products.iter().collect::<Vec<_>>()), None);
            let shown: Vec<_> = view.items.iter().map(|item| item.status).collect();
            assert_eq!((shown.as_slice(), view.total), (statuses.as_slice(), expected), "{case}");
        }
        assert_eq!(CartView::new(&Cart::default(), &catalogue_of(&[]), None).total, Some(euros(0)));
    }

    #[test]
    fn the_rules_use_the_prices_that_are_shown() {
        let (tea, mug, jeans) = (item(499), item(1200), item(1));
        let in_dollars = |product: &ProductSnapshot| ProductSnapshot { price: dollars(100), ..product.clone() };
        let (dollar_tea, dollar_mug, dollar_jeans) = (in_dollars(&tea), in_dollars(&mug), in_dollars(&jeans));
        let refreshed = |products: &[&ProductSnapshot]| {
            let mut cart = Cart::default();
            for item in [&tea, &mug] {
                cart.add(item.clone(), pieces(1)).unwrap();
            }
            cart.refresh(&catalogue_of(products));
            cart
        };
        // The whole cart is in dollars today.
        let mut cart = refreshed(&[&dollar_tea, &dollar_mug]);
        assert_eq!(cart.add(jeans.clone(), pieces(1)).unwrap_err().code(), "currency-mixed");
        cart.add(dollar_jeans.clone(), pieces(1)).unwrap();
        cart.set(dollar_tea.clone(), pieces(5)).unwrap();
        // Only the mug is in dollars: the customer can remove it, and change the rest.
        let mut cart = refreshed(&[&tea, &dollar_mug]);
        assert_eq!(cart.set(dollar_mug.clone(), pieces(2)).unwrap_err().code(), "currency-mixed");
        assert_eq!(cart.add(dollar_jeans, pieces(1)).unwrap_err().code(), "currency-mixed");
        cart.add(jeans, pieces(1)).unwrap();
        cart.set(tea.clone(), pieces(5)).unwrap();
        cart.remove(mug.id).unwrap();
        let view = CartView::new(&cart, &catalogue_of(&[&tea]), None);
        assert_eq!(view.total, Some(euros(5 * 499)));
    }

    /// The cart has 5 teas and a mug when it is ordered; then the customer changes it.
    #[test]
    fn a_confirmed_order_removes_what_was_ordered_and_is_still_there() {
        type Change = fn(&mut Cart, ProductSnapshot);
        let changes: [(&str, Change, &[u32]); 6] = [
            ("nothing", |_, _| {}, &[]),
            ("adds two", |cart, tea| cart.add(tea, pieces(2)).unwrap(), &[2]),
            ("removes two", |cart, tea| cart.set(tea, pieces(3)).unwrap(), &[]),
            (
                "removes the line and adds it again",
                |cart, tea| {
                    cart.remove(tea.id).unwrap();
                    cart.add(tea, pieces(5)).unwrap();
                },
                &[5],
            ),
            ("adds another product", |cart, _| cart.add(item(1), pieces(4)).unwrap(), &[4]),
            ("empties the cart", |cart, _| cart.clear(), &[]),
        ];
        for (case, change, left) in changes {
            let (mut cart, tea) = (Cart::default(), item(499));
            cart.add(tea.clone(), pieces(5)).unwrap();
            cart.add(item(1200), pieces(1)).unwrap();
            let line = |line: &CartLine| OrderedLine { number: line.number, quantity: line.quantity };
            let ordered: Vec<_> = cart.lines().iter().map(line).collect();
            change(&mut cart, tea);
            let before = cart.clone();
            cart.complete_order(1, &ordered);
            assert_eq!(cart, before, "{case}: another order");
            cart.complete_order(0, &ordered);
            assert_eq!(quantities(&cart), left, "{case}");
            let again = cart.clone();
            cart.complete_order(0, &ordered);
            assert_eq!(cart, again, "{case}: confirmed again");
        }
    }

    #[test]
    fn the_view_has_current_prices_and_availability() {
        let (mut cart, tea, mug, lamp) = (Cart::default(), item(499), item(1200), item(9900));
        for item in [&tea, &mug, &lamp] {
            cart.add(item.clone(), pieces(2)).unwrap();
        }
        let mut dearer = tea.clone();
        dearer.price = Price::new(599, Currency::EUR).unwrap();
        let entries =
            vec![CatalogueEntry { product: dearer, available: 2 }, CatalogueEntry { product: mug, available: 1 }];
        let view = CartView::new(&cart, &Catalogue::new(entries), None);
        let shown: Vec<_> = view.items.iter().map(|item| (item.total.amount(), item.status, item.available)).collect();
        assert_eq!(
            shown,
            [
                (1198, Availability::Ok, Some(2)),
                (2400, Availability::Short, Some(1)),
                (19800, Availability::Discontinued, Some(0))
            ]
        );
        assert_eq!((view.total, view.stale), (Some(euros(1198 + 2400)), false));
    }

    #[test]
    fn a_view_without_a_catalogue_shows_snapshots_and_is_stale() {
        let (mut cart, tea) = (Cart::default(), item(499));
        cart.add(tea.clone(), pieces(2)).unwrap();
        let view = CartView::new(&cart, &Catalogue::unavailable(), None);
        assert_eq!((view.stale, view.total, &view.items[0].product), (true, Some(euros(998)), &tea));
        assert_eq!((view.items[0].status, view.items[0].available), (Availability::Unknown, None));
    }

    #[test]
    fn a_closed_cart_rejects_products() {
        let mut cart = Cart::default();
        cart.add(item(1), pieces(1)).unwrap();
        cart.close();
        assert!(cart.lines().is_empty());
        assert!(cart.add(item(1), pieces(1)).is_err());
    }
}
