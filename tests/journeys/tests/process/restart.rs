//! What is there after the shop was closed and opened again, and what is not.

use std::fs;

use journeys::{OwnShop, erased_everywhere, euros, unique};
use serde_json::json;

#[tokio::test]
async fn the_shop_remembers_her_after_a_restart() {
    let shop = OwnShop::open().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 1).await.expect_status(200);
    let order = ana.orders("before").await.expect_status(201);
    let cart = ana.adds(&tea, 3).await.expect_status(200);
    let wishlist = ana.wishes_for(&tea).await.expect_status(200);

    shop.stop().await;
    shop.restart().await;

    let again = ana.elsewhere().await;
    assert_eq!(again.id, ana.id);
    assert_eq!(again.order(order.id()).await.expect_status(200).body, order.body);
    assert_eq!(again.cart().await.expect_status(200).body, cart.body);
    assert_eq!(again.wishlist().await.expect_status(200).body, wishlist.body);
}

#[tokio::test]
async fn a_session_outlives_a_restart() {
    let shop = OwnShop::open().await;
    let ana = shop.new_customer("Ana").await;
    shop.stop().await;
    shop.restart().await;
    ana.profile().await.expect_status(200);
    ana.cart().await.expect_status(200);
    ana.refreshes(&ana.refresh_token).await.expect_status(200);
}

#[tokio::test]
async fn an_erasure_is_finished_after_a_crash() {
    let shop = OwnShop::open().await;
    let ana = shop.new_customer("Ana").await;
    let receipt = ana.erases_the_account().await.expect_status(202);
    shop.kill();
    shop.restart().await;
    erased_everywhere(&shop.visitor(), receipt.id()).await;
    ana.profile().until(401).await;
    ana.cart().until(401).await;
}

/// Deleted is not enough for what is still in the files of the databases.
#[tokio::test]
async fn no_trace_is_left_on_the_disk() {
    let shop = OwnShop::open().await;
    let ana = shop.new_customer("Ana").await;
    let street = unique("street");
    ana.adds_address(json!({"street": street, "city": "Porto", "postal_code": "4000", "country": "PT"}))
        .await
        .expect_status(201);
    let traces = || {
        let files = fs::read_dir(shop.data()).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
        let text = files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect::<String>();
        [&street, &ana.email].into_iter().filter(|trace| text.contains(*trace)).count()
    };
    assert_eq!(traces(), 2);
    ana.erases_the_account().await.expect_status(202);
    assert_eq!(traces(), 0);
}
