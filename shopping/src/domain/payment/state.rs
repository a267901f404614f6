//! The payment of an order in money: how much is captured, how much is refunded, and the status
//! that follows. Reports arrive repeatedly and out of order; captured and refunded amounts only
//! grow, except that a refund may fail.

use serde::{Deserialize, Serialize};
use souk_types::Money;

use super::PaymentMethod;
use super::refund::{Refund, RefundView};
use super::report::{ClientAction, PaymentReport, ProviderStatus, RefundId, RefundReport, RefundStatus};

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
    /// All captured money is refunded.
    Refunded,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) method: PaymentMethod,
    /// The provider's id of the payment.
    pub(crate) reference: String,
    /// The amount to pay.
    pub(crate) amount: Money,
    provider_status: ProviderStatus,
    captured: Money,
    refunds: Vec<Refund>,
    /// Refunds made at the provider that are known by their sum only.
    refunded_elsewhere: Money,
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
            provider_status: ProviderStatus::Open,
            captured: zero,
            refunds: Vec::new(),
            refunded_elsewhere: zero,
            reason: None,
            client_action,
        }
    }

    pub(crate) fn status(&self) -> PaymentStatus {
        if self.refunds.iter().any(Refund::is_open) {
            return PaymentStatus::RefundPending;
        }
        if self.has_failed_refund() {
            return PaymentStatus::RefundFailed;
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
            ProviderStatus::Open => PaymentStatus::Open,
            ProviderStatus::Processing => PaymentStatus::Processing,
            ProviderStatus::Authorized => PaymentStatus::Authorized,
            ProviderStatus::Declined if self.captured.is_zero() => PaymentStatus::Declined,
            ProviderStatus::Cancelled if self.captured.is_zero() => PaymentStatus::Cancelled,
            // The report of a capture names no amount.
            ProviderStatus::Captured if self.captured.is_zero() => PaymentStatus::Processing,
            ProviderStatus::Declined | ProviderStatus::Cancelled | ProviderStatus::Captured => PaymentStatus::Underpaid,
        }
    }

    /// The sum of all captures, refunded or not.
    pub(crate) fn captured(&self) -> Money {
        self.captured
    }

    /// The sum of the refunds that succeeded.
    pub(crate) fn refunded(&self) -> Money {
        let listed = self.sum(|refund| refund.status == RefundStatus::Succeeded);
        at_most(listed.checked_add(self.refunded_elsewhere).unwrap_or(listed), self.captured)
    }

    /// Whether the whole amount was captured. Refunds do not matter.
    pub(crate) fn is_paid(&self) -> bool {
        self.captured.currency() == self.amount.currency() && self.captured.amount() >= self.amount.amount()
    }

    /// Whether money was captured and all of it is refunded.
    pub(crate) fn is_refunded(&self) -> bool {
        !self.captured.is_zero() && self.refunded() == self.captured
    }

    /// Whether the shop has, and keeps, a part of the money: refunds in progress count as refunded.
    pub(crate) fn keeps_money(&self) -> bool {
        !self.refundable().is_zero()
    }

    /// Whether a refund was ever requested or made.
    pub(crate) fn has_refunds(&self) -> bool {
        !self.refunds.is_empty() || !self.refunded_elsewhere.is_zero()
    }

    /// Whether a refund failed whose money the shop still has.
    pub(crate) fn has_failed_refund(&self) -> bool {
        !self.unreturned().is_zero() && !self.refundable().is_zero()
    }

    /// The sum of the failed refunds that the provider had accepted. An old report of the payment
    /// contains them, a current one does not.
    pub(crate) fn failed_at_provider(&self) -> Money {
        self.sum(|refund| refund.status == RefundStatus::Failed && refund.reference.is_some())
    }

    pub(crate) fn requested_refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| refund.status == RefundStatus::Requested)
    }

    pub(crate) fn pending_refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| refund.status == RefundStatus::Pending)
    }

    #[cfg(test)]
    pub(crate) fn refund_references(&self) -> impl Iterator<Item = &str> {
        self.refunds.iter().filter_map(|refund| refund.reference.as_deref())
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    pub(crate) fn work(&self) -> PaymentWork {
        let may_capture = matches!(
            self.provider_status,
            ProviderStatus::Open | ProviderStatus::Processing | ProviderStatus::Authorized
        );
        if may_capture && !self.is_paid() {
            PaymentWork::Cancel
        } else if self.requested_refunds().next().is_some() {
            PaymentWork::Refund
        } else if self.pending_refunds().next().is_some() {
            PaymentWork::AwaitRefund
        } else {
            PaymentWork::None
        }
    }

    /// Applies a provider's report, and returns whether it changes the payment. After a declined
    /// attempt, a client that pays by itself can try another card.
    pub(crate) fn apply_attempt(&mut self, report: &PaymentReport, client_pays: bool) -> bool {
        if !client_pays || report.status != ProviderStatus::Declined {
            return self.apply(report);
        }
        let before = self.clone();
        if matches!(self.provider_status, ProviderStatus::Open | ProviderStatus::Processing) {
            self.provider_status = ProviderStatus::Open;
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
        // Only captured money can be refunded.
        self.count_captured(report.refunded);
        let known = self.sum(Refund::may_be_counted);
        let known = known.minus(report.failed_refunds).unwrap_or(known);
        if let Some(elsewhere) = report.refunded.minus(known)
            && elsewhere.currency() == self.captured.currency()
        {
            if let Some(growth) = elsewhere.minus(self.refunded_elsewhere) {
                self.replace_failed_refunds(growth);
            }
            self.refunded_elsewhere = greater(self.refunded_elsewhere, elsewhere);
        }
        if report.status == ProviderStatus::Declined {
            self.reason.clone_from(&report.reason);
        }
        match self.provider_status {
            ProviderStatus::Processing if report.status == ProviderStatus::Processing => {
                self.client_action.clone_from(&report.client_action);
            }
            // The client has not begun to pay, or the report is outdated.
            ProviderStatus::Open | ProviderStatus::Processing => {}
            _ => self.client_action = None,
        }
        *self != before
    }

    /// Applies a report of one refund, and returns whether it changes the payment.
    pub(crate) fn apply_refund(&mut self, report: &RefundReport) -> bool {
        let before = self.clone();
        let by_reference = |refund: &Refund| refund.reference.is_some() && refund.reference == report.reference;
        let by_id = |refund: &Refund| Some(refund.id) == report.id;
        // A notification without the shop's id may have arrived before the reply.
        let early = self.refunds.iter().position(|refund| by_reference(refund) && !by_id(refund));
        let early = early.filter(|_| self.refunds.iter().any(by_id)).map(|index| self.refunds.remove(index));
        let known = self.refunds.iter_mut().find(|refund| by_id(refund) || by_reference(refund));
        if let Some(refund) = known {
            refund.apply(report);
            if let Some(Refund { reference, amount, status, reason, .. }) = early {
                refund.apply(&RefundReport { id: report.id, reference, amount, status, reason });
            }
        } else if report.amount.currency() == self.captured.currency() && report.reference.is_some() {
            let mut refund = Refund::new(RefundId::new(), report.amount, report.status);
            (refund.reference, refund.reason) = (report.reference.clone(), report.reason.clone());
            // The sum that the provider reported may contain it.
            let elsewhere = self.refunded_elsewhere;
            self.refunded_elsewhere = elsewhere.minus(report.amount).unwrap_or(elsewhere);
            if report.status != RefundStatus::Failed {
                self.replace_failed_refunds(report.amount.minus(elsewhere).unwrap_or(report.amount));
            }
            self.refunds.push(refund);
        }
        *self != before
    }

    /// Requests a refund of this amount, at most the money that the shop still has.
    pub(crate) fn request_refund(&mut self, amount: Money) {
        let amount = at_most(amount, self.refundable());
        if amount.is_zero() {
            return;
        }
        for refund in &mut self.refunds {
            refund.replace_by(refund.unreturned());
        }
        self.refunds.push(Refund::new(RefundId::new(), amount, RefundStatus::Requested));
    }

    /// The captured money that is not refunded and not being refunded.
    pub(crate) fn refundable(&self) -> Money {
        let open = self.sum(Refund::is_open);
        let rest = self.captured.minus(self.refunded()).and_then(|rest| rest.minus(open));
        rest.unwrap_or(Money::zero(self.captured.currency()))
    }

    /// The money that the shop owes for an order that has not ended: the surplus over the amount,
    /// or the money of failed refunds.
    pub(crate) fn owed_by_live_order(&self) -> Money {
        let surplus = self.refundable().minus(self.amount).unwrap_or(self.refundable());
        at_most(greater(surplus, self.unreturned()), self.refundable())
    }

    /// The money that an order owes: all that is left when it has ended.
    pub(crate) fn owed(&self, has_ended: bool) -> Money {
        if has_ended { self.refundable() } else { self.owed_by_live_order() }
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
            reason: self.reason.clone(),
            client_action: None,
        }
    }

    /// Returns the view for the customer, who may complete the payment.
    pub(crate) fn view_for_customer(&self) -> PaymentView {
        PaymentView { client_action: self.client_action.clone(), ..self.view() }
    }

    fn is_outdated(&self, status: ProviderStatus) -> bool {
        match self.provider_status {
            ProviderStatus::Captured => true,
            ProviderStatus::Open => false,
            ProviderStatus::Processing
            | ProviderStatus::Authorized
            | ProviderStatus::Declined
            | ProviderStatus::Cancelled => status == ProviderStatus::Open,
        }
    }

    /// The first captured money decides the currency: a payment has one.
    fn count_captured(&mut self, reported: Money) {
        if self.captured.is_zero() && !reported.is_zero() {
            self.captured = reported;
            self.refunded_elsewhere = Money::zero(reported.currency());
        } else if self.captured.currency() == reported.currency() {
            self.captured = greater(self.captured, reported);
        }
    }

    /// Counts a refund at the provider as a replacement of the oldest failed refunds.
    fn replace_failed_refunds(&mut self, mut money: Money) {
        for refund in &mut self.refunds {
            money = refund.replace_by(money);
        }
    }

    /// The money of failed refunds that no later refund returns.
    fn unreturned(&self) -> Money {
        self.total(self.refunds.iter().map(Refund::unreturned))
    }

    fn sum(&self, which: impl Fn(&Refund) -> bool) -> Money {
        self.total(self.refunds.iter().filter(|refund| which(refund)).map(|refund| refund.amount))
    }

    fn total(&self, amounts: impl Iterator<Item = Money>) -> Money {
        let zero = Money::zero(self.captured.currency());
        amounts.fold(zero, |sum, amount| sum.checked_add(amount).unwrap_or(sum))
    }
}

/// Returns the smaller amount of one currency.
fn at_most(money: Money, limit: Money) -> Money {
    if money.amount() > limit.amount() { limit } else { money }
}

/// Returns the greater amount of one currency.
fn greater(one: Money, other: Money) -> Money {
    if other.amount() > one.amount() { other } else { one }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PaymentView {
    method: PaymentMethod,
    status: PaymentStatus,
    amount: Money,
    captured: Money,
    refunded: Money,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refunds: Vec<RefundView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(flatten)]
    client_action: Option<ClientAction>,
}

#[cfg(test)]
mod tests;
