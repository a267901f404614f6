//! Steps and test data that many journeys share.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::Admin;
use crate::client::Client;
use crate::customer::Customer;
use crate::product::{Product, euros, product_json};
use crate::response::Response;
use crate::shop::Shop;
use crate::wait::wait_for;

/// The password of every test account.
pub const PASSWORD: &str = "correct horse battery";

/// A UUID that names nothing in any shop.
pub const UNKNOWN_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

impl Shop {
    /// Signs up a customer.
    pub async fn new_customer(&self) -> Customer {
        let (client, email) = (self.client(), new_email("customer"));
        let sign_in = client.sign_up(&email, PASSWORD).retry_while_busy().await.expect_status(201);
        Customer::from_sign_in(&client, &email, PASSWORD, &sign_in)
    }

    /// Signs up several customers.
    pub async fn new_customers(&self, count: usize) -> Vec<Customer> {
        let mut customers = Vec::with_capacity(count);
        for _ in 0..count {
            customers.push(self.new_customer().await);
        }
        customers
    }

    /// Signs up a customer and fills the cart with `quantity` of a product.
    pub async fn customer_with_cart(&self, product: &Product, quantity: u64) -> Customer {
        let customer = self.new_customer().await;
        customer.add_to_cart(product, quantity).await.expect_status(200);
        customer
    }

    /// Signs up a customer who fills the cart and orders it. Returns the customer and the order.
    pub async fn customer_with_order(&self, product: &Product, quantity: u64) -> (Customer, Response) {
        let customer = self.new_customer().await;
        let order = customer.buy(product, quantity).await;
        (customer, order)
    }

    /// Creates a product as the admin.
    pub async fn new_product(&self, name: &str, price: &Value, available: u64) -> Product {
        self.admin().await.new_product(name, price, available).await
    }
}

impl Admin {
    /// Creates a product with a unique name and a category of its own.
    pub async fn new_product(&self, name: &str, price: &Value, available: u64) -> Product {
        Product::from_json(&self.create_product(product_json(name, price, available)).await.expect_status(201).body)
    }

    /// Creates products from their names, prices in euro cents and stock.
    pub async fn new_products<const N: usize>(&self, products: [(&str, u64, u64); N]) -> [Product; N] {
        let mut created = Vec::with_capacity(N);
        for (name, cents, available) in products {
            created.push(self.new_product(name, &euros(cents), available).await);
        }
        created.try_into().unwrap()
    }

    /// Imports `count` products of a new category, 100 of each, at 1, 2, 3 ... cents in order.
    pub async fn new_category(&self, count: u64) -> Vec<Product> {
        let category = unique("category");
        let rows = (1..=count).map(|number| {
            let mut row = product_json("product", &euros(number), 100);
            row["key"] = unique("key").into();
            row["category"] = category.as_str().into();
            row.to_string()
        });
        let file = rows.collect::<Vec<_>>().join("\n");
        self.import_products("application/x-ndjson", file, &[]).await.expect_status(200);
        let products = self.list_all("/products", &[("category", &category), ("sort", "price")]).await;
        products.iter().map(Product::from_json).collect()
    }
}

impl Client {
    /// Waits until every service has erased a deleted account. Returns the completed receipt.
    pub async fn wait_for_erasure(&self, receipt: &str) -> Response {
        wait_for("every service to erase", async || {
            let response = self.get_erasure_receipt(receipt).await;
            if response.status == 200 && response["completed_at"].is_string() { Ok(response) } else { Err(response) }
        })
        .await
    }
}

impl Customer {
    /// Adds to the cart and orders it under a new key. Returns the confirmed order.
    pub async fn buy(&self, product: &Product, quantity: u64) -> Response {
        self.add_to_cart(product, quantity).await.expect_status(200);
        self.place_order(&unique("key")).await.expect_status(201)
    }

    /// Waits until an order has this status, and returns it.
    pub async fn wait_for_order(&self, id: &str, status: &str) -> Response {
        wait_for(&format!("the order to be {status}"), async || {
            let order = self.get_order(id).await.expect_status(200);
            if order["status"] == status { Ok(order) } else { Err(order) }
        })
        .await
    }

    /// Waits until this customer has placed `count` orders, while a [`Load`](crate::Load) runs.
    pub async fn wait_for_orders(&self, count: usize) {
        wait_for(&format!("{count} orders"), async || {
            let orders = self.list_orders().await.expect_status(200);
            if orders.items().len() < count { Err(orders) } else { Ok(()) }
        })
        .await;
    }

    /// Waits until each service rejects the token of this customer.
    pub async fn wait_until_rejected(&self) {
        let product = product_json("tea", &euros(499), 1);
        let create_product = self.request(Method::POST, "/products").json(product);
        for request in [self.get_profile(), create_product, self.get_cart()] {
            request.until_status(401).await.expect_unauthenticated();
        }
    }
}

/// Adds up what confirmed orders contain: quantity by product id.
pub fn confirmed_quantities<'o>(orders: impl IntoIterator<Item = &'o Value>) -> BTreeMap<String, u64> {
    let mut quantities = BTreeMap::new();
    for order in orders.into_iter().filter(|order| order["status"] == "confirmed") {
        for line in order["items"].as_array().unwrap() {
            let product = line["product"]["id"].as_str().unwrap().to_owned();
            *quantities.entry(product).or_default() += line["quantity"].as_u64().unwrap();
        }
    }
    quantities
}

/// Expects the stock of a product to match confirmed orders, and nothing to be reserved.
pub async fn check_stock(
    admin: &Admin,
    product: &Product,
    stocked: u64,
    confirmed: &BTreeMap<String, u64>,
) -> Result<(), String> {
    let sold = confirmed.get(&product.id).copied().unwrap_or_default();
    let stock = admin.stock(product).await;
    if (stock.reserved, stock.sold, stock.stocked()) == (0, sold, stocked) {
        Ok(())
    } else {
        Err(format!("{stock:?} of {}; {stocked} stocked, {sold} in confirmed orders", product.name))
    }
}

/// Runs futures at the same time and returns their results in order.
pub async fn run_concurrently<D>(tasks: impl IntoIterator<Item = D>) -> Vec<D::Output>
where
    D: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
{
    let running: Vec<_> = tasks.into_iter().map(|task| tokio::spawn(task.into_future())).collect();
    let mut results = Vec::with_capacity(running.len());
    for task in running {
        results.push(task.await.expect("a task without a panic"));
    }
    results
}

/// Returns the statuses of responses, sorted.
pub fn statuses(responses: &[Response]) -> Vec<u16> {
    let mut statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    statuses
}

/// Returns a word that no other test uses.
pub fn unique(word: &str) -> String {
    format!("{word}{}", Uuid::now_v7().simple())
}

/// Returns an e-mail address that no other test uses.
pub fn new_email(name: &str) -> String {
    format!("{}@example.com", unique(&format!("{name}.")))
}

/// Returns the JSON of an address, with all its fields.
pub fn address(line1: &str) -> Value {
    json!({
        "name": "Ana Silva", "company": null, "line1": line1, "line2": null, "city": "Porto", "region": null,
        "postal_code": "4050-265", "country": "PT", "phone": null
    })
}

/// Returns the JSON of an order that the buyer collects from the sample shop, with further fields.
pub fn order_with(email: &str, fields: Value) -> Value {
    let address = json!({
        "name": "Ana Silva", "line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE",
    });
    let mut order = json!({"email": email, "shipping_address": address, "shipping_method": "pickup"});
    let (Value::Object(order_fields), Value::Object(fields)) = (&mut order, fields) else { panic!("not an object") };
    order_fields.extend(fields);
    order
}
