//! Holds the stock of a pending order, fixes its price and its number, and begins its payment.
//!
//! A provider that names a payment after the order is charged before the order is stored as
//! reserved: one write records the stock, the payment and, when it is captured, the sale. After a
//! crash in between, the order is still pending, and the next worker repeats every call.

use souk_bus::Request as _;
use souk_contract::products::{Confirm, Confirmed, HeldLine, HoldId, ProductSnapshot, Reserved};
use souk_contract::shopping::TimelineKind;
use souk_store::Events;
use souk_types::{Error, Money, Result, Timestamp};

use super::actions::{complete_cart, confirm_discounts, confirm_sold, payment_by_order_id, reserve};
use super::outcomes::{Reply, payment_call, publish_changes};
use super::refusals::{Stock, out_of_stock, reject};
use crate::App;
use crate::application::discounts::{self, DiscountUser};
use crate::application::{order_log, quote};
use crate::domain::order::history::LogEntry;
use crate::domain::order::number::OrderNumber;
use crate::domain::order::{Hold, Order, OrderStatus, StatusReason, interrupted, quote_changed, require_orderable};
use crate::domain::payment::ChargeRequest;
use crate::domain::payment::report::{PaymentReport, ProviderPaymentStatus};
use crate::domain::payment::state::Payment;
use crate::domain::quote::{Item, Quote};

/// Reserves the stock and begins the payment. Every step can be repeated.
pub(super) async fn reserve_stock(app: &App, order: &Order) -> Result<Order> {
    let (lines, until, reserved) = match reserve(app, order).await? {
        Reply::Done(Reserved::Sold, entry) => return resume_sold(app, order, entry).await,
        Reply::Done(Reserved::Held { lines, expires_at }, entry) => (lines, expires_at, entry),
        Reply::Done(Reserved::OutOfStock { shortages }, entry) => {
            return reject(app, order, out_of_stock(&shortages), StatusReason::OutOfStock, Stock::NotHeld, entry).await;
        }
        Reply::Done(Reserved::Released, entry) => {
            return reject(app, order, interrupted(), StatusReason::Interrupted, Stock::MayBeHeld, entry).await;
        }
        Reply::Refused(error, entry) => {
            return reject(app, order, error, StatusReason::ReservationRefused, Stock::NotHeld, entry).await;
        }
    };
    let (products, holds) = split(lines);
    let quote = match final_quote(app, order, &products).await {
        Ok(quote) => quote,
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => return reject(app, order, error, StatusReason::QuoteChanged, Stock::MayBeHeld, reserved).await,
    };
    pay_and_record(app, order, Priced { products, quote, until }, holds, reserved).await
}

/// Returns the products of held lines, and their holds if all of them are known.
fn split(lines: Vec<HeldLine>) -> (Vec<ProductSnapshot>, Vec<HoldId>) {
    let holds: Option<Vec<HoldId>> = lines.iter().map(|line| line.hold).collect();
    (lines.into_iter().map(|line| line.product).collect(), holds.unwrap_or_default())
}

/// Continues an order whose stock was sold by a checkout that was interrupted before it could store
/// that. If its price is not the one that it was stored with, the money and the stock go back.
async fn resume_sold(app: &App, order: &Order, sold: LogEntry) -> Result<Order> {
    let captured = match payment_by_order_id(app, order)? {
        Some(payment) => app.payments.provider(payment.method)?.check(&payment).await?.captured,
        None => Money::zero(order.total().currency()),
    };
    if captured != order.total() {
        return reject(app, order, interrupted(), StatusReason::Interrupted, Stock::MayBeHeld, sold).await;
    }
    let products = order.items().iter().map(|item| Item::from(item).product).collect();
    let priced = Priced { products, quote: order.quote().clone(), until: order.reserved_until() };
    pay_and_record(app, order, priced, Vec::new(), sold).await
}

/// The products of an order whose stock is held, and their price.
struct Priced {
    products: Vec<ProductSnapshot>,
    quote: Quote,
    /// When the reservation expires.
    until: Timestamp,
}

/// Begins the payment of an order whose stock is held, and stores both.
async fn pay_and_record(
    app: &App,
    order: &Order,
    Priced { products, quote, until }: Priced,
    holds: Vec<HoldId>,
    reserved: LogEntry,
) -> Result<Order> {
    let charge = order.charge_of(quote.total, until);
    let (begun, number) = tokio::join!(begin_payment(app, order, &charge), next_number(app));
    let begun = match begun? {
        Begun::Payment(payment) => payment,
        Begun::Refused(error, entry) => {
            return reject(app, order, error, StatusReason::PaymentRefused, Stock::MayBeHeld, entry).await;
        }
    };
    let hold = Hold { products, quote, number: number?, payment: begun.payment, until };
    let confirm = Confirm { reservation: order.reservation(), order: order.id, lines: order.lines(), holds };
    record(app, order, hold, begun.report, confirm, [reserved].into_iter().chain(begun.entry).collect()).await
}

/// Returns the price of the products as they were when their stock was held, and claims its
/// discounts. Errors: those of the quote; `quote-changed` when the total is not the one that the
/// client expects, or other discounts apply; `discount-unavailable`.
async fn final_quote(app: &App, order: &Order, products: &[ProductSnapshot]) -> Result<Quote> {
    let item = |(item, product): (Item, &ProductSnapshot)| Item { product: product.clone(), ..item };
    let items = order.items().iter().map(Item::from).zip(products).map(item).collect();
    let quote = quote::of_order(app, order, items).await?;
    require_orderable(&quote, order.expected_total())?;
    if !quote.applied_discounts().eq(order.quote().applied_discounts()) {
        return Err(quote_changed(&quote));
    }
    discounts::claim(app, order.id, &quote, DiscountUser::of(order)).await?;
    Ok(quote)
}

async fn next_number(app: &App) -> Result<OrderNumber> {
    let numbers = app.shop().await?.settings.order_numbers.clone();
    let number = app.store.order_numbers.next(numbers.clone()).await?;
    Ok(OrderNumber::new(numbers.text(number)))
}

#[expect(clippy::large_enum_variant, reason = "one value for each order")]
enum Begun {
    Payment(BegunPayment),
    Refused(Error, LogEntry),
}

struct BegunPayment {
    /// `None` for an order of 0.00.
    payment: Option<Payment>,
    /// The outcome of the charge, if the shop has charged the payment.
    report: Option<PaymentReport>,
    entry: Option<LogEntry>,
}

/// Charges the payment, or opens it when the provider gives it a name, or the client pays.
async fn begin_payment(app: &App, order: &Order, charge: &ChargeRequest) -> Result<Begun> {
    if charge.amount.is_zero() {
        return Ok(Begun::Payment(BegunPayment { payment: None, report: None, entry: None }));
    }
    let provider = app.payments.provider(charge.details.method())?;
    let Some(payment) = provider.payment_by_order_id(charge) else {
        return Ok(match payment_call(app, order.id, "open", provider.open(charge)).await? {
            Reply::Done(payment, entry) => {
                Begun::Payment(BegunPayment { payment: Some(payment), report: None, entry: Some(entry) })
            }
            Reply::Refused(error, entry) => Begun::Refused(error, entry),
        });
    };
    let charged = provider.charge(&payment, charge);
    let (report, entry) = order_log::timed(TimelineKind::Payment, "charge", charged).await;
    let (report, entry) = match report {
        Ok(report) => (report, entry),
        Err(error) if error.is_transient() => (unknown_outcome(order, charge, &error), entry),
        Err(error) => return Ok(Begun::Refused(error, entry)),
    };
    let entry = entry.with_outcome(report.to_string());
    Ok(Begun::Payment(BegunPayment { payment: Some(payment), report: Some(report), entry: Some(entry) }))
}

/// Returns the report of a charge without a reply. The background job checks it.
pub(super) fn unknown_outcome(order: &Order, charge: &ChargeRequest, error: &Error) -> PaymentReport {
    tracing::warn!(order = %order.id, %error, "the outcome of a charge is unknown; the background job checks it");
    PaymentReport::new(ProviderPaymentStatus::Processing, Money::zero(charge.amount.currency()))
}

/// Stores the order as reserved, with the outcome of its charge. When it is paid, sells the stock
/// first, so that the same write confirms the order.
async fn record(
    app: &App,
    order: &Order,
    hold: Hold,
    report: Option<PaymentReport>,
    confirm: Confirm,
    mut entries: Vec<LogEntry>,
) -> Result<Order> {
    let is_paid = match (&hold.payment, &report) {
        (None, _) => true,
        (Some(payment), Some(report)) => {
            let mut payment = payment.clone();
            payment.apply(report);
            payment.is_paid()
        }
        (Some(_), None) => false,
    };
    let mut sold = None;
    if is_paid {
        // Any other outcome is met again by the next action, `ConfirmStock`.
        let (confirmed, entry) = order_log::timed(TimelineKind::Call, Confirm::NAME, app.bus.call(confirm)).await;
        entries.push(entry);
        if matches!(confirmed, Ok(Confirmed::Sold)) {
            sold = Some(complete_cart(app, order).await?);
        }
    }
    let update = move |order: &mut Order, events: &mut Events| {
        let now = Timestamp::now();
        for entry in &entries {
            order.log(entry.clone());
        }
        order.hold(&hold, now)?;
        if let Some(report) = &report {
            order.apply_payment(report, now)?;
        }
        publish_changes(order, events)?;
        if let Some(cart) = sold
            && order.status() == OrderStatus::Paid
        {
            confirm_sold(order, cart, events, now)?;
        }
        Ok(())
    };
    let recorded = app.store.orders.update(order.id, update).await?;
    confirm_discounts(app, &recorded).await;
    Ok(recorded)
}
