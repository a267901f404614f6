//! The books of this service, as an audit reads them: every order with its payment, what the demo bank says of it, and whose data was
//! erased.

use std::collections::HashSet;

use souk_contract::customer::CustomerId;
use souk_contract::products::{ReservationId, ReservationLine};
use souk_contract::shopping::{OrderConfirmed, OrderId, TimelineEntry};
use souk_http::auth::ClosedAccounts;
use souk_store::Database;
use souk_types::{Money, Result};

use crate::domain::order::{Order, Status};
use crate::domain::payment::{self, Method};
use crate::providers::demo::{Bank, DemoPayment};
use crate::repositories::{Carts, Orders};

/// One order.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id.
    pub order: OrderId,
    /// Whose it is.
    pub customer: Option<CustomerId>,
    /// The client's name for it.
    pub key: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Whether it ever was confirmed.
    pub was_confirmed: bool,
    /// Whether something is still to be done for it.
    pub is_under_way: bool,
    /// What was ordered.
    pub lines: Vec<ReservationLine>,
    /// What it costs.
    pub total: Option<Money>,
    /// The stock that it claims.
    pub reservation: ReservationId,
    /// Its payment: by whom, where, under which name.
    pub payment: Option<(Method, payment::Status, String)>,
}

/// Every order.
pub async fn orders(database: &Database) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    Orders::open(database)?.0.scan(|_, order| entries.push(order.entry())).await?;
    Ok(entries)
}

/// Every order that ever was confirmed, and whose it is; without those of nobody.
pub async fn confirmed(database: &Database) -> Result<Vec<(OrderId, CustomerId)>> {
    let mut confirmed = Vec::new();
    let tell = |_: &str, order: Order| {
        let entry = order.entry();
        confirmed.extend(entry.customer.filter(|_| entry.was_confirmed).map(|customer| (entry.order, customer)));
    };
    Orders::open(database)?.0.scan(tell).await?;
    Ok(confirmed)
}

/// What the demo bank has in its own books.
pub async fn bank(database: &Database) -> Result<Vec<DemoPayment>> {
    let mut payments = Vec::new();
    Bank::open(database)?.0.scan(|_, payment| payments.push(payment)).await?;
    Ok(payments)
}

/// Whose data was erased here.
pub async fn erased(database: &Database) -> Result<HashSet<CustomerId>> {
    ClosedAccounts::open(database)?.erased_customers().await
}

/// Who still has something in a cart.
pub async fn carts(database: &Database) -> Result<HashSet<CustomerId>> {
    let mut with_goods = HashSet::new();
    Carts::open(database)?
        .0
        .scan(|id, cart| with_goods.extend(id.parse().ok().filter(|_: &CustomerId| !cart.lines().is_empty())))
        .await?;
    Ok(with_goods)
}

/// All that is known of an order here; nothing, when there is none.
pub async fn happened(database: &Database, order: OrderId) -> Result<Vec<TimelineEntry>> {
    Ok(Orders::open(database)?.0.get(order).await?.map(|order| order.told()).unwrap_or_default())
}

/// Announces once more that these orders were confirmed, for a copy of the books in which the announcement was lost.
pub async fn announce_again(database: &Database, confirmed: &[(OrderId, CustomerId)]) -> Result<()> {
    let announce = |&(id, customer): &(OrderId, CustomerId)| OrderConfirmed { id, customer: Some(customer) };
    let events: Vec<OrderConfirmed> = confirmed.iter().map(announce).collect();
    database.run(|tx| std::future::ready(events.iter().try_for_each(|event| tx.publish(event).map(drop)))).await
}
