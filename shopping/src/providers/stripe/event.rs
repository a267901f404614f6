//! Reads Stripe's events. An endpoint gets every event of its Stripe account: of other products of
//! Stripe, of other shops, of connected accounts, and of versions of the API that are not yet
//! known. Stripe repeats a refused event for days and then disables the endpoint. Therefore an
//! event is first asked for its type and its payment intent only, and parsed strictly when the
//! intent is the payment of an order of this shop. See <https://docs.stripe.com/api/events>.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use souk_contract::shopping::OrderId;
use souk_types::{Error, Money, Result};

use super::objects::{Dispute, Intent};
use crate::domain::payment::report::{PaymentNotification, PaymentUpdate, ProviderPaymentStatus};
use crate::domain::payment::state::Payment;

/// An event about a payment intent, of a type that the shop handles.
pub(crate) struct Event {
    payment_intent: String,
    kind: Kind,
    content: Value,
}

/// The object that an event reports.
#[derive(Clone, Copy)]
enum Kind {
    /// A payment intent in this state. The intent in the event has the amounts.
    Intent(ProviderPaymentStatus),
    /// A refund, or a charge with the sum of its refunds. The shop reads the list of refunds.
    Refunds,
    Dispute,
}

/// The fields of an event that the shop needs.
#[derive(Deserialize)]
struct Content<T> {
    id: String,
    data: Data<T>,
}

#[derive(Deserialize)]
struct Data<T> {
    object: T,
}

impl Event {
    /// Returns the event; `None` when the shop does not handle it.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let content: Value = serde_json::from_slice(body).ok()?;
        let kind = match content["type"].as_str()? {
            "payment_intent.succeeded" => Kind::Intent(ProviderPaymentStatus::Captured),
            "payment_intent.processing" => Kind::Intent(ProviderPaymentStatus::Processing),
            "payment_intent.amount_capturable_updated" => Kind::Intent(ProviderPaymentStatus::Authorized),
            "payment_intent.payment_failed" => Kind::Intent(ProviderPaymentStatus::Declined),
            "payment_intent.canceled" => Kind::Intent(ProviderPaymentStatus::Cancelled),
            "charge.refunded" | "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
                Kind::Refunds
            }
            "charge.dispute.created"
            | "charge.dispute.updated"
            | "charge.dispute.closed"
            | "charge.dispute.funds_withdrawn"
            | "charge.dispute.funds_reinstated" => Kind::Dispute,
            _ => return None,
        };
        let object = &content["data"]["object"];
        // Charges, refunds and disputes name their intent, or contain it when the endpoint expands
        // it.
        let payment_intent = match &object["payment_intent"] {
            Value::Null => &object["id"],
            Value::Object(expanded) => expanded.get("id")?,
            id => id,
        };
        Some(Self { payment_intent: payment_intent.as_str()?.to_owned(), kind, content })
    }

    /// Returns the id of the payment intent that the event is about.
    pub(crate) fn payment_intent(&self) -> &str {
        &self.payment_intent
    }

    /// Returns the notification about the payment of an order. That about refunds has no list yet:
    /// the shop reads it. Errors: `internal` when the event has another form than the shop expects.
    /// Stripe then repeats it, for up to three days.
    pub(crate) fn notification(self, order: OrderId, payment: &Payment) -> Result<PaymentNotification> {
        let id = self.content["id"].to_string();
        let notification = self.parse(order, payment.amount);
        notification.map_err(|error| {
            Error::internal(format!("the Stripe event {id} about order {order} cannot be read: {error}"))
        })
    }

    fn parse(self, order: OrderId, total: Money) -> Result<PaymentNotification> {
        let Self { payment_intent: reference, kind, content } = self;
        let (id, update) = match kind {
            Kind::Intent(status) => {
                let (id, intent) = object::<Intent>(content)?;
                (id, PaymentUpdate::Payment(intent.report_as(status, total.currency())?))
            }
            Kind::Refunds => {
                let (id, _) = object::<Value>(content)?;
                (id, PaymentUpdate::Refunds(Vec::new()))
            }
            Kind::Dispute => {
                let (id, dispute) = object::<Dispute>(content)?;
                (id, PaymentUpdate::Dispute(dispute.report(total.currency())?))
            }
        };
        Ok(PaymentNotification { id, order, reference, update })
    }
}

/// Returns the id of an event and its object.
fn object<T: DeserializeOwned>(content: Value) -> Result<(String, T)> {
    let Content { id, data } = serde_json::from_value(content).map_err(Error::internal)?;
    Ok((id, data.object))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use souk_types::{Currency, ErrorKind};

    use super::*;
    use crate::domain::payment::PaymentMethod;

    fn payment() -> Payment {
        let amount = Money::new(998, Currency::EUR).unwrap();
        Payment::open(PaymentMethod::Stripe, "pi_1".to_owned(), amount, None)
    }

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
            ("a refund", event("refund.failed", json!({"id": "re_1", "payment_intent": "pi_1"})), Some("pi_1")),
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
        let read = |id: Value, currency: &str| {
            let object = json!({"id": "pi_1", "status": "succeeded", "amount": 998, "currency": currency});
            let event = json!({"id": id, "type": "payment_intent.succeeded", "data": {"object": object}});
            Event::read(event.to_string().as_bytes()).unwrap().notification(order, &payment())
        };
        let good = read(json!("evt_1"), "eur").unwrap();
        assert_eq!((good.id.as_str(), good.order, good.reference.as_str()), ("evt_1", order, "pi_1"));
        assert_eq!(good.update.to_string(), "captured 9.98 EUR");
        for (id, currency) in [(json!(17), "eur"), (json!("evt_17"), "euro")] {
            let error = read(id, currency).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Internal);
            assert!(format!("{error:?}").contains("17"), "the log needs the id of the event: {error:?}");
        }
    }

    #[test]
    fn an_event_says_what_happened_to_the_payment() {
        let intent = |received: u64| json!({"id": "pi_1", "status": "x", "amount": 998, "amount_received": received, "currency": "eur"});
        let charge = json!({"id": "ch_1", "payment_intent": "pi_1", "amount_refunded": 998});
        let refund = json!({"id": "re_1", "payment_intent": "pi_1", "amount": 100, "status": "succeeded"});
        let dispute = |status: &str| {
            json!({"id": "dp_1", "payment_intent": "pi_1", "amount": 998, "currency": "eur", "status": status,
                "reason": "fraudulent"})
        };
        for (kind, object, expected) in [
            ("payment_intent.succeeded", intent(998), "captured 9.98 EUR"),
            ("payment_intent.succeeded", intent(100), "captured 1.00 EUR"),
            ("payment_intent.payment_failed", intent(0), "declined"),
            // The shop reads the list.
            ("charge.refunded", charge, "no refunds"),
            ("refund.updated", refund.clone(), "no refunds"),
            ("charge.refund.updated", refund.clone(), "no refunds"),
            ("refund.failed", refund, "no refunds"),
            ("charge.dispute.created", dispute("needs_response"), "dispute open 9.98 EUR: fraudulent"),
            ("charge.dispute.funds_withdrawn", dispute("needs_response"), "dispute open 9.98 EUR: fraudulent"),
            ("charge.dispute.updated", dispute("under_review"), "dispute open 9.98 EUR: fraudulent"),
            ("charge.dispute.closed", dispute("lost"), "dispute lost 9.98 EUR: fraudulent"),
            ("charge.dispute.funds_reinstated", dispute("won"), "dispute won 9.98 EUR: fraudulent"),
        ] {
            let event = json!({"id": "evt_1", "type": kind, "data": {"object": object}});
            let event = Event::read(event.to_string().as_bytes()).unwrap();
            let notification = event.notification(OrderId::new(), &payment()).unwrap();
            assert_eq!(notification.update.to_string(), expected, "{kind} {object}");
        }
    }

    proptest! {
        #![proptest_config(mutations::config())]

        #[test]
        fn any_bytes_are_an_event_or_none(body in mutations::bytes(&[
            br#"{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","status":"succeeded","amount_received":998,"currency":"eur"}}}"#,
            br#"{"id":"evt_2","type":"charge.dispute.created","data":{"object":{"id":"dp_1","payment_intent":"pi_1","amount":998,"currency":"eur","status":"needs_response","reason":"fraudulent"}}}"#,
            br#"{"id":"evt_3","type":"charge.refunded","data":{"object":{"id":"ch_1","payment_intent":{"id":"pi_1"}}}}"#,
        ])) {
            if let Some(event) = Event::read(&body) {
                let intent = event.payment_intent().to_owned();
                if let Ok(notification) = event.notification(OrderId::new(), &payment()) {
                    prop_assert_eq!(notification.reference, intent);
                }
            }
        }
    }
}
