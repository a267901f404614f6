//! Domain-named queries. No rule lives here.

use souk_contract::customer::CustomerId;
use souk_contract::shopping::OrderId;
use souk_store::{Collection, Database, Direction, Document, Due, Index};
use souk_types::{Page, Paging, Result};

use crate::domain::cart::Cart;
use crate::domain::guest_cart::{GuestCart, GuestId};
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::order::Order;
use crate::domain::wishlist::Wishlist;
use crate::providers::guest_token::GuestKey;

static BY_CUSTOMER: Index = Index::by("by_customer", &["customer"]);
static BY_KEY: Index = Index::unique("by_key", &["customer", "key"]);
static BY_DUE: Index = Index::sorted("by_due", &[], "schedule.due");
static MERGED_INTO: Index = Index::by("merged_into", &["contents.into"]);
static BY_EXPIRY: Index = Index::sorted("by_expiry", &[], "expires");

impl Document for Cart {
    type Id = CustomerId;
    const COLLECTION: &'static str = "carts";
}

impl Document for GuestCart {
    type Id = GuestId;
    const COLLECTION: &'static str = "guest_carts";
    const INDEXES: &'static [Index] = &[MERGED_INTO, BY_EXPIRY];
}

impl Document for GuestKey {
    type Id = &'static str;
    const COLLECTION: &'static str = "guest_keys";
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

/// One cart for each guest, and the tombstones of those that went into a customer's.
#[derive(Clone)]
pub(crate) struct GuestCarts(pub(crate) Collection<GuestCart>);

impl GuestCarts {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    /// Some of those that went into a customer's cart; none when there are none.
    pub(crate) async fn merged_into(&self, customer: CustomerId) -> Result<Vec<GuestCart>> {
        Ok(self.0.find(MERGED_INTO.find([customer.to_string()])).await?.items)
    }

    /// Carts that have expired.
    pub(crate) fn expired(&self) -> Due<GuestCart> {
        self.0.due(&BY_EXPIRY)
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

    /// Orders that the background job must go on with.
    pub(crate) fn due(&self) -> Due<Order> {
        self.0.due(&BY_DUE)
    }
}
