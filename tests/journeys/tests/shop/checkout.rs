//! The cart becomes an order: once for each key, at the catalogue's prices, all of it or nothing. What cannot be had or
//! paid for leaves cart and stock as they were, and a cancelled order gives back what it took.

use journeys::{Books, Method, Product, Shop, at_once, euros, unique};
use serde_json::{Value, json};

#[tokio::test]
async fn the_same_key_gives_the_same_order() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    let order = ana.orders("key").await.expect_status(201);
    assert_eq!(order.header("Idempotent-Replayed"), "");
    // Whatever is in the cart by now.
    let cart = ana.adds(&tea, 3).await.expect_status(200);
    for _ in 0..2 {
        let again = ana.orders("key").await.expect_status(201);
        assert_eq!(again.header("Idempotent-Replayed"), "true");
        assert_eq!(again.body, order.body);
    }
    assert_eq!(ana.cart().await.body, cart.body);
    assert_eq!(ana.past_orders().await.items(), [order.body]);
    assert_eq!(admin.books(&tea).await.available, 8);
}

#[tokio::test]
async fn a_double_click_orders_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 100).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    let answers = at_once((0..10).map(|_| ana.orders("key"))).await;
    let orders = ana.past_orders().await;
    assert_eq!(orders.items().len(), 1, "{orders}");
    for answer in answers {
        assert_eq!(answer.expect_status(201).body, orders["items"][0]);
    }
    assert_eq!(admin.books(&tea).await.available, 98);
}

#[tokio::test]
async fn another_body_needs_another_key() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    let order = ana.orders_paying("key", "demo_ok").await.expect_status(201);
    ana.orders_paying("key", "demo_declined").await.expect_problem(422, "key-reused");
    assert_eq!(ana.orders_paying("key", "demo_ok").await.expect_status(201).body, order.body);
}

#[tokio::test]
async fn two_customers_may_use_one_key() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let (ana, ben) = (shop.new_customer("Ana").await, shop.new_customer("Ben").await);
    ana.adds(&tea, 1).await.expect_status(200);
    ben.adds(&tea, 1).await.expect_status(200);
    let (hers, his) = (ana.orders("key").await.expect_status(201), ben.orders("key").await.expect_status(201));
    assert_ne!(hers.id(), his.id());
}

#[tokio::test]
async fn without_a_good_key_nothing_is_ordered() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    let cart = ana.adds(&tea, 1).await.expect_status(200);
    ana.asks(Method::POST, "/shopping/order").await.expect_problem(400, "malformed");
    for key in [String::new(), "two words".to_owned(), "clé".to_owned(), "k".repeat(256)] {
        ana.orders(&key).await.expect_problem(400, "malformed");
    }
    ana.orders("one").header("Idempotency-Key", "two").await.expect_problem(400, "malformed");
    assert_eq!(ana.cart().await.body, cart.body);
    ana.orders(&"k".repeat(255)).await.expect_status(201);
}

#[tokio::test]
async fn an_empty_cart_leaves_the_key_free() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.orders("key").await.expect_problem(409, "cart-empty");
    assert_eq!(ana.past_orders().await["items"], json!([]));
    ana.adds(&tea, 1).await.expect_status(200);
    let order = ana.orders("key").await.expect_status(201);
    assert_eq!(order.header("Idempotent-Replayed"), "");
}

#[tokio::test]
async fn the_price_is_the_catalogues() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    admin.edits(&tea, json!({"price": euros(549)})).await.expect_status(200);
    let order = ana.orders("key").await.expect_status(201);
    assert_eq!(order.line(&tea)["product"]["price"], euros(549));
    assert_eq!((&order.line(&tea)["total"], &order["total"]), (&euros(1_098), &euros(1_098)));
}

#[tokio::test]
async fn the_client_has_no_say_in_the_price() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    let cheaply = json!({"total": euros(1), "items": [{"product_id": tea.id, "price": euros(1)}]});
    ana.orders("key").json(cheaply).await.expect_bad_fields(&["total", "items"]);
    let cheaply = json!({"product_id": tea.id, "quantity": 1, "price": euros(1)});
    ana.asks(Method::POST, "/shopping/cart").json(cheaply).await.expect_bad_fields(&["price"]);
    assert_eq!(ana.orders("another").await.expect_status(201)["total"], euros(998));
}

#[tokio::test]
async fn an_order_keeps_what_it_was_placed_with() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    let order = ana.orders("key").await.expect_status(201);
    admin.edits(&tea, json!({"name": "Another", "price": euros(1)})).await.expect_status(200);
    admin.withdraws(&tea).await.expect_status(204);
    assert_eq!(ana.order(order.id()).await.expect_status(200).body, order.body);
}

#[tokio::test]
async fn what_is_out_of_stock_is_named() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (tea, cup) = (admin.sells("tea", &euros(499), 10).await, admin.sells("cup", &euros(650), 2).await);
    let pot = admin.sells("pot", &euros(1_250), 0).await;
    let ana = shop.new_customer("Ana").await;
    for ware in [&tea, &cup, &pot] {
        ana.adds(ware, 3).await.expect_status(200);
    }
    let cart = ana.cart().await;
    let refused = ana.orders("key").await.expect_problem(409, "out-of-stock");
    let mut short = refused.items().to_vec();
    short.sort_by_key(|item| item["name"].to_string());
    let item = |ware: &Product, available: u64| {
        let Product { id, name, .. } = ware;
        json!({"product_id": id, "name": name, "requested": 3, "available": available})
    };
    assert_eq!(short, [item(&cup, 2), item(&pot, 0)]);
    assert_eq!(ana.cart().await.body, cart.body);
    assert_eq!(admin.books(&tea).await, Books { available: 10, reserved: 0, sold: 0 });
    assert_eq!(admin.books(&cup).await, Books { available: 2, reserved: 0, sold: 0 });
}

#[tokio::test]
async fn a_product_that_is_gone_is_out_of_stock() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (tea, cup) = (admin.sells("tea", &euros(499), 10).await, admin.sells("cup", &euros(650), 10).await);
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 1).await.expect_status(200);
    ana.adds(&cup, 1).await.expect_status(200);
    admin.withdraws(&tea).await.expect_status(204);
    let refused = ana.orders("key").await.expect_problem(409, "out-of-stock");
    let [gone] = refused.items() else { panic!("{refused}") };
    assert_eq!((&gone["product_id"], &gone["requested"], &gone["available"]), (&json!(tea.id), &json!(1), &json!(0)));
    assert_eq!(admin.books(&cup).await.available, 10);
}

#[tokio::test]
async fn a_new_try_takes_a_new_key() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 1).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    let refused = ana.orders("first").await.expect_problem(409, "out-of-stock");
    admin.restocks(&tea, 5).await.expect_status(200);
    let again = ana.orders("first").await.expect_problem(409, "out-of-stock");
    assert_eq!(again.header("Idempotent-Replayed"), "true");
    assert_eq!(again["items"], refused["items"]);
    ana.orders("second").await.expect_status(201);
}

#[tokio::test]
async fn an_order_that_failed_is_on_record_as_rejected() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 1).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    ana.orders("key").await.expect_problem(409, "out-of-stock");
    let orders = ana.past_orders().await.expect_status(200);
    let [order] = orders.items() else { panic!("{orders}") };
    assert_eq!(order["status"], "rejected");
    assert_ne!(order["payment"]["status"], "captured");
}

#[tokio::test]
async fn a_declined_payment_leaves_cart_and_stock() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    let cart = ana.adds(&tea, 2).await.expect_status(200);
    ana.orders_paying("key", "demo_declined").await.expect_problem(402, "payment-declined");
    assert_eq!(ana.cart().await.body, cart.body);
    assert_eq!(admin.books(&tea).await, Books { available: 10, reserved: 0, sold: 0 });
    let orders = ana.past_orders().await;
    assert_eq!(orders["items"][0]["status"], "rejected");
    assert_eq!(orders["items"][0]["payment"], json!({"method": "demo", "status": "declined"}));
}

#[tokio::test]
async fn a_declined_payment_can_be_tried_again_under_another_key() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    ana.orders_paying("first", "demo_declined").await.expect_problem(402, "payment-declined");
    let again = ana.orders_paying("first", "demo_declined").await.expect_problem(402, "payment-declined");
    assert_eq!(again.header("Idempotent-Replayed"), "true");
    ana.orders_paying("second", "demo_ok").await.expect_status(201);
    assert_eq!(ana.cart().await["items"], json!([]));
}

#[tokio::test]
async fn cancelling_gives_back_stock_and_money() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 4).await.expect_status(200);
    let order = ana.orders("key").await.expect_status(201);
    assert_eq!(admin.books(&tea).await.available, 6);
    let cancelled = ana.cancels(order.id()).await.expect_status(200);
    assert_eq!(cancelled["status"], "refunded");
    assert_eq!(cancelled["payment"], json!({"method": "demo", "status": "refunded"}));
    assert_eq!((cancelled.id(), &cancelled["items"]), (order.id(), &order["items"]));
    assert_eq!(ana.order(order.id()).await.body, cancelled.body);
    assert_eq!(admin.books(&tea).await, Books { available: 10, reserved: 0, sold: 0 });
    assert_eq!(ana.cart().await["items"], json!([]), "the cart is not the order's");
}

#[tokio::test]
async fn ten_cancellations_at_once_give_back_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let (ana, ben) = (shop.new_customer("Ana").await, shop.new_customer("Ben").await);
    ben.adds(&tea, 3).await.expect_status(200);
    ben.orders("key").await.expect_status(201);
    ana.adds(&tea, 4).await.expect_status(200);
    let order = ana.orders("key").await.expect_status(201);
    for answer in at_once((0..10).map(|_| ana.cancels(order.id()))).await {
        assert_eq!(answer.expect_status(200)["status"], "refunded");
    }
    ana.cancels(order.id()).json(json!({})).await.expect_status(200);
    assert_eq!(admin.books(&tea).await, Books { available: 7, reserved: 0, sold: 3 });
}

#[tokio::test]
async fn what_came_to_nothing_cannot_be_cancelled() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 1).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    ana.orders("key").await.expect_problem(409, "out-of-stock");
    let orders = ana.past_orders().await;
    let rejected = orders["items"][0]["id"].as_str().unwrap();
    ana.cancels(rejected).await.expect_problem(409, "order-state");
    assert_eq!(admin.books(&tea).await.available, 1);
}

#[tokio::test]
async fn the_orders_of_others_are_not_there() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let (ana, ben) = (shop.new_customer("Ana").await, shop.new_customer("Ben").await);
    ana.adds(&tea, 1).await.expect_status(200);
    let order = ana.orders("key").await.expect_status(201);
    ben.order(order.id()).await.expect_problem(404, "not-found");
    ben.cancels(order.id()).await.expect_problem(404, "not-found");
    assert_eq!(ben.past_orders().await["items"], json!([]));
    assert_eq!(ana.order(order.id()).await.body, order.body);
}

#[tokio::test]
async fn past_orders_come_newest_first_and_in_pages() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 100).await;
    let ana = shop.new_customer("Ana").await;
    let mut expected: Vec<Value> = Vec::new();
    for _ in 0..7 {
        ana.adds(&tea, 1).await.expect_status(200);
        expected.insert(0, ana.orders(&unique("key")).await.expect_status(201).body);
    }
    assert_eq!(ana.walks_through("/shopping/orders", &[("limit", "3")]).await, expected);
    let first = ana.past_orders().query(&[("limit", "3")]).await;
    assert_eq!((first.items(), first["next"].is_string()), (&expected[..3], true));
}

#[tokio::test]
async fn many_lines_are_one_order() {
    let shop = Shop::shared().await;
    let shelf = shop.admin().await.fills_a_shelf(30).await;
    let ana = shop.new_customer("Ana").await;
    for ware in &shelf {
        ana.adds(ware, 2).await.expect_status(200);
    }
    let order = ana.orders("key").await.expect_status(201);
    assert_eq!((order.items().len(), &order["total"]), (30, &euros(930)));
}

#[tokio::test]
async fn clicking_many_times_for_too_much_always_gets_the_same_answer() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 1).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    for answer in at_once((0..12).map(|_| ana.orders("key"))).await {
        let refused = answer.expect_problem(409, "out-of-stock");
        assert_eq!(refused["items"][0]["available"], 1);
    }
}
