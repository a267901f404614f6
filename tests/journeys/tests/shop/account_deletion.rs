//! An account is deleted. Every service rejects its tokens and erases its data.

use journeys::{Customer, Method, PASSWORD, Request, Shop, euros, members, product_json, run_concurrently, statuses};
use serde_json::json;

/// Returns a request to each service, and its status for a live account.
fn requests(ana: &Customer) -> [(Request, u16); 3] {
    let create_product = ana.request(Method::POST, "/products").json(product_json("tea", &euros(499), 1));
    [(ana.get_profile(), 200), (create_product, 403), (ana.get_cart(), 200)]
}

#[tokio::test]
async fn every_service_rejects_the_tokens_of_a_deleted_account() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let other_session = ana.sign_in_again().await;
    for (request, status) in requests(&ana) {
        request.await.expect_status(status);
    }
    ana.delete_account().await.expect_status(202);
    ana.wait_until_rejected().await;
    other_session.wait_until_rejected().await;
    ana.place_order("key").await.expect_unauthenticated();
    ana.delete_account().await.expect_unauthenticated();
}

/// The account cannot sign in any more, so the receipt needs no token.
#[tokio::test]
async fn the_receipt_names_services_and_no_personal_data() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let created = ana.delete_account().await.expect_status(202);
    assert_eq!(created.header("Location"), format!("/customer/erasure/{}", created.id()));
    assert_eq!(members(&created.body), ["completed_at", "id", "requested_at", "services"]);
    assert_eq!(members(&created["services"]), ["customer", "mail", "products", "shopping"]);

    let receipt = shop.client().wait_for_erasure(created.id()).await;
    for service in ["customer", "mail", "products", "shopping"] {
        let at = receipt["services"][service].as_str().unwrap();
        let (requested, completed) = (receipt["requested_at"].as_str(), receipt["completed_at"].as_str());
        assert!(requested <= Some(at) && Some(at) <= completed, "{receipt}");
    }
    assert_eq!(receipt["requested_at"], created["requested_at"]);
    let text = receipt.body.to_string();
    assert!(!text.contains(&ana.id) && !text.contains(&ana.email), "{text}");
    // Other ids contain their creation time (version 7). This one is random (version 4).
    assert_eq!(&receipt.id()[14..15], "4", "{receipt}");
}

#[tokio::test]
async fn an_unknown_receipt_is_not_found() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    ana.delete_account().await.expect_status(202);
    shop.client().get_erasure_receipt(&ana.id).await.expect_not_found();
    shop.client().get_erasure_receipt("mine").await.expect_bad_fields(&["id"]);
}

#[tokio::test]
async fn of_concurrent_deletions_one_gets_the_receipt() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let responses = run_concurrently((0..4).map(|_| ana.delete_account())).await;
    assert_eq!(statuses(&responses), [202, 401, 401, 401]);
}

#[tokio::test]
async fn a_deleted_account_cannot_sign_in() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    ana.delete_account().await.expect_status(202);
    shop.client().sign_in(&ana.email, PASSWORD).await.expect_unauthenticated();
    shop.client().refresh_session(&ana.refresh_token).await.expect_unauthenticated();
}

#[tokio::test]
async fn the_email_address_is_free_for_a_new_account() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    ana.update_profile(json!({"phone": "+351210000000"})).await.expect_status(200);
    ana.buy(&tea, 2).await;
    ana.add_to_cart(&tea, 2).await.expect_status(200);
    ana.add_to_wishlist(&tea).await.expect_status(200);
    ana.delete_account().await.expect_status(202);

    let sign_in = shop.client().sign_up(&ana.email, PASSWORD).await.expect_status(201);
    assert_ne!(sign_in.id(), ana.id);
    let new_account = shop.client().with_token_of(&sign_in);
    let profile = new_account.get("/customer/profile").await.expect_status(200);
    assert_eq!((&profile["phone"], &profile["addresses"]), (&json!(null), &json!([])));
    for list in ["/shopping/cart", "/shopping/wishlist", "/shopping/orders"] {
        assert_eq!(new_account.get(list).await.expect_status(200)["items"], json!([]), "{list}");
    }
}

#[tokio::test]
async fn a_deletion_leaves_sold_stock_sold() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let (ana, _) = shop.customer_with_order(&tea, 2).await;
    ana.delete_account().await.expect_status(202);
    ana.get_cart().until_status(401).await;
    let stock = admin.stock(&tea).await;
    assert_eq!((stock.available, stock.stocked()), (8, 10));
}

#[tokio::test]
async fn a_deletion_leaves_other_accounts_alone() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, ben) = (shop.new_customer().await, shop.new_customer().await);
    let cart = ben.add_to_cart(&tea, 2).await.expect_status(200);
    ana.delete_account().await.expect_status(202);
    ana.get_cart().until_status(401).await;
    ben.get_profile().await.expect_status(200);
    assert_eq!(ben.get_cart().await.expect_status(200).body, cart.body);
}
