//! A guest fills a cart before signing in. The cart is merged into one account, once and
//! completely.

use journeys::{Client, Method, Product, Shop, euros, forgery, members, money, run_concurrently};
use serde_json::{Value, json};

const ACCOUNT_ROUTES: [(&str, &str); 6] = [
    ("GET", "/shopping/wishlist"),
    ("POST", "/shopping/wishlist"),
    ("GET", "/shopping/orders"),
    ("POST", "/shopping/cart/merge"),
    ("GET", "/customer/profile"),
    ("POST", "/products"),
];

#[tokio::test]
async fn a_guest_can_fill_and_empty_a_cart() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 499, 10), ("cup", 650, 10)]).await;
    let created = shop.client().request(Method::POST, "/shopping/guest").await.expect_status(201);
    assert_eq!(members(&created.body), ["expires_in", "token"]);
    assert_eq!(created["expires_in"], 30 * 24 * 60 * 60);
    let guest = shop.client().with_token_of(&created);

    assert_eq!(guest.get_cart().await.expect_status(200).body, json!({"items": [], "total": euros(0)}));
    guest.add_to_cart(&tea, 2).await.expect_status(200);
    guest.add_to_cart(&tea, 1).await.expect_status(200);
    let cart = guest.set_quantity(&cup, 4).await.expect_status(200);
    assert_eq!((&cart.line(&tea)["quantity"], &cart.line(&cup)["quantity"]), (&json!(3), &json!(4)));
    assert_eq!(guest.get_cart().await.expect_status(200).body, cart.body);
    guest.remove_from_cart(&tea).await.expect_status(204);
    guest.remove_from_cart(&tea).await.expect_not_found();
    assert_eq!(guest.get_cart().await["total"], euros(2_600));
    guest.empty_cart().await.expect_status(204);
    assert_eq!(guest.get_cart().await["items"], json!([]));

    let other = shop.client().create_guest_cart().await;
    other.add_to_cart(&tea, 1).await.expect_status(200);
    assert_eq!(guest.get_cart().await["items"], json!([]), "each guest has a cart of their own");
}

#[tokio::test]
async fn a_guest_token_opens_only_the_cart_and_its_order() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&tea, 1).await.expect_status(200);
    for (method, path) in ACCOUNT_ROUTES {
        let request = guest.request(method.parse().unwrap(), path).header("Idempotency-Key", "key");
        let rejected = request.await.expect_unauthenticated();
        if path.starts_with("/shopping") {
            assert!(rejected["detail"].as_str().unwrap().contains("sign in"), "{rejected}");
        }
    }
    assert_eq!(shop.client().get_product(&tea).await["available"], 10);
}

#[tokio::test]
async fn a_forged_guest_token_is_rejected() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let guest = shop.client().create_guest_cart().await;
    for token in [
        forgery::with_a_wrong_signature(guest.token()),
        forgery::without_a_signature(guest.token()),
        forgery::without_the_third_part(guest.token()).to_owned(),
        forgery::unsigned(guest.token()),
        String::new(),
    ] {
        shop.client().with_token(&token).get_cart().await.expect_unauthenticated();
        ana.merge_cart(&shop.client().with_token(&token)).await.expect_bad_fields(&["guest"]);
    }
    let ben = shop.new_customer().await;
    ana.merge_cart(&ben).await.expect_bad_fields(&["guest"]);
    ana.request(Method::POST, "/shopping/cart/merge").json(json!({})).await.expect_bad_fields(&["guest"]);
    shop.client().request(Method::POST, "/shopping/cart/merge").await.expect_unauthenticated();
}

async fn expect_merged(guest: &Client, product: &Product) {
    let requests = [
        guest.get_cart(),
        guest.add_to_cart(product, 1),
        guest.set_quantity(product, 1),
        guest.remove_from_cart(product),
        guest.empty_cart(),
    ];
    for request in requests {
        request.await.expect_problem(409, "cart-merged");
    }
}

#[tokio::test]
async fn a_guest_cart_is_merged_into_the_account() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 499, 10), ("cup", 650, 10)]).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&tea, 3).await.expect_status(200);
    guest.add_to_cart(&cup, 1).await.expect_status(200);

    let merged = ana.merge_cart(&guest).await.expect_status(200);
    assert_eq!(members(&merged.body), ["cart", "left_out"]);
    assert_eq!(merged["left_out"], json!([]));
    let cart = ana.get_cart().await.expect_status(200);
    assert_eq!(merged["cart"], cart.body);
    assert_eq!((&cart.line(&tea)["quantity"], &cart.line(&cup)["quantity"]), (&json!(5), &json!(1)));
    expect_merged(&guest, &tea).await;

    ana.remove_from_cart(&cup).await.expect_status(204);
    let repeated = ana.merge_cart(&guest).await.expect_status(200);
    assert_eq!(
        (repeated["cart"]["total"].clone(), &repeated["left_out"]),
        (euros(2_495), &json!([])),
        "a second merge adds nothing"
    );
    let ben = shop.new_customer().await;
    ben.merge_cart(&guest).await.expect_problem(409, "cart-merged");
    assert_eq!(ben.get_cart().await["items"], json!([]));
    ana.place_order("key").await.expect_status(201);
}

#[tokio::test]
async fn concurrent_merges_add_a_cart_once() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let ana = shop.new_customer().await;
    let other_session = ana.sign_in_again().await;
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&tea, 7).await.expect_status(200);
    let requests =
        (0..10).map(|number| if number % 2 == 0 { ana.merge_cart(&guest) } else { other_session.merge_cart(&guest) });
    for response in run_concurrently(requests).await {
        assert_eq!(response.expect_status(200)["left_out"], json!([]));
    }
    assert_eq!(ana.get_cart().await.line(&tea)["quantity"], 8);
}

#[tokio::test]
async fn of_two_accounts_one_gets_a_guest_cart() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 100).await;
    for _ in 0..5 {
        let (ana, ben) = (shop.new_customer().await, shop.new_customer().await);
        let guest = shop.client().create_guest_cart().await;
        guest.add_to_cart(&tea, 7).await.expect_status(200);
        let responses = run_concurrently([
            ana.merge_cart(&guest),
            ben.merge_cart(&guest),
            ana.merge_cart(&guest),
            ben.merge_cart(&guest),
        ])
        .await;
        let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
        let (winner, loser) = if statuses[0] == 200 { (&ana, &ben) } else { (&ben, &ana) };
        assert!(matches!(statuses[..], [200, 409, 200, 409] | [409, 200, 409, 200]), "{statuses:?}");
        assert_eq!(winner.get_cart().await.line(&tea)["quantity"], 7);
        assert_eq!(loser.get_cart().await["items"], json!([]));
    }
}

/// Additions that succeeded are in the merged cart; the others are rejected.
#[tokio::test]
async fn additions_during_a_merge_are_merged_or_rejected() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 1_000).await;
    let ana = shop.new_customer().await;
    let guest = shop.client().create_guest_cart().await;
    let requests = (0..30).map(|number| match number {
        10 => ana.merge_cart(&guest),
        number if number % 5 == 0 => ana.add_to_cart(&tea, 1),
        _ => guest.add_to_cart(&tea, 1),
    });
    let responses = run_concurrently(requests).await;
    let added =
        responses.iter().enumerate().filter(|(number, response)| *number != 10 && response.status == 200).count();
    for response in responses.into_iter().filter(|response| response.status != 200) {
        response.expect_problem(409, "cart-merged");
    }
    assert_eq!(ana.get_cart().await.line(&tea)["quantity"], added);
    expect_merged(&guest, &tea).await;
}

fn left_out(product: &Product, quantity: u64, reason: &str) -> Value {
    json!([{"product": product.snapshot(), "quantity": quantity, "reason": reason}])
}

#[tokio::test]
async fn a_repeated_merge_returns_the_same_left_out_lines() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 5_000).await;
    let jeans = admin.new_product("jeans", &money(5_999, "USD"), 10).await;
    let ana = shop.customer_with_cart(&tea, 600).await;
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&tea, 400).await.expect_status(200);
    let other_guest = shop.client().create_guest_cart().await;
    other_guest.add_to_cart(&jeans, 2).await.expect_status(200);
    for _ in 0..2 {
        let merged = ana.merge_cart(&guest).await.expect_status(200);
        assert_eq!(merged["left_out"], left_out(&tea, 1, "line-full"));
        let merged = ana.merge_cart(&other_guest).await.expect_status(200);
        assert_eq!(merged["left_out"], left_out(&jeans, 2, "currency-mixed"));
    }
    let cart = ana.get_cart().await.expect_status(200);
    assert_eq!((&cart.line(&tea)["quantity"], cart.line(&jeans)), (&json!(999), &Value::Null));
}

#[tokio::test]
async fn concurrent_additions_of_a_guest_all_count() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let guest = shop.client().create_guest_cart().await;
    for response in run_concurrently((0..20).map(|_| guest.add_to_cart(&tea, 1))).await {
        response.expect_status(200);
    }
    assert_eq!(guest.get_cart().await.line(&tea)["quantity"], 20);
}

#[tokio::test]
async fn a_merged_cart_stays_merged_after_the_account_is_deleted() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&tea, 1).await.expect_status(200);
    ana.merge_cart(&guest).await.expect_status(200);
    let receipt = ana.delete_account().await.expect_status(202);
    shop.client().wait_for_erasure(receipt.id()).await;
    ana.merge_cart(&guest).await.expect_unauthenticated();
    expect_merged(&guest, &tea).await;
    shop.new_customer().await.merge_cart(&guest).await.expect_problem(409, "cart-merged");
}
