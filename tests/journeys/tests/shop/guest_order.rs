//! A guest orders with an e-mail address, and opens the order by its link.

use journeys::{
    Client, Customer, Method, PASSWORD, Product, Request, Shop, Stock, UNKNOWN_ID, euros, new_email, order_with,
    run_concurrently, unique, wait_for,
};
use serde_json::{Value, json};

async fn guest_with_tea(shop: &Shop, pieces: u64) -> (Client, Product) {
    let tea = shop.new_product("tea", &euros(499), 1_000).await;
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&tea, pieces).await.expect_status(200);
    (guest, tea)
}

fn place_order(guest: &Client, key: &str, email: &str, fields: Value) -> Request {
    guest.request(Method::POST, "/shopping/order").header("Idempotency-Key", key).json(order_with(email, fields))
}

#[tokio::test]
async fn a_guest_orders_and_opens_the_order_by_its_link() {
    let shop = Shop::shared().await;
    let (guest, tea) = guest_with_tea(&shop, 2).await;
    let email = new_email("guest");
    let order = place_order(&guest, "first", &email, json!({"note": "Ring twice."})).await.expect_status(201);
    assert_eq!(
        (&order["status"], &order["email"], &order["note"]),
        (&"confirmed".into(), &email.as_str().into(), &"Ring twice.".into())
    );
    let link = order["link"].as_str().unwrap().to_owned();
    assert_eq!(order.header("Location"), link);
    assert_eq!(guest.get_cart().await["items"], json!([]));

    let replay = place_order(&guest, "first", &email, json!({"note": "Ring twice."})).await.expect_status(201);
    assert_eq!((replay.id(), replay.header("Idempotent-Replayed")), (order.id(), "true"));
    let anyone = shop.client();
    assert_eq!(anyone.get(&link).await.expect_status(200).body, order.body);
    let path = format!("/shopping/order/{}", order.id());
    anyone.get(&path).await.expect_unauthenticated();
    let (rest, last) = link.split_at(link.len() - 1);
    let wrong = format!("{rest}{}", if last == "A" { "B" } else { "A" });
    let (_, key) = link.split_once("key=").unwrap();
    for wrong in [wrong, format!("{path}?key="), format!("/shopping/order/{UNKNOWN_ID}?key={key}")] {
        anyone.get(&wrong).await.expect_not_found();
    }

    // The link opens this order only.
    let (ben, _) = guest_with_tea(&shop, 1).await;
    let other = place_order(&ben, "first", &new_email("ben"), json!({})).await.expect_status(201);
    anyone.get(&format!("/shopping/order/{}?key={key}", other.id())).await.expect_not_found();
    let cancel = |id: &str, key: &str| anyone.request(Method::POST, &format!("/shopping/order/{id}/cancel?key={key}"));
    cancel(other.id(), key).await.expect_not_found();
    assert_eq!(cancel(order.id(), key).await.expect_status(200)["status"], "refunded");
    assert_eq!(shop.admin().await.stock(&tea).await, Stock { available: 1_000, reserved: 0, sold: 0 });
}

#[tokio::test]
async fn a_guest_order_needs_an_email_address_and_an_account_for_a_saved_address() {
    let shop = Shop::shared().await;
    let (guest, _) = guest_with_tea(&shop, 1).await;
    let order =
        |body: Value| guest.request(Method::POST, "/shopping/order").header("Idempotency-Key", "key").json(body);
    let mut without_email = order_with("ana@example.com", json!({}));
    without_email.as_object_mut().unwrap().remove("email");
    order(without_email).await.expect_bad_fields(&["email"]);
    let saved = json!({"email": "ana@example.com", "shipping_address_id": UNKNOWN_ID, "shipping_method": "pickup"});
    order(saved).await.expect_bad_fields(&["shipping_address_id"]);
    guest.get("/shopping/orders").await.expect_unauthenticated();
}

#[tokio::test]
async fn five_orders_of_a_guest_at_once_sell_the_cart_once() {
    let shop = Shop::shared().await;
    let (guest, tea) = guest_with_tea(&shop, 3).await;
    let email = new_email("guest");
    let orders = (0..5).map(|number| place_order(&guest, &format!("key-{number}"), &email, json!({})));
    let responses = run_concurrently(orders).await;
    let confirmed = responses.iter().filter(|response| response.status == 201).count();
    assert_eq!(confirmed, 1, "{responses:#?}");
    assert_eq!(shop.admin().await.stock(&tea).await, Stock { available: 997, reserved: 0, sold: 3 });
}

#[tokio::test]
async fn unpaid_orders_of_one_address_are_limited_whatever_the_token() {
    let shop = Shop::shared().await;
    let email = new_email("guest");
    let review = json!({"payment": {"method": "demo", "token": "demo_review"}});
    for _ in 0..5 {
        let (guest, _) = guest_with_tea(&shop, 1).await;
        let order = place_order(&guest, &unique("key"), &email, review.clone()).await.expect_status(202);
        let (_, key) = order["link"].as_str().unwrap().split_once('?').unwrap();
        let cancel = format!("/shopping/order/{}/cancel?{key}", order.id());
        shop.client().request(Method::POST, &cancel).await.expect_status(200);
    }
    let (guest, _) = guest_with_tea(&shop, 1).await;
    place_order(&guest, "key", &email, review).await.expect_problem(429, "too-many-unpaid-orders");
    place_order(&guest, "key", &new_email("guest"), json!({})).await.expect_status(201);
}

#[tokio::test]
async fn an_account_takes_over_the_guest_orders_of_its_verified_address() {
    let shop = Shop::shared().await;
    let (guest, _) = guest_with_tea(&shop, 1).await;
    let email = new_email("guest");
    let order = place_order(&guest, "key", &email, json!({})).await.expect_status(201);
    let sign_in = shop.client().sign_up(&email, PASSWORD).retry_while_busy().await.expect_status(201);
    let ana = Customer::from_sign_in(&shop.client(), &email, PASSWORD, &sign_in);
    assert!(ana.list_orders().await.items().is_empty(), "the address is not verified");
    ana.get_order(order.id()).await.expect_not_found();

    let token = shop.wait_for_mail(&email, "Verify").await.word_after("enter ").to_owned();
    let verify = shop.client().request(Method::POST, "/customer/verify").json(json!({"token": token}));
    verify.await.expect_status(204);
    let orders = wait_for("the order to be in the account", async || {
        let orders = ana.list_orders().await.expect_status(200);
        if orders.items().is_empty() { Err(orders) } else { Ok(orders) }
    })
    .await;
    assert_eq!(orders.items()[0]["number"], order["number"]);
    assert_eq!(ana.get_order(order.id()).await.expect_status(200)["email"], email);
    shop.client().get(order["link"].as_str().unwrap()).await.expect_status(200);

    let (guest, _) = guest_with_tea(&shop, 1).await;
    let later = place_order(&guest, "key", &email, json!({})).await.expect_status(201);
    let orders = ana.list_orders().await.expect_status(200);
    assert_eq!(orders.items()[0]["number"], later["number"], "an order placed since the verification");
}
