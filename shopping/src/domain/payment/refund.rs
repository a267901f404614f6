//! The refunds of a payment. The provider's list of refunds is the truth: the shop reads all of it
//! after each notification about a refund, before it requests one, and before it requests a failed
//! one again. The shop decides how much is to be refunded in all; it owes what the list does not
//! show as returned.
//!
//! Lists may overtake each other. A provider never removes a refund, and the states of a refund
//! have an order, so the same refunds follow from them in any order.

use serde::{Deserialize, Serialize};
use souk_types::Money;

use super::report::{PaymentRefundId, RefundReport, RefundStatus};
use super::state::{Payment, larger_of, saturating_sub, smaller_of};

/// A refund of a part of a payment, by the shop or at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: PaymentRefundId,
    /// The provider's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    pub(crate) amount: Money,
    pub(crate) status: RefundStatus,
    /// Why the refund failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl Refund {
    fn new(id: PaymentRefundId, amount: Money, status: RefundStatus) -> Self {
        Self { id, reference: None, amount, status, reason: None }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.status, RefundStatus::Requested | RefundStatus::Pending)
    }

    fn is_accepted(&self) -> bool {
        matches!(self.status, RefundStatus::Pending | RefundStatus::Succeeded)
    }

    /// Applies a report of this refund. The states have an order, so late reports change nothing.
    fn apply(&mut self, report: &RefundReport) {
        if self.reference.is_none() {
            self.reference.clone_from(&report.reference);
        }
        if report.status > self.status {
            self.status = report.status;
            self.reason.clone_from(&report.reason);
        }
        // The provider decides the amount. A refund of nothing must not count as one.
        if report.amount.currency() == self.amount.currency() && report.status != RefundStatus::Failed {
            if report.amount.is_zero() {
                (self.status, self.reason) = (RefundStatus::Failed, Some("nothing-refunded".to_owned()));
            } else {
                self.amount = report.amount;
            }
        }
    }

    pub(super) fn view(&self) -> PaymentRefundView {
        PaymentRefundView {
            id: self.id,
            amount: self.amount,
            status: self.status,
            reference: self.reference.clone(),
            reason: self.reason.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PaymentRefundView {
    id: PaymentRefundId,
    amount: Money,
    status: RefundStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Payment {
    /// Applies the provider's list of refunds, and returns whether it changes the payment. A
    /// refund that the shop has requested and the list does not show stays requested, unless
    /// refunds at the provider have returned its money.
    pub(crate) fn apply_refunds(&mut self, list: &[RefundReport]) -> bool {
        let before = self.clone();
        for report in list {
            self.merge_refund(report);
        }
        self.withdraw_requests();
        *self != before
    }

    /// Applies the provider's reply to the request for a refund, and returns whether it changes
    /// the payment.
    pub(crate) fn apply_refund(&mut self, reply: &RefundReport) -> bool {
        self.apply_refunds(std::slice::from_ref(reply))
    }

    fn merge_refund(&mut self, report: &RefundReport) {
        let is_same = |refund: &&mut Refund| {
            Some(refund.id) == report.id || (refund.reference.is_some() && refund.reference == report.reference)
        };
        if let Some(refund) = self.refunds.iter_mut().find(is_same) {
            refund.apply(report);
        } else if report.reference.is_some() {
            let mut refund =
                Refund::new(report.id.unwrap_or_else(PaymentRefundId::new), report.amount, RefundStatus::Requested);
            refund.apply(report);
            self.refunds.push(refund);
        }
        // Only captured money can be refunded.
        self.count_captured(self.uncapped_accepted());
    }

    /// Withdraws requests for money that is not owed any more, and requests the rest under a new
    /// id, because a provider takes one amount for each id.
    pub(super) fn withdraw_requests(&mut self) {
        let due = saturating_sub(self.due(), self.accepted());
        if self.requested().amount() > due.amount() {
            self.refunds.retain(|refund| refund.status != RefundStatus::Requested);
            self.request(due);
        }
    }

    /// Decides that all captured money is refunded, and requests the increase. A refund that failed
    /// before waits for an admin.
    pub(crate) fn refund_all(&mut self) {
        let increase = saturating_sub(self.captured, self.refund_target);
        self.refund_target = self.captured;
        self.request(smaller_of(increase, self.owed()));
    }

    /// Decides that this much more is refunded, at most what is [`Payment::undecided`], and
    /// requests it. Money in a dispute is requested when the shop has won.
    pub(crate) fn refund_more(&mut self, amount: Money) {
        let amount = smaller_of(amount, self.undecided());
        let decided = larger_of(self.refund_target, self.accepted());
        self.refund_target = decided.checked_add(amount).unwrap_or(decided);
        self.request(smaller_of(amount, self.owed()));
    }

    /// Requests what is owed: the money of refunds that failed.
    pub(crate) fn request_owed(&mut self) {
        self.request(self.owed());
    }

    /// Decides that no money is refunded, because the order continues.
    pub(crate) fn keep_all(&mut self) {
        self.refund_target = Money::zero(self.captured.currency());
        self.withdraw_requests();
    }

    fn request(&mut self, amount: Money) {
        if !amount.is_zero() {
            self.refunds.push(Refund::new(PaymentRefundId::new(), amount, RefundStatus::Requested));
        }
    }

    /// The sum of the refunds that succeeded.
    pub(crate) fn refunded(&self) -> Money {
        smaller_of(self.sum(|refund| refund.status == RefundStatus::Succeeded), self.captured)
    }

    /// The sum of the refunds that the provider has accepted and that have not failed.
    pub(crate) fn accepted(&self) -> Money {
        smaller_of(self.uncapped_accepted(), self.captured)
    }

    /// The sum that is returned when the provider accepts what the shop requests.
    pub(crate) fn accepted_or_requested(&self) -> Money {
        let accepted = self.accepted();
        accepted.checked_add(self.requested()).unwrap_or(accepted)
    }

    /// The sum that the shop has decided to refund.
    pub(crate) fn refund_target(&self) -> Money {
        self.refund_target
    }

    /// The captured money whose refund is not decided, disputed or not.
    pub(crate) fn undecided(&self) -> Money {
        saturating_sub(self.captured, larger_of(self.refund_target, self.accepted_or_requested()))
    }

    fn uncapped_accepted(&self) -> Money {
        self.sum(Refund::is_accepted)
    }

    fn requested(&self) -> Money {
        self.sum(|refund| refund.status == RefundStatus::Requested)
    }

    /// The money that is to be refunded, and is neither returned nor requested: that of refunds
    /// that failed. Disputed money is not owed.
    pub(crate) fn owed(&self) -> Money {
        saturating_sub(saturating_sub(self.due(), self.accepted()), self.requested())
    }

    /// The sum that is to be returned in all while disputes stand: they take the money that is not
    /// to be refunded first.
    fn due(&self) -> Money {
        smaller_of(self.refund_target, saturating_sub(self.captured, self.disputed()))
    }

    /// The captured money whose refund is not decided, and that is not disputed.
    pub(crate) fn refundable(&self) -> Money {
        saturating_sub(self.undecided(), self.disputed())
    }

    /// Whether money was captured and all of it is refunded.
    pub(crate) fn is_refunded(&self) -> bool {
        !self.captured.is_zero() && self.refunded() == self.captured
    }

    /// Whether more money is refunded than the shop has decided.
    pub(crate) fn is_refunded_at_provider(&self) -> bool {
        self.is_refunded() && self.refund_target != self.captured
    }

    /// Whether the shop has, and keeps, a part of the money: refunds in progress count as refunded.
    pub(crate) fn keeps_money(&self) -> bool {
        !saturating_sub(self.captured, self.accepted_or_requested()).is_zero()
    }

    /// Whether a refund was ever requested or made.
    pub(crate) fn has_refunds(&self) -> bool {
        !self.refunds.is_empty()
    }

    pub(crate) fn requested_refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| refund.status == RefundStatus::Requested)
    }

    pub(crate) fn has_pending_refund(&self) -> bool {
        self.refunds.iter().any(|refund| refund.status == RefundStatus::Pending)
    }

    fn sum(&self, which: impl Fn(&Refund) -> bool) -> Money {
        self.total(self.refunds.iter().filter(|refund| which(refund)).map(|refund| refund.amount))
    }
}

#[cfg(test)]
mod tests;
