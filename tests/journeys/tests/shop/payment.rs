//! Money comes at once, late, twice, after a second look, or not at all; the order says where it stands and how it came there.

use journeys::{Answer, Books, Customer, Product, Shop, at_once, euros, eventually};
use serde_json::{Value, json};

/// A customer with two packets of tea in the cart, of ten that there are.
async fn ana_wants_tea(shop: &Shop) -> (Customer, Product) {
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    (ana, tea)
}

/// The states that an order has been in, with their reasons.
fn history(order: &Value) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let steps = order["history"].as_array().unwrap().iter();
    steps.map(|step| (text(&step["status"]).unwrap(), text(&step["reason"]))).collect()
}

fn states(order: &Value) -> Vec<String> {
    history(order).into_iter().map(|(status, _)| status).collect()
}

async fn becomes(ana: &Customer, order: &str, status: &str) -> Answer {
    eventually(&format!("the order to be {status}"), async || {
        let order = ana.order(order).await.expect_status(200);
        if order["status"] == status { Ok(order) } else { Err(order.to_string()) }
    })
    .await
}

#[tokio::test]
async fn an_order_tells_its_history() {
    let shop = Shop::shared().await;
    let (ana, _) = ana_wants_tea(&shop).await;
    let order = ana.orders("key").await.expect_status(201);
    assert_eq!(states(&order.body), ["pending", "reserved", "paid", "confirmed"]);
    let times: Vec<&str> =
        order["history"].as_array().unwrap().iter().map(|step| step["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times[0].ends_with('Z'), "{times:?}");
}

#[tokio::test]
async fn money_that_is_set_aside_waits_for_an_admin() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = ana_wants_tea(&shop).await;
    let order = ana.orders_paying("key", "demo_review").await.expect_status(202);
    assert_eq!((&order["status"], &order["payment"]["status"]), (&"reserved".into(), &"review".into()));
    assert_eq!(admin.books(&tea).await, Books { available: 8, reserved: 2, sold: 0 });
    assert_eq!(ana.orders_paying("key", "demo_review").await.expect_status(202).id(), order.id());

    ana.asks(journeys::Method::POST, &format!("/shopping/order/{}/capture", order.id()))
        .await
        .expect_problem(403, "forbidden");
    for _ in 0..2 {
        assert_eq!(admin.captures(order.id()).await.expect_status(200)["status"], "confirmed");
    }
    assert_eq!(admin.books(&tea).await, Books { available: 8, reserved: 0, sold: 2 });
    assert_eq!(ana.cart().await["items"], json!([]));
    assert_eq!(ana.orders_paying("key", "demo_review").await.expect_status(201)["status"], "confirmed");
}

#[tokio::test]
async fn money_that_is_set_aside_can_be_let_go() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    for by_admin in [true, false] {
        let (ana, tea) = ana_wants_tea(&shop).await;
        let cart = ana.cart().await;
        let order = ana.orders_paying("key", "demo_review").await.expect_status(202);
        let cancelled = if by_admin { admin.cancels(order.id()).await } else { ana.cancels(order.id()).await };
        let cancelled = cancelled.expect_status(200);
        let reason = if by_admin { "by-shop" } else { "by-customer" };
        assert_eq!(history(&cancelled.body).last(), Some(&("cancelled".to_owned(), Some(reason.to_owned()))));
        assert_eq!(cancelled["payment"]["status"], "cancelled");
        assert_eq!(admin.books(&tea).await, Books { available: 10, reserved: 0, sold: 0 });
        assert_eq!(ana.cart().await.body, cart.body);
        admin.captures(order.id()).await.expect_problem(409, "order-state");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_looked_up() {
    let shop = Shop::shared().await;
    let (ana, tea) = ana_wants_tea(&shop).await;
    let order = ana.orders_paying("key", "demo_timeout").await.expect_status(202);
    assert_eq!((&order["status"], &order["payment"]["status"]), (&"reserved".into(), &"processing".into()));
    let order = becomes(&ana, order.id(), "confirmed").await;
    assert_eq!(states(&order.body), ["pending", "reserved", "paid", "confirmed"]);
    assert_eq!(shop.admin().await.books(&tea).await, Books { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn a_notice_that_comes_twice_counts_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = ana_wants_tea(&shop).await;
    let order = ana.orders_paying("key", "demo_twice").await.expect_status(202);
    let order = becomes(&ana, order.id(), "confirmed").await;
    assert_eq!(states(&order.body), ["pending", "reserved", "paid", "confirmed"]);
    assert_eq!(admin.books(&tea).await, Books { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn what_was_ordered_at_once_is_captured_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = ana_wants_tea(&shop).await;
    let order = ana.orders_paying("key", "demo_review").await.expect_status(202);
    for answer in at_once((0..8).map(|_| admin.captures(order.id()))).await {
        answer.expect_status(200);
    }
    let order = becomes(&ana, order.id(), "confirmed").await;
    assert_eq!(states(&order.body), ["pending", "reserved", "paid", "confirmed"]);
    assert_eq!(admin.books(&tea).await, Books { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn what_is_shipped_stays_shipped() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, _) = ana_wants_tea(&shop).await;
    let order = ana.orders("key").await.expect_status(201);
    for _ in 0..2 {
        assert_eq!(admin.ships(order.id()).await.expect_status(200)["status"], "shipped");
    }
    ana.cancels(order.id()).await.expect_problem(409, "order-state");
    assert_eq!(ana.order(order.id()).await["status"], "shipped");
}

#[tokio::test]
async fn another_method_is_refused() {
    let shop = Shop::shared().await;
    let (ana, _) = ana_wants_tea(&shop).await;
    for payment in
        [json!({"method": "stripe"}), json!({"method": "gold", "token": "demo_ok"}), json!({"token": "demo_ok"})]
    {
        ana.orders("key").json(json!({"payment": payment})).await.expect_bad_fields(&["payment.method"]);
    }
    ana.orders("key")
        .json(json!({"payment": {"method": "demo", "token": "demo_rich"}}))
        .await
        .expect_bad_fields(&["payment.token"]);
    ana.orders("key").await.expect_status(201);
}

#[tokio::test]
async fn an_admin_can_explain_an_order() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = ana_wants_tea(&shop).await;
    let order = ana.orders("key").await.expect_status(201);
    ana.cancels(order.id()).await.expect_status(200);
    let told = admin.explains(order.id()).await.expect_status(200);
    assert_eq!((&told["order"]["id"], &told["missing"]), (&order["id"], &json!([])));
    let lines: Vec<String> = told["happened"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| ["service", "kind", "what"].map(|member| line[member].as_str().unwrap()).join(" "))
        .collect();
    for expected in [
        "shopping state pending",
        "shopping call products.reserve",
        "products stock held",
        "shopping payment open",
        "shopping payment pay",
        "shopping call products.confirm",
        "products stock sold",
        "shopping event shopping.order-confirmed",
        "shopping state confirmed",
        "shopping payment refund",
        "shopping call products.take-back",
        "products stock taken back",
        "shopping state refunded",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is missing: {lines:#?}");
    }
    let times: Vec<&str> =
        told["happened"].as_array().unwrap().iter().map(|line| line["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(told.to_string().contains(&tea.id));
    ana.gets(&format!("/shopping/order/{}/timeline", order.id())).await.expect_problem(403, "forbidden");
    admin.explains("0198f0c0-0000-7000-8000-000000000000").await.expect_problem(404, "not-found");
}
