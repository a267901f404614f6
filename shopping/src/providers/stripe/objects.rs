//! The objects of Stripe's API that the shop reads, and the reports that follow from them. Amounts
//! without a currency are in the currency of the payment.

use serde::Deserialize;
use serde_json::Value;
use souk_types::{Currency, Money, Result};

use super::amount::from_stripe;
use crate::domain::payment::dispute::{self, DisputeStatus};
use crate::domain::payment::report::{ClientAction, PaymentReport, ProviderPaymentStatus, RefundReport, RefundStatus};

/// Maximum length of a reason that is stored, in characters. Stripe's codes are shorter.
const MAX_REASON: usize = 100;

/// A payment intent: <https://docs.stripe.com/api/payment_intents/object>.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    status: String,
    amount: u64,
    /// Stripe always sends it; without it, a payment that succeeded has its whole amount.
    amount_received: Option<u64>,
    currency: Option<String>,
    client_secret: Option<String>,
    /// The client's next action, while the status is `requires_action`.
    #[serde(default)]
    next_action: Value,
    /// The charge, or its id where the request does not expand it.
    latest_charge: Option<ChargeOrId>,
    last_payment_error: Option<PaymentError>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum ChargeOrId {
    Charge(Box<Charge>),
    #[expect(dead_code, reason = "an id has no amounts")]
    Id(String),
}

#[derive(Debug, Clone, Deserialize)]
struct PaymentError {
    code: Option<String>,
    decline_code: Option<String>,
}

/// A charge: <https://docs.stripe.com/api/charges/object>.
#[derive(Debug, Clone, Deserialize)]
struct Charge {
    amount_refunded: u64,
}

/// A page of a list: <https://docs.stripe.com/api/pagination>.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    pub(super) has_more: bool,
}

/// A refund: <https://docs.stripe.com/api/refunds/object>.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    status: Option<String>,
    amount: u64,
    currency: Option<String>,
    failure_reason: Option<String>,
    /// Has the shop's id of a refund that the shop made.
    #[serde(default)]
    metadata: Value,
}

/// A dispute: <https://docs.stripe.com/api/disputes/object>.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Dispute {
    id: String,
    status: String,
    amount: u64,
    currency: Option<String>,
    reason: Option<String>,
}

impl Dispute {
    pub(super) fn report(&self, default: Currency) -> Result<dispute::Dispute> {
        let status = match self.status.as_str() {
            "won" | "prevented" => DisputeStatus::Won,
            "lost" => DisputeStatus::Lost,
            "warning_needs_response" | "warning_under_review" | "warning_closed" => DisputeStatus::Inquiry,
            // `needs_response`, `under_review`, and statuses that Stripe may add.
            _ => DisputeStatus::Open,
        };
        let amount = money(self.amount, self.currency.as_ref(), default)?;
        Ok(dispute::Dispute { id: self.id.clone(), amount, status, reason: reason(self.reason.as_ref()) })
    }
}

impl Intent {
    /// Whether the list of refunds may have an entry. Stripe also counts the released money of an
    /// authorization as refunded.
    pub(super) fn is_refunded(&self) -> bool {
        matches!(&self.latest_charge, Some(ChargeOrId::Charge(charge)) if charge.amount_refunded > 0)
    }

    /// Returns the secrets with which the client completes the payment.
    pub(super) fn client_action(&self) -> Option<ClientAction> {
        let redirect_url = self.next_action["redirect_to_url"]["url"].as_str().map(str::to_owned);
        self.client_secret.clone().map(|secret| ClientAction::new(secret, redirect_url))
    }

    fn status(&self) -> ProviderPaymentStatus {
        match self.status.as_str() {
            // The customer has not authenticated, or the method failed. A client that pays by
            // itself may try another one.
            "requires_payment_method" if self.last_payment_error.is_some() => ProviderPaymentStatus::Declined,
            "succeeded" => ProviderPaymentStatus::Captured,
            "canceled" => ProviderPaymentStatus::Cancelled,
            "requires_capture" => ProviderPaymentStatus::Authorized,
            "requires_payment_method" | "requires_confirmation" => ProviderPaymentStatus::Open,
            // `processing`, `requires_action`, and statuses that Stripe may add.
            _ => ProviderPaymentStatus::Processing,
        }
    }

    pub(super) fn report(&self, default: Currency) -> Result<PaymentReport> {
        self.report_as(self.status(), default)
    }

    /// Reports the intent in the state that a notification names.
    pub(super) fn report_as(&self, status: ProviderPaymentStatus, default: Currency) -> Result<PaymentReport> {
        let all = if status == ProviderPaymentStatus::Captured { self.amount } else { 0 };
        let captured = money(self.amount_received.unwrap_or(all), self.currency.as_ref(), default)?;
        let mut report = PaymentReport::new(status, captured);
        if matches!(self.status.as_str(), "requires_action" | "requires_payment_method") {
            report.client_action = self.client_action();
        }
        let error = self.last_payment_error.as_ref();
        report.reason = error.and_then(|error| reason(error.decline_code.as_ref().or(error.code.as_ref())));
        Ok(report)
    }
}

impl Refund {
    pub(super) fn report(&self, default: Currency) -> Result<RefundReport> {
        let status = match self.status.as_deref() {
            Some("succeeded") => RefundStatus::Succeeded,
            Some("failed" | "canceled") => RefundStatus::Failed,
            // `pending`, `requires_action`, and statuses that Stripe may add.
            _ => RefundStatus::Pending,
        };
        let failed = status == RefundStatus::Failed;
        Ok(RefundReport {
            id: self.metadata["refund"].as_str().and_then(|id| id.parse().ok()),
            reference: Some(self.id.clone()),
            amount: money(self.amount, self.currency.as_ref(), default)?,
            status,
            reason: if failed { reason(self.failure_reason.as_ref().or(self.status.as_ref())) } else { None },
        })
    }
}

fn money(amount: u64, currency: Option<&String>, default: Currency) -> Result<Money> {
    from_stripe(amount, currency.map_or(default.code(), String::as_str))
}

/// Returns a code of Stripe as a reason: `insufficient_funds`.
pub(super) fn reason(code: Option<&String>) -> Option<String> {
    code.map(|code| code.chars().take(MAX_REASON).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn euros(amount: u64) -> Money {
        Money::new(amount, Currency::EUR).unwrap()
    }

    #[test]
    fn an_intent_reports_what_was_received() {
        use ProviderPaymentStatus::{Authorized, Cancelled, Captured, Open, Processing};
        for (json, status, captured, is_refunded) in [
            (json!({"status": "succeeded", "amount_received": 10_000}), Captured, 10_000, false),
            (json!({"status": "succeeded", "amount_received": 100}), Captured, 100, false),
            (json!({"status": "succeeded"}), Captured, 10_000, false),
            (json!({"status": "succeeded", "latest_charge": {"amount_refunded": 0}}), Captured, 10_000, false),
            (json!({"status": "succeeded", "latest_charge": {"amount_refunded": 1}}), Captured, 10_000, true),
            (json!({"status": "requires_capture", "amount_received": 0}), Authorized, 0, false),
            (json!({"status": "requires_capture", "latest_charge": "ch_1"}), Authorized, 0, false),
            (json!({"status": "requires_payment_method"}), Open, 0, false),
            (json!({"status": "requires_action"}), Processing, 0, false),
            (json!({"status": "a new one", "latest_charge": null}), Processing, 0, false),
            (json!({"status": "canceled", "latest_charge": {"amount_refunded": 10_000}}), Cancelled, 0, true),
        ] {
            let mut object = json!({"id": "pi_1", "amount": 10_000, "currency": "eur"});
            object.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
            let intent: Intent = serde_json::from_value(object).unwrap();
            let report = intent.report(Currency::EUR).unwrap();
            assert_eq!(
                (report.status, report.captured, intent.is_refunded()),
                (status, euros(captured), is_refunded),
                "{json}"
            );
        }
    }

    #[test]
    fn a_dispute_takes_money_until_the_shop_wins() {
        use DisputeStatus::{Inquiry, Lost, Open, Won};
        for (status, expected) in [
            ("warning_needs_response", Inquiry),
            ("warning_under_review", Inquiry),
            ("warning_closed", Inquiry),
            ("needs_response", Open),
            ("under_review", Open),
            ("a new one", Open),
            ("won", Won),
            ("lost", Lost),
        ] {
            let object =
                json!({"id": "dp_1", "status": status, "amount": 998, "currency": "eur", "reason": "fraudulent"});
            let report = serde_json::from_value::<Dispute>(object).unwrap().report(Currency::EUR).unwrap();
            assert_eq!((report.status, report.amount), (expected, euros(998)), "{status}");
        }
    }

    #[test]
    fn a_refund_succeeds_only_when_stripe_says_so() {
        use RefundStatus::{Failed, Pending, Succeeded};
        for (json, status, reason) in [
            (json!({"status": "succeeded"}), Succeeded, None),
            (json!({"status": "pending"}), Pending, None),
            (json!({"status": "requires_action"}), Pending, None),
            (json!({"status": null}), Pending, None),
            (json!({"status": "canceled"}), Failed, Some("canceled")),
            (json!({"status": "failed"}), Failed, Some("failed")),
            (
                json!({"status": "failed", "failure_reason": "expired_or_canceled_card"}),
                Failed,
                Some("expired_or_canceled_card"),
            ),
        ] {
            let mut object = json!({"id": "re_1", "amount": 10_000, "currency": "eur"});
            object.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
            let report = serde_json::from_value::<Refund>(object).unwrap().report(Currency::EUR).unwrap();
            assert_eq!((report.status, report.reason.as_deref()), (status, reason), "{json}");
        }
    }
}
