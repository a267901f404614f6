//! Placing an order, and what follows: pending -> stock held -> paid -> stock sold -> confirmed and cart emptied; or given up, with
//! stock and money given back. What is next is the order's to say (`Order::todo`); here it is done, one step after the other, each
//! of which can be done again: whoever comes after a crash or a lost answer (the client with the same key, a notice of the payment,
//! or the sweeper) carries on.
//!
//! Two decisions count: the payment's, at its provider, says whether there is money; the reservation's, in `products`, whether the
//! goods are sold. The order, here, follows both.

mod steps;

use std::time::Duration;

use souk_contract::customer::CustomerId;
use souk_contract::shopping::{OrderCancelled, OrderId, TimelineKind};
use souk_store::Events;
use souk_types::{Error, Result};
use tokio::time::Instant;

pub(crate) use self::steps::carry_on;
use crate::App;
use crate::domain::idempotency::{Checkout, IdempotencyKey};
use crate::domain::order::{self, By, Entry, Order, OrderView, Turn};
use crate::domain::payment::Notice;

/// What a database has written is on most of its nodes within milliseconds; without them it is not at all.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);
/// A look-up costs a round trip.
const GLANCE: Duration = Duration::from_millis(20);

/// What became of a request to order.
pub struct Placed {
    /// The order, or why nothing came of it.
    pub outcome: Result<OrderView>,
    /// Whether the key had been used before.
    pub replayed: bool,
}

/// Orders what is in the cart. The same key with the same request gives the same outcome, however often it comes.
pub async fn place(app: &App, customer: CustomerId, key: IdempotencyKey, checkout: Checkout) -> Result<Placed> {
    let (order, replayed) = match app.orders.by_key(customer, &key).await? {
        Some(order) => (order, true),
        None => match begin(app, customer, &key, &checkout).await {
            Ok(order) => (order, false),
            Err(error) if error.is_duplicate() => (winner(app, customer, &key).await?, true),
            // The same key a moment earlier: it may have ordered, and emptied the cart, since we looked.
            Err(error) => (app.orders.by_key(customer, &key).await?.ok_or(error)?, true),
        },
    };
    order.require_same(&checkout)?;
    let order = carry_on(app, order, Turn::Request).await?;
    Ok(Placed { outcome: order.outcome(), replayed })
}

/// The order of whoever came first with this key. It is written; until it is written for good, it is not shown.
async fn winner(app: &App, customer: CustomerId, key: &IdempotencyKey) -> Result<Order> {
    let deadline = Instant::now() + SHOWN_WITHIN;
    loop {
        match app.orders.by_key(customer, key).await? {
            Some(order) => return Ok(order),
            None if Instant::now() < deadline => tokio::time::sleep(GLANCE).await,
            None => return Err(Error::busy("The same order is being placed; try again under the same key.")),
        }
    }
}

/// Writes the pending order: from here on, the key belongs to it.
async fn begin(app: &App, customer: CustomerId, key: &IdempotencyKey, checkout: &Checkout) -> Result<Order> {
    // With the cart in the same commit, what is ordered is what the cart held then, and nobody's account is deleted in between.
    app.database
        .run(|tx| async move {
            let cart = tx.get(&app.carts.0, customer).await?.unwrap_or_default();
            let order = Order::of(&cart, customer, key.clone(), checkout, app.held_for)?;
            tx.put(&app.orders.0, order.id, &order).await?;
            Ok(order)
        })
        .await
}

/// Takes an order back; money and goods return, at once or as soon as they can.
pub async fn cancel(app: &App, customer: CustomerId, id: OrderId) -> Result<OrderView> {
    order::own(app, customer, id).await?;
    call_off(app, id, By::Customer).await
}

/// As [`cancel`], by an admin, of anybody's order.
pub async fn cancel_for_shop(app: &App, id: OrderId) -> Result<OrderView> {
    call_off(app, id, By::Shop).await
}

async fn call_off(app: &App, id: OrderId, by: By) -> Result<OrderView> {
    let cancel = move |order: &mut Order, events: &mut Events| {
        if order.cancel(by)? {
            events.publish(&OrderCancelled { id })?;
        }
        Ok(order.clone())
    };
    let order = app.orders.0.update(id, cancel).await?;
    follow(app, order).await
}

/// Takes the money that is set aside for an order, and sells its goods.
pub async fn capture(app: &App, id: OrderId) -> Result<OrderView> {
    let order = order::any(app, id).await?;
    let Some(payment) = order.set_aside()? else { return Ok(order.view()) };
    let provider = app.payments.provider(payment.method)?;
    let (news, entry) = Entry::of(TimelineKind::Payment, "capture", provider.capture(&payment.reference)).await;
    let order = steps::hear(app, id, news?, entry).await?;
    follow(app, order).await
}

/// Notes that an order is on its way to the customer.
pub async fn ship(app: &App, id: OrderId) -> Result<OrderView> {
    let ship = |order: &mut Order, _: &mut Events| {
        order.ship()?;
        Ok(order.view())
    };
    app.orders.0.update(id, ship).await
}

/// Takes in what a payment provider says by itself. Once this returns it is kept; what follows from it may come later.
pub async fn notice(app: &App, notice: Notice) -> Result<()> {
    let id = notice.order;
    let hear = move |slot: &mut Option<Order>, _: &mut Events| {
        let Some(order) = slot else { return Ok(None) };
        Ok(order.notice(&notice)?.then(|| order.clone()))
    };
    if let Some(order) = app.orders.0.upsert(id, hear).await? {
        follow(app, order).await?;
    } else {
        tracing::debug!(order = %id, "a notice that says nothing new, or of no order of ours");
    }
    Ok(())
}

/// Does what follows from a change that stands already: should it fail, the sweeper does it.
async fn follow(app: &App, order: Order) -> Result<OrderView> {
    let id = order.id;
    let so_far = order.view();
    match carry_on(app, order, Turn::Request).await {
        Ok(order) => Ok(order.view()),
        Err(error) => {
            tracing::warn!(order = %id, %error, "what is left to do for an order is left to the sweeper");
            Ok(so_far)
        }
    }
}
