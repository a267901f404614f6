//! Goods are held for so long and no longer: who has not paid by then has lost them, and who pays later gets them if they are
//! still there, and else the money back.

use journeys::souk;
use journeys::{Books, Customer, OwnShop, Product, euros, eventually};

/// A shop that holds goods for two seconds.
async fn impatient() -> OwnShop {
    OwnShop::open_in(&["--no-demo"], &[("RESERVATION_SECONDS", "2")]).await
}

async fn wants(shop: &OwnShop, tea: &Product, quantity: u64) -> Customer {
    let customer = shop.new_customer("Ana").await;
    customer.adds(tea, quantity).await.expect_status(200);
    customer
}

async fn becomes(customer: &Customer, order: &str, status: &str) -> Vec<String> {
    eventually(&format!("the order to be {status}"), async || {
        let order = customer.order(order).await.expect_status(200);
        let word = |step: &serde_json::Value| step["status"].as_str().unwrap().to_owned();
        let so_far = order["history"].as_array().unwrap().iter().map(word).collect();
        if order["status"] == status { Ok(so_far) } else { Err(order.to_string()) }
    })
    .await
}

#[tokio::test]
async fn nobody_took_the_money_in_time() {
    let shop = impatient().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let ana = wants(&shop, &tea, 2).await;
    let order = ana.orders_paying("key", "demo_review").await.expect_status(202);
    assert_eq!(becomes(&ana, order.id(), "cancelled").await, ["pending", "reserved", "cancelled"]);
    eventually("the goods to be back", async || {
        let books = admin.books(&tea).await;
        if books == (Books { available: 10, reserved: 0, sold: 0 }) { Ok(()) } else { Err(format!("{books:?}")) }
    })
    .await;
    ana.orders_paying("key", "demo_review").await.expect_problem(409, "order-state");
    admin.captures(order.id()).await.expect_problem(409, "order-state");
    assert_eq!(ana.cart().await.items().len(), 1);
}

#[tokio::test]
async fn late_money_buys_what_is_still_there() {
    let shop = impatient().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 2).await;
    let ana = wants(&shop, &tea, 2).await;
    let order = ana.orders_paying("key", "demo_late").await.expect_status(202);
    let states = becomes(&ana, order.id(), "confirmed").await;
    assert_eq!(states, ["pending", "reserved", "cancelled", "paid", "confirmed"]);
    assert_eq!(admin.books(&tea).await, Books { available: 0, reserved: 0, sold: 2 });
    assert_eq!(ana.orders_paying("key", "demo_late").await.expect_status(201)["status"], "confirmed");

    // An operator can see why, beside the shop that runs.
    let told = souk(&["order", order.id(), "--data", shop.data().to_str().unwrap()]).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    for line in ["hold-ended", "paid-late", "products.release", "released", "sold"] {
        assert!(told.stdout.contains(line), "{line} is missing: {}", told.stdout);
    }
    let unknown = souk(&["order", &tea.id, "--data", shop.data().to_str().unwrap()]).await;
    assert!(unknown.code == Some(1) && unknown.stderr.contains("there is no order"), "{unknown:?}");
}

#[tokio::test]
async fn late_money_goes_back_when_the_goods_are_gone() {
    let shop = impatient().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 2).await;
    let (ana, ben) = (wants(&shop, &tea, 2).await, wants(&shop, &tea, 2).await);
    let order = ana.orders_paying("key", "demo_late").await.expect_status(202);
    eventually("Ben to get what Ana did not pay in time", async || {
        let answer = ben.orders(&journeys::unique("key")).await;
        if answer.status == 201 { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
    let states = becomes(&ana, order.id(), "refunded").await;
    assert_eq!(states, ["pending", "reserved", "cancelled", "paid", "cancelled", "refunded"]);
    assert_eq!(admin.books(&tea).await, Books { available: 0, reserved: 0, sold: 2 });
    ana.orders_paying("key", "demo_late").await.expect_problem(409, "out-of-stock");
}
