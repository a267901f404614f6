//! The shop is killed again and again while customers sign up, fill carts, order and cancel. Every
//! change with a `2xx` response survives, each key has at most one order, and no unit is lost or
//! sold twice.
//!
//! Each client records its request before it sends it. A request without a response ends its run;
//! the next run begins after the restart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use journeys::{
    Admin, Client, Customer, PASSWORD, Product, Response, Shop, TestShop, check_stock, confirmed_quantities, euros,
    new_email, run_concurrently, unique, wait_for,
};
use serde_json::Value;

const CRASHES: usize = 16;
/// Longest time between a restart and the next crash, in milliseconds. A crash may interrupt the
/// recovery from the previous crash.
const LONGEST_RUN: u64 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_change_is_lost_in_a_crash() {
    let shop = TestShop::start().await;
    let admin = shop.admin().await;
    let products = Products::create(&admin).await;
    let mut clients = Clients::sign_up(&shop, &products).await;
    for _ in 0..CRASHES {
        let running = tokio::spawn(clients.run_until_crash());
        tokio::time::sleep(Duration::from_millis(random(LONGEST_RUN))).await;
        shop.kill();
        clients = running.await.unwrap();
        shop.restart().await;
    }

    clients.sign_ups.expect_accounts().await;
    for cart_user in &clients.cart_users {
        cart_user.expect_cart().await;
    }
    for buyer in &mut clients.buyers {
        buyer.finish_open_keys().await;
    }
    wait_for("the ledger to match the orders", async || products.check(&admin, &clients.buyers).await).await;
    for buyer in &clients.buyers {
        buyer.expect_orders().await;
    }
}

fn random(most: u64) -> u64 {
    getrandom::u64().unwrap() % (most + 1)
}

/// Returns whether a request succeeded. Conflicts, missing resources and a busy shop are expected.
#[track_caller]
fn succeeded(response: &Response) -> bool {
    assert!(matches!(response.status, 200 | 201 | 204 | 404 | 409 | 503), "{response}");
    response.status < 300
}

#[derive(Clone)]
struct Products(Vec<(Product, u64)>);

impl Products {
    async fn create(admin: &Admin) -> Self {
        let mut products = Vec::new();
        for (name, stocked) in [("tea", 100_000), ("cup", 100_000), ("vase", 30)] {
            products.push((admin.new_product(name, &euros(499), stocked).await, stocked));
        }
        Self(products)
    }

    fn random(&self) -> &Product {
        let (product, _) = &self.0[usize::try_from(random(2)).unwrap_or_default()];
        product
    }

    async fn check(&self, admin: &Admin, buyers: &[Buyer]) -> Result<(), String> {
        let mut orders = Vec::new();
        for buyer in buyers {
            orders.extend(buyer.list_orders().await);
        }
        let is_open = |order: &&Value| {
            ["pending", "reserved", "paid", "cancelled"].iter().any(|status| order["status"] == *status)
        };
        if let Some(open) = orders.iter().find(is_open) {
            return Err(format!("{open} is not in a final state"));
        }
        let confirmed = confirmed_quantities(&orders);
        for (product, stocked) in &self.0 {
            check_stock(admin, product, *stocked, &confirmed).await?;
        }
        Ok(())
    }
}

struct Clients {
    sign_ups: SignUps,
    cart_users: Vec<CartUser>,
    buyers: Vec<Buyer>,
}

impl Clients {
    async fn sign_up(shop: &Shop, products: &Products) -> Self {
        let cart_user = |customer| CartUser { customer, products: products.clone(), quantities: BTreeMap::new() };
        let buyer = |customer| Buyer {
            customer,
            products: products.clone(),
            keys: BTreeMap::new(),
            cancelled: BTreeSet::new(),
        };
        Self {
            sign_ups: SignUps { client: shop.client(), emails: Vec::new() },
            cart_users: shop.new_customers(2).await.into_iter().map(cart_user).collect(),
            buyers: shop.new_customers(4).await.into_iter().map(buyer).collect(),
        }
    }

    async fn run_until_crash(self) -> Self {
        let (sign_ups, cart_users, buyers) = tokio::join!(
            self.sign_ups.run_until_crash(),
            run_concurrently(self.cart_users.into_iter().map(CartUser::run_until_crash)),
            run_concurrently(self.buyers.into_iter().map(Buyer::run_until_crash)),
        );
        Self { sign_ups, cart_users, buyers }
    }
}

struct SignUps {
    client: Client,
    /// Addresses whose sign-up was acknowledged.
    emails: Vec<String>,
}

impl SignUps {
    async fn run_until_crash(mut self) -> Self {
        while self.sign_up().await.is_ok() {}
        self
    }

    async fn sign_up(&mut self) -> Result<(), reqwest::Error> {
        let email = new_email("newcomer");
        if succeeded(&self.client.sign_up(&email, PASSWORD).try_send().await?) {
            self.emails.push(email);
        }
        Ok(())
    }

    async fn expect_accounts(&self) {
        for email in &self.emails {
            self.client.sign_in(email, PASSWORD).retry_while_busy().await.expect_status(200);
        }
    }
}

/// Changes the cart and never orders.
struct CartUser {
    customer: Customer,
    products: Products,
    /// The quantities that each product may have: one, or several after missing responses.
    quantities: BTreeMap<String, BTreeSet<u64>>,
}

impl CartUser {
    async fn run_until_crash(mut self) -> Self {
        while self.change_cart().await.is_ok() {}
        self
    }

    async fn change_cart(&mut self) -> Result<(), reqwest::Error> {
        let (product, quantity) = (self.products.random(), random(4));
        let request = if quantity == 0 {
            self.customer.remove_from_cart(product)
        } else {
            self.customer.set_quantity(product, quantity)
        };
        let possible = self.quantities.entry(product.id.clone()).or_insert_with(|| BTreeSet::from([0]));
        possible.insert(quantity);
        if succeeded(&request.try_send().await?) {
            *possible = BTreeSet::from([quantity]);
        }
        Ok(())
    }

    async fn expect_cart(&self) {
        let cart = self.customer.get_cart().await.expect_status(200);
        for (product, _) in &self.products.0 {
            let quantity = cart.line(product)["quantity"].as_u64().unwrap_or_default();
            let possible = self.quantities.get(&product.id).cloned().unwrap_or_else(|| BTreeSet::from([0]));
            assert!(possible.contains(&quantity), "{} is not in {possible:?}: {cart}", product.name);
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum KeyState {
    /// There was no response, or the shop was busy.
    Open,
    Ordered(String),
    /// The cart was empty, or a product out of stock.
    Rejected,
}

struct Buyer {
    customer: Customer,
    products: Products,
    keys: BTreeMap<String, KeyState>,
    /// Orders whose cancellation was acknowledged.
    cancelled: BTreeSet<String>,
}

impl Buyer {
    async fn run_until_crash(mut self) -> Self {
        while self.buy().await.is_ok() {}
        self
    }

    async fn buy(&mut self) -> Result<(), reqwest::Error> {
        let open = self.open_keys().into_iter().next().filter(|_| random(1) == 0);
        let key = if let Some(key) = open {
            key
        } else {
            succeeded(&self.customer.set_quantity(self.products.random(), 1 + random(2)).try_send().await?);
            unique("key")
        };
        self.keys.insert(key.clone(), KeyState::Open);
        let response = self.customer.place_order(&key).try_send().await?;
        match self.record(key, &response) {
            KeyState::Ordered(order) if random(2) == 0 => {
                if succeeded(&self.customer.cancel_order(&order).try_send().await?) {
                    self.cancelled.insert(order);
                }
            }
            // A product that is out of stock blocks the whole cart.
            KeyState::Rejected => drop(self.customer.empty_cart().try_send().await?),
            KeyState::Ordered(_) | KeyState::Open => {}
        }
        Ok(())
    }

    fn open_keys(&self) -> Vec<String> {
        let open = self.keys.iter().filter(|(_, state)| **state == KeyState::Open);
        open.map(|(key, _)| key.clone()).collect()
    }

    fn record(&mut self, key: String, response: &Response) -> KeyState {
        let state = match response.status {
            201 => KeyState::Ordered(response.id().to_owned()),
            409 => KeyState::Rejected,
            503 => KeyState::Open,
            _ => panic!("{response}"),
        };
        self.keys.insert(key, state.clone());
        state
    }

    async fn finish_open_keys(&mut self) {
        for key in self.open_keys() {
            let response = self.customer.place_order(&key).retry_while_busy().await;
            self.record(key, &response);
        }
    }

    async fn list_orders(&self) -> Vec<Value> {
        self.customer.list_all("/shopping/orders", &[]).await
    }

    async fn expect_orders(&self) {
        let mut by_key = BTreeSet::new();
        for (key, state) in &self.keys {
            if let KeyState::Ordered(order) = state {
                assert!(by_key.insert(order.clone()), "{order} has two keys");
                assert_eq!(self.customer.place_order(key).await.expect_status(201).id(), order);
            }
        }
        let orders = self.list_orders().await;
        let ids = |is_included: fn(&Value) -> bool| -> BTreeSet<String> {
            let included = orders.iter().filter(|order| is_included(&order["status"]));
            included.map(|order| order["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids(|status| status != "rejected"), by_key);
        let cancelled = ids(|status| status == "refunded");
        assert!(self.cancelled.is_subset(&cancelled), "acknowledged {:?}, refunded {cancelled:?}", self.cancelled);
    }
}
