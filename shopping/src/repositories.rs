//! The collections of this service, with queries in domain terms. No rule lives here: callers pass
//! rules in.

pub(crate) mod discount_uses;
pub(crate) mod shop;
pub(crate) mod shop_cache;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use souk_bus::Delivery;
use souk_contract::customer::{CustomerDeleted, CustomerId};
use souk_contract::shopping::OrderId;
use souk_store::{Collection, Database, Direction, Document, Due, Events, Filter, Index};
use souk_types::{Email, Error, Page, Paging, Result};

use self::discount_uses::DiscountUsesStore;
use crate::domain::cart::Cart;
use crate::domain::cart_orders::CartClaim;
use crate::domain::guest_cart::{GuestCart, GuestId};
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::order::Order;
use crate::domain::order::listing::{OrderQuery, OrderSort, payment_field};
use crate::domain::owner::Owner;
use crate::domain::payment::PaymentMethod;
use crate::domain::settings::OrderNumbers;
use crate::domain::wishlist::Wishlist;

static BY_CUSTOMER: Index = Index::by("by_customer", &["customer"]);
static BY_KEY: Index = Index::unique("by_key", &["placed_by", "key"]);
static BY_CLAIM: Index = Index::unique("by_claim", &["claim"]);
static BY_GUEST_EMAIL: Index = Index::by("by_guest_email", &["guest_email"]);
static BY_PAYMENT: Index = Index::by("by_payment", &["payment.reference"]);
static BY_DUE: Index = Index::sorted("by_due", &[], "schedule.due");
// The list of orders: see `Orders::list`.
static BY_STATE: Index = Index::by("by_state", &["status", "derived.payment"]);
static BY_COUNTRY: Index = Index::by("by_country", &["derived.country"]);
static BY_WORD: Index = Index::each("by_word", &["derived.words"]);
static BY_DELETION: Index = Index::sorted("by_deletion", &[], "delete_at");
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

impl Document for Order {
    type Id = OrderId;
    const COLLECTION: &'static str = "orders";
    const NOUN: &'static str = "order";
    const INDEXES: &'static [Index] = &[
        BY_CUSTOMER,
        BY_KEY,
        BY_CLAIM,
        BY_GUEST_EMAIL,
        BY_PAYMENT,
        BY_DUE,
        BY_STATE,
        BY_COUNTRY,
        BY_WORD,
        BY_DELETION,
    ];
    const PUBLISHES: bool = true;

    fn derived(&self) -> Result<Option<Value>> {
        serde_json::to_value(self.list_fields()).map(Some).map_err(Error::internal)
    }
}

/// Whether an account is deleted, which closes its cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CartState {
    Open,
    Closed,
}

/// All repositories of this service, and the transactions that span two of them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Repositories {
    database: Database,
    pub(crate) carts: Carts,
    pub(crate) guest_carts: GuestCarts,
    pub(crate) wishlists: Wishlists,
    pub(crate) orders: Orders,
    pub(crate) order_numbers: OrderNumberStore,
    pub(crate) discount_uses: DiscountUsesStore,
}

impl Repositories {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        Ok(Self {
            database: database.clone(),
            carts: Carts::open(database)?,
            guest_carts: GuestCarts(database.collection()?),
            wishlists: Wishlists(database.collection()?),
            orders: Orders::open(database)?,
            order_numbers: OrderNumberStore(database.collection()?),
            discount_uses: DiscountUsesStore::open(database)?,
        })
    }

    /// Changes the cart of an order's owner. A guest's cart that has expired or was merged is not
    /// changed.
    pub(crate) async fn change_cart<R: Default + Send + 'static>(
        &self,
        owner: Owner,
        rule: impl Fn(&mut Cart) -> R + Send + 'static,
    ) -> Result<(CartState, R)> {
        match owner {
            Owner::Customer(customer) => {
                let change = move |cart: &mut Cart| {
                    let outcome = rule(cart);
                    Ok((if cart.is_closed() { CartState::Closed } else { CartState::Open }, outcome))
                };
                self.carts.update(customer, change).await
            }
            Owner::Guest(guest) => {
                let change = move |slot: &mut Option<GuestCart>| {
                    let outcome = slot.as_mut().and_then(GuestCart::cart_mut).map(&rule);
                    Ok((CartState::Open, outcome.unwrap_or_default()))
                };
                self.guest_carts.update(guest, change).await
            }
        }
    }

    /// Changes a customer's cart and a guest's cart by a rule, in one transaction.
    pub(crate) async fn merge_carts<R>(
        &self,
        customer: CustomerId,
        guest: GuestId,
        rule: impl Fn(&mut Cart, &mut Option<GuestCart>) -> Result<R> + Sync,
    ) -> Result<R> {
        let (carts, guest_carts, rule) = (&self.carts.0, &self.guest_carts.0, &rule);
        self.database
            .run(|tx| async move {
                let stored = tx.get(carts, customer).await?.unwrap_or_default();
                let mut cart = stored.clone();
                let mut guest_cart = tx.get(guest_carts, guest).await?;
                let outcome = rule(&mut cart, &mut guest_cart)?;
                if cart != stored {
                    tx.put(carts, customer, &cart).await?;
                }
                if let Some(guest_cart) = guest_cart {
                    tx.put(guest_carts, guest, &guest_cart).await?;
                }
                Ok(outcome)
            })
            .await
    }

    /// Closes the cart and the wishlist of a deleted account, once for each event.
    pub(crate) async fn close_cart_and_wishlist(&self, deletion: &Delivery<CustomerDeleted>) -> Result<()> {
        let (carts, wishlists, customer) = (&self.carts.0, &self.wishlists.0, deletion.event.id);
        self.database
            .handle_once(deletion, |tx| async move {
                let mut cart = tx.get(carts, customer).await?.unwrap_or_default();
                let mut wishlist = tx.get(wishlists, customer).await?.unwrap_or_default();
                cart.close();
                wishlist.close();
                tx.put(carts, customer, &cart).await?;
                tx.put(wishlists, customer, &wishlist).await
            })
            .await
    }
}

#[derive(Clone)]
pub(crate) struct Carts(Collection<Cart>);

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
pub(crate) struct GuestCarts(Collection<GuestCart>);

impl GuestCarts {
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
pub(crate) struct Wishlists(Collection<Wishlist>);

impl Wishlists {
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

#[derive(Clone)]
pub(crate) struct Orders(Collection<Order>);

impl Orders {
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

    pub(crate) async fn get(&self, id: OrderId) -> Result<Option<Order>> {
        self.0.get(id).await
    }

    /// Returns a page of a customer's orders, newest first.
    pub(crate) async fn of_customer(&self, customer: CustomerId, paging: Paging) -> Result<Page<Order>> {
        let find = BY_CUSTOMER.find([customer.to_string()]);
        self.0.find(find.in_direction(Direction::Descending).page(paging)).await
    }

    /// Returns a page of all orders. A filter by state, payment or country, or one word, reads its
    /// index in order of the ids, which sort by the time when the orders were placed. Several walk
    /// the smallest of their index ranges.
    pub(crate) async fn list(&self, query: OrderQuery) -> Result<Page<Order>> {
        let direction = match query.sort {
            OrderSort::Newest => Direction::Descending,
            OrderSort::Oldest => Direction::Ascending,
        };
        let mut filter = Filter::all(direction);
        if let Some(words) = query.words() {
            if words.is_empty() {
                return Ok(Page::single(Vec::new()));
            }
            filter = words.into_iter().fold(filter, |filter, word| filter.within(&BY_WORD, vec![vec![word]]));
        }
        if let Some((statuses, payments)) = query.states() {
            let statuses: Vec<Value> =
                statuses.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(Error::internal)?;
            let payments = payments.into_iter().map(|payment| payment_field(payment).into()).collect();
            filter = filter.within(&BY_STATE, vec![statuses, payments]);
        }
        if let Some(country) = &query.country {
            filter = filter.within(&BY_COUNTRY, vec![vec![country.as_str()]]);
        }
        if let Some(from) = query.from {
            filter = filter.from(OrderId::first_at(from));
        }
        if let Some(to) = query.to {
            filter = filter.before(OrderId::first_at(to));
        }
        self.0.filter(filter.page(query.paging)).await
    }

    /// Returns a page of the orders on which an admin has worked.
    pub(crate) async fn of_admin(&self, admin: CustomerId) -> Result<Vec<Order>> {
        let filter = Filter::all(Direction::Ascending).within(&BY_WORD, vec![vec![admin.to_string()]]);
        Ok(self.0.filter(filter).await?.items)
    }

    pub(crate) async fn by_key(&self, owner: Owner, key: &IdempotencyKey) -> Result<Option<Order>> {
        let find = BY_KEY.find([owner.to_string(), key.to_string()]);
        Ok(self.0.find(find).await?.items.pop())
    }

    /// Returns the order that claims a revision of a cart.
    pub(crate) async fn by_claim(&self, claim: &CartClaim) -> Result<Option<Order>> {
        Ok(self.0.find(BY_CLAIM.find([claim.to_string()])).await?.items.pop())
    }

    /// Returns the latest orders of guests with this e-mail address that no account has taken over.
    pub(crate) async fn of_guests(&self, email: &Email) -> Result<Vec<Order>> {
        let find = BY_GUEST_EMAIL.find([email.as_str()]).in_direction(Direction::Descending);
        Ok(self.0.find(find).await?.items)
    }

    /// Errors: `duplicate` when the key or the claim has an order.
    pub(crate) async fn insert(&self, order: &Order) -> Result<()> {
        self.0.insert(order.id, order.clone()).await
    }

    /// Returns the order with this payment: `reference` is the provider's id of it.
    pub(crate) async fn by_payment(&self, method: PaymentMethod, reference: &str) -> Result<Option<Order>> {
        let orders = self.0.find(BY_PAYMENT.find([reference])).await?.items;
        Ok(orders.into_iter().find(|order| order.payment().is_some_and(|payment| payment.method == method)))
    }

    pub(crate) fn due(&self) -> Due<Order> {
        self.0.due(&BY_DUE)
    }

    /// Returns the refused orders that are due to be deleted.
    pub(crate) fn refused(&self) -> Due<Order> {
        self.0.due(&BY_DELETION)
    }

    /// Deletes an order if it was refused and nothing is left to release.
    pub(crate) async fn delete_refused(&self, id: OrderId) -> Result<()> {
        let delete = |slot: &mut Option<Order>, _: &mut Events| {
            slot.take_if(|order| order.is_deletable());
            Ok(())
        };
        self.0.upsert(id, delete).await
    }

    pub(crate) async fn update(
        &self,
        id: OrderId,
        rule: impl Fn(&mut Order, &mut Events) -> Result<()> + Send + 'static,
    ) -> Result<Order> {
        let update = move |order: &mut Order, events: &mut Events| {
            rule(order, events)?;
            Ok(order.clone())
        };
        self.0.update(id, update).await
    }

    /// Returns the order and the rule's outcome.
    pub(crate) async fn decide<R: Send + 'static>(
        &self,
        id: OrderId,
        rule: impl Fn(&mut Order, &mut Events) -> Result<R> + Send + 'static,
    ) -> Result<(Order, R)> {
        let update = move |order: &mut Order, events: &mut Events| {
            let outcome = rule(order, events)?;
            Ok((order.clone(), outcome))
        };
        self.0.update(id, update).await
    }

    /// Returns the order if the rule returns true; `None` also for an unknown order.
    pub(crate) async fn update_if_known(
        &self,
        id: OrderId,
        rule: impl Fn(&mut Order, &mut Events) -> Result<bool> + Send + 'static,
    ) -> Result<Option<Order>> {
        let update = move |slot: &mut Option<Order>, events: &mut Events| {
            let Some(order) = slot else { return Ok(None) };
            Ok(rule(order, events)?.then(|| order.clone()))
        };
        self.0.upsert(id, update).await
    }

    pub(crate) async fn for_each(&self, mut visit: impl FnMut(Order) + Send) -> Result<()> {
        self.0.scan(|_, order| visit(order)).await
    }
}

/// The last order number that was given.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct LastOrderNumber {
    number: u64,
}

impl Document for LastOrderNumber {
    type Id = &'static str;
    const COLLECTION: &'static str = "counters";
}

#[derive(Clone)]
pub(crate) struct OrderNumberStore(Collection<LastOrderNumber>);

impl OrderNumberStore {
    /// Takes the next number in the format of the shop. Concurrent calls of this process share a
    /// write.
    pub(crate) async fn next(&self, format: OrderNumbers) -> Result<u64> {
        let next = move |slot: &mut Option<LastOrderNumber>, _: &mut Events| {
            let number = format.after(slot.as_ref().map(|last| last.number));
            *slot = Some(LastOrderNumber { number });
            Ok(number)
        };
        self.0.upsert("order-number", next).await
    }
}
