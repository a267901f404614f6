//! Orders for the people who run the shop: finding them, and what is done with one.

use serde::Deserialize;
use serde_json::{Value, json};
use souk_contract::customer::CustomerId;
use souk_contract::products::ProductId;
use souk_contract::shopping::{OrderId, ShipmentId, TimelineEntry};
use souk_types::{Country, Money, Timestamp};

use super::call::Call;
use super::order::{Order, OrderStatus, Refund};
use super::{Api, List, Result, Service, Token};
use crate::links::encode;

/// What the list of orders is filtered by. An empty text selects everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderFilters {
    pub(crate) status: String,
    pub(crate) payment: String,
    pub(crate) country: String,
    /// Words of the number, the names and the products.
    pub(crate) words: String,
    /// The first moment.
    pub(crate) from: Option<Timestamp>,
    /// The moment after the last one.
    pub(crate) to: Option<Timestamp>,
    /// `oldest`; newest first when it is empty.
    pub(crate) sort: String,
}

impl OrderFilters {
    fn query(&self) -> String {
        let [from, to] = [self.from, self.to].map(|moment| moment.map(|moment| moment.to_string()).unwrap_or_default());
        let parts = [
            ("status", &self.status),
            ("payment", &self.payment),
            ("country", &self.country),
            ("q", &self.words),
            ("from", &from),
            ("to", &to),
            ("sort", &self.sort),
        ];
        let parts = parts.iter().filter(|(_, value)| !value.is_empty());
        parts.map(|(name, value)| format!("&{name}={}", encode(value))).collect()
    }
}

/// An order in the list.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OrderSummary {
    pub(crate) id: OrderId,
    number: Option<String>,
    pub(crate) email: Option<String>,
    /// The recipient's name.
    pub(crate) name: Option<String>,
    pub(crate) status: OrderStatus,
    /// The status of the payment.
    pub(crate) payment: Option<String>,
    pub(crate) total: Money,
    pub(crate) pieces: u32,
    pub(crate) country: Option<Country>,
    pub(crate) placed_at: Timestamp,
    /// The code of why an admin must act.
    pub(crate) attention: Option<String>,
}

impl OrderSummary {
    /// Returns the number, or the beginning of the id while there is none.
    pub(crate) fn short_name(&self) -> String {
        self.number.clone().unwrap_or_else(|| self.id.to_string().chars().take(8).collect())
    }
}

/// An order with all that is known of it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AdminOrder {
    #[serde(flatten)]
    pub(crate) order: Order,
    fulfilment: Vec<Pieces>,
    /// Oldest first.
    pub(crate) notes: Vec<StaffNote>,
    /// Oldest first.
    pub(crate) timeline: Vec<TimelineEntry>,
    /// The services whose entries are missing, because they did not answer.
    pub(crate) timeline_missing: Vec<String>,
}

/// The pieces of one product in an order.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Pieces {
    product_id: Option<ProductId>,
    pub(crate) shipped: u32,
    pub(crate) refunded: u32,
    /// The pieces that can be shipped.
    pub(crate) left: u32,
}

/// A note of the shop's staff.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StaffNote {
    pub(crate) at: Timestamp,
    /// `None` when the account is deleted.
    pub(crate) by: Option<CustomerId>,
    pub(crate) text: String,
}

impl AdminOrder {
    /// Returns how many pieces of a product are shipped, refunded and left.
    pub(crate) fn pieces(&self, product: ProductId) -> Pieces {
        self.fulfilment.iter().find(|pieces| pieces.product_id == Some(product)).copied().unwrap_or_default()
    }

    /// Returns the number of pieces that can be shipped.
    pub(crate) fn left(&self) -> u32 {
        self.fulfilment.iter().map(|pieces| pieces.left).sum()
    }
}

impl Api<'_> {
    /// Returns a page of all orders, newest first. Errors: 422 for a bad filter or cursor.
    pub(crate) async fn all_orders(
        self,
        token: &Token,
        filters: &OrderFilters,
        limit: usize,
        after: Option<&str>,
    ) -> Result<List<OrderSummary>> {
        let after = after.map(|after| format!("&after={}", encode(after))).unwrap_or_default();
        let target = format!("/admin/orders?limit={limit}{}{after}", filters.query());
        self.get(Service::Shopping, target).token(token).send().await
    }

    /// Returns any order.
    pub(crate) async fn any_order(self, token: &Token, id: OrderId) -> Result<AdminOrder> {
        self.get(Service::Shopping, format!("/admin/orders/{id}")).token(token).send().await
    }

    /// Captures an authorized payment. Errors: 409 `order-state`, `payment-refused`.
    pub(crate) async fn capture_order(self, token: &Token, id: OrderId) -> Result<()> {
        self.act(token, id, "capture", None, &json!({})).await
    }

    /// Cancels an order, or what is left of it. Errors: 409 `order-state`.
    pub(crate) async fn cancel_any_order(self, token: &Token, id: OrderId) -> Result<Order> {
        self.action(token, id, "cancel", None, &json!({})).send().await
    }

    /// Sends a parcel. The same key sends one parcel. Errors: 409 `not-left`, `order-state`,
    /// `too-many-shipments`; 422 `key-reused`.
    pub(crate) async fn ship_order(self, token: &Token, id: OrderId, key: &str, parcel: &Value) -> Result<()> {
        self.act(token, id, "shipments", Some(key), parcel).await
    }

    /// Records that a parcel has arrived, or without one everything that was sent. Errors: 409
    /// `order-state` when nothing was sent.
    pub(crate) async fn deliver_order(self, token: &Token, id: OrderId, shipment: Option<ShipmentId>) -> Result<()> {
        let body = shipment.map_or_else(|| json!({}), |shipment| json!({"shipment": shipment}));
        self.act(token, id, "deliver", None, &body).await
    }

    /// Refunds a part of an order. The same key makes one refund. Errors: 409 `refund-limit`,
    /// `order-state`; 422 `key-reused`.
    pub(crate) async fn refund_order(self, token: &Token, id: OrderId, key: &str, refund: &Value) -> Result<Refund> {
        self.action(token, id, "refunds", Some(key), refund).send().await
    }

    /// Requests again what failed refunds should have returned. Errors: 409 `order-state`.
    pub(crate) async fn retry_refunds(self, token: &Token, id: OrderId) -> Result<Order> {
        self.action(token, id, "refunds/retry", None, &json!({})).send().await
    }

    /// Adds a note. The same key adds one. Errors: 409 `too-many-notes`; 422 `key-reused`.
    pub(crate) async fn add_order_note(self, token: &Token, id: OrderId, key: &str, text: &str) -> Result<()> {
        self.act(token, id, "notes", Some(key), &json!({"text": text})).await
    }

    async fn act(self, token: &Token, id: OrderId, action: &str, key: Option<&str>, body: &Value) -> Result<()> {
        self.action(token, id, action, key, body).send_without_reply().await
    }
}

impl<'a> Api<'a> {
    fn action(self, token: &Token, id: OrderId, action: &str, key: Option<&str>, body: &Value) -> Call<'a> {
        let call = self.post(Service::Shopping, format!("/admin/orders/{id}/{action}")).token(token).json(body);
        match key {
            Some(key) => call.header("Idempotency-Key", key),
            None => call,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_filters_are_left_out_of_the_query() {
        assert_eq!(OrderFilters::default().query(), "");
        let filters = OrderFilters {
            status: "confirmed".to_owned(),
            words: "ana & co".to_owned(),
            from: serde_json::from_str("\"2026-11-01T00:00:00Z\"").unwrap(),
            ..OrderFilters::default()
        };
        assert_eq!(filters.query(), "&status=confirmed&q=ana%20%26%20co&from=2026-11-01T00%3A00%3A00.000Z");
    }
}
