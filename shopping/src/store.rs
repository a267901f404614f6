//! Domain-named queries. No rule lives here.

use common::Timestamp;
use common::contract::customer::CustomerId;
use common::contract::shopping::OrderId;
use common::error::Result;
use common::page::{Cursor, Limit, Page, Paging};
use common::store::{Collection, Database, Direction, Document, Index};

use crate::cart::Cart;
use crate::idempotency::IdempotencyKey;
use crate::order::Order;
use crate::wishlist::Wishlist;

static BY_CUSTOMER: Index = Index::by("by_customer", &["customer"]);
static BY_KEY: Index = Index::unique("by_key", &["customer", "key"]);
static BY_DUE: Index = Index::sorted("by_due", &[], "due");

impl Document for Cart {
    type Id = CustomerId;
    const COLLECTION: &'static str = "carts";
}

impl Document for Wishlist {
    type Id = CustomerId;
    const COLLECTION: &'static str = "wishlists";
}

impl Document for Order {
    type Id = OrderId;
    const COLLECTION: &'static str = "orders";
    const NOUN: &'static str = "order";
    const INDEXES: &'static [Index] = &[BY_CUSTOMER, BY_KEY, BY_DUE];
}

/// One cart for each customer.
#[derive(Clone)]
pub(crate) struct Carts(pub(crate) Collection<Cart>);

impl Carts {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }
}

/// One wishlist for each customer.
#[derive(Clone)]
pub(crate) struct Wishlists(pub(crate) Collection<Wishlist>);

impl Wishlists {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }
}

/// The orders of all customers.
#[derive(Clone)]
pub(crate) struct Orders(pub(crate) Collection<Order>);

impl Orders {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    /// A customer's orders, newest first.
    pub(crate) async fn of(&self, customer: CustomerId, paging: Paging) -> Result<Page<Order>> {
        let find = BY_CUSTOMER.find([customer.to_string()]);
        self.0.find(find.in_direction(Direction::Descending).page(paging)).await
    }

    /// The order that a customer placed under a key.
    pub(crate) async fn by_key(&self, customer: CustomerId, key: &IdempotencyKey) -> Result<Option<Order>> {
        let find = BY_KEY.find([customer.to_string(), key.to_string()]);
        Ok(self.0.find(find).await?.items.pop())
    }

    /// A page of those that the sweeper must look at by now, the longest overdue first.
    pub(crate) async fn due(&self, now: Timestamp, after: Option<Cursor>) -> Result<Page<Order>> {
        let limit = Limit::try_from(100).unwrap_or_default();
        let mut page = self.0.find(BY_DUE.all().page(Paging { after, limit })).await?;
        page.items.retain(|order| order.is_due(now));
        // The first that is not due yet ends the list.
        page.next = page.next.filter(|_| page.items.len() == limit.get());
        Ok(page)
    }
}
