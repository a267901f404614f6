//! A market day: people order without pause, as careful clients do. Whoever gets no answer, or is told to come again, asks again
//! under the same key until there is one; everybody notes what they were told. Whatever died meanwhile, in the end the books
//! must agree with the notes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::answer::Answer;
use crate::ask::Ask;
use crate::{Admin, Customer, GLANCE, PASSWORD, PATIENCE, Product, Shop, Visitor};
use crate::{at_once, euros, eventually, new_email, unique};

/// Of each product; more than anybody buys.
const STOCKED: u64 = 100_000;
/// Between two orders of one customer: enough to keep everything going, and little enough for a small machine.
const PAUSE: Duration = Duration::from_millis(50);

/// People, and what is sold to them.
pub struct Market {
    goods: Vec<Product>,
    buyers: Vec<Buyer>,
    /// Those who come and go, when there are any.
    leaver: Option<Leaver>,
}

/// A day that has begun.
pub struct Day {
    over: Arc<AtomicBool>,
    market: JoinHandle<Market>,
}

impl Market {
    /// Goods on the shelves, and so many customers.
    pub async fn opens(shop: &Shop, admin: &Admin, buyers: usize) -> Self {
        let mut goods = Vec::new();
        for name in ["tea", "cup"] {
            goods.push(admin.sells(name, &euros(499), STOCKED).await);
        }
        let mut people = Vec::new();
        for _ in 0..buyers {
            let customer = shop.new_customer("Buyer").await;
            people.push(Buyer { customer, goods: goods.clone(), turn: people.len(), told: BTreeMap::new() });
        }
        Self { goods, buyers: people, leaver: None }
    }

    /// And people who sign up and delete their account, one after another.
    pub fn with_people_who_leave(self, shop: &Shop) -> Self {
        Self { leaver: Some(Leaver { visitor: shop.visitor(), gone: Vec::new() }), ..self }
    }

    /// Everybody begins.
    pub fn day(self) -> Day {
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let market = tokio::spawn(async move {
            let leaving = self.leaver.map(|leaver| leaver.spends(Arc::clone(&until)));
            let buying = self.buyers.into_iter().map(|buyer| buyer.spends(Arc::clone(&until)));
            let (buyers, leaver) = tokio::join!(at_once(buying), async {
                match leaving {
                    Some(leaving) => Some(leaving.await),
                    None => None,
                }
            });
            Self { goods: self.goods, buyers, leaver }
        });
        Day { over, market }
    }

    /// Expects, within a minute, that every order somebody was told of exists once and none besides, that nothing is reserved and
    /// nothing lost, that what was ordered is out of the carts, and that who left is gone. Returns how long that took.
    pub async fn settles(&mut self, admin: &Admin) -> Duration {
        let begun = Instant::now();
        eventually("the books to balance", async || self.balances(admin).await).await;
        for buyer in &mut self.buyers {
            buyer.is_told_the_same_again().await;
        }
        if let Some(leaver) = &mut self.leaver {
            leaver.is_forgotten().await;
        }
        begun.elapsed()
    }

    /// So many orders were confirmed on all days.
    pub async fn orders(&self) -> usize {
        let mut orders = 0;
        for buyer in &self.buyers {
            orders += buyer.orders().await.len();
        }
        orders
    }

    async fn balances(&self, admin: &Admin) -> Result<(), String> {
        let mut sold: BTreeMap<String, u64> = BTreeMap::new();
        for buyer in &self.buyers {
            let (mut placed, mut confirmed) = (BTreeSet::new(), 0);
            for order in buyer.orders().await {
                match order["status"].as_str() {
                    Some("confirmed") => confirmed += 1,
                    Some("rejected" | "refunded") => continue,
                    _ => return Err(format!("{order} is not at its end")),
                }
                placed.insert(order["id"].as_str().unwrap().to_owned());
                for line in order["items"].as_array().into_iter().flatten() {
                    let product = line["product"]["id"].as_str().unwrap().to_owned();
                    *sold.entry(product).or_default() += line["quantity"].as_u64().unwrap();
                }
            }
            let told: BTreeSet<String> = buyer.told.values().flatten().cloned().collect();
            if placed != told {
                let (more, fewer): (Vec<_>, Vec<_>) =
                    (placed.difference(&told).collect(), told.difference(&placed).collect());
                return Err(format!("nobody was told of {more:?}, and {fewer:?} are gone"));
            }
            let profile = buyer.customer.profile().await;
            if profile["orders_confirmed"] != confirmed {
                return Err(format!("{confirmed} orders are confirmed, and not all counted, or twice: {profile}"));
            }
            let cart = buyer.customer.cart().await;
            if cart.status != 200 || !cart.items().is_empty() {
                return Err(format!("what was ordered is still in the cart: {cart}"));
            }
        }
        for product in &self.goods {
            let (books, sold) = (admin.books(product).await, sold.get(&product.id).copied().unwrap_or_default());
            if (books.reserved, books.sold, books.stocked()) != (0, sold, STOCKED) {
                return Err(format!("{books:?}, {sold} in confirmed orders, {STOCKED} stocked"));
            }
        }
        Ok(())
    }
}

impl Day {
    /// Everybody ends what they have begun, and goes home.
    pub async fn ends(self) -> Market {
        self.over.store(true, Ordering::Relaxed);
        self.market.await.unwrap()
    }
}

/// A client's patience: asks until there is an answer that is final.
async fn insists(ask: impl Fn() -> Ask) -> Answer {
    let begun = Instant::now();
    loop {
        let asking = ask();
        let asked = asking.to_string();
        let instead = match asking.attempt().await {
            Ok(answer) if matches!(answer.status, 202 | 429 | 500..) => answer.to_string(),
            Ok(answer) => return answer,
            Err(error) => format!("{asked}: {error}"),
        };
        assert!(begun.elapsed() < PATIENCE, "no final answer within {PATIENCE:?}; instead: {instead}");
        tokio::time::sleep(GLANCE).await;
    }
}

/// Fills the cart and orders, again and again.
struct Buyer {
    customer: Customer,
    goods: Vec<Product>,
    turn: usize,
    /// The order of each key; none, when it was refused.
    told: BTreeMap<String, Option<String>>,
}

impl Buyer {
    async fn spends(mut self, over: Arc<AtomicBool>) -> Self {
        while !over.load(Ordering::Relaxed) {
            self.buys().await;
            tokio::time::sleep(PAUSE).await;
        }
        self
    }

    async fn buys(&mut self) {
        self.turn += 1;
        let (product, quantity) = (&self.goods[self.turn % self.goods.len()], 1 + (self.turn / 2 % 2) as u64);
        insists(|| self.customer.sets(product, quantity)).await.expect_status(200);
        let key = unique("key");
        let answer = insists(|| self.customer.orders(&key)).await;
        let order = match answer.status {
            201 => Some(answer.id().to_owned()),
            // It was interrupted for so long that it was given up; the cart is as it was.
            409 => {
                insists(|| self.customer.empties_the_cart()).await;
                None
            }
            _ => panic!("{answer}"),
        };
        self.told.insert(key, order);
    }

    async fn orders(&self) -> Vec<Value> {
        self.customer.walks_through("/shopping/orders", &[]).await
    }

    /// Each key has one answer, for good.
    async fn is_told_the_same_again(&self) {
        for (key, order) in self.told.iter().rev().take(3) {
            let again = insists(|| self.customer.orders(key)).await;
            match order {
                Some(order) => assert_eq!(again.expect_status(201).id(), order),
                None => drop(again.expect_status(409)),
            }
        }
    }
}

/// Signs up and leaves for good, again and again.
struct Leaver {
    visitor: Visitor,
    gone: Vec<Customer>,
}

impl Leaver {
    async fn spends(mut self, over: Arc<AtomicBool>) -> Self {
        while !over.load(Ordering::Relaxed) {
            let email = new_email("leaver");
            let answer = insists(|| self.visitor.signs_up(&email, PASSWORD)).await;
            // The answer to the first attempt was lost.
            let answer = match answer.status {
                201 => answer,
                _ => insists(|| self.visitor.signs_in(&email, PASSWORD)).await.expect_status(200),
            };
            let customer = Customer::with(&self.visitor, &email, PASSWORD, &answer);
            insists(|| customer.erases_the_account()).await;
            self.gone.push(customer);
        }
        self
    }

    /// Also where they had never been: their token is worth nothing there.
    async fn is_forgotten(&mut self) {
        for customer in self.gone.drain(..) {
            customer.profile().until(401).await;
            customer.cart().until(401).await;
        }
    }
}
