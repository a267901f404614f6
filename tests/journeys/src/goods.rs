//! What is sold: products and their prices, and the books that are kept about them.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::unique;

/// A product as a test knows it from when it was put on sale.
#[derive(Debug, Clone)]
pub struct Product {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its category.
    pub category: String,
    /// What one costs.
    pub price: Value,
}

impl Product {
    /// From the shop's own words.
    pub fn of(shown: &Value) -> Self {
        let text = |member: &str| shown[member].as_str().unwrap().to_owned();
        Self { id: text("id"), name: text("name"), category: text("category"), price: shown["price"].clone() }
    }

    /// Where it is.
    pub fn path(&self) -> String {
        format!("/products/{}", self.id)
    }
}

/// How many pieces of a product there are, and who has a claim on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// Can be bought.
    pub available: u64,
    /// Held for orders that are being placed.
    pub reserved: u64,
    /// Gone with confirmed orders.
    pub sold: u64,
}

impl Books {
    /// From the shop's own words.
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        let number = |member: &str| answer[member].as_u64().unwrap_or_else(|| panic!("{answer} has no {member}"));
        Self { available: number("available"), reserved: number("reserved"), sold: number("sold") }
    }

    /// Everything that was ever put on the shelf.
    pub fn stocked(&self) -> u64 {
        self.available + self.reserved + self.sold
    }
}

/// An amount in minor units.
pub fn money(amount: u64, currency: &str) -> Value {
    json!({"amount": amount, "currency": currency})
}

/// So many cents.
pub fn euros(cents: u64) -> Value {
    money(cents, "EUR")
}

/// A product that nobody has offered before, in a category of its own.
pub fn goods(name: &str, price: &Value, available: u64) -> Value {
    json!({
        "name": unique(name),
        "description": format!("A {name} for a test."),
        "category": unique("shelf"),
        "price": price,
        "available": available,
    })
}
