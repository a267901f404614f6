//! Orders, with the queries of customers, admins and jobs, and their numbers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use souk_contract::customer::CustomerId;
use souk_contract::shopping::OrderId;
use souk_store::{Collection, Database, Direction, Document, Due, Events, Filter, Index, Total};
use souk_types::{CappedCount, Email, Error, IdempotencyKey, Network, Page, PageLimit, Paging, Result};

use crate::domain::cart_orders::CartClaim;
use crate::domain::order::Order;
use crate::domain::order::filters::{OrderFilters, OrderQuery, OrderSort};
use crate::domain::order::listing::payment_field;
use crate::domain::order::sales::GroupSales;
use crate::domain::owner::Owner;
use crate::domain::payment::PaymentMethod;
use crate::domain::settings::OrderNumbers;

static BY_CUSTOMER: Index = Index::by("by_customer", &["customer"]);
static BY_KEY: Index = Index::unique("by_key", &["placed_by", "key"]);
static BY_CLAIM: Index = Index::unique("by_claim", &["claim"]);
static BY_GUEST_EMAIL: Index = Index::by("by_guest_email", &["guest_email"]);
static BY_UNVERIFIED_PIECES: Index =
    Index::sorted("by_unverified_pieces", &["unverified_network"], "derived.unverified_pieces");
static BY_PAYMENT: Index = Index::by("by_payment", &["payment.reference"]);
static BY_DUE: Index = Index::sorted("by_due", &[], "schedule.due");
// The list of orders: see `Orders::list`.
static BY_STATE: Index = Index::by("by_state", &["status", "derived.payment"]);
static BY_COUNTRY: Index = Index::by("by_country", &["derived.country"]);
static BY_WORD: Index = Index::each("by_word", &["derived.words"]);
/// See `domain/order/sales.rs`.
static BY_SALE: Index = Index::sorted("by_sale", &["derived.sale.group"], "derived.sale.total");
static BY_DELETION: Index = Index::sorted("by_deletion", &[], "delete_at");

impl Document for Order {
    type Id = OrderId;
    const COLLECTION: &'static str = "orders";
    const NOUN: &'static str = "order";
    const INDEXES: &'static [Index] = &[
        BY_CUSTOMER,
        BY_KEY,
        BY_CLAIM,
        BY_GUEST_EMAIL,
        BY_UNVERIFIED_PIECES,
        BY_PAYMENT,
        BY_DUE,
        BY_STATE,
        BY_COUNTRY,
        BY_WORD,
        BY_SALE,
        BY_DELETION,
    ];
    const PUBLISHES: bool = true;

    fn derived(&self) -> Result<Option<Value>> {
        serde_json::to_value(self.list_fields()).map(Some).map_err(Error::internal)
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
        match filter(&query.filters)? {
            Some(filter) => self.0.filter(filter.page(query.paging)).await,
            None => Ok(Page::single(Vec::new())),
        }
    }

    /// Counts the orders that the filters select.
    pub(crate) async fn count(&self, filters: &OrderFilters) -> Result<CappedCount> {
        match filter(filters)? {
            Some(filter) => self.0.count(filter).await,
            None => Ok(CappedCount::default()),
        }
    }

    /// Returns the sales of each day and currency from this day on. Reads one index entry for each
    /// order of these days.
    pub(crate) async fn sales(&self, from: &str) -> Result<Vec<GroupSales>> {
        let totals = self.0.totals(&BY_SALE, from, None).await?;
        let sales = |Total { group, count, sum }| GroupSales { group, orders: count, total: sum };
        Ok(totals.into_iter().map(sales).collect())
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

    /// Returns the number of pieces in the unpaid orders of this network by guests and by accounts
    /// whose e-mail address was not verified. Reads one index entry for each order.
    pub(crate) async fn unverified_pieces(&self, network: Network) -> Result<u64> {
        let network = network.to_string();
        let totals = self.0.totals(&BY_UNVERIFIED_PIECES, &network, Some(&network)).await?;
        Ok(totals.iter().map(|total| total.sum).sum())
    }

    /// Returns a page of these orders.
    pub(crate) async fn of_network(&self, network: Network) -> Result<Vec<Order>> {
        let paging = Paging { after: None, limit: PageLimit::MOST };
        Ok(self.0.find(BY_UNVERIFIED_PIECES.find([network.to_string()]).page(paging)).await?.items)
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

    /// Changes the order, and returns it with the outcome of the rule.
    pub(crate) async fn update_with_outcome<R: Send + 'static>(
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

/// Returns the filter of the store; `None` when the search is for text without words, which finds
/// nothing.
fn filter(filters: &OrderFilters) -> Result<Option<Filter>> {
    let direction = match filters.sort {
        OrderSort::Newest => Direction::Descending,
        OrderSort::Oldest => Direction::Ascending,
    };
    let mut filter = Filter::all(direction);
    if let Some(words) = filters.words() {
        if words.is_empty() {
            return Ok(None);
        }
        filter = words.into_iter().fold(filter, |filter, word| filter.within(&BY_WORD, vec![vec![word]]));
    }
    if let Some((statuses, payments)) = filters.states() {
        let statuses: Vec<Value> =
            statuses.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(Error::internal)?;
        let payments = payments.into_iter().map(|payment| payment_field(payment).into()).collect();
        filter = filter.within(&BY_STATE, vec![statuses, payments]);
    }
    if let Some(country) = &filters.country {
        filter = filter.within(&BY_COUNTRY, vec![vec![country.as_str()]]);
    }
    if let Some(from) = filters.from {
        filter = filter.from(OrderId::first_at(from));
    }
    if let Some(to) = filters.to {
        filter = filter.before(OrderId::first_at(to));
    }
    Ok(Some(filter))
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
    pub(crate) fn open(database: &Database) -> Result<Self> {
        database.collection().map(Self)
    }

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
