//! Somebody comes for the first time: signs up, looks round, fills a cart, orders, and says where to deliver.

use journeys::{Method, PASSWORD, Shop, euros, members, new_email};
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn signing_up_signs_in() {
    let shop = Shop::shared().await;
    let sign_in = shop.visitor().signs_up(&new_email("Ana"), PASSWORD).await.expect_status(201);
    assert_eq!(members(&sign_in.body), ["expires_in", "id", "refresh_token", "token"]);
    assert_eq!(sign_in["expires_in"], 600);
    assert_eq!(Uuid::parse_str(sign_in.id()).unwrap().get_version_num(), 7);
    let ana = shop.visitor().presenting(sign_in["token"].as_str().unwrap());
    assert_eq!(ana.gets("/customer/profile").await.expect_status(200).id(), sign_in.id());
}

#[tokio::test]
async fn the_profile_says_who_she_is() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let profile = ana.profile().await.expect_status(200);
    assert_eq!(members(&profile.body), ["addresses", "created_at", "email", "id", "orders_confirmed", "phone", "role"]);
    assert_eq!(profile.id(), ana.id);
    assert_eq!(profile["email"], *ana.email);
    assert_eq!(profile["phone"], Value::Null);
    assert_eq!(profile["role"], "customer");
    assert_eq!(profile["addresses"], json!([]));
    assert_eq!(profile["orders_confirmed"], 0);
    let created = profile["created_at"].as_str().unwrap();
    assert!(created.starts_with("20") && created.ends_with('Z'), "{created}");
}

#[tokio::test]
async fn from_the_first_look_to_the_order() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;

    let found = ana.looks_round(&[("category", &tea.category)]).await.expect_status(200);
    assert_eq!(found.items(), [ana.looks_at(&tea).await.expect_status(200).body]);

    let cart = ana.adds(&tea, 2).await.expect_status(200);
    assert_eq!(members(&cart.body), ["items", "total"]);
    let shown = json!({"id": tea.id, "name": tea.name, "price": tea.price, "image": null});
    let mut line = json!({"product": shown, "quantity": 2, "total": euros(998), "status": "ok", "available": 10});
    assert_eq!(cart.items(), [line.clone()]);
    assert_eq!(cart["total"], euros(998));

    let order = ana.orders("first").await.expect_status(201);
    assert_eq!(members(&order.body), ["created_at", "history", "id", "items", "payment", "status", "total"]);
    assert_eq!(Uuid::parse_str(order.id()).unwrap().get_version_num(), 7);
    for only_in_carts in ["status", "available"] {
        line.as_object_mut().unwrap().remove(only_in_carts);
    }
    assert_eq!(order.items(), [line]);
    assert_eq!(order["status"], "confirmed");
    assert_eq!(order["total"], euros(998));
    assert_eq!(order["payment"], json!({"method": "demo", "status": "captured"}));

    assert_eq!(ana.cart().await["items"], json!([]));
    assert_eq!(ana.order(order.id()).await.expect_status(200).body, order.body);
    assert_eq!(ana.past_orders().await.expect_status(200).items(), [order.body]);
    assert_eq!(ana.looks_at(&tea).await["available"], 8);
}

#[tokio::test]
async fn addresses_are_added_changed_and_removed() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let mut home = json!({"street": "1 Rose Lane", "city": "York", "postal_code": "YO1 7HH", "country": "GB"});

    let added = ana.adds_address(home.clone()).await.expect_status(201);
    home["id"] = added.id().into();
    assert_eq!(added.body, home);
    assert_eq!(ana.profile().await["addresses"], json!([home]));

    let path = format!("/customer/address/{}", added.id());
    let mut moved = json!({"street": "Rua Augusta 5", "city": "Lisboa", "postal_code": "1100-048", "country": "PT"});
    let changed = ana.asks(Method::PUT, &path).json(moved.clone()).await.expect_status(200);
    moved["id"] = added.id().into();
    assert_eq!(changed.body, moved);
    assert_eq!(ana.profile().await["addresses"], json!([moved]));

    ana.asks(Method::DELETE, &path).await.expect_status(204);
    assert_eq!(ana.profile().await["addresses"], json!([]));
    ana.asks(Method::DELETE, &path).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn addresses_of_others_are_not_there() {
    let shop = Shop::shared().await;
    let (ana, ben) = (shop.new_customer("Ana").await, shop.new_customer("Ben").await);
    let home = json!({"street": "1 Rose Lane", "city": "York", "postal_code": "YO1 7HH", "country": "GB"});
    let path = format!("/customer/address/{}", ana.adds_address(home.clone()).await.expect_status(201).id());
    ben.asks(Method::PUT, &path).json(home).await.expect_problem(404, "not-found");
    ben.asks(Method::DELETE, &path).await.expect_problem(404, "not-found");
    assert_eq!(ana.profile().await["addresses"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn twenty_addresses_are_enough() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let number =
        |n: u32| json!({"street": format!("{n} Rose Lane"), "city": "York", "postal_code": "YO1", "country": "GB"});
    for n in 1..=20 {
        ana.adds_address(number(n)).await.expect_status(201);
    }
    ana.adds_address(number(21)).await.expect_problem(409, "conflict");
    assert_eq!(ana.profile().await["addresses"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_phone_number_is_kept_without_its_ornaments() {
    let shop = Shop::shared().await;
    let with_phone = json!({"email": new_email("Ana"), "password": PASSWORD, "phone": "+44 (20) 7946-09.58"});
    let sign_in = shop.visitor().asks(Method::POST, "/customer/signup").json(with_phone).await.expect_status(201);
    let ana = shop.visitor().presenting(sign_in["token"].as_str().unwrap());
    assert_eq!(ana.gets("/customer/profile").await["phone"], "+442079460958");
}

#[tokio::test]
async fn a_phone_number_can_be_taken_back() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let profile = ana.edits_profile(json!({"phone": "+351210000000"})).await.expect_status(200);
    assert_eq!(profile["phone"], "+351210000000");
    let profile = ana.edits_profile(json!({"phone": null})).await.expect_status(200);
    assert_eq!(profile["phone"], Value::Null);
    assert_eq!(ana.profile().await.body, profile.body);
}

#[tokio::test]
async fn the_address_to_sign_in_with_can_be_changed() {
    let shop = Shop::shared().await;
    let (ana, new) = (shop.new_customer("Ana").await, new_email("Ana"));
    let profile = ana.edits_profile(json!({"email": format!(" {} ", new.to_uppercase())})).await.expect_status(200);
    assert_eq!(profile["email"], *new);
    ana.signs_in(&ana.email, PASSWORD).await.expect_problem(401, "unauthenticated");
    assert_eq!(ana.signs_in(&new, PASSWORD).await.expect_status(200).id(), ana.id);
}

#[tokio::test]
async fn nobody_takes_the_address_of_another() {
    let shop = Shop::shared().await;
    let (ana, ben) = (shop.new_customer("Ana").await, shop.new_customer("Ben").await);
    ben.edits_profile(json!({"email": ana.email})).await.expect_problem(409, "email-taken");
    assert_eq!(ben.profile().await["email"], *ben.email);
}

#[tokio::test]
async fn a_slash_at_the_end_changes_nothing() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 1).await.expect_status(200);
    let order = ana.orders("one").await.expect_status(201);
    let category = format!("/products/category/{}", tea.category);
    let order = format!("/shopping/order/{}", order.id());
    for path in [
        "/customer/profile",
        "/customer/whoami",
        "/products/whoami",
        "/products/categories",
        &category,
        &tea.path(),
        "/shopping/whoami",
        "/shopping/cart",
        "/shopping/wishlist",
        "/shopping/orders",
        &order,
    ] {
        let without = ana.gets(path).await.expect_status(200);
        let with = ana.gets(&format!("{path}/")).await.expect_status(200);
        assert_eq!(members(&with.body), members(&without.body), "{path}");
    }
    ana.gets("/products/").query(&[("limit", "1")]).await.expect_status(200);
    ana.asks(Method::POST, "/shopping/wishlist/").json(json!({"product_id": tea.id})).await.expect_status(200);
    ana.asks(Method::DELETE, &format!("/shopping/wishlist/{}/", tea.id)).await.expect_status(204);
}

/// Whoever wants to verify tokens needs nobody's secret for it.
#[tokio::test]
async fn anyone_can_verify_her_token() {
    let shop = Shop::shared().await;
    let sign_in = shop.visitor().signs_up(&new_email("Ana"), PASSWORD).unless_busy().await.expect_status(201);
    let keys = shop.visitor().gets("/customer/.well-known/jwks.json").await.expect_status(200);
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys.body).unwrap();
    let token = sign_in["token"].as_str().unwrap();
    let key = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&key).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    rules.set_audience(&["souk"]);
    let claims = jsonwebtoken::decode::<serde_json::Value>(token, &key, &rules).unwrap().claims;
    assert_eq!(claims["sub"], sign_in["id"]);
}
