//! The ledger that `souk audit` reads: orders, payments and erased customers. The audit opens the
//! database itself, so the service need not run.

use std::collections::HashSet;

use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductId, ReservationId, ReservationLine};
use souk_contract::shopping::{OrderConfirmed, OrderId, TimelineEntry};
use souk_http::auth::TokenRevocations;
use souk_store::Database;
use souk_types::{Money, Result};

use crate::domain::discount_use::{DiscountUses, UsesKey};
use crate::domain::order::refunds::{OrderRefund, OrderRefundStatus};
use crate::domain::order::{Order, OrderStatus};
use crate::domain::owner::Owner;
use crate::domain::payment::PaymentMethod;
use crate::domain::payment::state::{Payment, PaymentStatus};
use crate::providers::demo::{DemoBank, DemoPayment};
use crate::repositories::carts::Carts;
use crate::repositories::discount_uses::DiscountUsesStore;
use crate::repositories::orders::Orders;

/// An order in the ledger.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct OrderRecord {
    /// Its id.
    pub order: OrderId,
    /// The customer; `None` when the account is deleted.
    pub customer: Option<CustomerId>,
    /// The owner of its cart, a customer or a guest; `None` when the account is deleted.
    pub placed_by: Option<String>,
    /// The account that placed it; `None` for a guest's order, which an account may have taken
    /// over.
    pub placed_by_account: Option<CustomerId>,
    /// Its number; `None` when no stock was ever held for it.
    pub number: Option<String>,
    /// The idempotency key of the request that placed it.
    pub key: Option<String>,
    /// Its state.
    pub status: OrderStatus,
    /// Whether it was ever confirmed.
    pub was_confirmed: bool,
    /// Whether it has an e-mail address: not after the erasure of its buyer's data.
    pub has_recipient: bool,
    /// Whether the background job still has to process it.
    pub has_open_work: bool,
    /// Whether the order claims its cart, which only one order may do. An order that is paid late
    /// claims none, because the customer may have placed another one meanwhile.
    pub claims_cart: bool,
    /// Its products and quantities.
    pub lines: Vec<ReservationLine>,
    /// Whether no more pieces are shipped, or refunded, than ordered, and the state follows from
    /// the shipments.
    pub are_pieces_consistent: bool,
    /// What does not add up in its quote.
    pub quote_problem: Option<&'static str>,
    /// The keys of the discounts of its quote whose uses in all are counted.
    pub counted_discounts: Vec<String>,
    /// Its total.
    pub total: Money,
    /// The reservation of its stock.
    pub reservation: ReservationId,
    /// Whether the order waits only for the provider to process a payment or refund.
    pub waits_for_provider: bool,
    /// Its payment.
    pub payment: Option<PaymentRecord>,
    /// Its refunds.
    pub refunds: Vec<RefundRecord>,
    /// The sum of its taxes.
    pub tax: u64,
    /// The pieces of each product that were put back on sale, other than with the whole order.
    pub returned: Vec<(ProductId, u32)>,
}

/// The uses of a discount in the ledger: in all, or of one customer.
#[derive(Debug, Clone)]
pub struct DiscountRecord {
    /// The key of the counter.
    pub key: String,
    /// The number of uses by orders that are confirmed or under way.
    pub uses: u64,
    /// The largest limit under which a use was claimed.
    pub limit: u32,
}

/// A refund of an order in the ledger.
#[derive(Debug, Clone)]
pub struct RefundRecord {
    /// The pieces of each product.
    pub pieces: Vec<(ProductId, u32)>,
    /// The amount.
    pub amount: Money,
    /// The sums of net amounts and taxes.
    pub taxed: u64,
    /// The sum of the taxes.
    pub tax: u64,
    /// Whether the customer has the money.
    pub has_succeeded: bool,
}

/// The payment of an order in the ledger.
#[derive(Debug, Clone)]
pub struct PaymentRecord {
    /// The provider.
    pub method: PaymentMethod,
    /// The provider's id of the payment.
    pub reference: String,
    /// The state.
    pub status: PaymentStatus,
    /// The sum of all captures, refunded or not.
    pub captured: Money,
    /// The sum of the refunds that succeeded.
    pub refunded: Money,
}

impl From<(&OrderRefund, OrderRefundStatus)> for RefundRecord {
    fn from((refund, status): (&OrderRefund, OrderRefundStatus)) -> Self {
        Self {
            pieces: refund.pieces().collect(),
            amount: refund.amount(),
            taxed: refund.taxed(),
            tax: refund.tax(),
            has_succeeded: status == OrderRefundStatus::Succeeded,
        }
    }
}

impl From<&Payment> for PaymentRecord {
    fn from(payment: &Payment) -> Self {
        Self {
            method: payment.method,
            reference: payment.reference.clone(),
            status: payment.status(),
            captured: payment.captured(),
            refunded: payment.refunded(),
        }
    }
}

impl From<&Order> for OrderRecord {
    fn from(order: &Order) -> Self {
        Self {
            order: order.id,
            customer: order.customer(),
            placed_by: order.placed_by().map(|owner| owner.to_string()),
            placed_by_account: order.placed_by().and_then(Owner::customer),
            number: order.number().map(ToString::to_string),
            key: order.key().map(ToString::to_string),
            status: order.status(),
            was_confirmed: order.was_confirmed(),
            has_recipient: order.buyer().email().is_some(),
            has_open_work: order.has_open_work(),
            claims_cart: order.status().is_in_checkout() && !order.is_paid_late(),
            lines: order.lines(),
            are_pieces_consistent: order.are_pieces_consistent(),
            quote_problem: order.quote().contradiction(),
            counted_discounts: order.quote().counted_discounts().map(|id| UsesKey::in_all(id).to_string()).collect(),
            total: order.total(),
            reservation: order.reservation(),
            waits_for_provider: order.waits_for_provider(),
            payment: order.payment().map(PaymentRecord::from),
            tax: order.tax(),
            refunds: order.refunds().map(RefundRecord::from).collect(),
            returned: order.returned_pieces(),
        }
    }
}

/// Returns every order.
pub async fn orders(database: &Database) -> Result<Vec<OrderRecord>> {
    let mut records = Vec::new();
    Orders::open(database)?.for_each(|order| records.push(OrderRecord::from(&order))).await?;
    Ok(records)
}

/// Returns every order that was ever confirmed, except those whose buyer's personal data is erased.
pub async fn confirmed_orders(database: &Database) -> Result<Vec<OrderId>> {
    let mut confirmed = Vec::new();
    let visit = |order: Order| {
        let has_recipient = order.buyer().email().is_some();
        confirmed.extend((order.was_confirmed() && has_recipient).then_some(order.id));
    };
    Orders::open(database)?.for_each(visit).await?;
    Ok(confirmed)
}

/// Returns the uses of every limited discount.
pub async fn discounts(database: &Database) -> Result<Vec<DiscountRecord>> {
    let mut records = Vec::new();
    let visit = |key: &str, uses: DiscountUses| {
        let (key, uses, limit) = (key.to_owned(), uses.count(), uses.largest_limit());
        records.push(DiscountRecord { key, uses, limit });
    };
    DiscountUsesStore::open(database)?.for_each(visit).await?;
    Ok(records)
}

/// Returns every payment that the demo bank has recorded.
pub async fn demo_payments(database: &Database) -> Result<Vec<DemoPayment>> {
    DemoBank::open(database)?.all().await
}

/// Returns the customers whose personal data is erased in this service.
pub async fn erased_customers(database: &Database) -> Result<HashSet<CustomerId>> {
    TokenRevocations::open(database)?.erased_customers().await
}

/// Returns the customers whose carts are not empty.
pub async fn customers_with_cart_items(database: &Database) -> Result<HashSet<CustomerId>> {
    Carts::open(database)?.customers_with_items().await
}

/// Returns the timeline entries of an order in this service; none for an unknown order.
pub async fn timeline(database: &Database, order: OrderId) -> Result<Vec<TimelineEntry>> {
    Ok(Orders::open(database)?.get(order).await?.map(|order| order.timeline()).unwrap_or_default())
}

/// Publishes `OrderConfirmed` of these orders again, for a restored database whose events are lost.
pub async fn publish_confirmations_again(database: &Database, orders: &[OrderId]) -> Result<()> {
    let events: Vec<OrderConfirmed> = orders.iter().map(|&id| OrderConfirmed { id }).collect();
    database.run(|tx| std::future::ready(events.iter().try_for_each(|event| tx.publish(event).map(drop)))).await
}
