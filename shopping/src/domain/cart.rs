//! The cart of a customer or a guest: which products, how many of each. Prices are not kept but asked for, whenever somebody looks; what
//! was last seen of a product only serves for those that are no longer sold, and while nobody can be asked.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::products::{CatalogueEntry, ProductId, ProductSnapshot};
use souk_types::input::{Fields, Input};
use souk_types::{Currency, Error, Money, Quantity, Result};

use crate::App;
use crate::domain::guest_cart::{self as guest, Guest};

/// Lines in one cart. All of them travel in one call and stand in one document.
const MAX_LINES: usize = 100;

/// A cart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cart {
    lines: Vec<CartLine>,
    /// The account is deleted. The empty document stays, so that a change which is still under way finds it closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    closed: bool,
}

/// So many of a product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CartLine {
    /// The product as it was when the line was last changed.
    pub seen: ProductSnapshot,
    /// How many.
    pub quantity: Quantity,
}

impl Cart {
    /// Its lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> &[CartLine] {
        &self.lines
    }

    /// Puts more of a product in.
    pub fn add(&mut self, item: ProductSnapshot, quantity: Quantity) -> Result<()> {
        match self.lines.iter_mut().find(|line| line.seen.id == item.id) {
            Some(line) => {
                line.quantity = line.quantity.checked_add(quantity).map_err(|message| {
                    Error::invalid_field("quantity", format!("{message}; {} are in the cart", line.quantity.get()))
                })?;
                line.seen = item;
                Ok(())
            }
            None => self.append(item, quantity),
        }
    }

    /// Makes it so many of a product.
    pub fn set(&mut self, item: ProductSnapshot, quantity: Quantity) -> Result<()> {
        match self.lines.iter_mut().find(|line| line.seen.id == item.id) {
            Some(line) => {
                *line = CartLine { seen: item, quantity };
                Ok(())
            }
            None => self.append(item, quantity),
        }
    }

    fn append(&mut self, item: ProductSnapshot, quantity: Quantity) -> Result<()> {
        if self.closed {
            return Err(Error::unauthenticated("The account is deleted."));
        }
        if self.lines.len() >= MAX_LINES {
            return Err(Error::conflict("conflict", format!("A cart has at most {MAX_LINES} lines.")));
        }
        if let Some(first) = self.lines.first().filter(|first| first.seen.price.currency() != item.price.currency()) {
            let (cart, product) = (first.seen.price.currency(), item.price.currency());
            return Err(mixed(cart, product));
        }
        self.lines.push(CartLine { seen: item, quantity });
        Ok(())
    }

    /// Takes a product out.
    pub fn remove(&mut self, product: ProductId) -> Result<()> {
        let before = self.lines.len();
        self.lines.retain(|line| line.seen.id != product);
        if self.lines.len() == before { Err(Error::not_found("product in the cart")) } else { Ok(()) }
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.lines.clear();
    }

    /// Takes out what was ordered; what was put in meanwhile stays.
    pub fn take(&mut self, ordered: impl Iterator<Item = (ProductId, Quantity)>) {
        for (product, quantity) in ordered {
            self.lines.retain_mut(|line| {
                if line.seen.id != product {
                    return true;
                }
                line.quantity.checked_sub(quantity).map(|left| line.quantity = left).is_some()
            });
        }
    }

    /// Empties it for good.
    pub fn close(&mut self) {
        (self.lines, self.closed) = (Vec::new(), true);
    }

    /// Whether the account is deleted.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn ids(&self) -> Vec<ProductId> {
        self.lines.iter().map(|line| line.seen.id).collect()
    }
}

/// Two currencies cannot be added up.
pub(crate) fn mixed(one: Currency, other: Currency) -> Error {
    let detail = format!("One order has one currency: the cart is in {}, the product in {}.", one.code(), other.code());
    Error::conflict("currency-mixed", detail)
}

/// A cart as clients see it.
#[derive(Debug, Serialize)]
pub struct CartView {
    items: Vec<CartItem>,
    /// `None` when the catalogue has changed a product's currency since, so that the items have several. Checkout
    /// rejects such a cart (`currency-mixed`).
    total: Option<Money>,
    /// `products` could not be asked: these are the products as they were last seen.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

#[derive(Debug, Serialize)]
struct CartItem {
    product: ProductSnapshot,
    quantity: Quantity,
    total: Money,
    status: Status,
    /// `None` when it is not known now.
    available: Option<u32>,
}

/// Whether a product can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Yes.
    Ok,
    /// There are fewer than wanted.
    Short,
    /// It is no longer sold.
    Gone,
    /// It is not known now.
    Unknown,
}

impl Status {
    /// Of `wanted` pieces.
    pub(crate) fn of(offer: Option<&CatalogueEntry>, wanted: u32) -> Self {
        match offer {
            None => Self::Gone,
            Some(offer) if offer.available < wanted => Self::Short,
            Some(_) => Self::Ok,
        }
    }

    /// As [`Status::of`], with the number that is available, among offers that may not be known.
    pub(crate) fn among(
        offers: Option<&HashMap<ProductId, CatalogueEntry>>,
        product: ProductId,
        wanted: u32,
    ) -> (Self, Option<u32>) {
        let Some(offers) = offers else { return (Self::Unknown, None) };
        let offer = offers.get(&product);
        (Self::of(offer, wanted), Some(offer.map_or(0, |offer| offer.available)))
    }
}

impl CartView {
    /// With the offers of this moment, if they are known.
    fn new(cart: &Cart, offers: Option<&HashMap<ProductId, CatalogueEntry>>) -> Self {
        let items: Vec<CartItem> = cart
            .lines
            .iter()
            .map(|line| {
                let offer = offers.and_then(|offers| offers.get(&line.seen.id));
                let product = offer.map_or(&line.seen, |offer| &offer.product).clone();
                let (status, available) = Status::among(offers, line.seen.id, line.quantity.get());
                CartItem {
                    total: product.price.line_total(line.quantity),
                    product,
                    quantity: line.quantity,
                    status,
                    available,
                }
            })
            .collect();
        let counted = items.iter().filter(|item| item.status != Status::Gone).map(|item| item.total);
        let empty = items.first().map_or(Currency::EUR, |item| item.total.currency());
        let total = Money::sum(counted).ok().map(|total| total.unwrap_or(Money::zero(empty)));
        Self { items, total, stale: offers.is_none() }
    }
}

/// The body of `POST /cart`.
pub struct Addition {
    product: ProductId,
    quantity: Quantity,
}

impl Input for Addition {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (product, quantity) = (fields.required("product_id"), fields.required("quantity"));
        Some(Self { product: product?, quantity: quantity? })
    }
}

/// The body of `PUT /cart/{product_id}`.
pub struct Setting(pub Quantity);

impl Input for Setting {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("quantity").map(Self)
    }
}

/// Whose cart.
#[derive(Debug, Clone, Copy)]
pub enum Owner {
    /// Somebody with an account.
    Customer(CustomerId),
    /// Somebody without.
    Guest(Guest),
}

/// The cart as it is kept.
async fn kept(app: &App, owner: Owner) -> Result<Cart> {
    match owner {
        Owner::Customer(customer) => Ok(app.carts.0.get(customer).await?.unwrap_or_default()),
        Owner::Guest(guest) => guest::look(app, guest).await,
    }
}

/// Changes the cart by a rule; one that is empty before and after is not made.
async fn change<R: Send + 'static>(
    app: &App,
    owner: Owner,
    rule: impl Fn(&mut Cart) -> Result<R> + Send + 'static,
) -> Result<R> {
    match owner {
        Owner::Customer(customer) => {
            let change = move |slot: &mut Option<Cart>, _: &mut _| {
                let mut cart = slot.clone().unwrap_or_default();
                let outcome = rule(&mut cart)?;
                if slot.is_some() || !cart.lines.is_empty() {
                    *slot = Some(cart);
                }
                Ok(outcome)
            };
            app.carts.0.upsert(customer, change).await
        }
        Owner::Guest(guest) => guest::change(app, guest, rule).await,
    }
}

/// The cart, at the prices of this moment; while `products` is down, as it was last seen.
pub async fn view(app: &App, owner: Owner) -> Result<CartView> {
    let cart = kept(app, owner).await?;
    let offers = app.offers_if_known(cart.ids()).await?;
    Ok(CartView::new(&cart, offers.as_ref()))
}

/// Puts more of a product in.
pub async fn add(app: &App, owner: Owner, addition: Addition) -> Result<CartView> {
    let quantity = addition.quantity;
    put(app, owner, addition.product, move |cart, item| cart.add(item, quantity)).await
}

/// Makes it so many of a product.
pub async fn set(app: &App, owner: Owner, product: ProductId, quantity: Quantity) -> Result<CartView> {
    put(app, owner, product, move |cart, item| cart.set(item, quantity)).await
}

async fn put(
    app: &App,
    owner: Owner,
    product: ProductId,
    rule: impl Fn(&mut Cart, ProductSnapshot) -> Result<()> + Send + 'static,
) -> Result<CartView> {
    // One call answers whether the product exists and what the cart shows afterwards.
    let mut asked = kept(app, owner).await?.ids();
    asked.push(product);
    let mut offers = app.offers(asked.clone()).await?;
    let item = offers.get(&product).ok_or_else(|| Error::not_found("product"))?.product.clone();
    let put = move |cart: &mut Cart| {
        rule(cart, item.clone())?;
        Ok(cart.clone())
    };
    let cart = change(app, owner, put).await?;
    // Another device may have put something in meanwhile.
    if cart.ids().iter().any(|id| !asked.contains(id)) {
        offers = app.offers(cart.ids()).await?;
    }
    Ok(CartView::new(&cart, Some(&offers)))
}

/// Takes a product out.
pub async fn remove(app: &App, owner: Owner, product: ProductId) -> Result<()> {
    change(app, owner, move |cart| cart.remove(product)).await
}

/// Takes everything out.
pub async fn clear(app: &App, owner: Owner) -> Result<()> {
    let clear = |cart: &mut Cart| {
        cart.clear();
        Ok(())
    };
    change(app, owner, clear).await
}

#[cfg(test)]
mod tests {
    use souk_types::Price;

    use super::*;

    fn item(cents: u64) -> ProductSnapshot {
        let price = Price::new(cents, Currency::EUR).unwrap();
        ProductSnapshot { id: ProductId::new(), name: "Tea".to_owned(), price, image: None }
    }

    fn euros(cents: u64) -> Money {
        Money::new(cents, Currency::EUR).unwrap()
    }

    fn pieces(number: u64) -> Quantity {
        Quantity::try_from(number).unwrap()
    }

    fn quantities(cart: &Cart) -> Vec<u32> {
        cart.lines().iter().map(|line| line.quantity.get()).collect()
    }

    #[test]
    fn adding_adds_and_setting_sets() {
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
        let (mut cart, mut dollars) = (Cart::default(), item(1));
        dollars.price = Price::new(dollars.price.amount(), Currency::try_from("USD").unwrap()).unwrap();
        cart.add(item(1), pieces(1)).unwrap();
        assert_eq!(cart.add(dollars, pieces(1)).unwrap_err().code(), "currency-mixed");
    }

    #[test]
    fn what_was_ordered_leaves_and_what_came_meanwhile_stays() {
        let (mut cart, tea, mug) = (Cart::default(), item(499), item(1200));
        cart.add(tea.clone(), pieces(5)).unwrap();
        cart.add(mug.clone(), pieces(1)).unwrap();
        cart.take([(tea.id, pieces(3)), (mug.id, pieces(1)), (ProductId::new(), pieces(1))].into_iter());
        assert_eq!(quantities(&cart), [2]);
        cart.take([(tea.id, pieces(3))].into_iter());
        assert_eq!(quantities(&cart), [0; 0]);
    }

    #[test]
    fn the_view_has_current_prices_and_marks_what_is_short_or_gone() {
        let (mut cart, tea, mug, lamp) = (Cart::default(), item(499), item(1200), item(9900));
        for item in [&tea, &mug, &lamp] {
            cart.add(item.clone(), pieces(2)).unwrap();
        }
        let mut dearer = tea.clone();
        dearer.price = Price::new(599, Currency::EUR).unwrap();
        let offers = [CatalogueEntry { product: dearer, available: 2 }, CatalogueEntry { product: mug, available: 1 }];
        let offers = offers.into_iter().map(|offer| (offer.product.id, offer)).collect();
        let view = CartView::new(&cart, Some(&offers));
        let shown: Vec<_> = view.items.iter().map(|item| (item.total.amount(), item.status, item.available)).collect();
        assert_eq!(
            shown,
            [(1198, Status::Ok, Some(2)), (2400, Status::Short, Some(1)), (19800, Status::Gone, Some(0))]
        );
        assert_eq!((view.total, view.stale), (Some(euros(1198 + 2400)), false));
    }

    #[test]
    fn items_of_several_currencies_have_no_total() {
        let (mut cart, tea, mug) = (Cart::default(), item(499), item(1200));
        for item in [&tea, &mug] {
            cart.add(item.clone(), pieces(1)).unwrap();
        }
        let price = Price::new(1200, Currency::try_from("USD").unwrap()).unwrap();
        let offers = [
            CatalogueEntry { product: tea, available: 1 },
            CatalogueEntry { product: ProductSnapshot { price, ..mug }, available: 1 },
        ];
        let offers = offers.into_iter().map(|offer| (offer.product.id, offer)).collect();
        assert_eq!(CartView::new(&cart, Some(&offers)).total, None);
        assert_eq!(CartView::new(&Cart::default(), Some(&offers)).total, Some(euros(0)));
    }

    #[test]
    fn a_view_without_offers_is_stale_and_shows_what_was_last_seen() {
        let (mut cart, tea) = (Cart::default(), item(499));
        cart.add(tea.clone(), pieces(2)).unwrap();
        let view = CartView::new(&cart, None);
        assert_eq!((view.stale, view.total, &view.items[0].product), (true, Some(euros(998)), &tea));
        assert_eq!((view.items[0].status, view.items[0].available), (Status::Unknown, None));
    }

    #[test]
    fn a_closed_cart_takes_nothing() {
        let mut cart = Cart::default();
        cart.add(item(1), pieces(1)).unwrap();
        cart.close();
        assert!(cart.lines().is_empty());
        assert!(cart.add(item(1), pieces(1)).is_err());
    }
}
