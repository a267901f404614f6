//! Payment methods, and the payment of an order. [`report`] has the reports of a provider;
//! [`state`], [`refund`] and [`dispute`] apply them.

pub(crate) mod dispute;
pub(crate) mod refund;
pub(crate) mod report;
pub(crate) mod state;

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use souk_contract::shopping::OrderId;
use souk_types::input::{Fields, Input};
use souk_types::{Money, Timestamp};

/// Payment method details of an order: `{"method": "demo", "token": "demo_ok"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "lowercase")]
pub(crate) enum PaymentDetails {
    /// The demo bank, which moves no money.
    Demo {
        /// Selects the outcome.
        token: DemoToken,
    },
    Stripe {
        /// The payment method that the shop charges. Without it, the client completes the payment
        /// with the `client_secret`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<PaymentMethodId>,
        /// The URL to which the bank returns the customer, for a token of a method that redirects.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        return_url: Option<ReturnUrl>,
    },
}

impl PaymentDetails {
    pub(crate) fn method(&self) -> PaymentMethod {
        match self {
            Self::Demo { .. } => PaymentMethod::Demo,
            Self::Stripe { .. } => PaymentMethod::Stripe,
        }
    }

    /// Whether the client completes the payment at the provider. Otherwise the shop charges it.
    pub(crate) fn client_pays(&self) -> bool {
        matches!(self, Self::Stripe { token: None, .. })
    }

    /// Removes the token, which identifies a customer's card.
    pub(crate) fn erase_token(&mut self) {
        if let Self::Stripe { token, return_url } = self {
            (*token, *return_url) = (None, None);
        }
    }
}

impl Input for PaymentDetails {
    fn read(fields: &mut Fields) -> Option<Self> {
        match fields.required("method") {
            Some(PaymentMethod::Demo) => Some(Self::Demo { token: fields.required("token")? }),
            Some(PaymentMethod::Stripe) => {
                Some(Self::Stripe { token: fields.optional("token"), return_url: fields.optional("return_url") })
            }
            None => {
                // The method defines the valid tokens. Without one, only the type can be checked.
                fields.required::<String>("token");
                None
            }
        }
    }
}

/// How an order is paid. Each method has one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaymentMethod {
    /// The demo bank.
    Demo,
    /// Stripe.
    Stripe,
}

impl FromStr for PaymentMethod {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "demo" => Ok(Self::Demo),
            "stripe" => Ok(Self::Stripe),
            _ => Err("must be demo or stripe"),
        }
    }
}

/// Selects the outcome of a demo payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DemoToken {
    #[serde(rename = "demo_ok")]
    Ok,
    #[serde(rename = "demo_declined")]
    Declined,
    /// Authorized until an admin captures it.
    #[serde(rename = "demo_review")]
    Review,
    /// Captured, but the response is lost.
    #[serde(rename = "demo_timeout")]
    Timeout,
    /// Captured later; the notification arrives twice.
    #[serde(rename = "demo_twice")]
    Twice,
    /// Captured after the reservation has expired.
    #[serde(rename = "demo_late")]
    Late,
    /// Half of the amount is captured.
    #[serde(rename = "demo_underpaid")]
    Underpaid,
    /// Refused: the payment cannot be made.
    #[serde(rename = "demo_refused")]
    Refused,
    /// Captured. A refund is pending at first; the notification that it succeeded arrives later.
    #[serde(rename = "demo_refund_pending")]
    RefundPending,
    /// Captured. The first refund fails, the next one succeeds.
    #[serde(rename = "demo_refund_failed")]
    RefundFailed,
    /// Captured. The first refund succeeds, and fails later; the next one succeeds.
    #[serde(rename = "demo_refund_reversed")]
    RefundReversed,
}

/// The id of a payment method at Stripe: `pm_...`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct PaymentMethodId(String);

impl PaymentMethodId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PaymentMethodId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if text.starts_with("pm_") && text.len() <= 255 && text.bytes().all(is_plain) {
            return Ok(Self(text));
        }
        Err("must be the id of a payment method, pm_...")
    }
}

impl From<PaymentMethodId> for String {
    fn from(id: PaymentMethodId) -> Self {
        id.0
    }
}

/// The URL to which a bank returns a customer: `https`, at most 2,000 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ReturnUrl(String);

impl ReturnUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ReturnUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let rest = text.strip_prefix("https://").unwrap_or_default();
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let is_host = host.starts_with(|c: char| c.is_ascii_alphanumeric()) && !host.contains(['@', '\\']);
        if is_host && text.len() <= 2_000 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text));
        }
        Err("must be an https URL of at most 2,000 ASCII characters")
    }
}

impl FromStr for ReturnUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl From<ReturnUrl> for String {
    fn from(url: ReturnUrl) -> Self {
        url.0
    }
}

/// The request to a provider to make the payment of an order.
#[derive(Debug, Clone)]
pub(crate) struct ChargeRequest {
    /// The idempotency key: a provider makes one payment for each order.
    pub(crate) order: OrderId,
    pub(crate) amount: Money,
    pub(crate) details: PaymentDetails,
    pub(crate) reserved_until: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn invalid_payment_details_name_the_field() {
        let read = |json: serde_json::Value| souk_types::input::from_json::<PaymentDetails>(json);
        let good = read(json!({"method": "demo", "token": "demo_review"})).unwrap();
        assert_eq!(good, PaymentDetails::Demo { token: DemoToken::Review });
        assert!(read(json!({"method": "stripe"})).unwrap().client_pays());
        for (bad, field) in [
            (json!({"method": "demo"}), "token"),
            (json!({"method": "demo", "token": null}), "token"),
            (json!({"method": "demo", "token": "pm_card_visa"}), "token"),
            (json!({"method": "stripe", "token": "4242 4242 4242 4242"}), "token"),
            (json!({"method": "stripe", "token": "pm_1", "return_url": "http://shop.example/"}), "return_url"),
            (json!({"method": "stripe", "token": "pm_1", "return_url": "javascript:alert(1)"}), "return_url"),
            (json!({"method": "stripe", "token": "pm_1", "return_url": "https://"}), "return_url"),
            (json!({"method": "stripe", "token": "pm_1", "return_url": "https://a@b.example"}), "return_url"),
            (json!({"method": "stripe", "token": "pm_1", "return_url": "https://a.example/ b"}), "return_url"),
            (json!({"method": "demo", "token": "demo_ok", "return_url": "https://a.example"}), "return_url"),
            (json!({"token": "demo_ok"}), "method"),
            (json!({"method": "gold", "token": "demo_ok"}), "method"),
        ] {
            let error = read(bad.clone()).unwrap_err();
            assert_eq!(error.fields().iter().map(|field| &*field.field).collect::<Vec<_>>(), [field], "{bad}");
            assert!(!error.fields()[0].message.contains(" or map"), "{error}");
        }
    }
}
