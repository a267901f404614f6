//! Placing an order: pending order -> stock held -> paid -> stock sold -> order confirmed and cart emptied. Each step can be done
//! again: whoever comes after a crash or a lost answer (the client with the same key, or the sweeper) carries on.
//!
//! Two decisions count: the reservation's, in `products`, says whether the goods are sold; the order's, here, follows it.

use std::time::Duration;

use common::Timestamp;
use common::contract::customer::CustomerId;
use common::contract::products::{Confirm, Release, Released, Reserve, TakeBack};
use common::contract::shopping::{OrderCancelled, OrderConfirmed, OrderId};
use common::error::{Error, Result};
use common::store::Events;
use rocket::futures::future::join_all;
use tokio::time::Instant;

use crate::App;
use crate::idempotency::{Checkout, IdempotencyKey};
use crate::order::{Order, OrderView, Status, own};
use crate::payment::Payment;

/// What a database has written is on most of its nodes within milliseconds; without them it is not at all.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);
/// A look-up costs a round trip.
const GLANCE: Duration = Duration::from_millis(20);

/// How often the sweeper looks. It costs one look-up in an index.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// One of them may wait for a call to time out; others go on meanwhile.
const SWEPT_TOGETHER: usize = 16;

/// What became of a request to order.
pub struct Placed {
    /// The order, or why it was rejected.
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
    let order = if order.status() == Status::Pending { carry_on(app, order).await? } else { order };
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
            let order = Order::of(&cart, customer, key.clone(), checkout)?;
            tx.put(&app.orders.0, order.id, &order).await?;
            Ok(order)
        })
        .await
}

/// Takes a pending order to its end. An error that may pass leaves it pending.
async fn carry_on(app: &App, mut order: Order) -> Result<Order> {
    let id = order.id;
    let reserve = Reserve { order: id, lines: order.lines(), until: order.held_until() };
    let held = match app.bus.call(reserve).await {
        Ok(reserved) => reserved.lines,
        Err(error) => return give_up(app, id, error, None).await,
    };
    if let Err(error) = order.price(held) {
        return undo(app, id, error, None).await;
    }
    let payment = match order.means.charge() {
        Ok(payment) => payment,
        Err(error) => return undo(app, id, error, Some(order.means.declined())).await,
    };
    match app.bus.call(Confirm { order: id }).await {
        Ok(_) => finish(app, order, payment).await,
        Err(error) => give_up(app, id, error, Some(payment.refunded())).await,
    }
}

/// `products` refused: so is the order, unless the refusal may pass.
async fn give_up(app: &App, id: OrderId, error: Error, payment: Option<Payment>) -> Result<Order> {
    if error.is_transient() {
        return Err(error);
    }
    let refusal = if error.code() == "reservation-released" { interrupted() } else { error };
    reject(app, id, refusal, payment).await
}

fn interrupted() -> Error {
    let why = "The checkout was interrupted; nothing was ordered and nothing charged. Order again under a new key.";
    Error::conflict("order-state", why)
}

/// Gives the stock back and then rejects the order, in this turn: an order that is rejected holds nothing.
async fn undo(app: &App, id: OrderId, error: Error, payment: Option<Payment>) -> Result<Order> {
    app.bus.call(Release { order: id }).await?;
    reject(app, id, error, payment).await
}

async fn reject(app: &App, id: OrderId, refusal: Error, payment: Option<Payment>) -> Result<Order> {
    let reject = move |order: &mut Order, _: &mut Events| {
        order.reject(refusal.clone(), payment);
        Ok(order.clone())
    };
    app.orders.0.update(id, reject).await
}

/// The goods are sold: confirms the order and takes them out of the cart, in one commit.
async fn finish(app: &App, priced: Order, payment: Payment) -> Result<Order> {
    let (id, priced) = (priced.id, &priced);
    app.database
        .run(|tx| async move {
            let Some(mut order) = tx.get(&app.orders.0, id).await? else {
                return Err(Error::internal(format!("order {id} is gone")));
            };
            if !order.confirm(priced, payment)? {
                return Ok(order);
            }
            if let Some(customer) = order.customer()
                && let Some(mut cart) = tx.get(&app.carts.0, customer).await?
            {
                cart.take(order.lines().into_iter().map(|line| (line.product, line.quantity)));
                tx.put(&app.carts.0, customer, &cart).await?;
            }
            tx.emit(&OrderConfirmed { id })?;
            tx.put(&app.orders.0, id, &order).await?;
            Ok(order)
        })
        .await
}

/// Takes a confirmed order back: money and goods return.
pub async fn cancel(app: &App, customer: CustomerId, id: OrderId) -> Result<OrderView> {
    own(app, customer, id).await?;
    let cancel = move |order: &mut Order, events: &mut Events| {
        if order.cancel()? {
            events.emit(&OrderCancelled { id })?;
        }
        Ok(order.clone())
    };
    let order = app.orders.0.update(id, cancel).await?;
    if order.is_due(Timestamp::now())
        && let Err(error) = return_goods(app, id).await
    {
        // It is cancelled all the same; the sweeper sees to the goods.
        tracing::warn!(order = %id, %error, "the goods of a cancelled order are left to the sweeper");
    }
    order.outcome()
}

async fn return_goods(app: &App, id: OrderId) -> Result<()> {
    app.bus.call(TakeBack { order: id }).await?;
    let returned = |order: &mut Order, _: &mut Events| {
        order.goods_returned();
        Ok(())
    };
    app.orders.0.update(id, returned).await
}

/// Looks after orders whose checkout died and goods that were not given back, until the process ends.
pub(crate) fn sweep(app: App) {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(SWEEP_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = sweep_once(&app).await {
                error.log("orders could not be swept");
            }
        }
    });
}

async fn sweep_once(app: &App) -> Result<()> {
    let (now, mut after) = (Timestamp::now(), None);
    loop {
        let due = app.orders.due(now, after).await?;
        for some in due.items.chunks(SWEPT_TOGETHER) {
            let outcomes = join_all(some.iter().map(|order| look_after(app, order.clone()))).await;
            // One that cannot be resolved now must not keep the others waiting.
            for (order, error) in some.iter().zip(outcomes).filter_map(|(one, outcome)| Some((one, outcome.err()?))) {
                tracing::warn!(order = %order.id, %error, "an order is left for the next sweep");
            }
        }
        after = due.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn look_after(app: &App, order: Order) -> Result<()> {
    match order.status() {
        Status::Pending => resolve(app, order).await,
        Status::Cancelled => return_goods(app, order.id).await,
        Status::Confirmed | Status::Rejected => Ok(()),
    }
}

/// The client has had no answer and may be gone: without a sale the order is off, with one it stands.
async fn resolve(app: &App, order: Order) -> Result<()> {
    let id = order.id;
    match app.bus.call(Release { order: id }).await? {
        Released::Confirmed => carry_on(app, order).await.map(drop),
        Released::Released => {
            let why =
                "The checkout was interrupted; nothing was ordered and nothing charged. Order again under a new key.";
            reject(app, id, Error::conflict("order-state", why), None).await.map(drop)
        }
    }
}
