//! One order at a time claims a cart. Another one is refused until the first is decided, and a
//! failed order gives the cart back. What a customer may hold unpaid is limited.

use journeys::{Customer, Product, Shop, Stock, euros, run_concurrently};
use serde_json::json;

async fn customer_with_tea(shop: &Shop, pieces: u64) -> (Customer, Product) {
    let tea = shop.new_product("tea", &euros(499), 1_000).await;
    let ana = shop.customer_with_cart(&tea, pieces).await;
    (ana, tea)
}

#[tokio::test]
async fn five_orders_at_once_sell_a_cart_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    for round in 0..3 {
        let (ana, tea) = customer_with_tea(&shop, 3).await;
        let responses = run_concurrently((0..5).map(|number| ana.place_order(&format!("key-{number}")))).await;
        let (confirmed, refused): (Vec<_>, Vec<_>) = responses.into_iter().partition(|response| response.status == 201);
        assert_eq!(confirmed.len(), 1, "round {round}: {refused:#?}");
        for response in refused {
            if response["type"] == "urn:souk:problem:cart-empty" {
                response.expect_problem(409, "cart-empty");
            } else {
                let response = response.expect_problem(409, "order-under-way");
                assert_eq!(response["order"], confirmed[0]["id"], "{response}");
            }
        }
        assert_eq!(admin.stock(&tea).await, Stock { available: 997, reserved: 0, sold: 3 });
        assert_eq!(ana.get_cart().await["items"], json!([]));
        assert_eq!(ana.list_orders().await.items().len(), 1);
    }
}

#[tokio::test]
async fn another_order_waits_until_the_first_is_decided() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = customer_with_tea(&shop, 3).await;
    let order = ana.place_order_paying("first", "demo_review").await.expect_status(202);
    for _ in 0..2 {
        let refused = ana.place_order("second").await.expect_problem(409, "order-under-way");
        assert_eq!(refused["order"], order.id());
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("/shopping/order/{}/cancel", order.id())), "{detail}");
        assert!(refused["reserved_until"].is_string(), "{refused}");
    }
    assert_eq!(ana.place_order_paying("first", "demo_review").await.expect_status(202).id(), order.id());
    assert_eq!(admin.stock(&tea).await, Stock { available: 997, reserved: 3, sold: 0 });

    assert_eq!(ana.get_cart().await["order_under_way"], order.id());

    // The order has the cart's contents of its moment. The customer may change the cart meanwhile.
    ana.add_to_cart(&tea, 2).await.expect_status(200);
    admin.capture_payment(order.id()).await.expect_status(200);
    let cart = ana.get_cart().await;
    assert_eq!(cart["order_under_way"], json!(null), "{cart}");
    assert_eq!((cart.items().len(), &cart.line(&tea)["quantity"]), (1, &json!(2)), "{cart}");
    let second = ana.place_order("second").await.expect_status(201);
    assert_eq!(second.line(&tea)["quantity"], 2);
    assert_eq!(admin.stock(&tea).await, Stock { available: 995, reserved: 0, sold: 5 });
}

#[tokio::test]
async fn a_failed_order_gives_the_cart_back() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = customer_with_tea(&shop, 3).await;
    let cart = ana.get_cart().await;
    let first = ana.place_order_paying("first", "demo_review").await.expect_status(202);
    ana.cancel_order(first.id()).await.expect_status(200);
    assert_eq!(ana.get_cart().await.body, cart.body);
    ana.place_order_paying("second", "demo_declined").await.expect_problem(402, "payment-declined");
    assert_eq!(ana.get_cart().await.body, cart.body);
    admin.set_stock(&tea, 2).await.expect_status(200);
    ana.place_order("third").await.expect_problem(409, "out-of-stock");
    admin.set_stock(&tea, 1_000).await.expect_status(200);
    let fourth = ana.place_order_paying("fourth", "demo_review").await.expect_status(202);
    admin.cancel_order(fourth.id()).await.expect_status(200);
    ana.place_order("fifth").await.expect_status(201);
    assert_eq!(admin.stock(&tea).await, Stock { available: 997, reserved: 0, sold: 3 });
}

#[tokio::test]
async fn a_guest_cart_can_be_merged_while_an_order_is_under_way() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = customer_with_tea(&shop, 3).await;
    let order = ana.place_order_paying("first", "demo_review").await.expect_status(202);
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&tea, 4).await.expect_status(200);
    let merged = ana.merge_cart(&guest).await.expect_status(200);
    assert_eq!(merged["cart"]["items"][0]["quantity"], 7);
    ana.place_order("second").await.expect_problem(409, "order-under-way");
    admin.capture_payment(order.id()).await.expect_status(200);
    assert_eq!(ana.get_cart().await.line(&tea)["quantity"], 4);
    assert_eq!(ana.place_order("second").await.expect_status(201).line(&tea)["quantity"], 4);
}

#[tokio::test]
async fn a_customer_cannot_hold_and_cancel_without_end() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = customer_with_tea(&shop, 900).await;
    for number in 0..5 {
        let order = ana.place_order_paying(&format!("key-{number}"), "demo_review").await.expect_status(202);
        ana.cancel_order(order.id()).await.expect_status(200);
    }
    let refused = ana.place_order_paying("key-5", "demo_review").await.expect_problem(429, "too-many-unpaid-orders");
    let wait: u64 = refused.header("Retry-After").parse().unwrap();
    assert!((3_500..=3_600).contains(&wait), "{refused}");
    assert_eq!(refused["retry_after"], wait);
    assert_eq!(admin.stock(&tea).await, Stock { available: 1_000, reserved: 0, sold: 0 });
    // Another customer is not affected.
    shop.customer_with_cart(&tea, 1).await.place_order("key").await.expect_status(201);
}

#[tokio::test]
async fn a_paid_order_does_not_end_the_count_of_unpaid_ones() {
    let shop = Shop::shared().await;
    let (ana, tea) = customer_with_tea(&shop, 1).await;
    for number in 0..5 {
        if number == 4 {
            let paid = ana.place_order("paid").await.expect_status(201);
            ana.cancel_order(paid.id()).await.expect_status(200);
            ana.add_to_cart(&tea, 1).await.expect_status(200);
        }
        let order = ana.place_order_paying(&format!("key-{number}"), "demo_review").await.expect_status(202);
        ana.cancel_order(order.id()).await.expect_status(200);
    }
    ana.place_order("key-5").await.expect_problem(429, "too-many-unpaid-orders");
}

#[tokio::test]
async fn the_pieces_of_an_order_are_limited() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 1, 2_000), ("cup", 1, 2_000)]).await;
    let ana = shop.customer_with_cart(&tea, 999).await;
    ana.add_to_cart(&cup, 2).await.expect_status(200);
    let refused = ana.place_order("key").await.expect_problem(409, "too-many-pieces");
    assert_eq!(refused["most"], 1_000);
    ana.set_quantity(&cup, 1).await.expect_status(200);
    ana.place_order("key").await.expect_status(201);
}

#[tokio::test]
async fn only_the_latest_refused_orders_are_kept() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 1).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    for number in 0..25 {
        ana.place_order(&format!("key-{number}")).await.expect_problem(409, "out-of-stock");
    }
    let orders = ana.list_all("/shopping/orders", &[]).await;
    assert_eq!(orders.len(), 20);
    assert!(orders.iter().all(|order| order["status"] == "rejected"), "{orders:?}");
    let replay = ana.place_order("key-10").await.expect_problem(409, "out-of-stock");
    assert_eq!(replay.header("Idempotent-Replayed"), "true");
    admin.set_stock(&tea, 2).await.expect_status(200);
    ana.place_order("key-0").await.expect_status(201);
}
