//! Limits of orders with other settings than those of the shared shop.

use journeys::{
    Client, Method, PASSWORD, Product, Request, Stock, TestShop, euros, new_email, order_with, run_concurrently,
    statuses,
};
use serde_json::json;

#[tokio::test]
async fn new_orders_are_limited_by_rate() {
    // Empty means the default: 10 a minute.
    let shop = TestShop::start_in(&["--no-demo"], &[("ORDERS_PER_MINUTE_PER_CUSTOMER", "")]).await;
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
    let visitor = shop.visitor();
    visitor.sign_in(&ben.email, PASSWORD).await;
    let page = visitor.open(&format!("/en/order/{}", scarce.id())).await.expect_text("Nothing was charged.");
    page.expect_text("The payment was not completed in time");
    assert_eq!(ana.get_order(plentiful.id()).await["status"], "reserved");
    assert_eq!(admin.stock(&tea).await, Stock { available: 90, reserved: 10, sold: 0 });
}

async fn guest_with(client: &Client, product: &Product, pieces: u64) -> Client {
    let guest = client.create_guest_cart().await;
    guest.add_to_cart(product, pieces).await.expect_status(200);
    guest
}

fn order_unpaid(guest: &Client) -> Request {
    let review = json!({"payment": {"method": "demo", "token": "demo_review"}});
    let order = order_with(&new_email("guest"), review);
    guest.request(Method::POST, "/shopping/order").header("Idempotency-Key", "key").json(order)
}

#[tokio::test]
async fn customers_without_a_verified_address_hold_few_pieces() {
    let shop = TestShop::start_in(&["--no-demo"], &[("MAX_UNVERIFIED_PIECES_PER_NETWORK", "5")]).await;
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let (network, other) = (shop.client_at([127, 0, 1, 1]), shop.client_at([127, 0, 1, 2]));
    let first = guest_with(&network, &tea, 3).await;
    let order = order_unpaid(&first).await.expect_status(202);

    let second = guest_with(&network, &tea, 3).await;
    let refused = order_unpaid(&second).await.expect_problem(429, "unverified-limit");
    let wait: u64 = refused.header("Retry-After").parse().unwrap();
    assert!((1..=900).contains(&wait), "{refused}");
    let too_many = guest_with(&network, &tea, 6).await;
    order_unpaid(&too_many).await.expect_problem(409, "unverified-limit");
    order_unpaid(&guest_with(&network, &tea, 2).await).await.expect_status(202);
    order_unpaid(&guest_with(&other, &tea, 3).await).await.expect_status(202);
    // An account without a verified address counts as a guest does.
    let ana = network.sign_up(&new_email("ana"), PASSWORD).await.expect_status(201);
    let ana = network.with_token_of(&ana);
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    order_unpaid(&ana).await.expect_problem(429, "unverified-limit");
    let ben = shop.new_verified_customer().await;
    ben.add_to_cart(&tea, 50).await.expect_status(200);
    ben.place_order("key").await.expect_problem(409, "unverified-limit");
    ben.sign_in_again().await.place_order("key").await.expect_status(201);

    let (_, key) = order["link"].as_str().unwrap().split_once('?').unwrap();
    let cancel = format!("/shopping/order/{}/cancel?{key}", order.id());
    network.request(Method::POST, &cancel).await.expect_status(200);
    order_unpaid(&second).await.expect_status(202);
    assert_eq!(shop.admin().await.stock(&tea).await, Stock { available: 42, reserved: 8, sold: 50 });
}

#[tokio::test]
async fn orders_at_the_same_moment_hold_few_pieces() {
    let shop = TestShop::start_in(&["--no-demo"], &[("MAX_UNVERIFIED_PIECES_PER_NETWORK", "5")]).await;
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let mut guests = Vec::new();
    for _ in 0..8 {
        guests.push(guest_with(&shop.client(), &tea, 3).await);
    }
    let responses = run_concurrently(guests.iter().map(order_unpaid)).await;
    let held = shop.admin().await.stock(&tea).await.reserved;
    assert!(held <= 3, "{held} pieces: {:?}", statuses(&responses));
    let is_explained = |status: u16| matches!(status, 202 | 409 | 429);
    assert!(statuses(&responses).into_iter().all(is_explained), "{:?}", statuses(&responses));
    // The rejected orders hold nothing.
    let another = guest_with(&shop.client(), &tea, 2).await;
    order_unpaid(&another).await.expect_status(202);
}
