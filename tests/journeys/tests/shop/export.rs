//! The export of all personal data of an account.

use journeys::{Shop, address, euros, members};
use serde_json::json;

#[tokio::test]
async fn an_export_contains_all_personal_data() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, mug] = admin.new_products([("tea", 499, 10), ("mug", 650, 10)]).await;
    let ana = shop.new_customer().await;
    ana.update_profile(json!({"phone": "+351210000000"})).await.expect_status(200);
    ana.add_address(address("Rua do Souk 1")).await.expect_status(201);
    let order = ana.buy(&tea, 2).await;
    ana.add_to_cart(&mug, 3).await.expect_status(200);
    ana.add_to_wishlist(&tea).await.expect_status(200);
    ana.sign_in_again().await;

    let export = ana.export_data().await.expect_status(200);
    assert_eq!(members(&export.body), ["customer", "exported_at", "products", "shopping"]);
    assert_eq!(export["customer"]["profile"], ana.get_profile().await.body);
    let sessions = export["customer"]["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{export}");
    assert!(
        sessions.iter().all(|session| members(session) == ["device", "expires_at", "id", "last_used_at", "opened_at"]),
        "{export}"
    );
    assert_eq!(export["customer"]["networks"].as_array().map(Vec::len), Some(1), "{export}");
    let mails = export["customer"]["mails"].as_array().unwrap();
    let mails: Vec<_> = mails.iter().map(|mail| (&mail["kind"], &mail["to"])).collect();
    assert_eq!(mails, [(&json!("verify-address"), &json!(ana.email))], "{export}");
    assert_eq!(export["shopping"]["cart"], json!([{"product": mug.snapshot(), "quantity": 3}]));
    assert_eq!(export["shopping"]["wishlist"], json!([tea.snapshot()]));
    assert_eq!(export["shopping"]["orders"], json!([ana.get_order(order.id()).await.body]));
    assert_eq!(export["products"], json!({}), "the catalogue has no personal data");
    for secret in [ana.refresh_token.as_str(), ana.token(), "argon2"] {
        assert!(!export.body.to_string().contains(secret), "{export}");
    }
}

#[tokio::test]
async fn an_export_contains_all_pages_of_orders() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let ana = shop.new_customer().await;
    for number in 0..23 {
        ana.add_to_cart(&tea, 1).await.expect_status(200);
        ana.place_order(&format!("key-{number}")).await.expect_status(201);
    }
    let export = ana.export_data().await.expect_status(200);
    assert_eq!(export["shopping"]["orders"], json!(ana.list_all("/shopping/orders", &[]).await));
    assert_eq!(export["shopping"]["orders"].as_array().unwrap().len(), 23);
}

#[tokio::test]
async fn an_export_of_a_new_account_is_empty() {
    let shop = Shop::shared().await;
    let export = shop.new_customer().await.export_data().await.expect_status(200);
    assert_eq!(export["shopping"], json!({"cart": [], "wishlist": [], "orders": []}));
}

#[tokio::test]
async fn an_export_needs_the_token_of_a_live_account() {
    let shop = Shop::shared().await;
    shop.client().get("/customer/profile/export").await.expect_unauthenticated();
    let ana = shop.new_customer().await;
    ana.delete_account().await.expect_status(202);
    ana.export_data().await.expect_unauthenticated();
}
