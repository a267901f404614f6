//! Refunds of an order by the shop: of pieces, of shipping, or of a free amount. A refund is
//! decided in one write, by which it takes its money from what is left; the payment then requests
//! it from the provider ([`crate::domain::payment::refund`]). [`super::refund_shares`] has the
//! arithmetic.

mod decision;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::products::ProductId;
use souk_contract::shopping::RefundId;
use souk_types::input::{Fields, Input};
use souk_types::{IdempotencyKey, KeyedRequest, Money, Price, Quantity, Result, Text, Timestamp};

pub(crate) use self::decision::RefundDecision;
use super::refund_shares::{RefundTax, Sold};
use super::shipment::ShippedLine;
use super::{Order, request_pair};
use crate::domain::payment::state::Payment;

/// Maximum number of refunds of one order.
const MAX_REFUNDS: usize = 100;

/// The request of an admin to refund a part of an order.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NewRefund {
    lines: Vec<NewRefundLine>,
    /// Whether the rest of the shipping price is refunded.
    shipping: bool,
    /// The amount. With lines or shipping, their sum.
    amount: Option<Price>,
    reason: Text<1, 200>,
}

#[derive(Debug, Clone, Serialize)]
struct NewRefundLine {
    product_id: ProductId,
    quantity: Quantity,
    restock: bool,
}

impl Input for NewRefund {
    fn read(fields: &mut Fields) -> Option<Self> {
        let lines = fields.optional_list("lines");
        let shipping = fields.optional_non_null("shipping");
        let amount = fields.optional_object::<Price>("amount");
        if amount.is_some_and(|amount| Money::from(amount).is_zero()) {
            fields.refuse::<()>("amount.amount", "must be at least 1");
        }
        let reason = fields.required("reason");
        Some(Self { lines: lines.unwrap_or_default(), shipping: shipping.unwrap_or_default(), amount, reason: reason? })
    }
}

impl Input for NewRefundLine {
    fn read(fields: &mut Fields) -> Option<Self> {
        let product_id = fields.required("product_id");
        let quantity = fields.required("quantity");
        let restock = fields.optional_non_null("restock");
        Some(Self { product_id: product_id?, quantity: quantity?, restock: restock.unwrap_or_default() })
    }
}

impl NewRefund {
    /// Returns the refund of pieces that will not be shipped.
    fn of_pieces(pieces: Vec<ShippedLine>, reason: Text<1, 200>) -> Self {
        let line = |ShippedLine { product_id, quantity }| NewRefundLine { product_id, quantity, restock: true };
        Self { lines: pieces.into_iter().map(line).collect(), shipping: false, amount: None, reason }
    }
}

/// A refund that the shop has decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OrderRefund {
    pub(crate) id: RefundId,
    /// The request of an admin. `None` for the refund of an order that has ended.
    #[serde(default, with = "request_pair")]
    request: Option<KeyedRequest>,
    lines: Vec<RefundedLine>,
    /// How much of the shipping price it refunds.
    shipping: Money,
    amount: Money,
    taxes: Vec<RefundTax>,
    reason: String,
    /// The admin who decided it; `None` when the order ended for another reason.
    by: Option<CustomerId>,
    created_at: Timestamp,
    /// How much of each part of the order it returns, in the order of [`Sold`].
    shares: Vec<Money>,
    /// The sum of refunds that the payment has when this refund has succeeded.
    #[serde(rename = "complete_at")]
    succeeds_at_total: Money,
    /// Whether the success of this refund was published.
    #[serde(default)]
    is_published: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RefundedLine {
    product_id: ProductId,
    quantity: u32,
    amount: Money,
    restock: bool,
}

/// The state of a refund of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OrderRefundStatus {
    /// The provider has not said that it succeeded.
    Pending,
    /// The customer has the money.
    Succeeded,
    /// The provider does not make it. An admin can retry it.
    Failed,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct OrderRefundView {
    id: RefundId,
    status: OrderRefundStatus,
    lines: Vec<RefundedLine>,
    shipping: Money,
    amount: Money,
    taxes: Vec<RefundTax>,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<CustomerId>,
    created_at: Timestamp,
}

impl OrderRefund {
    /// A refund of pieces that cost nothing has no money to wait for.
    fn status(&self, payment: Option<&Payment>) -> OrderRefundStatus {
        let Some(payment) = payment.filter(|_| !self.amount.is_zero()) else { return OrderRefundStatus::Succeeded };
        let reached = |sum: Money| sum.amount() >= self.succeeds_at_total.amount();
        if reached(payment.refunded()) {
            OrderRefundStatus::Succeeded
        } else if reached(payment.accepted_or_requested()) {
            OrderRefundStatus::Pending
        } else {
            OrderRefundStatus::Failed
        }
    }

    pub(crate) fn amount(&self) -> Money {
        self.amount
    }

    /// Returns the reason that an admin gave; empty for the refund of an order that has ended.
    pub(super) fn reason_for_customer(&self) -> &str {
        if self.request.is_some() { &self.reason } else { "" }
    }

    /// Removes the text that an admin wrote, which may name the customer.
    pub(super) fn erase_reason(&mut self) {
        if self.request.is_some() {
            self.reason.clear();
        }
    }

    pub(super) fn by(&self) -> Option<CustomerId> {
        self.by
    }

    pub(super) fn erase_admin(&mut self, admin: CustomerId) {
        self.by = self.by.filter(|by| *by != admin);
    }

    /// The pieces of each product.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (ProductId, u32)> {
        self.lines.iter().map(|line| (line.product_id, line.quantity))
    }

    /// The sum of the taxes.
    pub(crate) fn tax(&self) -> u64 {
        self.taxes.iter().map(RefundTax::tax).sum()
    }

    /// The sums of net amounts and taxes.
    pub(crate) fn taxed(&self) -> u64 {
        self.taxes.iter().map(RefundTax::gross).sum()
    }

    /// Returns the view for the customer.
    fn view(&self, payment: Option<&Payment>) -> OrderRefundView {
        OrderRefundView {
            id: self.id,
            status: self.status(payment),
            lines: self.lines.clone(),
            shipping: self.shipping,
            amount: self.amount,
            taxes: self.taxes.clone(),
            reason: self.reason.clone(),
            by: None,
            created_at: self.created_at,
        }
    }
}

impl Order {
    /// Returns the refund that a request with this key has made. Errors: `key-reused`.
    pub(crate) fn refund_by_key(&self, key: &IdempotencyKey, new: &NewRefund) -> Result<Option<RefundId>> {
        let request = KeyedRequest::new(key.clone(), new)?;
        for refund in &self.refunds {
            if let Some(earlier) = &refund.request
                && request.repeats(earlier)?
            {
                return Ok(Some(refund.id));
            }
        }
        Ok(None)
    }

    /// The pieces of a product that earlier refunds name.
    pub(crate) fn refunded_pieces(&self, product: ProductId) -> u32 {
        let lines = self.refunds.iter().flat_map(|refund| &refund.lines);
        lines.filter(|line| line.product_id == product).map(|line| line.quantity).sum()
    }

    /// The money that the refunds have taken from each part of the order.
    fn shares_of_refunds(&self, sold: &Sold) -> Vec<Money> {
        self.refunds.iter().fold(sold.no_shares(), |sums, refund| {
            let add = |(sum, share): (Money, &Money)| sum.checked_add(*share).unwrap_or(sum);
            sums.into_iter().zip(&refund.shares).map(add).collect()
        })
    }

    /// Returns the refunds and their states.
    pub(crate) fn refunds(&self) -> impl Iterator<Item = (&OrderRefund, OrderRefundStatus)> {
        self.refunds.iter().map(|refund| (refund, refund.status(self.payment.as_ref())))
    }

    /// Returns the refunds for the customer.
    pub(super) fn refund_views(&self) -> Vec<OrderRefundView> {
        self.refunds.iter().map(|refund| refund.view(self.payment.as_ref())).collect()
    }

    /// Returns one refund, for an admin.
    pub(crate) fn refund_for_admin(&self, id: RefundId) -> Option<OrderRefundView> {
        let refund = self.refunds.iter().find(|refund| refund.id == id)?;
        Some(OrderRefundView { by: refund.by, ..refund.view(self.payment.as_ref()) })
    }

    /// Returns the refunds that have succeeded and are not published yet, and marks them.
    pub(crate) fn take_succeeded_refunds(&mut self) -> Vec<RefundId> {
        let payment = self.payment.as_ref();
        let is_new =
            |refund: &&mut OrderRefund| !refund.is_published && refund.status(payment) == OrderRefundStatus::Succeeded;
        let mark = |refund: &mut OrderRefund| {
            refund.is_published = true;
            refund.id
        };
        self.refunds.iter_mut().filter(is_new).map(mark).collect()
    }
}
