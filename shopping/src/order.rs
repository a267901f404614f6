//! Orders: what they are, what may become of them, and how a customer sees them. How one is placed is in [`crate::checkout`].

use std::time::Duration;

use common::contract::customer::CustomerId;
use common::contract::products::{HeldLine, Item, Line};
use common::contract::shopping::OrderId;
use common::error::{Error, Result};
use common::page::{Page, Paging};
use common::{Money, Quantity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::App;
use crate::cart::{Cart, CartLine, mixed};
use crate::idempotency::{Checkout, Fingerprint, IdempotencyKey};
use crate::payment::{Means, Payment};

/// Stock is held for this long; an order that is not paid by then is off.
pub const HELD_FOR: Duration = Duration::from_mins(15);
/// A checkout that takes longer has died: requests end after 5 s.
const CHECKOUT_WITHIN: Duration = Duration::from_secs(10);

/// An order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Whose it is; nobody's, when the account is deleted.
    customer: Option<CustomerId>,
    /// The client's name for the attempt to place it.
    key: Option<IdempotencyKey>,
    /// Of the request that came with the key.
    fingerprint: Fingerprint,
    /// How it is to be paid.
    pub(crate) means: Means,
    status: Status,
    items: Vec<OrderItem>,
    payment: Option<Payment>,
    /// Why it was rejected; the same answer for the same key.
    refusal: Option<Error>,
    created_at: Timestamp,
    /// When the sweeper must look at it; never, when nothing is left to do.
    due: Option<Timestamp>,
}

/// Where an order stands. `pending -> confirmed -> cancelled`, or `pending -> rejected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being placed.
    Pending,
    /// Paid, and its goods are sold.
    Confirmed,
    /// Nothing came of it.
    Rejected,
    /// Taken back after it was confirmed.
    Cancelled,
}

/// One product of an order, at the price that it was ordered for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderItem {
    product: Item,
    quantity: Quantity,
    total: Money,
}

impl OrderItem {
    fn seen(line: &CartLine) -> Self {
        let (product, quantity) = (line.seen.clone(), line.quantity);
        Self { total: product.price.times(quantity), product, quantity }
    }

    fn held(line: HeldLine) -> Self {
        Self { total: line.item.price.times(line.quantity), product: line.item, quantity: line.quantity }
    }
}

impl Order {
    /// An order of all that is in the cart, not yet placed.
    pub fn of(cart: &Cart, customer: CustomerId, key: IdempotencyKey, checkout: &Checkout) -> Result<Self> {
        if cart.is_closed() {
            return Err(Error::unauthenticated("The account is deleted."));
        }
        if cart.lines().is_empty() {
            return Err(Error::conflict("cart-empty", "There is nothing in the cart."));
        }
        let now = Timestamp::now();
        Ok(Self {
            id: OrderId::new(),
            customer: Some(customer),
            key: Some(key),
            fingerprint: checkout.fingerprint()?,
            means: checkout.payment,
            status: Status::Pending,
            items: cart.lines().iter().map(OrderItem::seen).collect(),
            payment: None,
            refusal: None,
            created_at: now,
            due: Some(now.after(CHECKOUT_WITHIN)),
        })
    }

    /// Refuses another request under the same key.
    pub fn require_same(&self, checkout: &Checkout) -> Result<()> {
        if self.fingerprint == checkout.fingerprint()? {
            return Ok(());
        }
        Err(Error::unprocessable("key-reused", "This Idempotency-Key was used with another body."))
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whose it is.
    #[must_use]
    pub fn customer(&self) -> Option<CustomerId> {
        self.customer
    }

    /// Whether the sweeper must look at it by `now`.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// How long its stock may be held.
    #[must_use]
    pub fn held_until(&self) -> Timestamp {
        self.created_at.after(HELD_FOR)
    }

    /// What is to be held for it.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.items.iter().map(|item| Line { product: item.product.id, quantity: item.quantity }).collect()
    }

    /// The stock is held: these are the goods, at the catalogue's prices. Errors: `currency-mixed`.
    pub fn price(&mut self, held: Vec<HeldLine>) -> Result<()> {
        let items: Vec<OrderItem> = held.into_iter().map(OrderItem::held).collect();
        if let Some(first) = items.first()
            && let Some(other) = items.iter().find(|item| item.total.currency != first.total.currency)
        {
            return Err(mixed(first.total.currency, other.total.currency));
        }
        self.items = items;
        Ok(())
    }

    /// It is paid and its goods are sold. `false` when that was known before.
    pub fn confirm(&mut self, priced: &Self, payment: Payment) -> Result<bool> {
        match self.status {
            Status::Pending => {
                self.items.clone_from(&priced.items);
                (self.status, self.payment, self.due) = (Status::Confirmed, Some(payment), None);
                Ok(true)
            }
            Status::Confirmed | Status::Cancelled => Ok(false),
            Status::Rejected => Err(Error::internal(format!("order {} was rejected and then sold", self.id))),
        }
    }

    /// Nothing comes of it. What was decided before stands.
    pub fn reject(&mut self, refusal: Error, payment: Option<Payment>) {
        if self.status == Status::Pending {
            (self.status, self.payment, self.refusal, self.due) = (Status::Rejected, payment, Some(refusal), None);
        }
    }

    /// It is taken back. `false` when it was before.
    pub fn cancel(&mut self) -> Result<bool> {
        match self.status {
            Status::Confirmed => {
                self.status = Status::Cancelled;
                self.payment = self.payment.map(Payment::refunded);
                // The goods are still to be given back.
                self.due = Some(Timestamp::now());
                Ok(true)
            }
            Status::Cancelled => Ok(false),
            Status::Pending | Status::Rejected => {
                Err(Error::conflict("order-state", "Only a confirmed order can be cancelled."))
            }
        }
    }

    /// The goods of a cancelled order are given back.
    pub fn goods_returned(&mut self) {
        if self.status == Status::Cancelled {
            self.due = None;
        }
    }

    /// Forgets whose it is.
    pub fn forget_customer(&mut self) {
        (self.customer, self.key) = (None, None);
    }

    /// What the customer is told: the order, or why nothing came of it.
    pub fn outcome(&self) -> Result<OrderView> {
        match &self.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(self.view()),
        }
    }

    fn view(&self) -> OrderView {
        let total = self.items.iter().map(|item| item.total).reduce(|sum, more| sum.plus(more).unwrap_or(sum));
        OrderView {
            id: self.id,
            status: self.status,
            items: self.items.clone(),
            total,
            payment: self.payment,
            created_at: self.created_at,
        }
    }
}

/// An order as its customer sees it.
#[derive(Debug, Serialize)]
pub struct OrderView {
    id: OrderId,
    status: Status,
    items: Vec<OrderItem>,
    total: Option<Money>,
    payment: Option<Payment>,
    created_at: Timestamp,
}

/// A page of a customer's orders, newest first.
pub async fn list(app: &App, customer: CustomerId, paging: Paging) -> Result<Page<OrderView>> {
    Ok(app.orders.of(customer, paging).await?.map(|order| order.view()))
}

/// One of a customer's orders. Another's order is as good as none.
pub async fn get(app: &App, customer: CustomerId, id: OrderId) -> Result<OrderView> {
    own(app, customer, id).await.map(|order| order.view())
}

pub(crate) async fn own(app: &App, customer: CustomerId, id: OrderId) -> Result<Order> {
    let order = app.orders.0.get(id).await?.filter(|order| order.customer == Some(customer));
    order.ok_or_else(|| Error::not_found("order"))
}

impl OrderView {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> OrderId {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use common::Kind;
    use common::contract::products::ProductId;
    use common::money::Currency;

    use super::*;

    fn pending() -> Order {
        let price = Money { amount: 499, currency: Currency::EUR };
        let item = Item { id: ProductId::new(), name: "Tea".to_owned(), price, image: None };
        let mut cart = Cart::default();
        cart.add(item, Quantity::try_from(2).unwrap()).unwrap();
        Order::of(&cart, CustomerId::new(), "k".parse().unwrap(), &Checkout::default()).unwrap()
    }

    fn paid() -> Payment {
        Means::default().charge().unwrap()
    }

    type Move = (&'static str, fn(&mut Order) -> Result<bool>);
    type Way = (Status, fn(&mut Order));

    /// Every move from every state: what it becomes, or which error.
    #[test]
    fn only_legal_moves_change_an_order() {
        let moves: [Move; 3] = [
            ("confirm", |order| order.confirm(&order.clone(), paid())),
            ("reject", |order| {
                order.reject(Error::conflict("out-of-stock", "x"), None);
                Ok(true)
            }),
            ("cancel", Order::cancel),
        ];
        let states: [Way; 4] = [
            (Status::Pending, |_| {}),
            (Status::Confirmed, |order| drop(order.confirm(&order.clone(), paid()))),
            (Status::Rejected, |order| order.reject(Error::conflict("out-of-stock", "x"), None)),
            (Status::Cancelled, |order| {
                order.confirm(&order.clone(), paid()).unwrap();
                order.cancel().unwrap();
            }),
        ];
        let expected = [
            (Status::Pending, ["Confirmed", "Rejected", "Conflict"]),
            (Status::Confirmed, ["Confirmed before", "Confirmed", "Cancelled"]),
            (Status::Rejected, ["Internal", "Rejected", "Conflict"]),
            (Status::Cancelled, ["Cancelled before", "Cancelled", "Cancelled before"]),
        ];
        for ((status, prepare), (_, outcomes)) in states.iter().zip(expected) {
            for ((name, step), outcome) in moves.iter().zip(outcomes) {
                let mut order = pending();
                prepare(&mut order);
                assert_eq!(order.status(), *status);
                let became = match step(&mut order) {
                    Ok(true) => format!("{:?}", order.status()),
                    Ok(false) => format!("{:?} before", order.status()),
                    Err(error) => format!("{:?}", error.kind()),
                };
                assert_eq!(became, outcome, "{name} when {status:?}");
            }
        }
    }

    #[test]
    fn a_rejected_order_keeps_its_answer() {
        let mut order = pending();
        order.reject(Error::conflict("out-of-stock", "x").with("items", "left"), None);
        let again = order.outcome().unwrap_err();
        assert_eq!(
            (again.kind(), again.code(), &again.members()["items"]),
            (Kind::Conflict, "out-of-stock", &"left".into())
        );
    }

    #[test]
    fn the_same_key_takes_the_same_request_only() {
        let order = pending();
        assert!(order.require_same(&Checkout::default()).is_ok());
        let declined =
            common::input::from_json(serde_json::json!({"payment": {"method": "demo", "token": "demo_declined"}}));
        assert_eq!(order.require_same(&declined.unwrap()).unwrap_err().code(), "key-reused");
    }

    #[test]
    fn a_cancelled_order_is_refunded_and_due_until_its_goods_are_back() {
        let mut order = pending();
        order.confirm(&order.clone(), paid()).unwrap();
        assert!(order.due.is_none());
        assert!(order.cancel().unwrap());
        assert_eq!(order.payment.unwrap().status, crate::payment::Status::Refunded);
        assert!(order.is_due(Timestamp::now()));
        order.goods_returned();
        assert!(order.due.is_none());
    }
}
