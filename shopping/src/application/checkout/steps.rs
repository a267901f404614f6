//! The steps of a checkout: each asks somebody (`products`, or who moves the money) and writes down what that means for the order.

use std::borrow::Cow;

use souk_bus::Request;
use souk_contract::products::{Confirm, Confirmed, Release, Released, Reserve, Reserved, Restock, Shortage};
use souk_contract::shopping::{OrderConfirmed, OrderId, TimelineKind};
use souk_store::Events;
use souk_types::{Error, Result, Timestamp};

use crate::App;
use crate::domain::order::{Entry, Order, Todo, Turn};
use crate::domain::payment::{self, News};

/// Takes an order as far as it goes now. An error that may pass leaves it where it is.
pub(crate) async fn carry_on(app: &App, mut order: Order, turn: Turn) -> Result<Order> {
    loop {
        order = match order.todo(turn, Timestamp::now()) {
            Todo::Nothing => return Ok(order),
            Todo::Reserve => reserve(app, &order).await?,
            Todo::Pay => pay(app, &order).await?,
            Todo::LookUp => {
                let (looked, news) = look_up(app, &order).await?;
                if !news {
                    return Ok(looked);
                }
                looked
            }
            Todo::Undo | Todo::TurnDown | Todo::CallOff | Todo::EndHold => end(app, &order, turn).await?,
            Todo::Sell => sell(app, &order).await?,
            Todo::Settle => settle(app, &order).await?,
        };
    }
}

/// Has the goods held, and a payment made that moves no money yet.
async fn reserve(app: &App, order: &Order) -> Result<Order> {
    let id = order.id;
    let reserve =
        Reserve { reservation: order.reservation(), order: id, lines: order.lines(), until: order.held_until() };
    let (reserved, entry) =
        final_word(app, id, Entry::of(TimelineKind::Call, Reserve::NAME, app.bus.call(reserve)).await).await?;
    let held = match reserved {
        Ok(Reserved::Held { lines }) => lines,
        Ok(Reserved::OutOfStock { shortages }) => {
            return reject(app, id, out_of_stock(&shortages), "out-of-stock", false, entry).await;
        }
        Ok(Reserved::Released) => return reject(app, id, interrupted(), "interrupted", false, entry).await,
        Err(error) => {
            let reason = error.code().to_owned();
            return reject(app, id, error, reason, false, entry).await;
        }
    };
    let items = match Order::priced(held) {
        Ok(items) => items,
        Err(error) => return reject(app, id, error, "currency-mixed", true, entry).await,
    };
    let charge = order.charge(&items)?;
    let provider = app.payments.provider(charge.means.method())?;
    // Before the order says that it is reserved: with a payment, it always has the name under which the provider knows it.
    let opened = Entry::of(TimelineKind::Payment, "open", provider.open(&charge)).await;
    let (payment, opened) = match final_word(app, id, opened).await? {
        (Ok(payment), opened) => (payment, opened),
        (Err(error), entry) => return reject(app, id, error, "payment-refused", true, entry).await,
    };
    update(app, id, move |order| {
        order.log(entry.clone());
        order.log(opened.clone());
        order.reserve(&items, &payment)
    })
    .await
}

/// Asks for the money.
async fn pay(app: &App, order: &Order) -> Result<Order> {
    let (id, charge) = (order.id, order.its_charge()?);
    let payment = its_payment(order)?;
    let provider = app.payments.provider(payment.method)?;
    let (news, entry) = Entry::of(TimelineKind::Payment, "pay", provider.pay(&payment.reference, &charge)).await;
    match news {
        Ok(news) => hear(app, id, news, entry).await,
        Err(error) if error.is_transient() => {
            tracing::warn!(order = %id, %error, "it is not known whether an order is paid");
            update(app, id, move |order| {
                order.log(entry.clone());
                order.doubt()
            })
            .await
        }
        Err(error) => reject(app, id, error, "payment-refused", true, entry).await,
    }
}

/// Asks what has become of the payment; says whether that was news.
async fn look_up(app: &App, order: &Order) -> Result<(Order, bool)> {
    let (id, payment) = (order.id, its_payment(order)?);
    let (reference, before) = (&payment.reference, payment.status);
    let provider = app.payments.provider(payment.method)?;
    let looked_up =
        final_word(app, id, Entry::of(TimelineKind::Payment, "look up", provider.look_up(reference)).await).await?;
    let (news, entry) = (looked_up.0?, looked_up.1);
    if news.status == before && order.is_deserted() {
        return Ok((reject(app, id, interrupted(), "interrupted", true, entry).await?, true));
    }
    if news.status == before {
        let waiting = update(app, id, |order| {
            order.look_again();
            Ok(())
        });
        return Ok((waiting.await?, false));
    }
    let heard = hear(app, id, news, entry).await?;
    let changed = heard.payment().is_some_and(|payment| payment.status != before);
    Ok((heard, changed))
}

/// The order is off: says so, and leaves money and goods to [`settle`].
async fn end(app: &App, order: &Order, turn: Turn) -> Result<Order> {
    let why = order.todo(turn, Timestamp::now());
    update(app, order.id, move |order| match why {
        // Somebody else decided meanwhile.
        why if order.todo(turn, Timestamp::now()) != why => Ok(()),
        Todo::EndHold => order.end_hold(),
        Todo::CallOff => order.abandon(called_off(), "payment-cancelled"),
        Todo::TurnDown => order.reject(declined(), "payment-declined", true),
        _ => order.reject(interrupted(), "interrupted", true),
    })
    .await
}

/// The money is there: sells the goods, or gives it back when they are gone.
async fn sell(app: &App, order: &Order) -> Result<Order> {
    let id = order.id;
    let confirm = app.bus.call(Confirm { reservation: order.reservation() });
    let (confirmed, entry) = final_word(app, id, Entry::of(TimelineKind::Call, Confirm::NAME, confirm).await).await?;
    match confirmed {
        Ok(Confirmed::Sold) => finish(app, id, entry).await,
        Ok(Confirmed::Released) => claim_anew(app, id, entry).await,
        Err(error) => gone(app, id, error, entry).await,
    }
}

/// What was held for a paid order is not any more: holds it once more, if it is still there.
async fn claim_anew(app: &App, id: OrderId, entry: Entry) -> Result<Order> {
    let held_for = app.held_for;
    let order = update(app, id, move |order| {
        order.log(entry.clone());
        order.claim_anew(held_for);
        Ok(())
    })
    .await?;
    let (reservation, until) = (order.reservation(), order.held_until());
    let reserve = app.bus.call(Reserve { reservation, order: id, lines: order.lines(), until });
    let (reserved, entry) = final_word(app, id, Entry::of(TimelineKind::Call, Reserve::NAME, reserve).await).await?;
    match reserved {
        Ok(Reserved::OutOfStock { shortages }) => gone(app, id, out_of_stock(&shortages), entry).await,
        Ok(Reserved::Released) => gone(app, id, interrupted(), entry).await,
        // At the price that was paid.
        Ok(Reserved::Held { .. }) => {
            update(app, id, move |order| {
                order.log(entry.clone());
                Ok(())
            })
            .await
        }
        Err(error) => gone(app, id, error, entry).await,
    }
}

/// The goods of a paid order are gone: it is off, and the money goes back.
async fn gone(app: &App, id: OrderId, refusal: Error, entry: Entry) -> Result<Order> {
    update(app, id, move |order| {
        order.log(entry.clone());
        order.abandon(refusal.clone(), "goods-gone")
    })
    .await
}

/// The goods are sold: confirms the order and takes them out of the cart, in one commit.
async fn finish(app: &App, id: OrderId, entry: Entry) -> Result<Order> {
    let entry = &entry;
    app.database
        .run(|tx| async move {
            let Some(mut order) = tx.get(&app.orders.0, id).await? else {
                return Err(Error::internal(format!("order {id} is gone")));
            };
            order.log(entry.clone());
            if !order.confirm()? {
                return Ok(order);
            }
            if let Some(customer) = order.customer()
                && let Some(mut cart) = tx.get(&app.carts.0, customer).await?
            {
                cart.take(order.lines().into_iter().map(|line| (line.product, line.quantity)));
                tx.put(&app.carts.0, customer, &cart).await?;
            }
            tx.publish(&OrderConfirmed { id, customer: order.customer() })?;
            tx.put(&app.orders.0, id, &order).await?;
            Ok(order)
        })
        .await
}

/// It is over: calls the payment off or gives the money back, and puts the goods back on the shelf.
async fn settle(app: &App, order: &Order) -> Result<Order> {
    let id = order.id;
    if let Some(payment) = order.payment() {
        let (provider, reference) = (app.payments.provider(payment.method)?, &payment.reference);
        let asked = match payment.status {
            payment::Status::Open | payment::Status::Processing | payment::Status::Review => {
                Some(Entry::of(TimelineKind::Payment, "cancel", provider.cancel(reference)).await)
            }
            payment::Status::Captured => {
                Some(Entry::of(TimelineKind::Payment, "refund", provider.refund(reference)).await)
            }
            _ => None,
        };
        if let Some(asked) = asked {
            let (news, entry) = final_word(app, id, asked).await?;
            let heard = hear(app, id, news?, entry).await?;
            // Money that came at this moment is a new situation.
            if heard.payment().is_some_and(|payment| payment.status == payment::Status::Captured) {
                return Ok(heard);
            }
        }
    }
    let reservation = order.reservation();
    let release = app.bus.call(Release { reservation, order: id });
    let (released, entry) = final_word(app, id, Entry::of(TimelineKind::Call, Release::NAME, release).await).await?;
    let mut entries = vec![entry];
    if released? == Released::Sold {
        let take_back = app.bus.call(Restock { reservation });
        let (taken, entry) = final_word(app, id, Entry::of(TimelineKind::Call, Restock::NAME, take_back).await).await?;
        taken?;
        entries.push(entry);
    }
    update(app, id, move |order| {
        for entry in &entries {
            order.log(entry.clone());
        }
        order.settled()
    })
    .await
}

/// Writes down what is said of an order's payment.
pub(super) async fn hear(app: &App, id: OrderId, news: News, entry: Entry) -> Result<Order> {
    update(app, id, move |order| {
        order.log(entry.clone());
        order.hear(&news).map(drop)
    })
    .await
}

async fn reject(
    app: &App,
    id: OrderId,
    refusal: Error,
    reason: impl Into<Cow<'static, str>>,
    holds: bool,
    entry: Entry,
) -> Result<Order> {
    let reason = reason.into();
    update(app, id, move |order| {
        order.log(entry.clone());
        order.reject(refusal.clone(), reason.clone(), holds)
    })
    .await
}

/// An answer that stands: one that may pass is noted with the order, and is the error of this turn.
async fn final_word<T>(app: &App, id: OrderId, (outcome, entry): (Result<T>, Entry)) -> Result<(Result<T>, Entry)> {
    match outcome {
        Err(error) if error.is_transient() => {
            let note = move |order: &mut Order| {
                order.retry(entry.clone());
                Ok(())
            };
            if let Err(error) = update(app, id, note).await {
                // It only explains; whoever comes next tries again without it.
                tracing::debug!(order = %id, %error, "a retry could not be noted");
            }
            Err(error)
        }
        outcome => Ok((outcome, entry)),
    }
}

async fn update(
    app: &App,
    id: OrderId,
    rule: impl Fn(&mut Order) -> Result<()> + Send + Sync + 'static,
) -> Result<Order> {
    let rule = move |order: &mut Order, _: &mut Events| {
        rule(order)?;
        Ok(order.clone())
    };
    app.orders.0.update(id, rule).await
}

fn its_payment(order: &Order) -> Result<&payment::Payment> {
    order.payment().ok_or_else(|| Error::internal(format!("order {} is reserved without a payment", order.id)))
}

/// The error of an order whose goods are out of stock.
fn out_of_stock(shortages: &[Shortage]) -> Error {
    match serde_json::to_value(shortages) {
        Ok(items) => Error::conflict("out-of-stock", "Some products are out of stock.").with_member("items", items),
        Err(error) => Error::internal(error),
    }
}

fn interrupted() -> Error {
    let why = "The checkout was interrupted; nothing was ordered and nothing charged. Order again under a new key.";
    Error::conflict("order-state", why)
}

fn called_off() -> Error {
    Error::conflict("order-state", "The payment was called off; nothing was ordered. Order again under a new key.")
}

fn declined() -> Error {
    Error::payment_declined("The payment was declined; nothing was ordered.")
}
