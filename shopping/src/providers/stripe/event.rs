//! Reads Stripe's events. An endpoint gets every event of its Stripe account: of other products of
//! Stripe, of other shops, of connected accounts, and of versions of the API that are not yet
//! known. Stripe repeats a refused event for days and then disables the endpoint. Therefore an
//! event is first asked for its type and its payment intent only, and parsed strictly when the
//! intent is the payment of an order of this shop. See <https://docs.stripe.com/api/events>.

use serde::Deserialize;
use serde_json::Value;
use souk_contract::shopping::OrderId;
use souk_types::{Error, Result};

use crate::domain::payment::{PaymentNotification, PaymentStatus};

/// An event about a payment intent, of a type that the shop handles.
pub(crate) struct Event {
    payment_intent: String,
    status: PaymentStatus,
    content: Value,
}

/// The fields of an event that the shop needs.
#[derive(Deserialize)]
struct Content {
    id: String,
}

impl Event {
    /// Returns the event; `None` when the shop does not handle it.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let content: Value = serde_json::from_slice(body).ok()?;
        let status = match content["type"].as_str()? {
            "payment_intent.succeeded" => PaymentStatus::Captured,
            "payment_intent.processing" => PaymentStatus::Processing,
            "payment_intent.amount_capturable_updated" => PaymentStatus::Authorized,
            "payment_intent.payment_failed" => PaymentStatus::Declined,
            "payment_intent.canceled" => PaymentStatus::Cancelled,
            "charge.refunded" => PaymentStatus::Refunded,
            _ => return None,
        };
        let object = &content["data"]["object"];
        // Charges and refunds name their intent, or contain it when the endpoint expands it.
        let payment_intent = match &object["payment_intent"] {
            Value::Null => &object["id"],
            Value::Object(expanded) => expanded.get("id")?,
            id => id,
        };
        Some(Self { payment_intent: payment_intent.as_str()?.to_owned(), status, content })
    }

    /// Returns the id of the payment intent that the event is about.
    pub(crate) fn payment_intent(&self) -> &str {
        &self.payment_intent
    }

    /// Returns the notification about the payment of an order. Errors: `internal` when the event
    /// has another form than the shop expects. Stripe then repeats it, for up to three days.
    pub(crate) fn notification(self, order: OrderId) -> Result<PaymentNotification> {
        let Self { payment_intent, status, content } = self;
        let id = content["id"].to_string();
        match serde_json::from_value(content) {
            Ok(Content { id }) => Ok(PaymentNotification { id, order, reference: payment_intent, status }),
            Err(error) => {
                Err(Error::internal(format!("the Stripe event {id} about order {order} cannot be read: {error}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use souk_types::ErrorKind;

    use super::*;

    #[test]
    fn an_event_is_about_a_payment_intent() {
        let event = |kind: &str, object: Value| json!({"id": "evt_1", "type": kind, "data": {"object": object}});
        let succeeded = "payment_intent.succeeded";
        for (case, event, expected) in [
            ("an intent", event(succeeded, json!({"id": "pi_1", "metadata": {}})), Some("pi_1")),
            (
                "metadata of another shop",
                event(succeeded, json!({"id": "pi_1", "metadata": {"order": "1001"}})),
                Some("pi_1"),
            ),
            ("null metadata", event(succeeded, json!({"id": "pi_1", "metadata": null})), Some("pi_1")),
            ("no metadata", event(succeeded, json!({"id": "pi_1"})), Some("pi_1")),
            ("a charge", event("charge.refunded", json!({"id": "ch_1", "payment_intent": "pi_1"})), Some("pi_1")),
            (
                "an expanded intent",
                event("charge.refunded", json!({"id": "ch_1", "payment_intent": {"id": "pi_1", "amount": 1}})),
                Some("pi_1"),
            ),
            (
                "an intent of another type",
                event("charge.refunded", json!({"id": "ch_1", "payment_intent": {"id": 1}})),
                None,
            ),
            ("an object without an id", event(succeeded, json!({"object": "balance"})), None),
            ("an object that is a list", event(succeeded, json!(["pi_1"])), None),
            ("another type", event("balance.available", json!({"object": "balance"})), None),
            ("an unknown type", event("v9.dream.fulfilled", json!({"id": "pi_1"})), None),
            ("a type that is no text", json!({"id": "evt_1", "type": 7, "data": {"object": {"id": "pi_1"}}}), None),
            ("a thin event", json!({"id": "evt_1", "object": "v2.core.event", "type": succeeded}), None),
            ("no object", json!({"id": "evt_1", "type": succeeded, "data": null}), None),
            ("an empty object", json!({}), None),
            ("a list", json!([]), None),
            ("a text", json!("payment_intent.succeeded"), None),
        ] {
            let read = Event::read(event.to_string().as_bytes());
            assert_eq!(read.as_ref().map(Event::payment_intent), expected, "{case}");
        }
        assert!(Event::read(b"{").is_none() && Event::read(b"").is_none() && Event::read(&[0xff]).is_none());
    }

    #[test]
    fn an_event_about_an_order_is_parsed_strictly() {
        let order = OrderId::new();
        let read = |id: Value| {
            let object = json!({"id": "pi_1"});
            let event = json!({"id": id, "type": "payment_intent.succeeded", "data": {"object": object}});
            Event::read(event.to_string().as_bytes()).unwrap().notification(order)
        };
        let good = read(json!("evt_1")).unwrap();
        assert_eq!((good.id.as_str(), good.order, good.reference.as_str()), ("evt_1", order, "pi_1"));
        assert_eq!(good.status, PaymentStatus::Captured);
        let error = read(json!(17)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(format!("{error:?}").contains("17"), "the log needs the id of the event: {error:?}");
    }
}
