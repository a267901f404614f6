//! Limits of orders with other settings than those of the shared shop.

use journeys::{Stock, TestShop, euros, run_concurrently, statuses};

#[tokio::test]
async fn new_orders_are_limited_by_rate() {
    // Empty means the default: 10 a minute.
    let shop = TestShop::start_in(&["--no-demo"], &[("ORDERS_PER_MINUTE", "")]).await;
    let tea = shop.new_product("tea", &euros(499), 1_000).await;
    let (ana, ben) = (shop.customer_with_cart(&tea, 1).await, shop.customer_with_cart(&tea, 1).await);
    let first = ana.place_order("first").await.expect_status(201);
    for number in 1..10 {
        ana.place_order(&format!("key-{number}")).await.expect_problem(409, "cart-empty");
    }
    let refused = ana.place_order("another").await.expect_problem(429, "too-many-orders");
    let wait: u64 = refused.header("Retry-After").parse().unwrap();
    assert!((1..=6).contains(&wait), "{refused}");
    assert_eq!(ana.place_order("first").await.expect_status(201).id(), first.id(), "a repeated request does not count");
    ben.place_order("key").await.expect_status(201);

    let responses = run_concurrently((0..30).map(|number| ben.place_order(&format!("many-{number}")))).await;
    let statuses = statuses(&responses);
    assert!(statuses.iter().filter(|status| **status == 429).count() >= 20, "{statuses:?}");
}

#[tokio::test]
async fn scarce_stock_is_reserved_for_a_shorter_time() {
    let settings = [("RESERVATION_SECONDS", "600"), ("SCARCE_RESERVATION_SECONDS", "2")];
    let shop = TestShop::start_in(&["--no-demo"], &settings).await;
    let admin = shop.admin().await;
    let [tea, vase] = admin.new_products([("tea", 499, 100), ("vase", 9_900, 2)]).await;
    let (ana, ben) = (shop.customer_with_cart(&tea, 10).await, shop.customer_with_cart(&vase, 1).await);
    let plentiful = ana.place_order_paying("key", "demo_review").await.expect_status(202);
    let scarce = ben.place_order_paying("key", "demo_review").await.expect_status(202);
    let scarce = ben.wait_for_order(scarce.id(), "cancelled").await;
    assert_eq!(scarce["history"][2]["reason"], "reservation-expired");
    assert_eq!(ana.get_order(plentiful.id()).await["status"], "reserved");
    assert_eq!(admin.stock(&tea).await, Stock { available: 90, reserved: 10, sold: 0 });
}
