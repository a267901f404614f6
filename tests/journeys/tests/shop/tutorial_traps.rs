//! Mistakes of the tutorial that this architecture comes from. Each test shows that Souk does not
//! make one of them. Mistakes about the broker, the proxy and the deployment are covered elsewhere.

use journeys::{Method, PASSWORD, Response, Shop, euros, forgery, members, new_email, product_json, run_concurrently};
use serde_json::json;

#[tokio::test]
async fn a_bad_token_does_not_stop_the_process() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for token in ["null", "undefined", "a.b.c", &"x".repeat(4_000)] {
        ana.with_token(token).get("/shopping/cart").await.expect_unauthenticated();
    }
    ana.get_cart().await.expect_status(200);
}

#[tokio::test]
async fn a_malformed_id_does_not_stop_the_process() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    ana.get("/products/not-an-id").await.expect_bad_fields(&["id"]);
    ana.get_order("64b0c0ffee").await.expect_bad_fields(&["id"]);
    ana.get("/products/whoami").await.expect_status(200);
    ana.get_cart().await.expect_status(200);
}

#[tokio::test]
async fn deleting_an_account_reaches_every_service() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    ana.delete_account().await.expect_status(202);
    ana.get_profile().await.expect_unauthenticated();
    for (method, path) in [(Method::GET, "/shopping/orders"), (Method::POST, "/products")] {
        ana.request(method, path).until_status(401).await.expect_unauthenticated();
    }
}

#[tokio::test]
async fn an_order_cannot_exceed_the_stock() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 2).await;
    let ana = shop.customer_with_cart(&tea, 3).await;
    ana.place_order("too-much").await.expect_problem(409, "out-of-stock");
    ana.set_quantity(&tea, 2).await.expect_status(200);
    ana.place_order("just-right").await.expect_status(201);
    assert_eq!(ana.get_product(&tea).await["available"], 0);
}

#[tokio::test]
async fn an_order_charges_every_unit() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(500), 10).await;
    let (_, order) = shop.customer_with_order(&tea, 3).await;
    assert_eq!((&order.line(&tea)["quantity"], &order["total"]), (&json!(3), &euros(1_500)));
}

#[tokio::test]
async fn an_order_with_a_declined_payment_is_rejected() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    ana.place_order_paying("key", "demo_declined").await.expect_problem(402, "payment-declined");
    assert_eq!(ana.get_product(&tea).await["available"], 10);
}

#[tokio::test]
async fn an_order_total_keeps_the_cents() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 499, 10), ("cup", 1, 10)]).await;
    let ana = shop.customer_with_cart(&tea, 3).await;
    ana.add_to_cart(&cup, 2).await.expect_status(200);
    assert_eq!(ana.place_order("key").await.expect_status(201)["total"], euros(1_499));
}

#[tokio::test]
async fn a_repeated_order_is_placed_once() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    ana.place_order("key").await.expect_status(201);
    ana.place_order("key").await.expect_status(201);
    ana.place_order("another").await.expect_problem(409, "cart-empty");
    assert_eq!(ana.list_orders().await.items().len(), 1);
    assert_eq!(ana.get_product(&tea).await["available"], 9);
}

#[tokio::test]
async fn the_first_wishlist_entry_is_kept() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 499, 10), ("cup", 650, 10)]).await;
    let ana = shop.new_customer().await;
    assert_eq!(ana.add_to_wishlist(&tea).await.expect_status(200).items().len(), 1);
    assert_eq!(ana.add_to_wishlist(&cup).await.expect_status(200).items().len(), 2);
    assert_eq!(ana.get_wishlist().await.line(&tea)["product"]["name"], *tea.name);
}

#[tokio::test]
async fn a_product_route_does_not_shadow_whoami() {
    let shop = Shop::shared().await;
    for service in ["customer", "products", "shopping"] {
        let whoami = shop.client().get(&format!("/{service}/whoami")).await.expect_status(200);
        assert_eq!(whoami["service"], service);
        assert_eq!(members(&whoami.body), ["instance", "service", "version"]);
    }
}

#[tokio::test]
async fn only_admins_create_products() {
    let shop = Shop::shared().await;
    let tea = product_json("tea", &euros(499), 10);
    let request = shop.client().request(Method::POST, "/products").json(tea.clone());
    request.await.expect_unauthenticated();
    let request = shop.new_customer().await.request(Method::POST, "/products").json(tea.clone());
    request.await.expect_problem(403, "forbidden");
    let category = tea["category"].as_str().unwrap();
    assert_eq!(shop.client().list_products(&[("category", category)]).await["items"], json!([]));
}

#[tokio::test]
async fn a_sign_up_cannot_choose_the_role() {
    let shop = Shop::shared().await;
    let email = new_email("customer");
    let signup = json!({"email": email, "password": PASSWORD, "role": "admin"});
    let client = shop.client();
    client.request(Method::POST, "/customer/signup").json(signup).await.expect_bad_fields(&["role"]);
    client.sign_in(&email, PASSWORD).await.expect_unauthenticated();
}

#[tokio::test]
async fn email_addresses_are_unique() {
    let shop = Shop::shared().await;
    let (client, email) = (shop.client(), new_email("customer"));
    let responses = run_concurrently((0..4).map(|_| client.sign_up(&email, PASSWORD))).await;
    let signed_up = responses.iter().filter(|response| response.status == 201).count();
    assert_eq!(signed_up, 1, "{responses:#?}");
    client.sign_up(&email, PASSWORD).await.expect_problem(409, "email-taken");
}

#[tokio::test]
async fn email_addresses_are_normalised() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for variant in [ana.email.to_uppercase(), format!(" {}\n", ana.email)] {
        shop.client().sign_up(&variant, PASSWORD).await.expect_problem(409, "email-taken");
    }
}

#[tokio::test]
async fn a_failed_sign_in_does_not_reveal_whether_the_account_exists() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let wrong = ana.sign_in(&ana.email, "a wrong password").await.expect_unauthenticated();
    let unknown = ana.sign_in(&new_email("unknown"), PASSWORD).await.expect_unauthenticated();
    let without_id = |mut response: Response| {
        response.body["request_id"] = json!(null);
        response.body
    };
    assert_eq!(without_id(wrong), without_id(unknown));
}

#[tokio::test]
async fn a_sign_in_rejects_query_operators() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for (email, password) in [
        (json!(ana.email), json!({"$ne": ""})),
        (json!({"$gt": ""}), json!(PASSWORD)),
        (json!({"$regex": ".*"}), json!({"$gt": ""})),
        (json!([ana.email]), json!([PASSWORD])),
    ] {
        let fields: Vec<&str> = [("email", &email), ("password", &password)]
            .into_iter()
            .filter_map(|(field, value)| (!value.is_string()).then_some(field))
            .collect();
        let login = json!({"email": email, "password": password});
        ana.request(Method::POST, "/customer/login").json(login).await.expect_bad_fields(&fields);
    }
}

#[tokio::test]
async fn a_token_signed_with_a_shared_secret_is_rejected() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let forged = ana.with_token(&forgery::signed_with_a_shared_secret(ana.token()));
    for path in ["/customer/profile", "/shopping/cart"] {
        forged.get(path).await.expect_unauthenticated();
    }
}

#[tokio::test]
async fn a_token_is_rejected_after_its_account_is_deleted() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    ana.delete_account().await.expect_status(202);
    ana.get_cart().until_status(401).await;
    ana.place_order("key").await.expect_unauthenticated();
    assert_eq!(shop.client().get_product(&tea).await["available"], 10);
}

#[tokio::test]
async fn an_order_is_visible_to_its_customer_only() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (_, order) = shop.customer_with_order(&tea, 1).await;
    let path = format!("/shopping/order/{}", order.id());
    shop.client().get(&path).await.expect_unauthenticated();
    shop.new_customer().await.get(&path).await.expect_not_found();
}
