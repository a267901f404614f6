//! Somebody who runs the shop.

use std::ops::Deref;

use reqwest::Method;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::goods::{Books, Product, euros, goods};
use crate::unique;
use crate::visitor::Visitor;

/// An admin, signed in.
pub struct Admin(Visitor);

impl Admin {
    pub(crate) fn new(visitor: Visitor) -> Self {
        Self(visitor)
    }

    /// Offers a product; the body is the test's.
    pub fn offers(&self, product: Value) -> Ask {
        self.asks(Method::POST, "/products").json(product)
    }

    /// Puts a new product on sale: a name, a price, how many there are.
    pub async fn sells(&self, name: &str, price: &Value, available: u64) -> Product {
        Product::of(&self.offers(goods(name, price, available)).await.expect_status(201).body)
    }

    /// Puts so many new products of one category on sale, 100 of each, at 1, 2, 3 ... cents.
    pub async fn fills_a_shelf(&self, products: u64) -> Vec<Product> {
        let category = unique("shelf");
        let rows = (1..=products).map(|number| {
            let mut row = goods("ware", &euros(number), 100);
            row["key"] = unique("key").into();
            row["category"] = category.as_str().into();
            row.to_string()
        });
        let file = rows.collect::<Vec<_>>().join("\n");
        self.imports("application/x-ndjson", file, &[]).await.expect_status(200);
        let offered = self.walks_through("/products", &[("category", &category), ("sort", "price")]).await;
        offered.iter().map(Product::of).collect()
    }

    /// Changes some of what is offered.
    pub fn edits(&self, product: &Product, changes: Value) -> Ask {
        self.asks(Method::PATCH, &product.path()).json(changes)
    }

    /// Changes all of what is offered.
    pub fn replaces(&self, product: &Product, by: Value) -> Ask {
        self.asks(Method::PUT, &product.path()).json(by)
    }

    /// Sells it no longer.
    pub fn withdraws(&self, product: &Product) -> Ask {
        self.asks(Method::DELETE, &product.path())
    }

    /// Counts the pieces on the shelf.
    pub fn restocks(&self, product: &Product, available: u64) -> Ask {
        self.asks(Method::PUT, &format!("{}/stock", product.path())).json(json!({"available": available}))
    }

    /// Looks into the books.
    pub async fn books(&self, product: &Product) -> Books {
        Books::of(&self.gets(&format!("{}/stock", product.path())).await.expect_status(200))
    }

    /// Takes the money that is set aside for an order.
    pub fn captures(&self, order: &str) -> Ask {
        self.asks(Method::POST, &format!("/shopping/order/{order}/capture"))
    }

    /// Cancels anybody's order.
    pub fn cancels(&self, order: &str) -> Ask {
        self.asks(Method::POST, &format!("/shopping/order/{order}/cancel"))
    }

    /// Sends an order on its way.
    pub fn ships(&self, order: &str) -> Ask {
        self.asks(Method::POST, &format!("/shopping/order/{order}/ship"))
    }

    /// Asks for all that happened to an order.
    pub fn explains(&self, order: &str) -> Ask {
        self.gets(&format!("/shopping/order/{order}/timeline"))
    }

    /// Imports a file.
    pub fn imports(&self, content_type: &str, file: impl Into<Vec<u8>>, mapping: &[(&str, &str)]) -> Ask {
        let ask = self.asks(Method::POST, "/products/import").query(mapping);
        ask.header("Content-Type", content_type).body(file)
    }
}

impl Deref for Admin {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.0
    }
}
