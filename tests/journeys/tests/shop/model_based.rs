//! A model-based test: two customers and an admin take random steps with three products, and a
//! small model predicts the responses. After each step carts, orders and stock match the model.
//! proptest shrinks a failure to the shortest sequence.

use std::collections::BTreeMap;

use journeys::{Admin, Customer, Product, Response, Shop, Stock, euros, unique};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseResult};
use serde_json::{Value, json};

/// Unit price of each product in cents.
const PRICES: [u64; 3] = [499, 1_250, 3];
const STOCKED: [u64; 3] = [6, 3, 0];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buyer {
    Ana,
    Ben,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Tea,
    Cup,
    Pot,
}

use Buyer::{Ana, Ben};
use Item::{Cup, Pot, Tea};

const ITEMS: [Item; 3] = [Tea, Cup, Pot];

#[derive(Debug, Clone, Copy)]
enum Step {
    AddToCart(Buyer, Item, u64),
    SetQuantity(Buyer, Item, u64),
    RemoveFromCart(Buyer, Item),
    PlaceOrder(Buyer),
    RepeatOrder(Buyer),
    /// One of the orders so far: its number modulo their count.
    CancelOrder(Buyer, usize),
    SetStock(Item, u64),
    AddStock(Item, i64),
}

#[test]
fn the_shop_matches_the_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shop = runtime.block_on(Shop::shared());
    // A sequence that fails becomes a test of its own, so the seeds need no file.
    let config = Config { cases: 24, max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..=30))| {
        runtime.block_on(async {
            let mut run = Run::new(&shop).await;
            for step in steps {
                run.take(step).await?;
            }
            run.check_orders().await
        })?;
    });
}

fn step() -> impl Strategy<Value = Step> {
    let (buyer, item) = (|| select(vec![Ana, Ben]), || select(ITEMS.to_vec()));
    prop_oneof![
        4 => (buyer(), item(), 1..4u64).prop_map(|(buyer, item, quantity)| Step::AddToCart(buyer, item, quantity)),
        2 => (buyer(), item(), 1..6u64).prop_map(|(buyer, item, quantity)| Step::SetQuantity(buyer, item, quantity)),
        1 => (buyer(), item()).prop_map(|(buyer, item)| Step::RemoveFromCart(buyer, item)),
        4 => buyer().prop_map(Step::PlaceOrder),
        2 => buyer().prop_map(Step::RepeatOrder),
        2 => (buyer(), 0..6usize).prop_map(|(buyer, order)| Step::CancelOrder(buyer, order)),
        2 => (item(), 0..12u64).prop_map(|(item, available)| Step::SetStock(item, available)),
        2 => (item(), -6..6i64).prop_map(|(item, difference)| Step::AddStock(item, difference)),
    ]
}

/// The expected state of the shop between two requests, when nothing is reserved.
#[derive(Default)]
struct Model {
    available: [u64; 3],
    sold: [u64; 3],
    stocked: [u64; 3],
    carts: [[u64; 3]; 2],
    /// The confirmed orders of each customer, oldest first.
    orders: [Vec<Order>; 2],
}

struct Order {
    id: String,
    quantities: [u64; 3],
    cancelled: bool,
}

impl Model {
    fn short_items(&self, buyer: Buyer) -> Vec<Item> {
        let cart = self.carts[buyer as usize];
        ITEMS.into_iter().filter(|item| cart[*item as usize] > self.available[*item as usize]).collect()
    }

    fn place_order(&mut self, buyer: Buyer, id: &str) {
        let quantities = std::mem::take(&mut self.carts[buyer as usize]);
        for item in ITEMS {
            self.available[item as usize] -= quantities[item as usize];
            self.sold[item as usize] += quantities[item as usize];
        }
        self.orders[buyer as usize].push(Order { id: id.to_owned(), quantities, cancelled: false });
    }

    fn cancel_order(&mut self, buyer: Buyer, number: usize) -> String {
        let order = &mut self.orders[buyer as usize][number];
        if !std::mem::replace(&mut order.cancelled, true) {
            for item in ITEMS {
                self.available[item as usize] += order.quantities[item as usize];
                self.sold[item as usize] -= order.quantities[item as usize];
            }
        }
        order.id.clone()
    }

    fn set_stock(&mut self, item: Item, available: u64) {
        self.stocked[item as usize] = available + self.sold[item as usize];
        self.available[item as usize] = available;
    }

    /// Whether the stock can be changed by the difference.
    fn add_stock(&mut self, item: Item, difference: i64) -> bool {
        let Some(available) = self.available[item as usize].checked_add_signed(difference) else { return false };
        self.set_stock(item, available);
        true
    }
}

fn total(quantities: [u64; 3]) -> Value {
    euros(quantities.iter().zip(PRICES).map(|(quantity, price)| quantity * price).sum())
}

struct Run {
    admin: Admin,
    customers: [Customer; 2],
    products: [Product; 3],
    model: Model,
    /// The last used key of each customer, and its response.
    last_orders: [Option<(String, Response)>; 2],
}

impl Run {
    async fn new(shop: &Shop) -> Self {
        let admin = shop.admin().await;
        let [tea, cup, pot] = [0, 1, 2].map(|number| (euros(PRICES[number]), STOCKED[number]));
        let products = [
            admin.new_product("tea", &tea.0, tea.1).await,
            admin.new_product("cup", &cup.0, cup.1).await,
            admin.new_product("pot", &pot.0, pot.1).await,
        ];
        let customers = [shop.new_customer().await, shop.new_customer().await];
        let model = Model { available: STOCKED, stocked: STOCKED, ..Model::default() };
        Self { admin, customers, products, model, last_orders: [None, None] }
    }

    async fn take(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::AddToCart(buyer, item, quantity) => {
                let response = self.customer(buyer).add_to_cart(self.product(item), quantity).await;
                self.model.carts[buyer as usize][item as usize] += quantity;
                self.check_cart(buyer, &response)?;
            }
            Step::SetQuantity(buyer, item, quantity) => {
                let response = self.customer(buyer).set_quantity(self.product(item), quantity).await;
                self.model.carts[buyer as usize][item as usize] = quantity;
                self.check_cart(buyer, &response)?;
            }
            Step::RemoveFromCart(buyer, item) => {
                let was_in_cart = std::mem::take(&mut self.model.carts[buyer as usize][item as usize]) > 0;
                let response = self.customer(buyer).remove_from_cart(self.product(item)).await;
                prop_assert_eq!(response.status, if was_in_cart { 204 } else { 404 }, "{}", response);
            }
            Step::PlaceOrder(buyer) => self.place_order(buyer).await?,
            Step::RepeatOrder(buyer) => self.repeat_order(buyer).await?,
            Step::CancelOrder(buyer, number) => self.cancel_order(buyer, number).await?,
            Step::AddStock(item, difference) => {
                let response = self.admin.add_stock(self.product(item), difference).await;
                let expected = if self.model.add_stock(item, difference) { 200 } else { 409 };
                prop_assert_eq!(response.status, expected, "{}", response);
            }
            Step::SetStock(item, available) => {
                let response = self.admin.set_stock(self.product(item), available).await;
                self.model.set_stock(item, available);
                prop_assert_eq!(response.status, 200, "{}", response);
                self.check_stock(item, Stock::from_response(&response))?;
            }
        }
        for buyer in [Ana, Ben] {
            let cart = self.customer(buyer).get_cart().await;
            self.check_cart(buyer, &cart)?;
        }
        for item in ITEMS {
            let stock = self.admin.stock(self.product(item)).await;
            self.check_stock(item, stock)?;
        }
        Ok(())
    }

    async fn place_order(&mut self, buyer: Buyer) -> TestCaseResult {
        let key = unique("key");
        let response = self.customer(buyer).place_order(&key).await;
        let (cart, short) = (self.model.carts[buyer as usize], self.model.short_items(buyer));
        if cart == [0; 3] {
            let response = response.expect_problem(409, "cart-empty");
            prop_assert_eq!(response.header("Idempotent-Replayed"), "");
            return Ok(());
        }
        if short.is_empty() {
            prop_assert_eq!(response.status, 201, "{}", response);
            prop_assert_eq!(&response["status"], "confirmed", "{}", response);
            prop_assert_eq!(&response["total"], &total(cart), "{}", response);
            prop_assert_eq!(self.quantities(&response), cart, "{}", response);
            self.model.place_order(buyer, response.id());
        } else {
            prop_assert_eq!(response.status, 409, "{}", response);
            let expected = short.into_iter().map(|item| {
                let product = self.product(item);
                let (requested, available) = (cart[item as usize], self.model.available[item as usize]);
                let expected = json!({
                    "product_id": product.id, "name": product.name, "requested": requested, "available": available,
                });
                (product.id.clone(), expected)
            });
            let named =
                response.items().iter().map(|item| (item["product_id"].as_str().unwrap().to_owned(), item.clone()));
            prop_assert_eq!(named.collect::<BTreeMap<_, _>>(), expected.collect::<BTreeMap<_, _>>(), "{}", response);
        }
        self.last_orders[buyer as usize] = Some((key, response));
        Ok(())
    }

    async fn repeat_order(&mut self, buyer: Buyer) -> TestCaseResult {
        let Some((key, first)) = &self.last_orders[buyer as usize] else { return Ok(()) };
        let replay = self.customer(buyer).place_order(key).await;
        prop_assert_eq!(replay.status, first.status, "{}", replay);
        prop_assert_eq!(replay.header("Idempotent-Replayed"), "true", "{}", replay);
        // The status differs when the order has been cancelled since.
        for member in ["id", "items", "total", "type"] {
            prop_assert_eq!(&replay[member], &first[member], "{}", replay);
        }
        Ok(())
    }

    async fn cancel_order(&mut self, buyer: Buyer, number: usize) -> TestCaseResult {
        let count = self.model.orders[buyer as usize].len();
        if count == 0 {
            return Ok(());
        }
        let id = self.model.cancel_order(buyer, number % count);
        let response = self.customer(buyer).cancel_order(&id).await;
        prop_assert_eq!(response.status, 200, "{}", response);
        prop_assert_eq!(&response["status"], "refunded", "{}", response);
        Ok(())
    }

    fn check_cart(&self, buyer: Buyer, cart: &Response) -> TestCaseResult {
        prop_assert_eq!(cart.status, 200, "{}", cart);
        let expected = self.model.carts[buyer as usize];
        prop_assert_eq!(self.quantities(cart), expected, "{}", cart);
        prop_assert_eq!(&cart["total"], &total(expected), "{}", cart);
        for item in ITEMS.into_iter().filter(|item| expected[*item as usize] > 0) {
            let (line, available) = (cart.line(self.product(item)), self.model.available[item as usize]);
            let status = if expected[item as usize] > available { "short" } else { "ok" };
            prop_assert_eq!((&line["status"], &line["available"]), (&json!(status), &json!(available)), "{}", cart);
        }
        Ok(())
    }

    fn check_stock(&self, item: Item, stock: Stock) -> TestCaseResult {
        let (available, sold) = (self.model.available[item as usize], self.model.sold[item as usize]);
        prop_assert_eq!((stock.available, stock.reserved + stock.sold), (available, sold), "{:?} {:?}", item, stock);
        prop_assert_eq!(stock.stocked(), self.model.stocked[item as usize], "{:?} {:?}", item, stock);
        Ok(())
    }

    async fn check_orders(&self) -> TestCaseResult {
        for buyer in [Ana, Ben] {
            let orders = self.customer(buyer).list_all("/shopping/orders", &[]).await;
            let placed = orders.iter().filter(|order| order["status"] != "rejected");
            let placed: Vec<_> = placed.map(|order| (&order["id"], &order["status"])).collect();
            let expected = self.model.orders[buyer as usize].iter().rev();
            let expected: Vec<_> = expected
                .map(|order| (json!(order.id), json!(if order.cancelled { "refunded" } else { "confirmed" })))
                .collect();
            let expected: Vec<_> = expected.iter().map(|(id, status)| (id, status)).collect();
            prop_assert_eq!(placed, expected, "{:?}", buyer);
        }
        Ok(())
    }

    fn customer(&self, buyer: Buyer) -> &Customer {
        &self.customers[buyer as usize]
    }

    fn product(&self, item: Item) -> &Product {
        &self.products[item as usize]
    }

    fn quantities(&self, response: &Response) -> [u64; 3] {
        let quantities =
            [Tea, Cup, Pot].map(|item| response.line(self.product(item))["quantity"].as_u64().unwrap_or(0));
        let lines = quantities.iter().filter(|quantity| **quantity > 0).count();
        assert_eq!(response.items().len(), lines, "{response}");
        quantities
    }
}
