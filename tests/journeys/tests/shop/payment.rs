//! Payments that are captured at once, late, twice, after a review, or cancelled. The order shows
//! its state and history.

use journeys::{Customer, Method, Product, Shop, Stock, UNKNOWN_ID, euros, run_concurrently};
use serde_json::{Value, json};

async fn customer_with_tea(shop: &Shop) -> (Customer, Product) {
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    (ana, tea)
}

fn states_with_reasons(order: &Value) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let entries = order["history"].as_array().unwrap().iter();
    entries.map(|entry| (text(&entry["status"]).unwrap(), text(&entry["reason"]))).collect()
}

#[tokio::test]
async fn an_order_shows_its_history() {
    let shop = Shop::shared().await;
    let (ana, _) = customer_with_tea(&shop).await;
    let order = ana.place_order("key").await.expect_status(201);
    assert_eq!(order.states(), ["pending", "reserved", "paid", "confirmed"]);
    let times: Vec<&str> =
        order["history"].as_array().unwrap().iter().map(|entry| entry["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times[0].ends_with('Z'), "{times:?}");
}

#[tokio::test]
async fn an_authorised_payment_is_captured_by_an_admin() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = customer_with_tea(&shop).await;
    let order = ana.place_order_paying("key", "demo_review").await.expect_status(202);
    assert_eq!((&order["status"], &order["payment"]["status"]), (&"reserved".into(), &"authorized".into()));
    assert_eq!(admin.stock(&tea).await, Stock { available: 8, reserved: 2, sold: 0 });
    assert_eq!(ana.place_order_paying("key", "demo_review").await.expect_status(202).id(), order.id());

    ana.request(Method::POST, &format!("/shopping/admin/orders/{}/capture", order.id()))
        .await
        .expect_problem(403, "forbidden");
    for _ in 0..2 {
        assert_eq!(admin.capture_payment(order.id()).await.expect_status(200)["status"], "confirmed");
    }
    assert_eq!(admin.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
    assert_eq!(ana.get_cart().await["items"], json!([]));
    assert_eq!(ana.place_order_paying("key", "demo_review").await.expect_status(201)["status"], "confirmed");
}

#[tokio::test]
async fn an_authorised_payment_can_be_cancelled() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    for by_admin in [true, false] {
        let (ana, tea) = customer_with_tea(&shop).await;
        let cart = ana.get_cart().await;
        let order = ana.place_order_paying("key", "demo_review").await.expect_status(202);
        let cancelled =
            if by_admin { admin.cancel_order(order.id()).await } else { ana.cancel_order(order.id()).await };
        let cancelled = cancelled.expect_status(200);
        let reason = if by_admin { "by-shop" } else { "by-customer" };
        assert_eq!(
            states_with_reasons(&cancelled.body).last(),
            Some(&("cancelled".to_owned(), Some(reason.to_owned())))
        );
        assert_eq!(cancelled["payment"]["status"], "cancelled");
        assert_eq!(admin.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
        assert_eq!(ana.get_cart().await.body, cart.body);
        admin.capture_payment(order.id()).await.expect_problem(409, "order-state");
    }
}

#[tokio::test]
async fn a_lost_payment_response_is_looked_up() {
    let shop = Shop::shared().await;
    let (ana, tea) = customer_with_tea(&shop).await;
    let order = ana.place_order_paying("key", "demo_timeout").await.expect_status(202);
    assert_eq!((&order["status"], &order["payment"]["status"]), (&"reserved".into(), &"processing".into()));
    let order = ana.wait_for_order(order.id(), "confirmed").await;
    assert_eq!(order.states(), ["pending", "reserved", "paid", "confirmed"]);
    assert_eq!(shop.admin().await.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn a_repeated_payment_notification_counts_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = customer_with_tea(&shop).await;
    let order = ana.place_order_paying("key", "demo_twice").await.expect_status(202);
    let order = ana.wait_for_order(order.id(), "confirmed").await;
    assert_eq!(order.states(), ["pending", "reserved", "paid", "confirmed"]);
    assert_eq!(admin.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn concurrent_captures_capture_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = customer_with_tea(&shop).await;
    let order = ana.place_order_paying("key", "demo_review").await.expect_status(202);
    for response in run_concurrently((0..8).map(|_| admin.capture_payment(order.id()))).await {
        response.expect_status(200);
    }
    let order = ana.wait_for_order(order.id(), "confirmed").await;
    assert_eq!(order.states(), ["pending", "reserved", "paid", "confirmed"]);
    assert_eq!(admin.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn a_shipped_order_cannot_be_cancelled() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, _) = customer_with_tea(&shop).await;
    let order = ana.place_order("key").await.expect_status(201);
    assert_eq!(admin.ship_order(order.id()).await.expect_status(201)["status"], "shipped");
    ana.cancel_order(order.id()).await.expect_problem(409, "order-state");
    assert_eq!(ana.get_order(order.id()).await["status"], "shipped");
}

#[tokio::test]
async fn an_unknown_payment_method_is_rejected() {
    let shop = Shop::shared().await;
    let (ana, _) = customer_with_tea(&shop).await;
    for payment in
        [json!({"method": "stripe"}), json!({"method": "gold", "token": "demo_ok"}), json!({"token": "demo_ok"})]
    {
        ana.place_order_with("key", json!({"payment": payment})).await.expect_bad_fields(&["payment.method"]);
    }
    ana.place_order_paying("key", "demo_rich").await.expect_bad_fields(&["payment.token"]);
    ana.place_order("key").await.expect_status(201);
}

#[tokio::test]
async fn the_timeline_shows_every_step_of_an_order() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = customer_with_tea(&shop).await;
    let order = ana.place_order("key").await.expect_status(201);
    ana.cancel_order(order.id()).await.expect_status(200);
    let timeline = admin.get_timeline(order.id()).await.expect_status(200);
    assert_eq!((&timeline["order"]["id"], &timeline["missing"]), (&order["id"], &json!([])));
    let entries: Vec<String> = timeline["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| ["service", "kind", "what"].map(|member| line[member].as_str().unwrap()).join(" "))
        .collect();
    for expected in [
        "shopping state pending",
        "shopping call products.reserve",
        "products stock held",
        "shopping payment charge",
        "shopping call products.confirm",
        "products stock sold",
        "shopping event shopping.order-confirmed",
        "shopping state confirmed",
        "shopping payment refund",
        "shopping call products.restock",
        "products stock restocked",
        "shopping state refunded",
    ] {
        assert!(entries.iter().any(|line| line == expected), "{expected} is missing: {entries:#?}");
    }
    let times: Vec<&str> =
        timeline["entries"].as_array().unwrap().iter().map(|line| line["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(timeline.to_string().contains(&tea.id));
    ana.get(&format!("/shopping/order/{}/timeline", order.id())).await.expect_problem(403, "forbidden");
    admin.get_timeline(UNKNOWN_ID).await.expect_not_found();
}

#[tokio::test]
async fn a_shop_without_stripe_has_no_webhook() {
    let shop = Shop::shared().await;
    // nginx lets events of this size through.
    let event = format!("{{\"padding\": \"{}\"}}", "x".repeat(200 * 1024));
    let request = shop.client().request(Method::POST, "/shopping/payment/webhook").header("Stripe-Signature", "t=1");
    request.body(event).await.expect_not_found();
}

#[tokio::test]
async fn an_underpaid_order_can_be_cancelled() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    for by_admin in [true, false] {
        let (ana, tea) = customer_with_tea(&shop).await;
        let order = ana.place_order_paying("key", "demo_underpaid").await.expect_status(202);
        assert_eq!((&order["status"], &order["payment"]["status"]), (&"reserved".into(), &"underpaid".into()));
        assert_eq!((&order["payment"]["amount"], &order["payment"]["captured"]), (&euros(998), &euros(499)));
        admin.ship_order(order.id()).await.expect_problem(409, "order-state");
        admin.capture_payment(order.id()).await.expect_problem(409, "order-state");
        let cancelled =
            if by_admin { admin.cancel_order(order.id()).await } else { ana.cancel_order(order.id()).await };
        let cancelled = cancelled.expect_status(200);
        assert_eq!((&cancelled["status"], &cancelled["payment"]["refunded"]), (&"refunded".into(), &euros(499)));
        assert_eq!(admin.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
    }
}

#[tokio::test]
async fn a_refused_payment_releases_the_stock() {
    let shop = Shop::shared().await;
    let (ana, tea) = customer_with_tea(&shop).await;
    for _ in 0..2 {
        ana.place_order_paying("key", "demo_refused").await.expect_problem(422, "payment-refused");
    }
    assert_eq!(shop.admin().await.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
    assert_eq!(ana.get_cart().await.items().len(), 1);
}

#[tokio::test]
async fn a_pending_refund_completes_later() {
    let shop = Shop::shared().await;
    let (ana, tea) = customer_with_tea(&shop).await;
    let order = ana.place_order_paying("key", "demo_refund_pending").await.expect_status(201);
    let cancelled = ana.cancel_order(order.id()).await.expect_status(200);
    assert_eq!(
        (&cancelled["status"], &cancelled["payment"]["status"], &cancelled["payment"]["refunded"]),
        (&"cancelled".into(), &"refund-pending".into(), &euros(0))
    );
    assert_eq!(shop.admin().await.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
    let refunded = ana.wait_for_order(order.id(), "refunded").await;
    assert_eq!(refunded["payment"]["refunded"], euros(998));
}

#[tokio::test]
async fn an_admin_repeats_a_failed_refund() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, tea) = customer_with_tea(&shop).await;
    let order = ana.place_order_paying("key", "demo_refund_failed").await.expect_status(201);
    admin.retry_refunds(order.id()).await.expect_problem(409, "order-state");
    let cancelled = ana.cancel_order(order.id()).await.expect_status(200);
    assert_eq!((&cancelled["status"], &cancelled["payment"]["status"]), (&"cancelled".into(), &"refund-failed".into()));
    assert_eq!(admin.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
    for response in run_concurrently((0..4).map(|_| admin.retry_refunds(order.id()))).await {
        response.expect_status(200);
    }
    let refunded = ana.wait_for_order(order.id(), "refunded").await;
    let refunds = refunded["payment"]["refunds"].as_array().unwrap();
    let statuses: Vec<&Value> = refunds.iter().map(|refund| &refund["status"]).collect();
    assert_eq!(statuses, ["failed", "succeeded"]);
}

#[tokio::test]
async fn a_refund_that_fails_later_is_owed_again() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (ana, _) = customer_with_tea(&shop).await;
    let order = ana.place_order_paying("key", "demo_refund_reversed").await.expect_status(201);
    assert_eq!(ana.cancel_order(order.id()).await.expect_status(200)["status"], "refunded");
    let failed = ana.wait_for_order(order.id(), "cancelled").await;
    assert_eq!(failed["payment"]["status"], "refund-failed");
    assert_eq!(
        states_with_reasons(&failed.body).last(),
        Some(&("cancelled".to_owned(), Some("refund-failed".to_owned())))
    );
    assert_eq!(admin.retry_refunds(order.id()).await.expect_status(200)["status"], "refunded");
}

#[tokio::test]
async fn an_order_of_nothing_is_confirmed_without_a_payment() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let sample = shop.new_product("sample", &euros(0), 10).await;
    let ana = shop.customer_with_cart(&sample, 2).await;
    // The payment method does not matter.
    let order = ana.place_order_paying("key", "demo_declined").await.expect_status(201);
    assert_eq!((&order["status"], &order["payment"], &order["total"]), (&"confirmed".into(), &Value::Null, &euros(0)));
    admin.capture_payment(order.id()).await.expect_problem(409, "order-state");
    admin.retry_refunds(order.id()).await.expect_problem(409, "order-state");
    assert_eq!(admin.ship_order(order.id()).await.expect_status(201)["status"], "shipped");

    let ben = shop.customer_with_cart(&sample, 2).await;
    let order = ben.place_order("key").await.expect_status(201);
    assert_eq!(ben.cancel_order(order.id()).await.expect_status(200)["status"], "cancelled");
    assert_eq!(admin.stock(&sample).await, Stock { available: 8, reserved: 0, sold: 2 });
}
