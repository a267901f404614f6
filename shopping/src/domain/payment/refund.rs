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
    /// Whether a later refund replaces this failed one.
    pub(super) retried: bool,
}

impl Refund {
    pub(super) fn new(id: RefundId, amount: Money, status: RefundStatus) -> Self {
        Self { id, reference: None, amount, status, reason: None, retried: false }
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

    pub(super) fn awaits_retry(&self) -> bool {
        self.status == RefundStatus::Failed && !self.retried
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
