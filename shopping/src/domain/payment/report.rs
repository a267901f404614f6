//! Reports of a payment provider: the state of a payment and of its refunds, in money. A report is
//! the reply to a call, or the content of a notification.

use std::fmt;

use serde::{Deserialize, Serialize};
use souk_contract::shopping::OrderId;
use souk_types::{Id, Money};

use super::dispute::Dispute;

/// The state of a payment at its provider. The amounts decide how much of it is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderPaymentStatus {
    /// Created; no money has moved.
    Open,
    /// In progress, or unknown.
    Processing,
    /// The money is reserved until the shop captures or cancels the payment.
    Authorized,
    /// Money was captured.
    Captured,
    /// Declined: the payment captures nothing.
    Declined,
    /// Cancelled: the payment captures nothing more.
    Cancelled,
}

/// A provider's report of a payment.
#[derive(Debug, Clone)]
pub(crate) struct PaymentReport {
    pub(crate) status: ProviderPaymentStatus,
    /// The sum of all captures, refunded or not. Zero when the provider does not say.
    pub(crate) captured: Money,
    /// The provider's list of refunds. Empty when it has none, or when the report does not say.
    pub(crate) refunds: Vec<RefundReport>,
    /// Set while the client must act to complete the payment.
    pub(crate) client_action: Option<ClientAction>,
    /// The provider's reason for declining.
    pub(crate) reason: Option<String>,
}

impl PaymentReport {
    /// Returns a report of a payment without refunds.
    pub(crate) fn new(status: ProviderPaymentStatus, captured: Money) -> Self {
        Self { status, captured, refunds: Vec::new(), client_action: None, reason: None }
    }
}

impl fmt::Display for PaymentReport {
    /// Formats the report for the log of an order: `captured 4.99 EUR, refund succeeded 1.00 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.status {
            ProviderPaymentStatus::Open => "open",
            ProviderPaymentStatus::Processing => "processing",
            ProviderPaymentStatus::Authorized => "authorized",
            ProviderPaymentStatus::Captured => "captured",
            ProviderPaymentStatus::Declined => "declined",
            ProviderPaymentStatus::Cancelled => "cancelled",
        })?;
        if !self.captured.is_zero() {
            write!(f, " {}", self.captured)?;
        }
        self.refunds.iter().try_for_each(|refund| write!(f, ", refund {refund}"))?;
        self.reason.iter().try_for_each(|reason| write!(f, ": {reason}"))
    }
}

/// Marks ids of refunds.
pub(crate) enum PaymentRefundMarker {}

/// The shop's id of a refund, and its idempotency key at the provider.
pub(crate) type PaymentRefundId = Id<PaymentRefundMarker>;

/// The state of a refund. The order of the states is that in which they follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RefundStatus {
    /// The shop owes it and requests it; the provider's answer is not known yet.
    Requested,
    /// The provider has accepted it; the customer may not have the money yet.
    Pending,
    /// The customer has the money.
    Succeeded,
    /// The customer does not get the money. A refund may fail days after it succeeded.
    Failed,
}

/// A provider's report of one refund.
#[derive(Debug, Clone)]
pub(crate) struct RefundReport {
    /// The shop's id; `None` for a refund that was made at the provider.
    pub(crate) id: Option<PaymentRefundId>,
    /// The provider's id; `None` when the provider refused to create the refund.
    pub(crate) reference: Option<String>,
    pub(crate) amount: Money,
    pub(crate) status: RefundStatus,
    /// The provider's reason for a failure.
    pub(crate) reason: Option<String>,
}

impl fmt::Display for RefundReport {
    /// Formats the report for the log of an order: `failed 4.99 EUR: charge_disputed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            RefundStatus::Requested => "requested",
            RefundStatus::Pending => "pending",
            RefundStatus::Succeeded => "succeeded",
            RefundStatus::Failed => "failed",
        };
        write!(f, "{status} {}", self.amount)?;
        self.reason.iter().try_for_each(|reason| write!(f, ": {reason}"))
    }
}

/// The request to a provider to refund a part of a payment.
#[derive(Debug, Clone)]
pub(crate) struct RefundRequest {
    /// The idempotency key.
    pub(crate) id: PaymentRefundId,
    pub(crate) order: OrderId,
    /// The provider's id of the payment.
    pub(crate) payment: String,
    pub(crate) amount: Money,
}

impl RefundReport {
    /// Reports that the provider refused to create the refund.
    pub(crate) fn refused(request: &RefundRequest, reason: &str) -> Self {
        let (id, status) = (Some(request.id), RefundStatus::Failed);
        Self { id, reference: None, amount: request.amount, status, reason: Some(reason.to_owned()) }
    }
}

/// The content of a notification.
#[derive(Debug, Clone)]
pub(crate) enum PaymentUpdate {
    Payment(PaymentReport),
    /// The provider's list of refunds, read after the notification had arrived.
    Refunds(Vec<RefundReport>),
    Dispute(Dispute),
}

impl fmt::Display for PaymentUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payment(report) => report.fmt(f),
            Self::Refunds(list) => f.write_str(&list_text(list)),
            Self::Dispute(dispute) => dispute.fmt(f),
        }
    }
}

/// Formats a list of refunds for the log of an order: `refunds: succeeded 1.00 EUR, pending 2.00
/// EUR`.
pub(crate) fn list_text(list: &[RefundReport]) -> String {
    let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "no refunds".to_owned() } else { format!("refunds: {}", texts.join(", ")) }
}

#[derive(Debug, Clone)]
pub(crate) struct PaymentNotification {
    /// The provider's id of the notification. A repeated notification has the same id.
    pub(crate) id: String,
    pub(crate) order: OrderId,
    /// The provider's id of the payment.
    pub(crate) reference: String,
    pub(crate) update: PaymentUpdate,
}

/// The secrets with which a client completes one payment at the provider. Debug output hides them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClientAction {
    /// The secret for the provider's client library.
    client_secret: String,
    /// The page of the customer's bank, for a payment method that redirects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redirect_url: Option<String>,
}

impl ClientAction {
    pub(crate) fn new(client_secret: String, redirect_url: Option<String>) -> Self {
        Self { client_secret, redirect_url }
    }
}

impl fmt::Debug for ClientAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAction")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_client_secret() {
        let action = ClientAction::new("pi_1_secret_x".to_owned(), Some("https://bank.example/secret_x".to_owned()));
        assert!(!format!("{action:?}").contains("secret_x"));
    }
}
