//! Customers who order without pause while processes die, and a reconciliation of the responses
//! with the ledger afterwards.
//!
//! Each buyer retries under the same idempotency key until the response is final, and records the
//! order of each key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::fixtures::{PASSWORD, check_stock, confirmed_quantities, new_email, run_concurrently, unique};
use crate::product::{Product, euros};
use crate::request::Request;
use crate::response::Response;
use crate::wait::{POLL_INTERVAL, WAIT_TIMEOUT, wait_for};
use crate::{Admin, Client, Customer, Shop};

/// Stock of each product; more than all buyers order.
const STOCKED: u64 = 100_000;
/// Pause between two orders of one buyer, so that a small machine keeps up.
const ORDER_PAUSE: Duration = Duration::from_millis(50);

/// Buyers, and the products that they order.
pub struct Buyers {
    products: Vec<Product>,
    members: Vec<Buyer>,
    deletions: Option<AccountDeletions>,
}

/// Buyers that order in the background.
pub struct RunningBuyers {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Buyers>,
}

impl Buyers {
    /// Creates two products and signs up `count` buyers.
    pub async fn sign_up(shop: &Shop, admin: &Admin, count: usize) -> Self {
        let mut products = Vec::new();
        for name in ["tea", "cup"] {
            products.push(admin.new_product(name, &euros(499), STOCKED).await);
        }
        let mut buyers = Vec::new();
        for customer in shop.new_customers(count).await {
            let order_count = buyers.len();
            buyers.push(Buyer { customer, products: products.clone(), order_count, orders: BTreeMap::new() });
        }
        Self { products, members: buyers, deletions: None }
    }

    /// Adds a client that signs up and deletes its account, over and over.
    pub fn with_account_deletions(self, shop: &Shop) -> Self {
        Self { deletions: Some(AccountDeletions { client: shop.client(), deleted: Vec::new() }), ..self }
    }

    /// Starts to order in the background.
    pub fn start(self) -> RunningBuyers {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let deletions = self.deletions.map(|deletions| deletions.run(Arc::clone(&stopping)));
            let buying = self.members.into_iter().map(|buyer| buyer.run(Arc::clone(&stopping)));
            let (buyers, deletions) = tokio::join!(run_concurrently(buying), async {
                match deletions {
                    Some(deletions) => Some(deletions.await),
                    None => None,
                }
            });
            Self { products: self.products, members: buyers, deletions }
        });
        RunningBuyers { stop, task }
    }

    /// Waits until the shop agrees with every recorded response. Returns how long that took.
    pub async fn reconcile(&mut self, admin: &Admin) -> Duration {
        let started = Instant::now();
        wait_for("the ledger to match the responses", async || self.check(admin).await).await;
        for buyer in &self.members {
            buyer.expect_same_orders_again().await;
        }
        if let Some(deletions) = &mut self.deletions {
            deletions.expect_rejected().await;
        }
        started.elapsed()
    }

    /// Returns how many orders all buyers have placed.
    pub async fn count_orders(&self) -> usize {
        let mut count = 0;
        for buyer in &self.members {
            count += buyer.list_orders().await.len();
        }
        count
    }

    async fn check(&self, admin: &Admin) -> Result<(), String> {
        let mut orders = Vec::new();
        for buyer in &self.members {
            orders.extend(buyer.check().await?);
        }
        let confirmed = confirmed_quantities(&orders);
        for product in &self.products {
            check_stock(admin, product, STOCKED, &confirmed).await?;
        }
        Ok(())
    }
}

impl RunningBuyers {
    /// Waits until each buyer has finished the current order, and returns the buyers.
    pub async fn stop(self) -> Buyers {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

/// Has its own loop, because the future of [`wait_for`] is not `Send`.
async fn send_until_final(request: impl Fn() -> Request) -> Response {
    let started = Instant::now();
    loop {
        let request = request();
        let line = request.to_string();
        let last = match request.try_send().await {
            Ok(response) if matches!(response.status, 202 | 429 | 500..) => response.to_string(),
            Ok(response) => return response,
            Err(error) => format!("{line}: {error}"),
        };
        assert!(started.elapsed() < WAIT_TIMEOUT, "no final response within {WAIT_TIMEOUT:?}; last seen: {last}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

struct Buyer {
    customer: Customer,
    products: Vec<Product>,
    order_count: usize,
    /// The order of each key; `None` when it was refused.
    orders: BTreeMap<String, Option<String>>,
}

impl Buyer {
    async fn run(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Relaxed) {
            self.buy().await;
            tokio::time::sleep(ORDER_PAUSE).await;
        }
        self
    }

    async fn buy(&mut self) {
        self.order_count += 1;
        let product = &self.products[self.order_count % self.products.len()];
        let quantity = 1 + (self.order_count / 2 % 2) as u64;
        send_until_final(|| self.customer.set_quantity(product, quantity)).await.expect_status(200);
        let key = unique("key");
        let response = send_until_final(|| self.customer.place_order(&key)).await;
        let order = match response.status {
            201 => Some(response.id().to_owned()),
            // The interruption was so long that the reconciler cancelled the checkout.
            409 => {
                send_until_final(|| self.customer.empty_cart()).await;
                None
            }
            _ => panic!("{response}"),
        };
        self.orders.insert(key, order);
    }

    async fn list_orders(&self) -> Vec<Value> {
        self.customer.list_all("/shopping/orders", &[]).await
    }

    async fn check(&self) -> Result<Vec<Value>, String> {
        let orders = self.list_orders().await;
        let mut placed = BTreeSet::new();
        for order in &orders {
            match order["status"].as_str() {
                Some("confirmed") => {}
                Some("rejected" | "refunded") => continue,
                _ => return Err(format!("{order} is not in a final state")),
            }
            placed.insert(order["id"].as_str().unwrap());
        }
        let responses: BTreeSet<&str> = self.orders.values().flatten().map(String::as_str).collect();
        if placed != responses {
            let extra: Vec<_> = placed.difference(&responses).collect();
            let lost: Vec<_> = responses.difference(&placed).collect();
            return Err(format!("orders without a response: {extra:?}; lost orders: {lost:?}"));
        }
        let cart = self.customer.get_cart().await;
        if cart.status != 200 || !cart.items().is_empty() {
            return Err(format!("ordered products are still in the cart: {cart}"));
        }
        Ok(orders)
    }

    async fn expect_same_orders_again(&self) {
        for (key, order) in self.orders.iter().rev().take(3) {
            let replay = send_until_final(|| self.customer.place_order(key)).await;
            match order {
                Some(order) => assert_eq!(replay.expect_status(201).id(), order),
                None => drop(replay.expect_status(409)),
            }
        }
    }
}

struct AccountDeletions {
    client: Client,
    deleted: Vec<Customer>,
}

impl AccountDeletions {
    async fn run(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Relaxed) {
            let email = new_email("leaver");
            let response = send_until_final(|| self.client.sign_up(&email, PASSWORD)).await;
            let sign_in = match response.status {
                201 => response,
                // The first attempt succeeded and its response was lost.
                _ => send_until_final(|| self.client.sign_in(&email, PASSWORD)).await.expect_status(200),
            };
            let customer = Customer::from_sign_in(&self.client, &email, PASSWORD, &sign_in);
            send_until_final(|| customer.delete_account()).await;
            self.deleted.push(customer);
        }
        self
    }

    /// Waits until the services reject the tokens, also those that the accounts never used.
    async fn expect_rejected(&mut self) {
        for customer in self.deleted.drain(..) {
            customer.get_profile().until_status(401).await;
            customer.get_cart().until_status(401).await;
        }
    }
}
