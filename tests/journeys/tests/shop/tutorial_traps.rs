//! The tutorial that this architecture comes from gets many things wrong. Each test is named after one of them, and
//! shows that Souk does not. Those about the broker, the proxy and the deployment have their place elsewhere.

use journeys::{Answer, Method, PASSWORD, Shop, at_once, euros, forgery, goods, members, new_email};
use serde_json::json;

#[tokio::test]
async fn a_bad_token_crashes_the_process() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    for token in ["null", "undefined", "a.b.c", &"x".repeat(4_000)] {
        ana.presenting(token).gets("/shopping/cart").await.expect_problem(401, "unauthenticated");
    }
    ana.cart().await.expect_status(200);
}

#[tokio::test]
async fn a_malformed_id_crashes_the_process() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    ana.gets("/products/not-an-id").await.expect_bad_fields(&["id"]);
    ana.order("64b0c0ffee").await.expect_bad_fields(&["id"]);
    ana.gets("/products/whoami").await.expect_status(200);
    ana.cart().await.expect_status(200);
}

#[tokio::test]
async fn deleting_an_account_reaches_one_service_only() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    ana.erases_the_account().await.expect_status(202);
    ana.profile().await.expect_problem(401, "unauthenticated");
    for (method, path) in [(Method::GET, "/shopping/orders"), (Method::POST, "/products")] {
        ana.asks(method, path).until(401).await.expect_problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn an_order_ignores_the_stock() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 2).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 3).await.expect_status(200);
    ana.orders("too-much").await.expect_problem(409, "out-of-stock");
    ana.sets(&tea, 2).await.expect_status(200);
    ana.orders("just-right").await.expect_status(201);
    assert_eq!(ana.looks_at(&tea).await["available"], 0);
}

#[tokio::test]
async fn an_order_ignores_the_quantity() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(500), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 3).await.expect_status(200);
    let order = ana.orders("three").await.expect_status(201);
    assert_eq!((&order.line(&tea)["quantity"], &order["total"]), (&json!(3), &euros(1_500)));
}

#[tokio::test]
async fn an_order_ignores_the_payment() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 1).await.expect_status(200);
    ana.orders_paying("key", "demo_declined").await.expect_problem(402, "payment-declined");
    assert_eq!(ana.looks_at(&tea).await["available"], 10);
}

#[tokio::test]
async fn an_order_drops_the_cents() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (tea, cup) = (admin.sells("tea", &euros(499), 10).await, admin.sells("cup", &euros(1), 10).await);
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 3).await.expect_status(200);
    ana.adds(&cup, 2).await.expect_status(200);
    assert_eq!(ana.orders("key").await.expect_status(201)["total"], euros(1_499));
}

#[tokio::test]
async fn an_order_tried_again_is_doubled() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 1).await.expect_status(200);
    ana.orders("key").await.expect_status(201);
    ana.orders("key").await.expect_status(201);
    ana.orders("another").await.expect_problem(409, "cart-empty");
    assert_eq!(ana.past_orders().await.items().len(), 1);
    assert_eq!(ana.looks_at(&tea).await["available"], 9);
}

#[tokio::test]
async fn the_first_wish_is_lost() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (tea, cup) = (admin.sells("tea", &euros(499), 10).await, admin.sells("cup", &euros(650), 10).await);
    let ana = shop.new_customer("Ana").await;
    assert_eq!(ana.wishes_for(&tea).await.expect_status(200).items().len(), 1);
    assert_eq!(ana.wishes_for(&cup).await.expect_status(200).items().len(), 2);
    assert_eq!(ana.wishlist().await.line(&tea)["product"]["name"], *tea.name);
}

#[tokio::test]
async fn a_product_route_swallows_whoami() {
    let shop = Shop::shared().await;
    for service in ["customer", "products", "shopping"] {
        let who = shop.visitor().gets(&format!("/{service}/whoami")).await.expect_status(200);
        assert_eq!(who["service"], service);
        assert_eq!(members(&who.body), ["instance", "service", "version"]);
    }
}

#[tokio::test]
async fn anyone_creates_products() {
    let shop = Shop::shared().await;
    let tea = goods("tea", &euros(499), 10);
    let offer = shop.visitor().asks(Method::POST, "/products").json(tea.clone());
    offer.await.expect_problem(401, "unauthenticated");
    let offer = shop.new_customer("Ana").await.asks(Method::POST, "/products").json(tea.clone());
    offer.await.expect_problem(403, "forbidden");
    let category = tea["category"].as_str().unwrap();
    assert_eq!(shop.visitor().looks_round(&[("category", category)]).await["items"], json!([]));
}

#[tokio::test]
async fn anyone_signs_up_as_an_admin() {
    let shop = Shop::shared().await;
    let email = new_email("Eve");
    let signup = json!({"email": email, "password": PASSWORD, "role": "admin"});
    let visitor = shop.visitor();
    visitor.asks(Method::POST, "/customer/signup").json(signup).await.expect_bad_fields(&["role"]);
    visitor.signs_in(&email, PASSWORD).await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn email_addresses_are_not_unique() {
    let shop = Shop::shared().await;
    let (visitor, email) = (shop.visitor(), new_email("Ana"));
    let answers = at_once((0..4).map(|_| visitor.signs_up(&email, PASSWORD))).await;
    let signed_up = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(signed_up, 1, "{answers:#?}");
    visitor.signs_up(&email, PASSWORD).await.expect_problem(409, "email-taken");
}

#[tokio::test]
async fn email_addresses_are_not_normalised() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    for written in [ana.email.to_uppercase(), format!(" {}\n", ana.email)] {
        shop.visitor().signs_up(&written, PASSWORD).await.expect_problem(409, "email-taken");
    }
}

#[tokio::test]
async fn signing_in_tells_which_addresses_exist() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let wrong = ana.signs_in(&ana.email, "a wrong password").await.expect_problem(401, "unauthenticated");
    let unknown = ana.signs_in(&new_email("Nobody"), PASSWORD).await.expect_problem(401, "unauthenticated");
    let without_id = |mut answer: Answer| {
        answer.body["request_id"] = json!(null);
        answer.body
    };
    assert_eq!(without_id(wrong), without_id(unknown));
}

#[tokio::test]
async fn signing_in_takes_query_operators() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
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
        ana.asks(Method::POST, "/customer/login").json(login).await.expect_bad_fields(&fields);
    }
}

#[tokio::test]
async fn one_shared_secret_mints_tokens() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer("Ana").await;
    let minted = ana.presenting(&forgery::signed_with_a_shared_secret(ana.token()));
    for path in ["/customer/profile", "/shopping/cart"] {
        minted.gets(path).await.expect_problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_token_outlives_its_account() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 1).await.expect_status(200);
    ana.erases_the_account().await.expect_status(202);
    ana.cart().until(401).await;
    ana.orders("key").await.expect_problem(401, "unauthenticated");
    assert_eq!(shop.visitor().looks_at(&tea).await["available"], 10);
}

#[tokio::test]
async fn orders_are_readable_by_id_alone() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.sells("tea", &euros(499), 10).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 1).await.expect_status(200);
    let order = ana.orders("key").await.expect_status(201);
    let path = format!("/shopping/order/{}", order.id());
    shop.visitor().gets(&path).await.expect_problem(401, "unauthenticated");
    shop.new_customer("Ben").await.gets(&path).await.expect_problem(404, "not-found");
}
