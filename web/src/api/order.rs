//! Orders: placing one, and reading and cancelling it with a session or by the link of a guest.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use souk_contract::customer::CustomerId;
use souk_contract::products::ProductId;
use souk_contract::shopping::{OrderId, ShipmentId};
use souk_types::{Address, Money, Timestamp};

use super::cart::CartProduct;
use super::quote::Quote;
use super::{Api, List, Result, Service, Token};
use crate::links::encode;

/// An order.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    /// `None` until its stock is held.
    pub(crate) number: Option<String>,
    pub(crate) status: OrderStatus,
    /// The path that opens the order of a guest; for the guest only.
    link: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) shipping_address: Option<Address>,
    pub(crate) billing_address: Option<Address>,
    pub(crate) vat_number: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) items: Vec<OrderItem>,
    pub(crate) quote: Quote,
    pub(crate) total: Money,
    /// `None` until its stock is held, and for an order of 0.00.
    pub(crate) payment: Option<Payment>,
    /// Parcels, oldest first.
    pub(crate) shipments: Vec<Shipment>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) refunded: Option<Money>,
    pub(crate) history: Vec<StatusChange>,
    pub(crate) created_at: Timestamp,
    /// When the stock is released and the order cancelled, unless it is paid before. Only while it
    /// is reserved.
    #[serde(default)]
    pub(crate) reserved_until: Option<Timestamp>,
}

/// The state of an order, as `docs/api.md` describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OrderStatus {
    Pending,
    Reserved,
    Paid,
    Confirmed,
    PartiallyShipped,
    Shipped,
    Delivered,
    Rejected,
    Cancelled,
    Refunded,
}

/// A line of an order.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OrderItem {
    pub(crate) product: CartProduct,
    pub(crate) quantity: u32,
    pub(crate) total: Money,
}

/// The payment of an order.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Payment {
    /// The name of the provider: `demo`, `stripe`.
    pub(crate) method: String,
    /// `captured`, `declined` and so on.
    pub(crate) status: String,
    /// The sum of all captures.
    pub(crate) captured: Money,
    /// The sum of the refunds that succeeded.
    pub(crate) refunded: Money,
    #[serde(default)]
    pub(crate) disputes: Vec<Dispute>,
    /// The code of why the provider declined it.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// What Stripe's library needs while the customer must act.
    #[serde(default)]
    pub(crate) client_secret: Option<ClientSecret>,
    /// The page of the customer's bank.
    #[serde(default)]
    pub(crate) redirect_url: Option<String>,
}

/// A dispute of the payment at the customer's bank.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) amount: Money,
    /// `inquiry`, `open`, `won` or `lost`.
    pub(crate) status: String,
    /// The provider's code.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// The secret of one payment at Stripe. It has no `Debug`, so that no log line can show it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct ClientSecret(pub(crate) String);

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// A parcel.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Shipment {
    pub(crate) id: ShipmentId,
    pub(crate) lines: Vec<ShippedLine>,
    pub(crate) carrier: Option<String>,
    pub(crate) tracking: Option<String>,
    /// The carrier's page of the parcel.
    pub(crate) tracking_url: Option<String>,
    pub(crate) shipped_at: Timestamp,
    pub(crate) delivered_at: Option<Timestamp>,
    /// The admin who sent it, for admins only; `None` when the account is deleted.
    #[serde(default)]
    pub(crate) by: Option<CustomerId>,
}

/// Pieces of one product in a parcel or a refund.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ShippedLine {
    pub(crate) product_id: ProductId,
    pub(crate) quantity: u32,
}

/// A refund by the shop.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Refund {
    /// `pending`, `succeeded` or `failed`.
    pub(crate) status: String,
    pub(crate) lines: Vec<ShippedLine>,
    pub(crate) amount: Money,
    /// The shop's words, or the code of the order's cancellation.
    pub(crate) reason: String,
    /// The admin who decided it, for admins only.
    #[serde(default)]
    pub(crate) by: Option<CustomerId>,
    pub(crate) created_at: Timestamp,
}

/// A change of the state.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StatusChange {
    pub(crate) status: OrderStatus,
    pub(crate) at: Timestamp,
    /// The code of the reason.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// The right to one order.
#[derive(Clone)]
pub(crate) enum Access {
    Customer(Token),
    /// The key in the link to the order of a guest.
    Key(String),
}

impl Order {
    /// Returns the key in the link to the order of a guest.
    pub(crate) fn key(&self) -> Option<&str> {
        self.link.as_deref()?.split_once("?key=").map(|(_, key)| key)
    }

    /// Returns the number of pieces.
    pub(crate) fn pieces(&self) -> u32 {
        self.items.iter().map(|item| item.quantity).sum()
    }

    /// Whether the checkout has no outcome yet.
    pub(crate) fn is_in_checkout(&self) -> bool {
        matches!(self.status, OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Paid)
    }

    /// Whether the customer can cancel it.
    pub(crate) fn can_be_cancelled(&self) -> bool {
        matches!(self.status, OrderStatus::Reserved | OrderStatus::Paid | OrderStatus::Confirmed)
    }

    /// Whether the shop has received money for it.
    pub(crate) fn has_captured(&self) -> bool {
        self.payment.as_ref().is_some_and(|payment| !payment.captured.is_zero())
    }

    /// Returns the reason of the latest change of the state.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.history.last()?.reason.as_deref()
    }

    /// Returns the number, or the beginning of the id while there is none.
    pub(crate) fn name(&self) -> String {
        self.number.clone().unwrap_or_else(|| self.id.to_string().chars().take(8).collect())
    }

    /// Returns the name of a product of the order.
    pub(crate) fn product_name(&self, id: &ProductId) -> &str {
        self.items.iter().find(|item| item.product.id == *id).map_or("", |item| &item.product.name)
    }
}

impl Api<'_> {
    /// Places an order of the cart. `request` is the body of `POST /shopping/order`; the same key
    /// gives the same order.
    pub(crate) async fn place_order(self, token: &Token, key: &str, request: &Value) -> Result<Order> {
        let call = self.post(Service::Shopping, "/order").token(token).header("Idempotency-Key", key).language();
        call.json(request).send().await
    }

    /// Returns an order. Errors: 404 for an order of another customer, or a wrong key.
    pub(crate) async fn order(self, access: &Access, id: OrderId) -> Result<Order> {
        let path = format!("/order/{id}");
        match access {
            Access::Customer(token) => self.get(Service::Shopping, path).token(token),
            Access::Key(key) => self.get(Service::Shopping, format!("{path}?key={}", encode(key))),
        }
        .send()
        .await
    }

    /// Cancels an order. Errors: 409 `order-state` after the first parcel.
    pub(crate) async fn cancel_order(self, access: &Access, id: OrderId) -> Result<()> {
        let path = format!("/order/{id}/cancel");
        match access {
            Access::Customer(token) => self.post(Service::Shopping, path).token(token),
            Access::Key(key) => self.post(Service::Shopping, format!("{path}?key={}", encode(key))),
        }
        .send_without_reply()
        .await
    }

    /// Returns a page of the customer's orders, newest first.
    pub(crate) async fn orders(self, token: &Token, limit: usize, after: Option<&str>) -> Result<List<Order>> {
        let after = after.map(|after| format!("&after={}", encode(after))).unwrap_or_default();
        self.get(Service::Shopping, format!("/orders?limit={limit}{after}")).token(token).send().await
    }

    /// Returns a page of the customer's orders in the JSON of the API, newest first.
    pub(crate) async fn orders_as_json(self, token: &Token, after: Option<&str>) -> Result<List<Box<RawValue>>> {
        let after = after.map(|after| format!("&after={}", encode(after))).unwrap_or_default();
        self.get(Service::Shopping, format!("/orders?limit=100{after}")).token(token).send().await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(change: impl Fn(&mut Value)) -> Order {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let euros = json!({"amount": 499, "currency": "EUR"});
        let mut order = json!({
            "id": id, "number": "S-10001", "status": "confirmed", "email": "ana@example.com", "shipping_address": null,
            "billing_address": null, "vat_number": null, "note": null, "total": euros, "payment": null, "shipments": [],
            "items": [{"product": {"id": id, "name": "Tea", "price": euros, "image": null}, "quantity": 1, "total": euros}],
            "quote": {"lines": [], "shipping": {"options": [], "chosen": null, "price": euros}, "discounts": [],
                "taxes": [], "total": euros, "prices_include_tax": true},
            "refunds": [], "refunded": null, "created_at": "2026-11-28T09:00:00.000Z",
            "history": [{"status": "confirmed", "at": "2026-11-28T09:00:00.000Z"}],
        });
        change(&mut order);
        serde_json::from_value(order).unwrap()
    }

    #[test]
    fn the_order_of_a_guest_has_a_key() {
        assert_eq!(order(|_| ()).key(), None);
        let guest = order(|order| order["link"] = "/shopping/order/0198?key=secret".into());
        assert_eq!(guest.key(), Some("secret"));
    }

    #[test]
    fn an_order_has_a_name_before_it_has_a_number() {
        assert_eq!(order(|_| ()).name(), "S-10001");
        assert_eq!(order(|order| order["number"] = Value::Null).name(), "01890a5d");
        assert!(order(|order| order["status"] = "reserved".into()).is_in_checkout());
        assert!(!order(|order| order["status"] = "shipped".into()).can_be_cancelled());
    }

    #[test]
    fn a_payment_that_is_only_authorized_is_not_captured() {
        let paid = |captured: u64| {
            let money = |amount: u64| json!({"amount": amount, "currency": "EUR"});
            let payment =
                json!({"method": "demo", "status": "cancelled", "captured": money(captured), "refunded": money(0)});
            order(|order| order["payment"] = payment.clone())
        };
        assert!(!order(|_| ()).has_captured() && !paid(0).has_captured() && paid(499).has_captured());
    }
}
