//! Products, prices and stock as tests see them.

use serde_json::{Value, json};

use crate::fixtures::unique;
use crate::response::Response;

/// A product at the time it was created.
#[derive(Debug, Clone)]
pub struct Product {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its category.
    pub category: String,
    /// Its unit price.
    pub price: Value,
}

impl Product {
    /// Reads a product from the API's JSON.
    pub fn from_json(product: &Value) -> Self {
        let text = |member: &str| product[member].as_str().unwrap().to_owned();
        Self { id: text("id"), name: text("name"), category: text("category"), price: product["price"].clone() }
    }

    /// Returns the path of the product in the API.
    pub fn path(&self) -> String {
        format!("/products/{}", self.id)
    }

    /// Returns the path of the product's stock in the API.
    pub fn stock_path(&self) -> String {
        format!("{}/stock", self.path())
    }

    /// Returns the product snapshot that carts, orders and wishlists show.
    pub fn snapshot(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "price": self.price, "image": null, "category": self.category,
            "tax_class": "standard", "weight_grams": 0, "digital": false
        })
    }
}

/// Stock levels of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// Units that can be ordered.
    pub available: u64,
    /// Units held for orders in checkout.
    pub reserved: u64,
    /// Units of confirmed orders.
    pub sold: u64,
}

impl Stock {
    /// Reads the levels from a response.
    #[track_caller]
    pub fn from_response(response: &Response) -> Self {
        let number = |member: &str| response[member].as_u64().unwrap_or_else(|| panic!("{response} has no {member}"));
        Self { available: number("available"), reserved: number("reserved"), sold: number("sold") }
    }

    /// Returns the units that were ever stocked.
    pub fn stocked(&self) -> u64 {
        self.available + self.reserved + self.sold
    }
}

/// Returns an amount in minor units as the API writes it.
pub fn money(amount: u64, currency: &str) -> Value {
    json!({"amount": amount, "currency": currency})
}

/// Returns an amount of euro cents.
pub fn euros(cents: u64) -> Value {
    money(cents, "EUR")
}

/// Returns the JSON of a new product with a unique name and a category of its own.
pub fn product_json(name: &str, price: &Value, available: u64) -> Value {
    json!({
        "name": unique(name),
        "description": format!("A {name} for a test."),
        "category": unique("category"),
        "price": price,
        "available": available,
    })
}
