//! A payment that arrives after the reservation has expired: the order is confirmed when the
//! product is still in stock, and refunded otherwise.

use journeys::{Stock, TestShop, euros, unique, wait_for};

async fn shop_with_short_reservations() -> TestShop {
    TestShop::start_in(&["--no-demo"], &[("RESERVATION_SECONDS", "2")]).await
}

#[tokio::test]
async fn an_unpaid_order_is_cancelled_and_restocked() {
    let shop = shop_with_short_reservations().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let order = ana.place_order_paying("key", "demo_review").await.expect_status(202);
    let order = ana.wait_for_order(order.id(), "cancelled").await;
    assert_eq!(order.states(), ["pending", "reserved", "cancelled"]);
    wait_for("the stock to be available again", async || {
        let stock = admin.stock(&tea).await;
        if stock == (Stock { available: 10, reserved: 0, sold: 0 }) { Ok(()) } else { Err(format!("{stock:?}")) }
    })
    .await;
    let mail = shop.wait_for_mail(&ana.email, "was not completed").await;
    // The mail may be sent before the payment is cancelled at the provider.
    let is_known =
        ["You were not charged.", "If your payment still arrives"].iter().any(|text| mail.text.contains(text));
    assert!(is_known, "{mail}");
    ana.place_order_paying("key", "demo_review").await.expect_problem(409, "order-state");
    admin.capture_payment(order.id()).await.expect_problem(409, "order-state");
    assert_eq!(ana.get_cart().await.items().len(), 1);
}

#[tokio::test]
async fn a_late_payment_confirms_the_order_while_stock_lasts() {
    let shop = shop_with_short_reservations().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 2).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let order = ana.place_order_paying("key", "demo_late").await.expect_status(202);
    let order = ana.wait_for_order(order.id(), "confirmed").await;
    assert_eq!(order.states(), ["pending", "reserved", "cancelled", "paid", "confirmed"]);
    assert_eq!(admin.stock(&tea).await, Stock { available: 0, reserved: 0, sold: 2 });
    assert_eq!(ana.place_order_paying("key", "demo_late").await.expect_status(201)["status"], "confirmed");

    let timeline = shop.run_souk(&["order", order.id()]).await;
    assert_eq!(timeline.code, Some(0), "{timeline:?}");
    for entry in ["reservation-expired", "paid-late", "products.release", "released", "sold"] {
        assert!(timeline.stdout.contains(entry), "{entry} is missing: {}", timeline.stdout);
    }
    let unknown = shop.run_souk(&["order", &tea.id]).await;
    assert!(unknown.code == Some(1) && unknown.stderr.contains("there is no order"), "{unknown:?}");
}

#[tokio::test]
async fn a_late_payment_is_refunded_when_the_cart_was_ordered_again() {
    let shop = shop_with_short_reservations().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let first = ana.place_order_paying("first", "demo_late").await.expect_status(202);
    ana.wait_for_order(first.id(), "cancelled").await;
    ana.place_order("second").await.expect_status(201);
    let first = ana.wait_for_order(first.id(), "refunded").await;
    assert_eq!(first.states(), ["pending", "reserved", "cancelled", "paid", "cancelled", "refunded"]);
    assert_eq!(first["history"][4]["reason"], "ordered-again");
    assert_eq!(admin.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
    ana.place_order_paying("first", "demo_late").await.expect_problem(409, "order-state");
}

#[tokio::test]
async fn a_late_payment_is_refunded_when_the_stock_is_sold() {
    let shop = shop_with_short_reservations().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 2).await;
    let (ana, ben) = (shop.customer_with_cart(&tea, 2).await, shop.customer_with_cart(&tea, 2).await);
    let order = ana.place_order_paying("key", "demo_late").await.expect_status(202);
    wait_for("the expired stock to be sold to another customer", async || {
        let response = ben.place_order(&unique("key")).await;
        if response.status == 201 { Ok(()) } else { Err(response) }
    })
    .await;
    let order = ana.wait_for_order(order.id(), "refunded").await;
    assert_eq!(order.states(), ["pending", "reserved", "cancelled", "paid", "cancelled", "refunded"]);
    assert_eq!(admin.stock(&tea).await, Stock { available: 0, reserved: 0, sold: 2 });
    ana.place_order_paying("key", "demo_late").await.expect_problem(409, "out-of-stock");
}
