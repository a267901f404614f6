//! Data and sessions after a restart of a one-process shop.

use std::fs;

use journeys::{TestShop, address, euros, run_souk, unique, wait_for};

#[tokio::test]
async fn orders_cart_and_wishlist_survive_a_restart() {
    let shop = TestShop::start().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, order) = shop.customer_with_order(&tea, 1).await;
    let cart = ana.add_to_cart(&tea, 3).await.expect_status(200);
    let wishlist = ana.add_to_wishlist(&tea).await.expect_status(200);

    shop.stop().await;
    shop.restart().await;

    let second_session = ana.sign_in_again().await;
    assert_eq!(second_session.id, ana.id);
    assert_eq!(second_session.get_order(order.id()).await.expect_status(200).body, order.body);
    assert_eq!(second_session.get_cart().await.expect_status(200).body, cart.body);
    assert_eq!(second_session.get_wishlist().await.expect_status(200).body, wishlist.body);
}

#[tokio::test]
async fn a_session_survives_a_restart() {
    let shop = TestShop::start().await;
    let ana = shop.new_customer().await;
    shop.stop().await;
    shop.restart().await;
    ana.get_profile().await.expect_status(200);
    ana.get_cart().await.expect_status(200);
    ana.refresh_session(&ana.refresh_token).await.expect_status(200);
}

#[tokio::test]
async fn sessions_continue_while_the_signing_key_is_replaced() {
    let shop = TestShop::start().await;
    let ana = shop.new_customer().await;
    let key = shop.data().join("signing-key.pem");
    let step = async |step: &str| {
        let ids = run_souk(&["signing-key", step, "--file", key.to_str().unwrap()]).await.expect_success();
        shop.stop().await;
        shop.restart().await;
        ids
    };
    let added = step("add").await;
    ana.get_profile().await.expect_status(200);
    let activated = step("activate").await;
    let id_that = |ids: &str, does: &str| {
        ids.lines().find_map(|line| line.strip_prefix(does)).map(|id| id.trim().to_owned()).unwrap()
    };
    assert_eq!(id_that(&activated, "signs"), id_that(&added, "verifies"));
    ana.get_profile().await.expect_status(200);
    let refreshed = ana.refresh_session(&ana.refresh_token).await.expect_status(200);
    let renewed = ana.with_token(refreshed["token"].as_str().unwrap());
    step("retire").await;
    renewed.get("/customer/profile").await.expect_status(200);
    ana.get_profile().await.expect_unauthenticated();
    renewed.get("/shopping/cart").await.expect_status(200);
}

#[tokio::test]
async fn an_erasure_completes_after_a_crash() {
    let shop = TestShop::start().await;
    let ana = shop.new_customer().await;
    let receipt = ana.delete_account().await.expect_status(202);
    shop.kill();
    shop.restart().await;
    shop.client().wait_for_erasure(receipt.id()).await;
    ana.get_profile().until_status(401).await;
    ana.get_cart().until_status(401).await;
}

/// SQLite keeps deleted bytes in its files unless secure delete is on.
#[tokio::test]
async fn erased_data_is_not_left_in_the_database_files() {
    let shop = TestShop::start().await;
    let ana = shop.new_customer().await;
    let street = unique("street");
    ana.add_address(address(&street)).await.expect_status(201);
    let traces = || {
        let files = fs::read_dir(shop.data()).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|file| file.is_file()).map(|file| fs::read(file).unwrap_or_default());
        let text = files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect::<String>();
        [&street, &ana.email].into_iter().filter(|trace| text.contains(*trace)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(traces(), [street.clone(), ana.email.clone()]);
    ana.delete_account().await.expect_status(202);
    assert!(!traces().contains(&street));
    // The mail that reports the erasure keeps the address until it was sent.
    wait_for("the notice to be sent", async || match traces() {
        traces if traces.is_empty() => Ok(()),
        traces => Err(traces.join(", ")),
    })
    .await;
}
