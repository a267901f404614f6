//! The decision of a refund: what it returns, and whether that is left.

use souk_contract::customer::CustomerId;
use souk_contract::products::ReservationLine;
use souk_contract::shopping::RefundId;
use souk_types::{Error, FieldError, IdempotencyKey, KeyedRequest, Language, Money, Result, Text, Timestamp};

use super::{MAX_REFUNDS, NewRefund, OrderRefund, RefundedLine};
use crate::domain::order::refund_shares::Sold;
use crate::domain::order::{Order, OrderStatus};
use crate::domain::payment::state::Payment;

/// The outcome of a request for a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefundDecision {
    New(RefundId),
    /// The refund that a request with the same key has made.
    Existing(RefundId),
}

/// What a refund returns: pieces, shipping and money, and its share of each part of the order.
struct Parts {
    lines: Vec<RefundedLine>,
    shipping: Money,
    amount: Money,
    shares: Vec<Money>,
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
        // Pieces that cost nothing, or whose money is refunded, can go back on sale.
        if !amount.is_zero() {
            let payment = self.payment.as_ref().ok_or_else(no_payment)?;
            if amount.amount() > payment.refundable().amount() {
                return Err(too_much(payment));
            }
        }
        self.add_refund(key, new, Parts { lines, shipping, amount, shares }, by, now).map(RefundDecision::New)
    }

    /// Cancels the pieces that are not shipped yet: refunds what is left of their money and puts
    /// them back on sale. Their share of the shipping price stays paid. Disputed money is refunded
    /// when the shop has won. It does not count against the largest number of refunds. Returns
    /// whether pieces were left. Errors: `order-state`.
    pub(crate) fn cancel_rest(&mut self, by: CustomerId, now: Timestamp) -> Result<bool> {
        let left = self.fulfilment().left();
        if left.is_empty() {
            return Ok(false);
        }
        self.require_refundable()?;
        let reason = match self.language {
            Language::English => "Cancelled before it was shipped.",
            Language::German => "Vor dem Versand storniert.",
        };
        let reason = Text::try_from(reason.to_owned()).map_err(Error::internal)?;
        let new = NewRefund::of_pieces(left, reason);
        let sold = self.sold();
        let mut shares = sold.no_shares();
        let mut lines = self.refund_lines(&new, &sold, &self.shares_of_refunds(&sold), &mut shares)?;
        let undecided = self.payment.as_ref().map_or(Money::zero(sold.currency), Payment::undecided);
        // Refunds at the provider leave less.
        if sold.total(&shares).amount() > undecided.amount() {
            shares = sold.limit(undecided, &shares);
            for line in &mut lines {
                let index = sold.lines.iter().position(|sold| sold.product == line.product_id);
                line.amount = index.map_or(line.amount, |index| shares[index]);
            }
        }
        let (amount, shipping) = (sold.total(&shares), Money::zero(sold.currency));
        // No request has this key.
        let key = RefundId::new().to_string().parse()?;
        self.add_refund(&key, &new, Parts { lines, shipping, amount, shares }, by, now).map(|_| true)
    }

    /// Records a refund whose money is checked, and requests the money.
    fn add_refund(
        &mut self,
        key: &IdempotencyKey,
        new: &NewRefund,
        parts: Parts,
        by: CustomerId,
        now: Timestamp,
    ) -> Result<RefundId> {
        let Parts { lines, shipping, amount, shares } = parts;
        let sold = self.sold();
        let taxes = sold.taxes(&self.shares_of_refunds(&sold), &shares);
        let mut succeeds_at_total = amount;
        if let Some(payment) = self.payment.as_mut() {
            payment.refund_more(amount);
            succeeds_at_total = payment.refund_target();
        }
        let id = RefundId::new();
        let restocked = new.lines.iter().filter(|line| line.restock);
        let restocked = restocked.map(|line| ReservationLine { product: line.product_id, quantity: line.quantity });
        self.return_pieces(id, restocked.collect());
        self.refunds.push(OrderRefund {
            id,
            request: Some(KeyedRequest::new(key.clone(), new)?),
            lines,
            shipping,
            amount,
            taxes,
            reason: new.reason.to_string(),
            by: Some(by),
            created_at: now,
            shares,
            succeeds_at_total,
            // A mail reports money.
            is_published: amount.is_zero(),
        });
        // Refunded pieces are not left to ship.
        self.follow_shipments(now)?;
        self.lease(now);
        self.settle(now)?;
        Ok(id)
    }

    /// Errors: `order-state` unless the order's stock is sold, and it has not ended.
    pub(crate) fn require_refundable(&self) -> Result<()> {
        match self.status {
            status if status.is_sold() => Ok(()),
            OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Paid => {
                Err(Error::conflict("order-state", "The order is not confirmed yet; cancel it instead."))
            }
            _ => Err(Error::conflict(
                "order-state",
                "The order has ended, and all its money is refunded without a request. A refund that failed is retried by refunds/retry.",
            )),
        }
    }

    /// Records the refund of the rest of the money of an order that has ended.
    pub(in crate::domain::order) fn record_final_refund(
        &mut self,
        reason: &str,
        by: Option<CustomerId>,
        now: Timestamp,
    ) {
        let Some(payment) = self.payment.as_mut() else { return };
        let amount = payment.undecided();
        payment.refund_all();
        let succeeds_at_total = payment.refund_target();
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
            succeeds_at_total,
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
