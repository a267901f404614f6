//! Carts of customers and guests, and wishlists.

use std::collections::HashSet;

use souk_contract::customer::CustomerId;
use souk_store::{Collection, Database, Document, Due, Events, Index};
use souk_types::Result;

use crate::domain::cart::Cart;
use crate::domain::guest_cart::{GuestCart, GuestId};
use crate::domain::wishlist::Wishlist;

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

impl Document for Wishlist {
    type Id = CustomerId;
    const COLLECTION: &'static str = "wishlists";
}
/// Whether an account is deleted, which closes its cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CartState {
    Open,
    Closed,
}

#[derive(Clone)]
pub(crate) struct Carts(pub(super) Collection<Cart>);

impl Carts {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn get(&self, customer: CustomerId) -> Result<Cart> {
        Ok(self.0.get_for_update(customer).await?.unwrap_or_default())
    }

    /// Changes a customer's cart by a rule. A cart that is empty before and after is not created.
    pub(crate) async fn update<R: Send + 'static>(
        &self,
        customer: CustomerId,
        rule: impl Fn(&mut Cart) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let update = move |slot: &mut Option<Cart>, _: &mut Events| {
            let mut cart = slot.clone().unwrap_or_default();
            let outcome = rule(&mut cart)?;
            if slot.is_some() || !cart.is_empty() {
                *slot = Some(cart);
            }
            Ok(outcome)
        };
        self.0.upsert(customer, update).await
    }

    pub(crate) async fn customers_with_items(&self) -> Result<HashSet<CustomerId>> {
        let mut customers = HashSet::new();
        let visit = |id: &str, cart: Cart| {
            let id: Option<CustomerId> = id.parse().ok();
            customers.extend(id.filter(|_| !cart.is_empty()));
        };
        self.0.scan(visit).await?;
        Ok(customers)
    }
}

/// The carts of guests, and the tombstones of merged ones.
#[derive(Clone)]
pub(crate) struct GuestCarts(pub(super) Collection<GuestCart>);

impl GuestCarts {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn get(&self, id: GuestId) -> Result<Option<GuestCart>> {
        self.0.get_for_update(id).await
    }

    pub(crate) async fn update<R: Send + 'static>(
        &self,
        id: GuestId,
        rule: impl Fn(&mut Option<GuestCart>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.0.upsert(id, move |slot, _| rule(slot)).await
    }

    /// Returns a page of the guest carts that were merged into this customer's cart.
    pub(crate) async fn merged_into(&self, customer: CustomerId) -> Result<Vec<GuestCart>> {
        Ok(self.0.find(MERGED_INTO.find([customer.to_string()])).await?.items)
    }

    pub(crate) fn expired(&self) -> Due<GuestCart> {
        self.0.due(&BY_EXPIRY)
    }
}

#[derive(Clone)]
pub(crate) struct Wishlists(pub(super) Collection<Wishlist>);

impl Wishlists {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn get(&self, customer: CustomerId) -> Result<Wishlist> {
        Ok(self.0.get_for_update(customer).await?.unwrap_or_default())
    }

    pub(crate) async fn update<R: Send + 'static>(
        &self,
        customer: CustomerId,
        rule: impl Fn(&mut Wishlist) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.0.upsert(customer, move |slot, _| rule(slot.get_or_insert_default())).await
    }
}
