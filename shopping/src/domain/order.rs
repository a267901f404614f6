//! Orders: what they are, what may become of them, and how a customer sees them. How one is placed is in [`crate::application::checkout`].

mod history;
mod status;
#[cfg(test)]
mod tests;
mod transitions;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::products::{HeldLine, ProductSnapshot, ReservationId, ReservationLine};
use souk_contract::shopping::{OrderId, TimelineEntry, TimelineKind};
use souk_store::{Backoff, RetrySchedule};
use souk_types::{Error, Money, Page, Paging, Quantity, Result, Timestamp};

pub(crate) use self::history::Entry;
use self::history::Journal;
pub use self::history::Step;
pub use self::status::Status;
pub(crate) use self::transitions::{By, Todo, Turn};
use crate::App;
use crate::application::ledger;
use crate::domain::cart::{Cart, CartLine, mixed};
use crate::domain::idempotency::{Checkout, Fingerprint, IdempotencyKey};
use crate::domain::payment::{Charge, Means, Payment, PaymentView};

/// A step that somebody is at is done by then, or they have died: requests end after 5 s.
const STEP_WITHIN: Duration = Duration::from_secs(10);
/// Delays after an action that failed.
const RETRY_BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), factor: 2, longest: Duration::from_secs(16) };
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
    means: Means,
    status: Status,
    items: Vec<OrderItem>,
    /// There is one from the moment that the goods are held.
    payment: Option<Payment>,
    /// Why nothing came of it; the same answer for the same key.
    refusal: Option<Error>,
    /// The stock that is claimed for it.
    reservation: ReservationId,
    /// Until when that is held.
    held_until: Timestamp,
    history: Vec<Step>,
    journal: Journal,
    /// The ids of notices that were heard.
    notices: Vec<String>,
    created_at: Timestamp,
    /// When the job of orders goes on with it; not due when nothing is left to do.
    schedule: RetrySchedule,
}

/// One product of an order, at the price that it was ordered for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderItem {
    product: ProductSnapshot,
    quantity: Quantity,
    total: Money,
}

impl OrderItem {
    fn seen(line: &CartLine) -> Self {
        let (product, quantity) = (line.seen.clone(), line.quantity);
        Self { total: product.price.line_total(quantity), product, quantity }
    }

    fn held(line: HeldLine) -> Self {
        Self { total: line.product.price.line_total(line.quantity), product: line.product, quantity: line.quantity }
    }
}

impl Order {
    /// An order of all that is in the cart, not yet placed; its goods are to be held for so long.
    pub fn of(
        cart: &Cart,
        customer: CustomerId,
        key: IdempotencyKey,
        checkout: &Checkout,
        held_for: Duration,
    ) -> Result<Self> {
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
            means: checkout.payment.clone(),
            status: Status::Pending,
            items: cart.lines().iter().map(OrderItem::seen).collect(),
            payment: None,
            refusal: None,
            reservation: ReservationId::new(),
            held_until: now.after(held_for),
            history: vec![Step { status: Status::Pending, at: now, reason: None }],
            journal: Journal::default(),
            notices: Vec::new(),
            created_at: now,
            schedule: RetrySchedule::at(now.after(STEP_WITHIN)),
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

    /// Its payment, once there is one.
    #[must_use]
    pub fn payment(&self) -> Option<&Payment> {
        self.payment.as_ref()
    }

    /// The stock that is claimed for it.
    #[must_use]
    pub fn reservation(&self) -> ReservationId {
        self.reservation
    }

    /// Until when its stock is to be held.
    #[must_use]
    pub fn held_until(&self) -> Timestamp {
        self.held_until
    }

    /// What is to be held for it.
    #[must_use]
    pub fn lines(&self) -> Vec<ReservationLine> {
        self.items.iter().map(|item| ReservationLine { product: item.product.id, quantity: item.quantity }).collect()
    }

    /// The goods that are held, at the catalogue's prices. Errors: `currency-mixed`.
    pub(crate) fn priced(held: Vec<HeldLine>) -> Result<Vec<OrderItem>> {
        let items: Vec<OrderItem> = held.into_iter().map(OrderItem::held).collect();
        if let Some(first) = items.first()
            && let Some(other) = items.iter().find(|item| item.total.currency() != first.total.currency())
        {
            return Err(mixed(first.total.currency(), other.total.currency()));
        }
        Ok(items)
    }

    /// What these goods cost.
    pub(crate) fn charge(&self, items: &[OrderItem]) -> Result<Charge> {
        let amount = total(items)?.ok_or_else(|| Error::internal(format!("order {} has no items", self.id)))?;
        Ok(Charge { order: self.id, amount, means: self.means.clone(), until: self.held_until })
    }

    /// The charge of an order whose goods are held.
    pub(crate) fn its_charge(&self) -> Result<Charge> {
        self.charge(&self.items)
    }

    /// Something did not work, and will be tried again.
    pub(crate) fn retry(&mut self, entry: Entry) {
        self.journal.add(entry);
        self.look_again();
    }

    /// There is nothing new; the next look may wait longer.
    pub(crate) fn look_again(&mut self) {
        // A pending order has its time already.
        if self.schedule.due().is_some() && self.status != Status::Pending {
            self.schedule.back_off(Timestamp::now(), &RETRY_BACKOFF);
        }
    }

    /// Keeps in mind what was done.
    pub(crate) fn log(&mut self, entry: Entry) {
        self.journal.add(entry);
    }

    /// Forgets whose it is.
    pub fn forget_customer(&mut self) {
        (self.customer, self.key) = (None, None);
        self.means.forget();
    }

    /// What the customer is told: the order, or why nothing came of it.
    pub fn outcome(&self) -> Result<OrderView> {
        match &self.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(self.view()),
        }
    }

    /// All that is known of it in this service, in the order in which it was written down.
    pub(crate) fn told(&self) -> Vec<TimelineEntry> {
        let state = |step: &Step| TimelineEntry {
            at: step.at,
            service: "shopping".to_owned(),
            kind: TimelineKind::State,
            what: format!("{:?}", step.status).to_lowercase(),
            outcome: step.reason.as_deref().unwrap_or("ok").to_owned(),
            ms: None,
            request_id: None,
        };
        self.history.iter().map(state).chain(self.journal.told()).collect()
    }

    /// As an audit reads it.
    pub(crate) fn entry(&self) -> ledger::Entry {
        ledger::Entry {
            order: self.id,
            customer: self.customer,
            key: self.key.as_ref().map(ToString::to_string),
            status: self.status,
            was_confirmed: self.history.iter().any(|step| step.status == Status::Confirmed),
            is_under_way: self.schedule.due().is_some(),
            lines: self.lines(),
            total: self.total(),
            reservation: self.reservation,
            payment: self.payment.as_ref().map(|payment| (payment.method, payment.status, payment.reference.clone())),
        }
    }

    /// Returns the sum of the items; `None` while they have several currencies, because the catalogue changed one after
    /// the product was put in the cart. Checkout rejects such an order (`currency-mixed`) before it charges.
    fn total(&self) -> Option<Money> {
        total(&self.items).ok().flatten()
    }

    pub(crate) fn view(&self) -> OrderView {
        OrderView {
            id: self.id,
            status: self.status,
            items: self.items.clone(),
            total: self.total(),
            payment: self.payment.as_ref().map(Payment::view),
            history: self.history.clone(),
            created_at: self.created_at,
        }
    }
}

fn total(items: &[OrderItem]) -> Result<Option<Money>> {
    Money::sum(items.iter().map(|item| item.total))
}

/// An order as its customer sees it.
#[derive(Debug, Serialize)]
pub struct OrderView {
    id: OrderId,
    status: Status,
    items: Vec<OrderItem>,
    total: Option<Money>,
    payment: Option<PaymentView>,
    history: Vec<Step>,
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

/// Anybody's order, for an admin.
pub(crate) async fn any(app: &App, id: OrderId) -> Result<Order> {
    app.orders.0.get(id).await?.ok_or_else(|| Error::not_found("order"))
}

impl OrderView {
    /// Whether it has not been decided yet what becomes of it.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.status, Status::Pending | Status::Reserved | Status::Paid)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> OrderId {
        self.id
    }
}
