//! A one-process shop dies at each step of a cancellation, of a refund of one piece, or of a
//! shipment and the cancellation of its rest, and restarts. The money goes back once, the stock
//! returns, and one parcel is sent, with one mail.

use std::sync::Arc;

use journeys::{Stock, TestShop, euros, wait_for};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

/// Shops at the same time. More are slower on a small machine.
const CONCURRENT_SHOPS: usize = 4;

/// The failpoints from the request to cancel to the completed refund.
const STEPS: &[&str] = &[
    // The order is cancelled, and its refund is stored before it is requested.
    "commit.orders.before",
    "commit.orders.after",
    "call.products.release.after",
    "call.products.restock.before",
    "call.products.restock.after",
    // The stock is returned.
    "commit.orders.before@2",
    "commit.orders.after@2",
    // The bank refunds, and the shop stores its reply.
    "commit.demo_payments.before",
    "commit.demo_payments.after",
    "commit.orders.before@3",
    "commit.orders.after@3",
];

/// The failpoints from the request of an admin to the completed refund.
const STEPS_OF_A_PIECE: &[&str] = &[
    // The refund is decided and stored.
    "commit.orders.before",
    "commit.orders.after",
    // The piece goes back on sale.
    "call.products.restock.before",
    "call.products.restock.after",
    "commit.orders.before@2",
    "commit.orders.after@2",
    // The bank refunds, and the shop stores its reply and the event.
    "commit.demo_payments.before",
    "commit.demo_payments.after",
    "commit.orders.before@3",
    "commit.orders.after@3",
];

#[tokio::test]
async fn a_refund_of_a_piece_survives_a_crash_at_each_step() {
    let permits = Arc::new(Semaphore::new(CONCURRENT_SHOPS));
    let mut crashes = JoinSet::new();
    let local = LocalSet::new();
    for step in STEPS_OF_A_PIECE {
        let permits = Arc::clone(&permits);
        let crash = async move {
            let _permit = permits.acquire().await.unwrap();
            crash_while_refunding_a_piece(step).await;
        };
        crashes.spawn_local_on(crash, &local);
    }
    local.await;
    crashes.join_all().await;
}

async fn crash_while_refunding_a_piece(step: &'static str) {
    let shop = TestShop::start().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let order = ana.place_order_paying("key", "demo_ok").await.expect_status(201);
    shop.kill();
    shop.restart_with_failpoint(step).await;
    let line = json!({"product_id": tea.id, "quantity": 1, "restock": true});
    let refund = || admin.refund(order.id(), "refund", json!({"lines": [&line], "reason": "broken"}));
    let response = refund().outcome().await.response;
    assert!(response.is_err(), "{step}: {response:?}");
    shop.wait_for_failpoint(step).await;
    shop.restart().await;
    // The admin repeats the request that got no response.
    let first = refund().await.expect_status(201);
    wait_for("the refund succeeds", async || {
        let refund = refund().await.expect_status(201);
        if refund["status"] == "succeeded" { Ok(()) } else { Err(refund.body) }
    })
    .await;
    let refunded = ana.get_order(order.id()).await.expect_status(200);
    assert_eq!((&refunded["refunded"], &refunded["refunds"][0]["id"]), (&euros(499), &first["id"]), "{step}");
    assert_eq!(refunded["payment"]["refunds"].as_array().map(Vec::len), Some(1), "{step}");
    assert_eq!(admin.stock(&tea).await, Stock { available: 9, reserved: 0, sold: 1 }, "{step}");
    let audit = shop.run_souk(&["audit", "--within", "60"]).await;
    assert_eq!((audit.code, audit.stdout.as_str()), (Some(0), ""), "{step}: {audit:?}");
}

/// The failpoints from the request to ship to the mail about the parcel.
const STEPS_OF_A_PARCEL: &[&str] = &[
    // The parcel is stored with its event.
    "commit.orders.before",
    "commit.orders.after",
    "publish.shopping.parcel-sent.before",
    "publish.shopping.parcel-sent.after",
    "ack.shopping.parcel-sent.before",
    "ack.shopping.parcel-sent.after",
    "mail.delivered",
];

#[tokio::test]
async fn a_parcel_survives_a_crash_at_each_step() {
    let permits = Arc::new(Semaphore::new(CONCURRENT_SHOPS));
    let mut crashes = JoinSet::new();
    let local = LocalSet::new();
    for step in STEPS_OF_A_PARCEL {
        let permits = Arc::clone(&permits);
        let crash = async move {
            let _permit = permits.acquire().await.unwrap();
            crash_while_shipping(step).await;
        };
        crashes.spawn_local_on(crash, &local);
    }
    local.await;
    crashes.join_all().await;
}

async fn crash_while_shipping(step: &'static str) {
    let shop = TestShop::start().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let order = ana.place_order_paying("key", "demo_ok").await.expect_status(201);
    shop.wait_for_mail(&ana.email, "received").await;
    shop.kill();
    shop.restart_with_failpoint(step).await;
    let parcel = || {
        let parcel = json!({"lines": [{"product_id": tea.id, "quantity": 1}]});
        admin.ship_parcel(order.id(), parcel).header("Idempotency-Key", "parcel")
    };
    // The shop may die before or after the response.
    drop(parcel().outcome().await);
    shop.wait_for_failpoint(step).await;
    shop.restart().await;
    // The admin repeats the request, and cancels the rest.
    let sent = parcel().await.expect_status(201);
    assert_eq!(sent["shipments"].as_array().map(Vec::len), Some(1), "{step}");
    shop.wait_for_mail(&ana.email, "is on its way").await;
    let cancelled = admin.cancel_order(order.id()).await.expect_status(200);
    assert_eq!((&cancelled["status"], &cancelled["refunded"]), (&"shipped".into(), &euros(499)), "{step}");
    assert_eq!(admin.stock(&tea).await, Stock { available: 9, reserved: 0, sold: 1 }, "{step}");
    let audit = shop.run_souk(&["audit", "--within", "60"]).await;
    assert_eq!((audit.code, audit.stdout.as_str()), (Some(0), ""), "{step}: {audit:?}");
}

#[tokio::test]
async fn a_cancellation_survives_a_crash_at_each_step() {
    let permits = Arc::new(Semaphore::new(CONCURRENT_SHOPS));
    let mut crashes = JoinSet::new();
    let local = LocalSet::new();
    for step in STEPS {
        for token in ["demo_ok", "demo_refund_pending"] {
            let permits = Arc::clone(&permits);
            let crash = async move {
                let _permit = permits.acquire().await.unwrap();
                crash_while_cancelling(step, token).await;
            };
            crashes.spawn_local_on(crash, &local);
        }
    }
    local.await;
    crashes.join_all().await;
}

async fn crash_while_cancelling(step: &'static str, token: &'static str) {
    let shop = TestShop::start().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let order = ana.place_order_paying("key", token).await.expect_status(201);
    shop.kill();
    shop.restart_with_failpoint(step).await;
    let response = ana.cancel_order(order.id()).outcome().await.response;
    assert!(response.is_err(), "{step}: {response:?}");
    shop.wait_for_failpoint(step).await;
    shop.restart().await;
    // The customer repeats the request that got no response.
    ana.cancel_order(order.id()).await.expect_status(200);
    let refunded = ana.wait_for_order(order.id(), "refunded").await;
    assert_eq!(refunded["payment"]["refunded"], euros(998), "{step}");
    assert_eq!(refunded["payment"]["refunds"].as_array().map(Vec::len), Some(1), "{step}");
    assert_eq!(admin.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 }, "{step}");
    let audit = shop.run_souk(&["audit", "--within", "60"]).await;
    assert_eq!((audit.code, audit.stdout.as_str()), (Some(0), ""), "{step}: {audit:?}");
}
