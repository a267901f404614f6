//! The rules of a shop of one's own: from a file at first, then from its admin. Each change takes
//! effect with the next request.

use std::fs;

use journeys::{Admin, Client, Method, Response, TestShop, euros};
use serde_json::{Value, json};
use tempfile::TempDir;

fn settings(name: &str) -> Value {
    json!({"name": name, "legal_name": "Tea House Ltd", "home_country": "DE", "currency": "EUR",
        "prices_include_tax": true, "reverse_charge": "vies"})
}

/// Starts a shop with this file, and with a register of VAT numbers that does not answer.
async fn start_with(file: &TempDir, settings: &Value) -> TestShop {
    let path = file.path().join("settings.json");
    fs::write(&path, settings.to_string()).unwrap();
    let path = path.to_str().unwrap();
    TestShop::start_in(&[], &[("SHOP_SETTINGS", path), ("VIES_URL", "http://127.0.0.1:1")]).await
}

async fn put(admin: &Admin, path: &str, document: &Value) {
    admin.request(Method::PUT, path).header("If-Match", "*").json(document.clone()).await.expect_status(200);
}

async fn quote(buyer: &Client, request: &Value) -> Response {
    buyer.request(Method::POST, "/shopping/quote").json(request.clone()).await
}

/// Returns the scheme and the rate of the only tax.
fn tax(quote: &Response) -> (&Value, &Value) {
    (&quote["tax_basis"]["scheme"], &quote["taxes"][0]["rate_bp"])
}

#[tokio::test]
async fn the_settings_of_the_file_hold_until_an_admin_stores_others() {
    let file = TempDir::new().unwrap();
    let shop = start_with(&file, &settings("Tea House")).await;
    let admin = shop.admin().await;
    let path = "/shopping/admin/settings";
    let read = admin.get(path).await.expect_status(200);
    assert_eq!((&read["name"], &read["order_numbers"]["prefix"]), (&json!("Tea House"), &json!("S-")));
    put(&admin, path, &settings("Cup House")).await;
    assert_eq!(admin.get(path).await["name"], "Cup House");
    shop.kill();
    shop.restart().await;
    assert_eq!(admin.get(path).await["name"], "Cup House");
}

#[tokio::test]
async fn a_change_of_the_rules_changes_the_next_quote() {
    let file = TempDir::new().unwrap();
    let shop = start_with(&file, &settings("Tea House")).await;
    let admin = shop.admin().await;
    let tea = shop.new_product("tea", &euros(1190), 10).await;
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&tea, 1).await.expect_status(200);
    let address =
        json!({"name": "Ana", "line1": "1 rue Haute", "city": "Paris", "postal_code": "75001", "country": "FR"});
    let consumer = json!({"shipping_address": address});
    let business = json!({"shipping_address": address, "vat_number": "FRXX123456789"});

    assert_eq!(tax(&quote(&guest, &consumer).await), (&json!("home"), &json!(1900)));
    let unverified = quote(&guest, &business).await;
    assert_eq!(tax(&unverified), (&json!("reverse-charge"), &json!(0)));
    assert_eq!(unverified["tax_basis"]["vat_number"], "unverified", "the register does not answer");
    assert_eq!((&unverified["total"], &unverified["prices_include_tax"]), (&euros(1000), &json!(false)));

    let mut changed = settings("Tea House");
    (changed["one_stop_shop"], changed["reverse_charge"]) = (json!(true), json!("off"));
    put(&admin, "/shopping/admin/settings", &changed).await;
    for request in [&consumer, &business] {
        assert_eq!(tax(&quote(&guest, request).await), (&json!("one-stop-shop"), &json!(2000)));
    }

    let automatic = json!({"kind": "percent", "value": 5000, "minimum": euros(1000)});
    let created = admin.request(Method::POST, "/shopping/admin/discounts").json(automatic).await.expect_status(201);
    let cart = guest.get_cart().await;
    assert_eq!((&cart["total"], &cart["discounts"][0]["amount"]), (&euros(595), &euros(595)));
    admin.request(Method::DELETE, &format!("/shopping/admin/discounts/{}", created.id())).await.expect_status(204);
    assert_eq!(guest.get_cart().await["total"], euros(1190));

    put(&admin, "/shopping/admin/shipping", &json!({"zones": []})).await;
    assert_eq!(quote(&guest, &consumer).await["shipping"]["options"], json!([]));
    let ended = json!({"rates": [{"country": "FR", "class": "standard", "rate_bp": 2000,
        "from": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z"}]});
    put(&admin, "/shopping/admin/taxes", &ended).await;
    let refused = quote(&guest, &consumer).await.expect_problem(409, "tax-rate-missing");
    assert_eq!(refused["country"], "FR");
    let cart = guest.get_cart().await.expect_status(200);
    assert_eq!((&cart["total"], &cart["taxes"]), (&euros(1190), &Value::Null), "the cart can still be changed");
}

#[tokio::test]
async fn an_order_keeps_the_rate_that_it_was_placed_at() {
    let file = TempDir::new().unwrap();
    let shop = start_with(&file, &settings("Tea House")).await;
    let admin = shop.admin().await;
    let tea = shop.new_product("tea", &euros(1190), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    let order = ana.place_order_paying("key", "demo_review").await.expect_status(202);
    assert_eq!(order["quote"]["taxes"], json!([{"rate_bp": 1900, "net": euros(1000), "tax": euros(190)}]));
    let ended = json!({"rates": [{"country": "DE", "class": "standard", "rate_bp": 1900,
        "from": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z"}]});
    put(&admin, "/shopping/admin/taxes", &ended).await;
    quote(&ana, &json!({})).await.expect_problem(409, "tax-rate-missing");
    let captured = admin.capture_payment(order.id()).await.expect_status(200);
    assert_eq!((&captured["quote"], &captured["payment"]["captured"]), (&order["quote"], &euros(1190)));
    assert_eq!(ana.wait_for_order(order.id(), "confirmed").await["quote"], order["quote"]);
}

#[tokio::test]
async fn an_order_number_is_never_given_twice() {
    let file = TempDir::new().unwrap();
    let shop = start_with(&file, &settings("Tea House")).await;
    let admin = shop.admin().await;
    let tea = shop.new_product("tea", &euros(1190), 10).await;
    for (prefix, first, expected) in
        [("S-", 10_001, "S-10001"), ("S-", 10_000, "S-10002"), ("T-", 1, "T-10003"), ("S-", 20_000, "S-20000")]
    {
        let mut changed = settings("Tea House");
        changed["order_numbers"] = json!({"prefix": prefix, "first": first});
        put(&admin, "/shopping/admin/settings", &changed).await;
        let (_, order) = shop.customer_with_order(&tea, 1).await;
        assert_eq!(order["number"], expected, "{prefix}{first}");
    }
}

/// An admin removes the limit of a discount while an order with the last use is under way.
#[tokio::test]
async fn a_use_of_a_discount_is_given_back_whatever_has_changed() {
    let file = TempDir::new().unwrap();
    let shop = start_with(&file, &settings("Tea House")).await;
    let admin = shop.admin().await;
    let tea = shop.new_product("tea", &euros(1190), 10).await;
    let terms = json!({"code": "TEA", "kind": "percent", "value": 1000, "limit": 1, "per_customer": 1});
    let created = admin.request(Method::POST, "/shopping/admin/discounts").json(terms).await.expect_status(201);
    let path = format!("/shopping/admin/discounts/{}", created.id());
    let set_limit = async |limit: Value| {
        let changes = json!({"limit": limit, "per_customer": limit});
        admin.request(Method::PATCH, &path).json(changes).await.expect_status(200)
    };
    let ana = shop.customer_with_cart(&tea, 1).await;
    let terms = json!({"codes": ["tea"], "payment": {"method": "demo", "token": "demo_review"}});
    let order = ana.place_order_with("key", terms.clone()).await.expect_status(202);
    assert_eq!(admin.get(&path).await["used"], 1);
    set_limit(Value::Null).await;
    ana.cancel_order(order.id()).await.expect_status(200);
    assert_eq!(set_limit(json!(1)).await["used"], 0);
    // The customer's own use is free as well.
    ana.place_order_with("again", terms).await.expect_status(202);
}
