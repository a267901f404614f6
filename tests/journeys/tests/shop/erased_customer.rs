//! Somebody leaves for good. From then on nobody gets in with what was theirs, in any service; what they left there is
//! gone, and whoever signs up with the same address is another person.

use journeys::{Ask, Customer, Method, PASSWORD, Shop, erased_everywhere, euros, goods, members};
use serde_json::json;

/// A door of each service, and the status with which it answers a customer.
fn doors(ana: &Customer) -> [(Ask, u16); 3] {
    let offer = ana.asks(Method::POST, "/products").json(goods("tea", &euros(499), 1));
    [(ana.profile(), 200), (offer, 403), (ana.cart(), 200)]
}

async fn is_turned_away_everywhere(ana: &Customer) {
    for (door, _) in doors(ana) {
        door.until(401).await.expect_problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn the_token_opens_nothing_any_more() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let on_the_phone = ana.elsewhere().await;
    for (door, status) in doors(&ana) {
        door.await.expect_status(status);
    }
    ana.erases_the_account().await.expect_status(202);
    is_turned_away_everywhere(&ana).await;
    is_turned_away_everywhere(&on_the_phone).await;
    ana.orders("key").await.expect_problem(401, "unauthenticated");
    ana.erases_the_account().await.expect_problem(401, "unauthenticated");
}

/// Nobody can sign in to what is gone, so the receipt is for whoever has its id.
#[tokio::test]
async fn the_receipt_says_who_has_erased_and_nothing_about_the_person() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let given = ana.erases_the_account().await.expect_status(202);
    assert_eq!(given.header("Location"), format!("/customer/erasure/{}", given.id()));
    assert_eq!(members(&given.body), ["completed_at", "id", "requested_at", "services"]);
    assert_eq!(members(&given["services"]), ["customer", "products", "shopping"]);

    let receipt = erased_everywhere(&shop.visitor(), given.id()).await;
    for service in ["customer", "products", "shopping"] {
        let at = receipt["services"][service].as_str().unwrap();
        let (requested, completed) = (receipt["requested_at"].as_str(), receipt["completed_at"].as_str());
        assert!(requested <= Some(at) && Some(at) <= completed, "{receipt}");
    }
    assert_eq!(receipt["requested_at"], given["requested_at"]);
    let shown = receipt.body.to_string();
    assert!(!shown.contains(&ana.id) && !shown.contains(&ana.email), "{shown}");
    // A version 4 id is random; the ids of all else say when they were made.
    assert_eq!(&receipt.id()[14..15], "4", "{receipt}");
}

#[tokio::test]
async fn a_receipt_that_nobody_was_given_is_not_there() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    ana.erases_the_account().await.expect_status(202);
    shop.visitor().looks_at_receipt(&ana.id).await.expect_problem(404, "not-found");
    shop.visitor().looks_at_receipt("mine").await.expect_bad_fields(&["id"]);
}

#[tokio::test]
async fn of_two_who_erase_one_account_at_once_one_has_the_receipt() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let answers = journeys::at_once((0..4).map(|_| ana.erases_the_account())).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 401, 401, 401]);
}

#[tokio::test]
async fn nobody_signs_in_to_an_account_that_is_gone() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    ana.erases_the_account().await.expect_status(202);
    shop.visitor().signs_in(&ana.email, PASSWORD).await.expect_problem(401, "unauthenticated");
    shop.visitor().refreshes(&ana.refresh_token).await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_address_is_free_for_another_person() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.edits_profile(json!({"phone": "+351210000000"})).await.expect_status(200);
    ana.adds(&tea, 2).await.expect_status(200);
    ana.orders("key").await.expect_status(201);
    ana.adds(&tea, 2).await.expect_status(200);
    ana.wishes_for(&tea).await.expect_status(200);
    ana.erases_the_account().await.expect_status(202);

    let sign_in = shop.visitor().signs_up(&ana.email, PASSWORD).await.expect_status(201);
    assert_ne!(sign_in.id(), ana.id);
    let newcomer = shop.visitor().presenting(sign_in["token"].as_str().unwrap());
    let profile = newcomer.gets("/customer/profile").await.expect_status(200);
    assert_eq!((&profile["phone"], &profile["addresses"]), (&json!(null), &json!([])));
    for list in ["/shopping/cart", "/shopping/wishlist", "/shopping/orders"] {
        assert_eq!(newcomer.gets(list).await.expect_status(200)["items"], json!([]), "{list}");
    }
}

#[tokio::test]
async fn what_was_sold_stays_sold() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 2).await.expect_status(200);
    ana.orders("key").await.expect_status(201);
    ana.erases_the_account().await.expect_status(202);
    ana.cart().until(401).await;
    let books = admin.books(&tea).await;
    assert_eq!((books.available, books.stocked()), (8, 10));
}

#[tokio::test]
async fn others_do_not_notice() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let (ana, ben) = (shop.new_customer("Ana").await, shop.new_customer("Ben").await);
    let cart = ben.adds(&tea, 2).await.expect_status(200);
    ana.erases_the_account().await.expect_status(202);
    ana.cart().until(401).await;
    ben.profile().await.expect_status(200);
    assert_eq!(ben.cart().await.expect_status(200).body, cart.body);
}
