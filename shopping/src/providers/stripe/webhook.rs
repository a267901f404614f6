//! Verifies and reads Stripe's webhooks. The signature covers the time of sending, so that an
//! intercepted webhook expires. A repeated webhook has the same id. See
//! <https://docs.stripe.com/webhooks#verify-manually>.

use std::str::FromStr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use souk_contract::shopping::OrderId;
use souk_types::{Error, Result, Timestamp};

use crate::domain::payment::{PaymentNotification, PaymentStatus};

/// Maximum age of a webhook, and maximum clock difference: the default of Stripe's own libraries.
const TOLERANCE: Duration = Duration::from_mins(5);
/// Maximum size of a webhook, in bytes.
pub(crate) const MAX_BODY: u64 = 256 * 1024;

/// The secret that Stripe signs webhooks with: `whsec_...`.
#[derive(Clone)]
pub(crate) struct SigningSecret(String);

impl FromStr for SigningSecret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = text.strip_prefix("whsec_").is_some_and(|rest| rest.len() >= 16);
        if good { Ok(Self(text.to_owned())) } else { Err("must be the signing secret of a webhook, whsec_...") }
    }
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret")
    }
}

#[derive(Deserialize)]
struct Event {
    id: String,
    r#type: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

/// A payment intent or a charge.
#[derive(Deserialize)]
struct Object {
    id: String,
    payment_intent: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    order: Option<OrderId>,
}

impl SigningSecret {
    /// `None`: the webhook concerns no order. Errors: `malformed`, also for an old signature.
    pub(crate) fn read(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<Option<PaymentNotification>> {
        self.verify(signature, body, now)?;
        let event: Event = serde_json::from_slice(body)
            .map_err(|error| Error::malformed("The body is not a Stripe event.").caused_by(error))?;
        let status = match event.r#type.as_str() {
            "payment_intent.succeeded" => PaymentStatus::Captured,
            "payment_intent.processing" => PaymentStatus::Processing,
            "payment_intent.amount_capturable_updated" => PaymentStatus::Authorized,
            "payment_intent.payment_failed" => PaymentStatus::Declined,
            "payment_intent.canceled" => PaymentStatus::Cancelled,
            "charge.refunded" => PaymentStatus::Refunded,
            _ => return Ok(None),
        };
        let object = event.data.object;
        let Some(order) = object.metadata.order else { return Ok(None) };
        let reference = object.payment_intent.unwrap_or(object.id);
        Ok(Some(PaymentNotification { id: event.id, order, reference, status }))
    }

    fn verify(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<()> {
        let invalid = |why: &str| Error::malformed("The signature is not valid.").caused_by(why);
        let mut time = None;
        let mut signatures = Vec::new();
        for part in signature.split(',') {
            match part.trim().split_once('=') {
                Some(("t", seconds)) => time = Some(seconds),
                Some(("v1", hex)) => signatures.extend(decode_signature(hex)),
                // The other schemes are not checked: Stripe signs with v0 in test mode only.
                _ => {}
            }
        }
        let time = time.ok_or_else(|| invalid("no time"))?;
        let mut mac = self.mac()?;
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        if !signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok()) {
            return Err(invalid("no signature matches"));
        }
        let seconds: i64 = time.parse().map_err(|_| invalid("the time is not a number"))?;
        let age = now.unix_seconds().abs_diff(seconds);
        if age > TOLERANCE.as_secs() {
            return Err(Error::malformed("The webhook is too old.").caused_by(format!("{age} s")));
        }
        Ok(())
    }

    fn mac(&self) -> Result<Hmac<Sha256>> {
        Hmac::new_from_slice(self.0.as_bytes()).map_err(Error::internal)
    }
}

fn decode_signature(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    (digits.len() == 64).then(|| digits.chunks(2).map(byte).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_0123456789abcdef";

    fn sign(secret: &str, time: i64, body: &str) -> String {
        let mut mac = SigningSecret(secret.to_owned()).mac().unwrap();
        mac.update(format!("{time}.{body}").as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={time},v1={hex}")
    }

    fn event(kind: &str, order: OrderId) -> String {
        let object = serde_json::json!({"id": "pi_1", "object": "payment_intent", "metadata": {"order": order}});
        serde_json::json!({"id": "evt_1", "type": kind, "data": {"object": object}, "livemode": false}).to_string()
    }

    #[test]
    fn a_webhook_needs_a_recent_signature_of_stripe() {
        let (secret, now) = (SECRET.parse::<SigningSecret>().unwrap(), Timestamp::now());
        let (time, order) = (now.unix_seconds(), OrderId::new());
        let body = event("payment_intent.succeeded", order);
        let good = sign(SECRET, time, &body);
        let notification = secret.read(&good, body.as_bytes(), now).unwrap().unwrap();
        assert_eq!(
            (notification.id.as_str(), notification.order, notification.reference.as_str()),
            ("evt_1", order, "pi_1")
        );
        assert_eq!(notification.status, PaymentStatus::Captured);
        let rotated = format!("{},v1={}", good, "0".repeat(64));
        assert!(secret.read(&rotated, body.as_bytes(), now).is_ok(), "one of several signatures");
        for (case, signature, body) in [
            ("another secret", sign("whsec_fedcba9876543210", time, &body), body.clone()),
            ("another body", good.clone(), event("payment_intent.succeeded", OrderId::new())),
            ("another time", good.replace(&time.to_string(), &(time + 1).to_string()), body.clone()),
            ("too old", sign(SECRET, time - 301, &body), body.clone()),
            ("from the future", sign(SECRET, time + 301, &body), body.clone()),
            ("no time", good.replace("t=", "u="), body.clone()),
            ("no signature", format!("t={time}"), body.clone()),
            ("the test scheme", good.replace("v1=", "v0="), body.clone()),
            ("nothing", String::new(), body.clone()),
            ("not JSON", sign(SECRET, time, "{"), "{".to_owned()),
        ] {
            assert!(secret.read(&signature, body.as_bytes(), now).is_err(), "{case}");
        }
    }

    #[test]
    fn a_webhook_without_an_order_is_ignored() {
        let (secret, now) = (SECRET.parse::<SigningSecret>().unwrap(), Timestamp::now());
        let other = r#"{"id":"evt_2","type":"payment_intent.succeeded","data":{"object":{"id":"pi_2","metadata":{}}}}"#;
        for body in [event("customer.created", OrderId::new()), other.to_owned()] {
            let signature = sign(SECRET, now.unix_seconds(), &body);
            assert!(secret.read(&signature, body.as_bytes(), now).unwrap().is_none(), "{body}");
        }
    }
}
