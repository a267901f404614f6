//! Everything that the shop keeps about somebody, in one document, for them alone.

use journeys::{Shop, euros, members};
use serde_json::json;

#[tokio::test]
async fn everything_that_she_left_is_in_it() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (tea, mug) = (admin.sells("tea", &euros(499), 10).await, admin.sells("mug", &euros(650), 10).await);
    let ana = shop.new_customer("Ana").await;
    ana.edits_profile(json!({"phone": "+351210000000"})).await.expect_status(200);
    let address = json!({"street": "Rua do Souk 1", "city": "Porto", "postal_code": "4000", "country": "PT"});
    ana.adds_address(address).await.expect_status(201);
    ana.adds(&tea, 2).await.expect_status(200);
    let order = ana.orders("key").await.expect_status(201);
    ana.adds(&mug, 3).await.expect_status(200);
    ana.wishes_for(&tea).await.expect_status(200);
    ana.elsewhere().await;

    let export = ana.exports().await.expect_status(200);
    assert_eq!(members(&export.body), ["customer", "exported_at", "products", "shopping"]);
    assert_eq!(export["customer"]["profile"], ana.profile().await.body);
    let sessions = export["customer"]["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{export}");
    assert!(sessions.iter().all(|session| members(session) == ["expires_at", "opened_at"]), "{export}");
    let item = |product: &journeys::Product| json!({"id": product.id, "name": product.name, "price": product.price, "image": null});
    assert_eq!(export["shopping"]["cart"], json!([{"product": item(&mug), "quantity": 3}]));
    assert_eq!(export["shopping"]["wishlist"], json!([item(&tea)]));
    assert_eq!(export["shopping"]["orders"], json!([ana.order(order.id()).await.body]));
    assert_eq!(export["products"], json!({}), "it keeps nothing about people");
    for secret in [ana.refresh_token.as_str(), ana.token(), "argon2"] {
        assert!(!export.body.to_string().contains(secret), "{export}");
    }
}

#[tokio::test]
async fn all_orders_are_in_it_however_many() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 100).await;
    let ana = shop.new_customer("Ana").await;
    for number in 0..23 {
        ana.adds(&tea, 1).await.expect_status(200);
        ana.orders(&format!("key-{number}")).await.expect_status(201);
    }
    let export = ana.exports().await.expect_status(200);
    assert_eq!(export["shopping"]["orders"], json!(ana.walks_through("/shopping/orders", &[]).await));
    assert_eq!(export["shopping"]["orders"].as_array().unwrap().len(), 23);
}

#[tokio::test]
async fn a_newcomer_has_left_little() {
    let shop = Shop::shared().await;
    let export = shop.new_customer("Ana").await.exports().await.expect_status(200);
    assert_eq!(export["shopping"], json!({"cart": [], "wishlist": [], "orders": []}));
}

#[tokio::test]
async fn nobody_else_gets_it() {
    let shop = Shop::shared().await;
    shop.visitor().gets("/customer/profile/export").await.expect_problem(401, "unauthenticated");
    let ana = shop.new_customer("Ana").await;
    ana.erases_the_account().await.expect_status(202);
    ana.exports().await.expect_problem(401, "unauthenticated");
}
