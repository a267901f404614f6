//! The payment of an order in money: how much is captured, how much is refunded, and the status
//! that follows. Reports arrive repeatedly and out of order; the captured amount only grows.

use serde::{Deserialize, Serialize};
use souk_types::Money;

use super::PaymentMethod;
use super::dispute::Dispute;
use super::refund::{PaymentRefundView, Refund};
use super::report::{ClientAction, PaymentReport, ProviderPaymentStatus};

/// The state of a payment, which follows from its amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaymentStatus {
    /// Created; no money has moved.
    Open,
    /// In progress, or unknown.
    Processing,
    /// The money is reserved until the shop captures or cancels the payment.
    Authorized,
    /// Less than the amount was captured, or another currency.
    Underpaid,
    /// The amount was captured.
    Captured,
    /// More than the amount was captured.
    Overpaid,
    /// Declined: nothing was captured.
    Declined,
    /// Cancelled: nothing was captured.
    Cancelled,
    /// A part of the captured money is refunded.
    PartiallyRefunded,
    /// A refund is requested, and the provider has not said that it succeeded.
    RefundPending,
    /// A refund failed. An admin can request it again.
    RefundFailed,
    /// The customer's bank has taken money back; that money is not refunded.
    Disputed,
    /// All captured money is refunded.
    Refunded,
}

impl PaymentStatus {
    /// Every state.
    pub const ALL: [Self; 13] = [
        Self::Open,
        Self::Processing,
        Self::Authorized,
        Self::Underpaid,
        Self::Captured,
        Self::Overpaid,
        Self::Declined,
        Self::Cancelled,
        Self::PartiallyRefunded,
        Self::RefundPending,
        Self::RefundFailed,
        Self::Refunded,
        Self::Disputed,
    ];
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) method: PaymentMethod,
    /// The provider's id of the payment.
    pub(crate) reference: String,
    /// The amount to pay.
    pub(crate) amount: Money,
    pub(super) provider_status: ProviderPaymentStatus,
    pub(super) captured: Money,
    /// The sum that the shop has decided to refund: at most the captured money.
    #[serde(rename = "to_refund")]
    pub(super) refund_target: Money,
    /// The refunds that the provider has listed, and those that the shop requests.
    pub(super) refunds: Vec<Refund>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) disputes: Vec<Dispute>,
    /// Why the provider declined the payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Set while the client can complete the payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_action: Option<ClientAction>,
}

/// The next action for a payment whose money the shop must not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentWork {
    /// No work: the money is where it belongs, or an admin must act.
    None,
    /// Cancel the payment, so that nothing more is captured.
    Cancel,
    /// Request the refunds that are owed.
    Refund,
    /// Look up refunds that the provider has accepted.
    AwaitRefund,
}

impl Payment {
    pub(crate) fn open(
        method: PaymentMethod,
        reference: String,
        amount: Money,
        client_action: Option<ClientAction>,
    ) -> Self {
        let zero = Money::zero(amount.currency());
        Self {
            method,
            reference,
            amount,
            provider_status: ProviderPaymentStatus::Open,
            captured: zero,
            refund_target: zero,
            refunds: Vec::new(),
            disputes: Vec::new(),
            reason: None,
            client_action,
        }
    }

    pub(crate) fn status(&self) -> PaymentStatus {
        if self.refunds.iter().any(Refund::is_open) {
            return PaymentStatus::RefundPending;
        }
        if !self.owed().is_zero() {
            return PaymentStatus::RefundFailed;
        }
        if self.is_disputed() {
            return PaymentStatus::Disputed;
        }
        if self.is_refunded() {
            return PaymentStatus::Refunded;
        }
        if !self.refunded().is_zero() {
            return PaymentStatus::PartiallyRefunded;
        }
        match self.provider_status {
            _ if self.is_paid() && self.captured != self.amount => PaymentStatus::Overpaid,
            _ if self.is_paid() => PaymentStatus::Captured,
            ProviderPaymentStatus::Open => PaymentStatus::Open,
            ProviderPaymentStatus::Processing => PaymentStatus::Processing,
            ProviderPaymentStatus::Authorized => PaymentStatus::Authorized,
            ProviderPaymentStatus::Declined if self.captured.is_zero() => PaymentStatus::Declined,
            ProviderPaymentStatus::Cancelled if self.captured.is_zero() => PaymentStatus::Cancelled,
            // The report of a capture names no amount.
            ProviderPaymentStatus::Captured if self.captured.is_zero() => PaymentStatus::Processing,
            ProviderPaymentStatus::Declined | ProviderPaymentStatus::Cancelled | ProviderPaymentStatus::Captured => {
                PaymentStatus::Underpaid
            }
        }
    }

    /// The sum of all captures, refunded or not.
    pub(crate) fn captured(&self) -> Money {
        self.captured
    }

    /// Whether the whole amount was captured. Refunds do not matter.
    pub(crate) fn is_paid(&self) -> bool {
        self.captured.currency() == self.amount.currency() && self.captured.amount() >= self.amount.amount()
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    pub(crate) fn work(&self) -> PaymentWork {
        let may_capture = matches!(
            self.provider_status,
            ProviderPaymentStatus::Open | ProviderPaymentStatus::Processing | ProviderPaymentStatus::Authorized
        );
        if may_capture && !self.is_paid() {
            PaymentWork::Cancel
        } else if self.requested_refunds().next().is_some() {
            PaymentWork::Refund
        } else if self.has_pending_refund() {
            PaymentWork::AwaitRefund
        } else {
            PaymentWork::None
        }
    }

    /// Applies a provider's report, and returns whether it changes the payment. After a declined
    /// attempt, a client that pays by itself can try another card.
    pub(crate) fn apply_attempt(&mut self, report: &PaymentReport, client_pays: bool) -> bool {
        if !client_pays || report.status != ProviderPaymentStatus::Declined {
            return self.apply(report);
        }
        let before = self.clone();
        if matches!(self.provider_status, ProviderPaymentStatus::Open | ProviderPaymentStatus::Processing) {
            self.provider_status = ProviderPaymentStatus::Open;
            self.client_action = report.client_action.clone().or(self.client_action.take());
        }
        *self != before
    }

    /// Applies a provider's report, and returns whether it changes the payment.
    pub(crate) fn apply(&mut self, report: &PaymentReport) -> bool {
        let before = self.clone();
        if !self.is_outdated(report.status) {
            self.provider_status = report.status;
        }
        self.count_captured(report.captured);
        self.apply_refunds(&report.refunds);
        if report.status == ProviderPaymentStatus::Declined {
            self.reason.clone_from(&report.reason);
        }
        match self.provider_status {
            ProviderPaymentStatus::Processing if report.status == ProviderPaymentStatus::Processing => {
                self.client_action.clone_from(&report.client_action);
            }
            // The client has not begun to pay, or the report is outdated.
            ProviderPaymentStatus::Open | ProviderPaymentStatus::Processing => {}
            _ => self.client_action = None,
        }
        *self != before
    }

    /// Returns the view without the secrets that only the customer may see.
    pub(crate) fn view(&self) -> PaymentView {
        PaymentView {
            method: self.method,
            status: self.status(),
            amount: self.amount,
            captured: self.captured,
            refunded: self.refunded(),
            refunds: self.refunds.iter().map(Refund::view).collect(),
            disputes: self.disputes.clone(),
            reason: self.reason.clone(),
            client_action: None,
        }
    }

    /// Returns the view for the customer, who may complete the payment.
    pub(crate) fn view_for_customer(&self) -> PaymentView {
        PaymentView { client_action: self.client_action.clone(), ..self.view() }
    }

    fn is_outdated(&self, status: ProviderPaymentStatus) -> bool {
        match self.provider_status {
            ProviderPaymentStatus::Captured => true,
            ProviderPaymentStatus::Open => false,
            ProviderPaymentStatus::Processing
            | ProviderPaymentStatus::Authorized
            | ProviderPaymentStatus::Declined
            | ProviderPaymentStatus::Cancelled => status == ProviderPaymentStatus::Open,
        }
    }

    /// The first captured money decides the currency: a payment has one.
    pub(super) fn count_captured(&mut self, reported: Money) {
        if self.captured.is_zero() && !reported.is_zero() {
            (self.captured, self.refund_target) = (reported, Money::zero(reported.currency()));
        } else {
            self.captured = larger_of(self.captured, reported);
        }
    }

    /// Returns the sum of the amounts in the currency of the captured money.
    pub(super) fn total(&self, amounts: impl Iterator<Item = Money>) -> Money {
        let zero = Money::zero(self.captured.currency());
        amounts.fold(zero, |sum, amount| sum.checked_add(amount).unwrap_or(sum))
    }
}

/// Returns the smaller amount of one currency.
pub(super) fn smaller_of(money: Money, limit: Money) -> Money {
    if money.amount() > limit.amount() { limit } else { money }
}

/// Returns the greater amount; the first when the currencies differ.
pub(super) fn larger_of(one: Money, other: Money) -> Money {
    if other.currency() == one.currency() && other.amount() > one.amount() { other } else { one }
}

/// Returns the difference of two amounts of one currency, or zero when the second is greater.
pub(super) fn saturating_sub(one: Money, other: Money) -> Money {
    one.minus(other).unwrap_or(Money::zero(one.currency()))
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PaymentView {
    method: PaymentMethod,
    status: PaymentStatus,
    amount: Money,
    captured: Money,
    refunded: Money,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refunds: Vec<PaymentRefundView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    disputes: Vec<Dispute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(flatten)]
    client_action: Option<ClientAction>,
}

#[cfg(test)]
mod tests;
