//! An order is placed once for each key, at catalogue prices, completely or not at all. A rejected
//! order leaves cart and stock unchanged; a cancelled order is restocked and refunded.

use journeys::{Method, Product, Shop, Stock, euros, run_concurrently, unique};
use serde_json::{Value, json};

#[tokio::test]
async fn same_key_returns_the_same_order() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let order = ana.place_order("key").await.expect_status(201);
    assert_eq!(order.header("Idempotent-Replayed"), "");
    let cart = ana.add_to_cart(&tea, 3).await.expect_status(200);
    for _ in 0..2 {
        let replay = ana.place_order("key").await.expect_status(201);
        assert_eq!(replay.header("Idempotent-Replayed"), "true");
        assert_eq!(replay.body, order.body);
    }
    assert_eq!(ana.get_cart().await.body, cart.body);
    assert_eq!(ana.list_orders().await.items(), [order.body]);
    assert_eq!(admin.stock(&tea).await.available, 8);
}

#[tokio::test]
async fn concurrent_requests_with_one_key_place_one_order() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 100).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let responses = run_concurrently((0..10).map(|_| ana.place_order("key"))).await;
    let orders = ana.list_orders().await;
    assert_eq!(orders.items().len(), 1, "{orders}");
    for response in responses {
        assert_eq!(response.expect_status(201).body, orders["items"][0]);
    }
    assert_eq!(admin.stock(&tea).await.available, 98);
}

#[tokio::test]
async fn another_body_under_the_same_key_is_rejected() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let order = ana.place_order_paying("key", "demo_ok").await.expect_status(201);
    ana.place_order_paying("key", "demo_declined").await.expect_problem(422, "key-reused");
    assert_eq!(ana.place_order_paying("key", "demo_ok").await.expect_status(201).body, order.body);
}

#[tokio::test]
async fn two_customers_may_use_the_same_key() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, ben) = (shop.customer_with_cart(&tea, 1).await, shop.customer_with_cart(&tea, 1).await);
    let (first, second) =
        (ana.place_order("key").await.expect_status(201), ben.place_order("key").await.expect_status(201));
    assert_ne!(first.id(), second.id());
}

#[tokio::test]
async fn an_invalid_key_is_rejected() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    let cart = ana.add_to_cart(&tea, 1).await.expect_status(200);
    ana.request(Method::POST, "/shopping/order").await.expect_problem(400, "malformed");
    for key in [String::new(), "two words".to_owned(), "clé".to_owned(), "k".repeat(256)] {
        ana.place_order(&key).await.expect_problem(400, "malformed");
    }
    ana.place_order("one").header("Idempotency-Key", "two").await.expect_problem(400, "malformed");
    assert_eq!(ana.get_cart().await.body, cart.body);
    ana.place_order(&"k".repeat(255)).await.expect_status(201);
}

#[tokio::test]
async fn an_empty_cart_does_not_use_up_the_key() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    ana.place_order("key").await.expect_problem(409, "cart-empty");
    assert_eq!(ana.list_orders().await["items"], json!([]));
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    let order = ana.place_order("key").await.expect_status(201);
    assert_eq!(order.header("Idempotent-Replayed"), "");
}

#[tokio::test]
async fn an_order_uses_the_current_catalogue_price() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    admin.update_product(&tea, json!({"price": euros(549)})).await.expect_status(200);
    let order = ana.place_order("key").await.expect_status(201);
    assert_eq!(order.line(&tea)["product"]["price"], euros(549));
    assert_eq!((&order.line(&tea)["total"], &order["total"]), (&euros(1_098), &euros(1_098)));
}

#[tokio::test]
async fn the_client_cannot_set_the_price() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let body = json!({"total": euros(1), "items": [{"product_id": tea.id, "price": euros(1)}]});
    ana.place_order_with("key", body).await.expect_bad_fields(&["total", "items"]);
    let body = json!({"product_id": tea.id, "quantity": 1, "price": euros(1)});
    ana.request(Method::POST, "/shopping/cart").json(body).await.expect_bad_fields(&["price"]);
    assert_eq!(ana.place_order("another").await.expect_status(201)["total"], euros(998));
}

#[tokio::test]
async fn an_order_keeps_its_products_and_prices() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let (ana, order) = shop.customer_with_order(&tea, 2).await;
    admin.update_product(&tea, json!({"name": "Another", "price": euros(1)})).await.expect_status(200);
    admin.delete_product(&tea).await.expect_status(204);
    assert_eq!(ana.get_order(order.id()).await.expect_status(200).body, order.body);
}

#[tokio::test]
async fn an_order_names_every_product_that_is_out_of_stock() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, cup, pot] = admin.new_products([("tea", 499, 10), ("cup", 650, 2), ("pot", 1_250, 0)]).await;
    let ana = shop.new_customer().await;
    for product in [&tea, &cup, &pot] {
        ana.add_to_cart(product, 3).await.expect_status(200);
    }
    let cart = ana.get_cart().await;
    let rejected = ana.place_order("key").await.expect_problem(409, "out-of-stock");
    let mut short = rejected.items().to_vec();
    short.sort_by_key(|item| item["name"].to_string());
    let item = |product: &Product, available: u64| {
        let Product { id, name, .. } = product;
        json!({"product_id": id, "name": name, "requested": 3, "available": available})
    };
    assert_eq!(short, [item(&cup, 2), item(&pot, 0)]);
    assert_eq!(ana.get_cart().await.body, cart.body);
    assert_eq!(admin.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
    assert_eq!(admin.stock(&cup).await, Stock { available: 2, reserved: 0, sold: 0 });
}

#[tokio::test]
async fn a_discontinued_product_is_out_of_stock() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 499, 10), ("cup", 650, 10)]).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    ana.add_to_cart(&cup, 1).await.expect_status(200);
    admin.delete_product(&tea).await.expect_status(204);
    let rejected = ana.place_order("key").await.expect_problem(409, "out-of-stock");
    let [item] = rejected.items() else { panic!("{rejected}") };
    assert_eq!((&item["product_id"], &item["requested"], &item["available"]), (&json!(tea.id), &json!(1), &json!(0)));
    assert_eq!(admin.stock(&cup).await.available, 10);
}

#[tokio::test]
async fn a_rejected_order_needs_a_new_key() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 1).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let rejected = ana.place_order("first").await.expect_problem(409, "out-of-stock");
    admin.set_stock(&tea, 5).await.expect_status(200);
    let replay = ana.place_order("first").await.expect_problem(409, "out-of-stock");
    assert_eq!(replay.header("Idempotent-Replayed"), "true");
    assert_eq!(replay["items"], rejected["items"]);
    ana.place_order("second").await.expect_status(201);
}

#[tokio::test]
async fn a_failed_order_is_listed_as_rejected() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 1).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    ana.place_order("key").await.expect_problem(409, "out-of-stock");
    let orders = ana.list_orders().await.expect_status(200);
    let [order] = orders.items() else { panic!("{orders}") };
    assert_eq!(order["status"], "rejected");
    assert_ne!(order["payment"]["status"], "captured");
}

#[tokio::test]
async fn a_declined_payment_leaves_cart_and_stock_unchanged() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    let cart = ana.add_to_cart(&tea, 2).await.expect_status(200);
    ana.place_order_paying("key", "demo_declined").await.expect_problem(402, "payment-declined");
    let mail = shop.wait_for_mail(&ana.email, "was not completed").await;
    assert!(mail.subject.contains(" S-") && mail.text.contains("You were not charged."), "{mail}");
    assert_eq!(ana.get_cart().await.body, cart.body);
    assert_eq!(admin.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
    let orders = ana.list_orders().await;
    assert_eq!(orders["items"][0]["status"], "rejected");
    assert_eq!(
        orders["items"][0]["payment"],
        json!({"method": "demo", "status": "declined", "amount": euros(998), "captured": euros(0), "refunded": euros(0)})
    );
}

#[tokio::test]
async fn a_declined_payment_can_be_retried_under_another_key() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    ana.place_order_paying("first", "demo_declined").await.expect_problem(402, "payment-declined");
    let replay = ana.place_order_paying("first", "demo_declined").await.expect_problem(402, "payment-declined");
    assert_eq!(replay.header("Idempotent-Replayed"), "true");
    ana.place_order_paying("second", "demo_ok").await.expect_status(201);
    assert_eq!(ana.get_cart().await["items"], json!([]));
}

#[tokio::test]
async fn cancelling_restocks_and_refunds() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let (ana, order) = shop.customer_with_order(&tea, 4).await;
    assert_eq!(admin.stock(&tea).await.available, 6);
    let cancelled = ana.cancel_order(order.id()).await.expect_status(200);
    assert_eq!(cancelled["status"], "refunded");
    let payment = &cancelled["payment"];
    assert_eq!((&payment["status"], &payment["refunded"]), (&json!("refunded"), &json!(euros(1996))));
    assert_eq!(payment["refunds"].as_array().map(Vec::len), Some(1));
    assert_eq!((cancelled.id(), &cancelled["items"]), (order.id(), &order["items"]));
    assert_eq!(ana.get_order(order.id()).await.body, cancelled.body);
    assert_eq!(admin.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
    assert_eq!(ana.get_cart().await["items"], json!([]), "a cancellation does not refill the cart");
}

#[tokio::test]
async fn concurrent_cancellations_restock_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    shop.customer_with_order(&tea, 3).await;
    let (ana, order) = shop.customer_with_order(&tea, 4).await;
    for response in run_concurrently((0..10).map(|_| ana.cancel_order(order.id()))).await {
        assert_eq!(response.expect_status(200)["status"], "refunded");
    }
    ana.cancel_order(order.id()).json(json!({})).await.expect_status(200);
    assert_eq!(admin.stock(&tea).await, Stock { available: 7, reserved: 0, sold: 3 });
}

#[tokio::test]
async fn a_rejected_order_cannot_be_cancelled() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 1).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    ana.place_order("key").await.expect_problem(409, "out-of-stock");
    let orders = ana.list_orders().await;
    let order = orders["items"][0]["id"].as_str().unwrap();
    ana.cancel_order(order).await.expect_problem(409, "order-state");
    assert_eq!(admin.stock(&tea).await.available, 1);
}

#[tokio::test]
async fn orders_of_other_customers_are_not_found() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, ben) = (shop.new_customer().await, shop.new_customer().await);
    let order = ana.buy(&tea, 1).await;
    ben.get_order(order.id()).await.expect_not_found();
    ben.cancel_order(order.id()).await.expect_not_found();
    assert_eq!(ben.list_orders().await["items"], json!([]));
    assert_eq!(ana.get_order(order.id()).await.body, order.body);
}

#[tokio::test]
async fn orders_are_listed_newest_first_in_pages() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let ana = shop.new_customer().await;
    let mut expected: Vec<Value> = Vec::new();
    for _ in 0..7 {
        ana.add_to_cart(&tea, 1).await.expect_status(200);
        expected.insert(0, ana.place_order(&unique("key")).await.expect_status(201).body);
    }
    assert_eq!(ana.list_all("/shopping/orders", &[("limit", "3")]).await, expected);
    let first = ana.list_orders().query(&[("limit", "3")]).await;
    assert_eq!((first.items(), first["next"].is_string()), (&expected[..3], true));
}

#[tokio::test]
async fn an_order_may_have_many_lines() {
    let shop = Shop::shared().await;
    let products = shop.admin().await.new_category(30).await;
    let ana = shop.new_customer().await;
    for product in &products {
        ana.add_to_cart(product, 2).await.expect_status(200);
    }
    let order = ana.place_order("key").await.expect_status(201);
    assert_eq!((order.items().len(), &order["total"]), (30, &euros(930)));
}

#[tokio::test]
async fn concurrent_requests_out_of_stock_get_the_same_response() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 1).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    for response in run_concurrently((0..12).map(|_| ana.place_order("key"))).await {
        let rejected = response.expect_problem(409, "out-of-stock");
        assert_eq!(rejected["items"][0]["available"], 1);
    }
}
