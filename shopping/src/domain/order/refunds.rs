//! Refunds of an order by the shop: of pieces, of shipping, or of a free amount. A refund is
//! decided in one write, by which it takes its money from what is left; the payment then requests
//! it from the provider ([`crate::domain::payment::refund`]). [`super::refund_shares`] has the
//! arithmetic.

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductId, ReservationLine};
use souk_contract::shopping::RefundId;
use souk_types::input::{Fields, Input};
use souk_types::{Error, FieldError, Money, Price, Quantity, Result, Text, Timestamp};

use super::refund_shares::{RefundTax, Sold};
use super::shipment::ShippedLine;
use super::{Order, OrderStatus};
use crate::domain::idempotency::{Fingerprint, IdempotencyKey};
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

    fn fingerprint(&self) -> Result<Fingerprint> {
        Fingerprint::of(self)
    }
}

/// A refund that the shop has decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OrderRefund {
    pub(crate) id: RefundId,
    /// The idempotency key of the request, and its fingerprint. `None` for the refund of an order
    /// that has ended.
    request: Option<(IdempotencyKey, Fingerprint)>,
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
    complete_at: Money,
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
    fn status(&self, payment: &Payment) -> OrderRefundStatus {
        let reached = |sum: Money| sum.amount() >= self.complete_at.amount();
        if reached(payment.refunded()) {
            OrderRefundStatus::Succeeded
        } else if reached(payment.returned_or_requested()) {
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
    fn view(&self, payment: &Payment) -> OrderRefundView {
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

/// The outcome of a request for a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefundDecision {
    New(RefundId),
    /// The refund that a request with the same key has made.
    Existing(RefundId),
}

impl Order {
    /// Decides a refund, and takes its money from what is left. The same key gets the same refund.
    ///
    /// Errors: `key-reused`; `order-state` unless the order is paid and has not ended;
    /// `refund-limit` for more than is left; `validation` for a line that was not bought, another
    /// currency, or an amount that contradicts the lines.
    pub(crate) fn refund(
        &mut self,
        key: &IdempotencyKey,
        new: &NewRefund,
        by: CustomerId,
        now: Timestamp,
    ) -> Result<RefundDecision> {
        if let Some(existing) = self.refund_by_key(key, new)? {
            return Ok(RefundDecision::Existing(existing));
        }
        self.require_refundable()?;
        if self.refunds.len() >= MAX_REFUNDS {
            let detail = format!("An order has at most {MAX_REFUNDS} refunds.");
            return Err(Error::conflict("refund-limit", detail));
        }
        let sold = self.sold();
        let mut shares = sold.no_shares();
        let taken = self.shares_of_refunds(&sold);
        let lines = self.refund_lines(new, &sold, &taken, &mut shares)?;
        let shipping = refund_shipping(new, &sold, &taken, &mut shares)?;
        let parts = sold.total(&shares);
        let amount = match new.amount.map(Money::from) {
            None if lines.is_empty() && !new.shipping => {
                return Err(Error::invalid_field("lines", "name lines, shipping or an amount"));
            }
            None => parts,
            Some(amount) if amount.currency() != parts.currency() => {
                let message = format!("must be {}, the currency of the payment", parts.currency().code());
                return Err(Error::invalid_field("amount.currency", message));
            }
            Some(amount) if lines.is_empty() && !new.shipping => {
                let undecided = self.payment.as_ref().map_or(amount, Payment::undecided);
                shares = sold.spread(amount, undecided, &taken);
                amount
            }
            Some(amount) if amount == parts => amount,
            Some(_) => {
                let message = format!("must be {parts}, the sum of the lines and the shipping, or left out");
                return Err(Error::invalid_field("amount", message));
            }
        };
        let taxes = sold.taxes(&taken, &shares);
        let payment = self.payment.as_mut().ok_or_else(no_payment)?;
        if amount.amount() > payment.refundable().amount() || amount.is_zero() {
            return Err(too_much(payment));
        }
        payment.refund_more(amount);
        let complete_at = payment.to_refund();
        let id = RefundId::new();
        let restocked = new.lines.iter().filter(|line| line.restock);
        let restocked = restocked.map(|line| ReservationLine { product: line.product_id, quantity: line.quantity });
        self.return_pieces(id, restocked.collect());
        self.refunds.push(OrderRefund {
            id,
            request: Some((key.clone(), new.fingerprint()?)),
            lines,
            shipping,
            amount,
            taxes,
            reason: new.reason.to_string(),
            by: Some(by),
            created_at: now,
            shares,
            complete_at,
            is_published: false,
        });
        // Refunded pieces are not left to ship.
        self.follow_shipments(now)?;
        self.lease(now);
        Ok(RefundDecision::New(id))
    }

    /// Cancels the pieces that are not shipped yet: refunds them and puts them back on sale. Their
    /// share of the shipping price stays paid. Returns whether pieces were left. Errors:
    /// `order-state`, `refund-limit`.
    pub(crate) fn cancel_rest(&mut self, by: CustomerId, now: Timestamp) -> Result<bool> {
        let left = self.fulfilment().left();
        if left.is_empty() {
            return Ok(false);
        }
        let reason = Text::try_from("Cancelled before it was shipped.".to_owned()).map_err(Error::internal)?;
        // No request has this key.
        let key = RefundId::new().to_string().parse()?;
        self.refund(&key, &NewRefund::of_pieces(left, reason), by, now).map(|_| true)
    }

    /// Returns the refund that a request with this key has made. Errors: `key-reused`.
    pub(crate) fn refund_by_key(&self, key: &IdempotencyKey, new: &NewRefund) -> Result<Option<RefundId>> {
        let fingerprint = new.fingerprint()?;
        for refund in &self.refunds {
            match &refund.request {
                Some((used, of)) if used == key && *of == fingerprint => return Ok(Some(refund.id)),
                Some((used, _)) if used == key => {
                    let detail = "This Idempotency-Key was used for another refund of the order; use a new key.";
                    return Err(Error::unprocessable("key-reused", detail));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Errors: `order-state` unless the order is paid, its stock is sold, and it has not ended.
    pub(crate) fn require_refundable(&self) -> Result<()> {
        match self.status {
            _ if self.payment.is_none() => Err(no_payment()),
            status if status.is_sold() => Ok(()),
            OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Paid => {
                Err(Error::conflict("order-state", "The order is not confirmed yet; cancel it instead."))
            }
            _ => Err(Error::conflict("order-state", "The order has ended; all its money is refunded already.")),
        }
    }

    /// Records the refund of the rest of the money of an order that has ended.
    pub(super) fn record_final_refund(&mut self, reason: &str, by: Option<CustomerId>, now: Timestamp) {
        let Some(payment) = self.payment.as_mut() else { return };
        let amount = payment.undecided();
        payment.refund_all();
        let complete_at = payment.to_refund();
        let sold = self.sold();
        if amount.is_zero() || amount.currency() != sold.currency || self.refunds.len() > MAX_REFUNDS {
            return;
        }
        let taken = self.shares_of_refunds(&sold);
        let shares = sold.spread(amount, amount, &taken);
        let taxes = sold.taxes(&taken, &shares);
        let lines = sold.lines.iter().enumerate().filter_map(|(index, line)| {
            let quantity = line.quantity.saturating_sub(self.refunded_pieces(line.product));
            let amount = shares[index];
            (quantity > 0).then_some(RefundedLine { product_id: line.product, quantity, amount, restock: true })
        });
        let lines = lines.collect();
        let shipping = sold.shipping_in(&shares);
        let (id, reason) = (RefundId::new(), reason.to_owned());
        let (request, is_published, created_at) = (None, false, now);
        let refund = OrderRefund {
            id,
            request,
            lines,
            shipping,
            amount,
            taxes,
            reason,
            by,
            created_at,
            shares,
            complete_at,
            is_published,
        };
        self.refunds.push(refund);
    }

    /// Returns the lines of a refund, and adds their money to `shares`.
    fn refund_lines(
        &self,
        new: &NewRefund,
        sold: &Sold,
        taken: &[Money],
        shares: &mut [Money],
    ) -> Result<Vec<RefundedLine>> {
        let mut errors = Vec::new();
        let mut lines: Vec<RefundedLine> = Vec::new();
        for (number, line) in new.lines.iter().enumerate() {
            let field = |name: &str| format!("lines.{number}.{name}");
            let found = sold.lines.iter().position(|sold| sold.product == line.product_id);
            let Some(index) = found else {
                errors.push(FieldError::new(field("product_id"), "was not bought with this order"));
                continue;
            };
            if lines.iter().any(|earlier| earlier.product_id == line.product_id) {
                errors.push(FieldError::new(field("product_id"), "is given twice"));
                continue;
            }
            let before = self.refunded_pieces(line.product_id);
            let (bought, pieces) = (sold.lines[index].quantity, line.quantity.get());
            if before + pieces > bought {
                let left = bought.saturating_sub(before);
                let detail = format!("Of line {number}, {left} of {bought} pieces are left to refund.");
                return Err(Error::conflict("refund-limit", detail).with_member("left", left));
            }
            let amount = sold.pieces(index, before, pieces, taken);
            shares[index] = amount;
            lines.push(RefundedLine { product_id: line.product_id, quantity: pieces, amount, restock: line.restock });
        }
        if errors.is_empty() { Ok(lines) } else { Err(Error::invalid(errors)) }
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
        let payment = self.payment.as_ref();
        payment.into_iter().flat_map(|payment| self.refunds.iter().map(|refund| (refund, refund.status(payment))))
    }

    /// Returns the refunds for the customer.
    pub(super) fn refund_views(&self) -> Vec<OrderRefundView> {
        let views = self.payment.iter().flat_map(|payment| self.refunds.iter().map(|refund| refund.view(payment)));
        views.collect()
    }

    /// Returns one refund, for an admin.
    pub(crate) fn refund_for_admin(&self, id: RefundId) -> Option<OrderRefundView> {
        let refund = self.refunds.iter().find(|refund| refund.id == id)?;
        Some(OrderRefundView { by: refund.by, ..refund.view(self.payment.as_ref()?) })
    }

    /// Returns the refunds that have succeeded and are not published yet, and marks them.
    pub(crate) fn take_succeeded_refunds(&mut self) -> Vec<RefundId> {
        let Some(payment) = &self.payment else { return Vec::new() };
        let is_new =
            |refund: &&mut OrderRefund| !refund.is_published && refund.status(payment) == OrderRefundStatus::Succeeded;
        let mark = |refund: &mut OrderRefund| {
            refund.is_published = true;
            refund.id
        };
        self.refunds.iter_mut().filter(is_new).map(mark).collect()
    }
}

/// Returns how much of the shipping price is refunded, and adds it to `shares`.
fn refund_shipping(new: &NewRefund, sold: &Sold, taken: &[Money], shares: &mut [Money]) -> Result<Money> {
    if !new.shipping {
        return Ok(Money::zero(sold.currency));
    }
    let left = sold.take_shipping(taken, shares);
    if left.is_zero() {
        let message = "must be false: the order has no shipping price that is left to refund";
        return Err(Error::invalid_field("shipping", message));
    }
    Ok(left)
}

fn no_payment() -> Error {
    Error::conflict("order-state", "The order has no payment to refund.")
}

fn too_much(payment: &Payment) -> Error {
    let left = payment.refundable();
    let because = if payment.is_disputed() { " A dispute holds a part of the money." } else { "" };
    let detail = format!("{left} of the payment is left to refund.{because} Refund at most that.");
    match serde_json::to_value(left) {
        Ok(left) => Error::conflict("refund-limit", detail).with_member("left", left),
        Err(error) => Error::internal(error),
    }
}

#[cfg(test)]
mod tests;
