//! One refund of a payment, as the shop knows it.

use serde::{Deserialize, Serialize};
use souk_types::Money;

use super::report::{RefundId, RefundReport, RefundStatus};

/// A refund of a part of a payment, by the shop or at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: RefundId,
    /// The provider's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    pub(crate) amount: Money,
    pub(crate) status: RefundStatus,
    /// Why the refund failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// How much of this failed refund later ones return.
    replaced: Money,
}

impl Refund {
    pub(super) fn new(id: RefundId, amount: Money, status: RefundStatus) -> Self {
        Self { id, reference: None, amount, status, reason: None, replaced: Money::zero(amount.currency()) }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.status, RefundStatus::Requested | RefundStatus::Pending)
    }

    /// Whether the provider's sum of refunds may contain it.
    pub(super) fn may_be_counted(&self) -> bool {
        self.reference.is_some() || self.status == RefundStatus::Requested
    }

    /// Applies a report of this refund. The states have an order, so late reports change nothing.
    pub(super) fn apply(&mut self, report: &RefundReport) {
        let rank = |status| match status {
            RefundStatus::Requested => 0,
            RefundStatus::Pending => 1,
            RefundStatus::Succeeded => 2,
            RefundStatus::Failed => 3,
        };
        if self.reference.is_none() {
            self.reference.clone_from(&report.reference);
        }
        if rank(report.status) > rank(self.status) {
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

    /// Returns the money of a failed refund that no later refund returns.
    pub(super) fn unreturned(&self) -> Money {
        let nothing = Money::zero(self.amount.currency());
        if self.status == RefundStatus::Failed { self.amount.minus(self.replaced).unwrap_or(nothing) } else { nothing }
    }

    /// Counts `money` of later refunds as a replacement of this failed one, and returns the rest.
    pub(super) fn replace_by(&mut self, money: Money) -> Money {
        let unreturned = self.unreturned();
        let rest = money.minus(unreturned).unwrap_or(money);
        let used = money.minus(rest).and_then(|used| self.replaced.checked_add(used));
        self.replaced = used.unwrap_or(self.replaced);
        rest
    }

    pub(super) fn view(&self) -> RefundView {
        RefundView {
            id: self.id,
            amount: self.amount,
            status: self.status,
            reference: self.reference.clone(),
            reason: self.reason.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RefundView {
    id: RefundId,
    amount: Money,
    status: RefundStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}
