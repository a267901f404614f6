//! Two customers and an admin do whatever comes to their minds with three products, and a model of a few numbers says
//! what the shop must answer. After each step carts, books and orders agree with it, and `available + reserved + sold`
//! is what was stocked. A failure is shrunk to the shortest story that shows it.

use std::collections::BTreeMap;

use journeys::{Admin, Answer, Books, Customer, Product, Shop, euros, unique};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseResult};
use serde_json::{Value, json};

const PRICES: [u64; 3] = [499, 1_250, 3];
const STOCK: [u64; 3] = [6, 3, 0];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Ana,
    Ben,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Tea,
    Cup,
    Pot,
}

use What::{Cup, Pot, Tea};
use Who::{Ana, Ben};

const ALL: [What; 3] = [Tea, Cup, Pot];

/// What somebody may do.
#[derive(Debug, Clone, Copy)]
enum Step {
    Adds(Who, What, u64),
    Sets(Who, What, u64),
    Removes(Who, What),
    Orders(Who),
    OrdersAgainWithTheSameKey(Who),
    /// One of the orders placed so far, by its number modulo how many there are.
    Cancels(Who, usize),
    Restocks(What, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (who, what) = (|| select(vec![Ana, Ben]), || select(ALL.to_vec()));
    prop_oneof![
        4 => (who(), what(), 1..4u64).prop_map(|(who, what, quantity)| Step::Adds(who, what, quantity)),
        2 => (who(), what(), 1..6u64).prop_map(|(who, what, quantity)| Step::Sets(who, what, quantity)),
        1 => (who(), what()).prop_map(|(who, what)| Step::Removes(who, what)),
        4 => who().prop_map(Step::Orders),
        2 => who().prop_map(Step::OrdersAgainWithTheSameKey),
        2 => (who(), 0..6usize).prop_map(|(who, order)| Step::Cancels(who, order)),
        2 => (what(), 0..12u64).prop_map(|(what, available)| Step::Restocks(what, available)),
    ]
}

#[test]
fn the_shop_does_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shop = runtime.block_on(Shop::shared());
    // A story that fails becomes a test of its own; there is no use in a list of seeds.
    let config = Config { cases: 24, max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    proptest!(config, |(story in prop::collection::vec(step(), 1..=30))| {
        runtime.block_on(async {
            let mut world = World::new(&shop).await;
            for step in story {
                world.takes(step).await?;
            }
            world.agrees_on_the_orders().await
        })?;
    });
}

/// What the shop should be like. Outside an order under way nothing is reserved.
#[derive(Default)]
struct Model {
    available: [u64; 3],
    sold: [u64; 3],
    stocked: [u64; 3],
    carts: [[u64; 3]; 2],
    /// The orders that were confirmed.
    orders: [Vec<Order>; 2],
}

struct Order {
    id: String,
    quantities: [u64; 3],
    cancelled: bool,
}

impl Model {
    /// What there is too little of for this customer, and how little.
    fn shortages(&self, who: Who) -> Vec<What> {
        let cart = self.carts[who as usize];
        ALL.into_iter().filter(|what| cart[*what as usize] > self.available[*what as usize]).collect()
    }

    fn order(&mut self, who: Who, id: &str) {
        let quantities = std::mem::take(&mut self.carts[who as usize]);
        for what in ALL {
            self.available[what as usize] -= quantities[what as usize];
            self.sold[what as usize] += quantities[what as usize];
        }
        self.orders[who as usize].push(Order { id: id.to_owned(), quantities, cancelled: false });
    }

    /// Returns the order's id.
    fn cancel(&mut self, who: Who, number: usize) -> String {
        let order = &mut self.orders[who as usize][number];
        if !std::mem::replace(&mut order.cancelled, true) {
            for what in ALL {
                self.available[what as usize] += order.quantities[what as usize];
                self.sold[what as usize] -= order.quantities[what as usize];
            }
        }
        order.id.clone()
    }

    fn restock(&mut self, what: What, available: u64) {
        self.stocked[what as usize] = available + self.sold[what as usize];
        self.available[what as usize] = available;
    }
}

fn total(quantities: [u64; 3]) -> Value {
    euros(quantities.iter().zip(PRICES).map(|(quantity, price)| quantity * price).sum())
}

/// The shop, the people in it, and the model of it all.
struct World {
    admin: Admin,
    customers: [Customer; 2],
    products: [Product; 3],
    model: Model,
    /// The last key that each has used up, and what came of it.
    answered: [Option<(String, Answer)>; 2],
}

impl World {
    async fn new(shop: &Shop) -> Self {
        let admin = shop.admin().await;
        let [tea, cup, pot] = [0, 1, 2].map(|at| (euros(PRICES[at]), STOCK[at]));
        let products = [
            admin.sells("tea", &tea.0, tea.1).await,
            admin.sells("cup", &cup.0, cup.1).await,
            admin.sells("pot", &pot.0, pot.1).await,
        ];
        let customers = [shop.new_customer("Ana").await, shop.new_customer("Ben").await];
        let model = Model { available: STOCK, stocked: STOCK, ..Model::default() };
        Self { admin, customers, products, model, answered: [None, None] }
    }

    async fn takes(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Adds(who, what, quantity) => {
                let answer = self.customer(who).adds(self.product(what), quantity).await;
                self.model.carts[who as usize][what as usize] += quantity;
                self.agrees_on_the_cart(who, &answer)?;
            }
            Step::Sets(who, what, quantity) => {
                let answer = self.customer(who).sets(self.product(what), quantity).await;
                self.model.carts[who as usize][what as usize] = quantity;
                self.agrees_on_the_cart(who, &answer)?;
            }
            Step::Removes(who, what) => {
                let was_there = std::mem::take(&mut self.model.carts[who as usize][what as usize]) > 0;
                let answer = self.customer(who).removes(self.product(what)).await;
                prop_assert_eq!(answer.status, if was_there { 204 } else { 404 }, "{}", answer);
            }
            Step::Orders(who) => self.orders(who).await?,
            Step::OrdersAgainWithTheSameKey(who) => self.orders_again(who).await?,
            Step::Cancels(who, number) => self.cancels(who, number).await?,
            Step::Restocks(what, available) => {
                let answer = self.admin.restocks(self.product(what), available).await;
                self.model.restock(what, available);
                prop_assert_eq!(answer.status, 200, "{}", answer);
                self.agrees_on_the_books(what, Books::of(&answer))?;
            }
        }
        for who in [Ana, Ben] {
            let cart = self.customer(who).cart().await;
            self.agrees_on_the_cart(who, &cart)?;
        }
        for what in ALL {
            let books = self.admin.books(self.product(what)).await;
            self.agrees_on_the_books(what, books)?;
        }
        Ok(())
    }

    async fn orders(&mut self, who: Who) -> TestCaseResult {
        let key = unique("key");
        let answer = self.customer(who).orders(&key).await;
        let (cart, short) = (self.model.carts[who as usize], self.model.shortages(who));
        if cart == [0; 3] {
            let answer = answer.expect_problem(409, "cart-empty");
            prop_assert_eq!(answer.header("Idempotent-Replayed"), "");
            return Ok(());
        }
        if short.is_empty() {
            prop_assert_eq!(answer.status, 201, "{}", answer);
            prop_assert_eq!(&answer["status"], "confirmed", "{}", answer);
            prop_assert_eq!(&answer["total"], &total(cart), "{}", answer);
            prop_assert_eq!(self.quantities(&answer), cart, "{}", answer);
            self.model.order(who, answer.id());
        } else {
            prop_assert_eq!(answer.status, 409, "{}", answer);
            let expected = short.into_iter().map(|what| {
                let product = self.product(what);
                let (requested, available) = (cart[what as usize], self.model.available[what as usize]);
                let item = json!({
                    "product_id": product.id, "name": product.name, "requested": requested, "available": available,
                });
                (product.id.clone(), item)
            });
            let named =
                answer.items().iter().map(|item| (item["product_id"].as_str().unwrap().to_owned(), item.clone()));
            prop_assert_eq!(named.collect::<BTreeMap<_, _>>(), expected.collect::<BTreeMap<_, _>>(), "{}", answer);
        }
        self.answered[who as usize] = Some((key, answer));
        Ok(())
    }

    async fn orders_again(&mut self, who: Who) -> TestCaseResult {
        let Some((key, first)) = &self.answered[who as usize] else { return Ok(()) };
        let again = self.customer(who).orders(key).await;
        prop_assert_eq!(again.status, first.status, "{}", again);
        prop_assert_eq!(again.header("Idempotent-Replayed"), "true", "{}", again);
        // Of an order that was cancelled since, the same things were bought.
        for member in ["id", "items", "total", "type"] {
            prop_assert_eq!(&again[member], &first[member], "{}", again);
        }
        Ok(())
    }

    async fn cancels(&mut self, who: Who, number: usize) -> TestCaseResult {
        let orders = self.model.orders[who as usize].len();
        if orders == 0 {
            return Ok(());
        }
        let id = self.model.cancel(who, number % orders);
        let answer = self.customer(who).cancels(&id).await;
        prop_assert_eq!(answer.status, 200, "{}", answer);
        prop_assert_eq!(&answer["status"], "refunded", "{}", answer);
        Ok(())
    }

    fn agrees_on_the_cart(&self, who: Who, cart: &Answer) -> TestCaseResult {
        prop_assert_eq!(cart.status, 200, "{}", cart);
        let expected = self.model.carts[who as usize];
        prop_assert_eq!(self.quantities(cart), expected, "{}", cart);
        prop_assert_eq!(&cart["total"], &total(expected), "{}", cart);
        for what in ALL.into_iter().filter(|what| expected[*what as usize] > 0) {
            let (line, available) = (cart.line(self.product(what)), self.model.available[what as usize]);
            let status = if expected[what as usize] > available { "short" } else { "ok" };
            prop_assert_eq!((&line["status"], &line["available"]), (&json!(status), &json!(available)), "{}", cart);
        }
        Ok(())
    }

    fn agrees_on_the_books(&self, what: What, books: Books) -> TestCaseResult {
        let (available, sold) = (self.model.available[what as usize], self.model.sold[what as usize]);
        prop_assert_eq!((books.available, books.reserved + books.sold), (available, sold), "{:?} {:?}", what, books);
        prop_assert_eq!(books.stocked(), self.model.stocked[what as usize], "{:?} {:?}", what, books);
        Ok(())
    }

    async fn agrees_on_the_orders(&self) -> TestCaseResult {
        for who in [Ana, Ben] {
            let orders = self.customer(who).walks_through("/shopping/orders", &[]).await;
            let placed = orders.iter().filter(|order| order["status"] != "rejected");
            let placed: Vec<_> = placed.map(|order| (&order["id"], &order["status"])).collect();
            let expected = self.model.orders[who as usize].iter().rev();
            let expected: Vec<_> = expected
                .map(|order| (json!(order.id), json!(if order.cancelled { "refunded" } else { "confirmed" })))
                .collect();
            prop_assert_eq!(placed, expected.iter().map(|(id, status)| (id, status)).collect::<Vec<_>>(), "{:?}", who);
        }
        Ok(())
    }

    fn customer(&self, who: Who) -> &Customer {
        &self.customers[who as usize]
    }

    fn product(&self, what: What) -> &Product {
        &self.products[what as usize]
    }

    /// How many of each product a cart or an order has; more lines than products is a failure by itself.
    fn quantities(&self, answer: &Answer) -> [u64; 3] {
        let quantities = [Tea, Cup, Pot].map(|what| answer.line(self.product(what))["quantity"].as_u64().unwrap_or(0));
        let lines = quantities.iter().filter(|quantity| **quantity > 0).count();
        assert_eq!(answer.items().len(), lines, "{answer}");
        quantities
    }
}
