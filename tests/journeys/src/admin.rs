//! A signed-in admin.

use std::ops::Deref;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::product::{Product, Stock};
use crate::request::Request;

/// An admin with a session.
pub struct Admin(Client);

impl Admin {
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }

    /// Uploads an image.
    pub fn upload_image(&self, file: impl Into<Vec<u8>>) -> Request {
        self.request(Method::POST, "/products/images").body(file)
    }

    /// Creates a product from this JSON.
    pub fn create_product(&self, product: Value) -> Request {
        self.request(Method::POST, "/products").json(product)
    }

    /// Changes fields of a product.
    pub fn update_product(&self, product: &Product, changes: Value) -> Request {
        self.request(Method::PATCH, &product.path()).json(changes)
    }

    /// Replaces all fields of a product, of whatever version.
    pub fn replace_product(&self, product: &Product, replacement: Value) -> Request {
        self.request(Method::PUT, &product.path()).header("If-Match", "*").json(replacement)
    }

    /// Deletes a product.
    pub fn delete_product(&self, product: &Product) -> Request {
        self.request(Method::DELETE, &product.path())
    }

    /// Sets the available stock of a product, of whatever version.
    pub fn set_stock(&self, product: &Product, available: u64) -> Request {
        let request = self.request(Method::PUT, &product.stock_path()).header("If-Match", "*");
        request.json(json!({"available": available}))
    }

    /// Adds to the available stock of a product.
    pub fn add_stock(&self, product: &Product, difference: i64) -> Request {
        self.request(Method::PATCH, &product.stock_path()).json(json!({"add": difference}))
    }

    /// Returns the stock levels of a product.
    pub async fn stock(&self, product: &Product) -> Stock {
        Stock::from_response(&self.get(&product.stock_path()).await.expect_status(200))
    }

    /// Imports products from a file.
    pub fn import_products(&self, content_type: &str, file: impl Into<Vec<u8>>, mapping: &[(&str, &str)]) -> Request {
        let request = self.request(Method::POST, "/products/import").query(mapping);
        request.header("Content-Type", content_type).body(file)
    }

    /// Captures the authorised payment of an order.
    pub fn capture_payment(&self, order: &str) -> Request {
        self.request(Method::POST, &format!("/shopping/admin/orders/{order}/capture"))
    }

    /// Refunds a part of an order, under an idempotency key.
    pub fn refund(&self, order: &str, key: &str, refund: Value) -> Request {
        let request = self.request(Method::POST, &format!("/shopping/admin/orders/{order}/refunds"));
        request.header("Idempotency-Key", key).json(refund)
    }

    /// Requests again what failed refunds of an order should have returned.
    pub fn retry_refunds(&self, order: &str) -> Request {
        self.request(Method::POST, &format!("/shopping/admin/orders/{order}/refunds/retry"))
    }

    /// Cancels an order of any customer.
    pub fn cancel_order(&self, order: &str) -> Request {
        self.request(Method::POST, &format!("/shopping/admin/orders/{order}/cancel"))
    }

    /// Lists all orders.
    pub fn list_all_orders(&self, query: &[(&str, &str)]) -> Request {
        self.get("/shopping/admin/orders").query(query)
    }

    /// Gets an order of any customer, with all that is known of it.
    pub fn get_any_order(&self, order: &str) -> Request {
        self.get(&format!("/shopping/admin/orders/{order}"))
    }

    /// Ships all that is left of an order in one parcel.
    pub fn ship_order(&self, order: &str) -> Request {
        self.ship_parcel(order, json!({}))
    }

    /// Ships a parcel.
    pub fn ship_parcel(&self, order: &str, parcel: Value) -> Request {
        self.request(Method::POST, &format!("/shopping/admin/orders/{order}/shipments")).json(parcel)
    }

    /// Records that everything that was sent has arrived.
    pub fn deliver_order(&self, order: &str) -> Request {
        self.request(Method::POST, &format!("/shopping/admin/orders/{order}/deliver")).json(json!({}))
    }

    /// Records that a shipment has arrived.
    pub fn deliver_shipment(&self, order: &str, shipment: &str) -> Request {
        self.request(Method::POST, &format!("/shopping/admin/orders/{order}/deliver"))
            .json(json!({"shipment": shipment}))
    }

    /// Adds a note to an order.
    pub fn add_note(&self, order: &str, text: &str) -> Request {
        self.request(Method::POST, &format!("/shopping/admin/orders/{order}/notes")).json(json!({"text": text}))
    }

    /// Gets the timeline of an order.
    pub fn get_timeline(&self, order: &str) -> Request {
        self.get(&format!("/shopping/order/{order}/timeline"))
    }
}

impl Deref for Admin {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}
