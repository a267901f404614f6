//! The plug is pulled again and again while people sign up, fill carts, order and cancel. Whatever was answered `2xx`
//! is there afterwards, no key has more than one order, and not one piece is lost or sold twice.
//!
//! Everybody notes what they are about to do before they ask. A question without an answer ends their day; the next
//! one begins when the shop is open again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use journeys::{Admin, Answer, Customer, OwnShop, PASSWORD, Product, Shop, Visitor, at_once, euros, eventually};
use journeys::{new_email, unique};
use serde_json::Value;

const CRASHES: usize = 16;
/// In milliseconds. A crash may come in the middle of anything, also of the work that the crash before left behind.
const LONGEST_DAY: u64 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_answered_is_lost() {
    let shop = OwnShop::open().await;
    let admin = shop.admin().await;
    let goods = Goods::stocked_by(&admin).await;
    let mut people = People::meet(&shop, &goods).await;
    for _ in 0..CRASHES {
        let day = tokio::spawn(people.spend_a_day());
        tokio::time::sleep(Duration::from_millis(up_to(LONGEST_DAY))).await;
        shop.kill();
        people = day.await.unwrap();
        shop.restart().await;
    }

    people.newcomer.can_sign_in().await;
    for browser in &people.browsers {
        browser.finds_the_cart().await;
    }
    for buyer in &mut people.buyers {
        buyer.settles().await;
    }
    eventually("the books to balance", async || goods.balance(&admin, &people.buyers).await).await;
    for buyer in &people.buyers {
        buyer.finds_the_orders().await;
    }
}

/// A number from 0 to `most`.
fn up_to(most: u64) -> u64 {
    getrandom::u64().unwrap() % (most + 1)
}

/// Whether it was done; if not, because it could not be or the shop had no time.
#[track_caller]
fn is_done(answer: &Answer) -> bool {
    assert!(matches!(answer.status, 200 | 201 | 204 | 404 | 409 | 503), "{answer}");
    answer.status < 300
}

/// What is sold, and how much of it there was.
#[derive(Clone)]
struct Goods(Vec<(Product, u64)>);

impl Goods {
    async fn stocked_by(admin: &Admin) -> Self {
        let mut goods = Vec::new();
        for (name, stocked) in [("tea", 100_000), ("cup", 100_000), ("vase", 30)] {
            goods.push((admin.sells(name, &euros(499), stocked).await, stocked));
        }
        Self(goods)
    }

    fn any(&self) -> &Product {
        let (product, _) = &self.0[usize::try_from(up_to(2)).unwrap_or_default()];
        product
    }

    /// Compares the books with the orders of all who buy.
    async fn balance(&self, admin: &Admin, buyers: &[Buyer]) -> Result<(), String> {
        let mut ordered: BTreeMap<String, u64> = BTreeMap::new();
        for buyer in buyers {
            for order in buyer.past_orders().await {
                if ["pending", "reserved", "paid", "cancelled"].contains(&text(&order["status"]).as_str()) {
                    return Err(format!("{order} is not at its end"));
                }
                if order["status"] == "confirmed" {
                    for line in order["items"].as_array().into_iter().flatten() {
                        let quantity = line["quantity"].as_u64().unwrap_or_default();
                        *ordered.entry(text(&line["product"]["id"])).or_default() += quantity;
                    }
                }
            }
        }
        for (product, stocked) in &self.0 {
            let (books, ordered) = (admin.books(product).await, ordered.get(&product.id).copied().unwrap_or_default());
            if (books.reserved, books.sold, books.stocked()) != (0, ordered, *stocked) {
                return Err(format!("{books:?}, {ordered} ordered, {stocked} stocked"));
            }
        }
        Ok(())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

struct People {
    newcomer: Newcomer,
    browsers: Vec<Browser>,
    buyers: Vec<Buyer>,
}

impl People {
    async fn meet(shop: &Shop, goods: &Goods) -> Self {
        let newcomer = Newcomer { visitor: shop.visitor(), welcomed: Vec::new() };
        let (mut browsers, mut buyers) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let customer = shop.new_customer("Browser").await;
            browsers.push(Browser { customer, goods: goods.clone(), cart: BTreeMap::new() });
        }
        for _ in 0..4 {
            let (customer, goods) = (shop.new_customer("Buyer").await, goods.clone());
            buyers.push(Buyer { customer, goods, keys: BTreeMap::new(), cancelled: BTreeSet::new() });
        }
        Self { newcomer, browsers, buyers }
    }

    async fn spend_a_day(self) -> Self {
        let (newcomer, browsers, buyers) = tokio::join!(
            self.newcomer.spends_a_day(),
            at_once(self.browsers.into_iter().map(Browser::spends_a_day)),
            at_once(self.buyers.into_iter().map(Buyer::spends_a_day)),
        );
        Self { newcomer, browsers, buyers }
    }
}

/// Signs up under one address after the other.
struct Newcomer {
    visitor: Visitor,
    welcomed: Vec<String>,
}

impl Newcomer {
    async fn spends_a_day(mut self) -> Self {
        while self.signs_up().await.is_ok() {}
        self
    }

    async fn signs_up(&mut self) -> Result<(), reqwest::Error> {
        let email = new_email("newcomer");
        if is_done(&self.visitor.signs_up(&email, PASSWORD).attempt().await?) {
            self.welcomed.push(email);
        }
        Ok(())
    }

    async fn can_sign_in(&self) {
        for email in &self.welcomed {
            self.visitor.signs_in(email, PASSWORD).unless_busy().await.expect_status(200);
        }
    }
}

/// Changes the cart and never orders.
struct Browser {
    customer: Customer,
    goods: Goods,
    /// How many of each product may be in the cart: one number, or several when answers are missing.
    cart: BTreeMap<String, BTreeSet<u64>>,
}

impl Browser {
    async fn spends_a_day(mut self) -> Self {
        while self.changes_the_cart().await.is_ok() {}
        self
    }

    async fn changes_the_cart(&mut self) -> Result<(), reqwest::Error> {
        let (product, quantity) = (self.goods.any(), up_to(4));
        let ask = if quantity == 0 { self.customer.removes(product) } else { self.customer.sets(product, quantity) };
        let possible = self.cart.entry(product.id.clone()).or_insert_with(|| BTreeSet::from([0]));
        possible.insert(quantity);
        if is_done(&ask.attempt().await?) {
            *possible = BTreeSet::from([quantity]);
        }
        Ok(())
    }

    async fn finds_the_cart(&self) {
        let cart = self.customer.cart().await.expect_status(200);
        for (product, _) in &self.goods.0 {
            let quantity = cart.line(product)["quantity"].as_u64().unwrap_or_default();
            let possible = self.cart.get(&product.id).cloned().unwrap_or_else(|| BTreeSet::from([0]));
            assert!(possible.contains(&quantity), "{} is not in {possible:?}: {cart}", product.name);
        }
    }
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// There was no answer, or no time.
    Unknown,
    /// This order.
    Ordered(String),
    /// Nothing: the cart was empty, or something out of stock.
    Refused,
}

/// Orders, and cancels some of it.
struct Buyer {
    customer: Customer,
    goods: Goods,
    keys: BTreeMap<String, Outcome>,
    cancelled: BTreeSet<String>,
}

impl Buyer {
    async fn spends_a_day(mut self) -> Self {
        while self.shops().await.is_ok() {}
        self
    }

    /// Goes on with something that was left open, or begins something new.
    async fn shops(&mut self) -> Result<(), reqwest::Error> {
        let open = self.open_keys().into_iter().next().filter(|_| up_to(1) == 0);
        let key = if let Some(key) = open {
            key
        } else {
            is_done(&self.customer.sets(self.goods.any(), 1 + up_to(2)).attempt().await?);
            unique("key")
        };
        self.keys.insert(key.clone(), Outcome::Unknown);
        let answer = self.customer.orders(&key).attempt().await?;
        match self.notes(key, &answer) {
            Outcome::Ordered(order) if up_to(2) == 0 => {
                if is_done(&self.customer.cancels(&order).attempt().await?) {
                    self.cancelled.insert(order);
                }
            }
            // What is sold out stands in the way of everything else in the cart.
            Outcome::Refused => drop(self.customer.empties_the_cart().attempt().await?),
            Outcome::Ordered(_) | Outcome::Unknown => {}
        }
        Ok(())
    }

    fn open_keys(&self) -> Vec<String> {
        let open = self.keys.iter().filter(|(_, outcome)| **outcome == Outcome::Unknown);
        open.map(|(key, _)| key.clone()).collect()
    }

    fn notes(&mut self, key: String, answer: &Answer) -> Outcome {
        let outcome = match answer.status {
            201 => Outcome::Ordered(answer.id().to_owned()),
            409 => Outcome::Refused,
            503 => Outcome::Unknown,
            _ => panic!("{answer}"),
        };
        self.keys.insert(key, outcome.clone());
        outcome
    }

    /// Asks once more for every order that was never answered.
    async fn settles(&mut self) {
        for key in self.open_keys() {
            let answer = self.customer.orders(&key).unless_busy().await;
            self.notes(key, &answer);
        }
    }

    async fn past_orders(&self) -> Vec<Value> {
        self.customer.walks_through("/shopping/orders", &[]).await
    }

    /// The orders are those that the keys stand for, each once, and what was cancelled still is.
    async fn finds_the_orders(&self) {
        let mut by_key = BTreeSet::new();
        for (key, outcome) in &self.keys {
            if let Outcome::Ordered(order) = outcome {
                assert!(by_key.insert(order.clone()), "{order} is there under two keys");
                assert_eq!(self.customer.orders(key).await.expect_status(201).id(), order);
            }
        }
        let orders = self.past_orders().await;
        let placed = orders.iter().filter(|order| order["status"] != "rejected");
        assert_eq!(placed.map(|order| text(&order["id"])).collect::<BTreeSet<_>>(), by_key);
        let cancelled = orders.iter().filter(|order| order["status"] == "refunded");
        let cancelled: BTreeSet<String> = cancelled.map(|order| text(&order["id"])).collect();
        assert!(self.cancelled.is_subset(&cancelled), "{:?} are cancelled no more", self.cancelled);
    }
}
