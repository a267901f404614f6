//! A new customer signs up, finds a product, orders it, and edits profile and addresses.

use journeys::{Method, PASSWORD, Shop, address, euros, members, new_email, unique};
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn signing_up_signs_in() {
    let shop = Shop::shared().await;
    let sign_in = shop.client().sign_up(&new_email("customer"), PASSWORD).await.expect_status(201);
    assert_eq!(members(&sign_in.body), ["expires_in", "id", "refresh_token", "token"]);
    assert_eq!(sign_in["expires_in"], 600);
    assert_eq!(Uuid::parse_str(sign_in.id()).unwrap().get_version_num(), 7);
    let ana = shop.client().with_token_of(&sign_in);
    assert_eq!(ana.get("/customer/profile").await.expect_status(200).id(), sign_in.id());
}

#[tokio::test]
async fn the_profile_shows_the_new_account() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let profile = ana.get_profile().await.expect_status(200);
    let expected = ["addresses", "created_at", "email", "email_verified", "id", "language", "phone", "role", "totp"];
    assert_eq!(members(&profile.body), expected);
    assert_eq!(profile.id(), ana.id);
    assert_eq!(profile["email"], *ana.email);
    assert_eq!(profile["email_verified"], false);
    assert_eq!(profile["phone"], Value::Null);
    assert_eq!(profile["role"], "customer");
    assert_eq!(profile["addresses"], json!([]));
    let created = profile["created_at"].as_str().unwrap();
    assert!(created.starts_with("20") && created.ends_with('Z'), "{created}");
}

#[tokio::test]
async fn a_customer_finds_a_product_and_orders_it() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;

    let found = ana.list_products(&[("category", &tea.category)]).await.expect_status(200);
    assert_eq!(found.items(), [ana.get_product(&tea).await.expect_status(200).body]);

    let cart = ana.add_to_cart(&tea, 2).await.expect_status(200);
    assert_eq!(members(&cart.body), ["discounts", "items", "prices_include_tax", "tax_basis", "taxes", "total"]);
    let mut line =
        json!({"product": tea.snapshot(), "quantity": 2, "total": euros(998), "status": "ok", "available": 10});
    assert_eq!(cart.items(), [line.clone()]);
    assert_eq!(cart["total"], euros(998));

    let order = ana.place_order("first").await.expect_status(201);
    assert_eq!(order["email"], ana.email.as_str());
    assert!(order["number"].as_str().unwrap().starts_with("S-"), "{order}");
    assert_eq!((&order["quote"]["total"], &order["quote"]["missing"]), (&euros(998), &json!([])));
    assert_eq!(Uuid::parse_str(order.id()).unwrap().get_version_num(), 7);
    for only_in_carts in ["status", "available"] {
        line.as_object_mut().unwrap().remove(only_in_carts);
    }
    assert_eq!(order.items(), [line]);
    assert_eq!(order["status"], "confirmed");
    assert_eq!(order["total"], euros(998));
    assert_eq!(
        order["payment"],
        json!({"method": "demo", "status": "captured", "amount": euros(998), "captured": euros(998), "refunded": euros(0)})
    );

    assert_eq!(ana.get_cart().await["items"], json!([]));
    assert_eq!(ana.get_order(order.id()).await.expect_status(200).body, order.body);
    assert_eq!(ana.list_orders().await.expect_status(200).items(), [order.body]);
    assert_eq!(ana.get_product(&tea).await["available"], 8);
}

#[tokio::test]
async fn addresses_are_added_changed_and_removed() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let mut home = address("1 Rose Lane");

    let added = ana.add_address(home.clone()).await.expect_status(201);
    (home["id"], home["default"]) = (added.id().into(), true.into());
    assert_eq!(added.body, home);
    assert_eq!(ana.get_profile().await["addresses"], json!([home]));

    let path = format!("/customer/address/{}", added.id());
    let mut replacement = address("Rua Augusta 5");
    for (field, value) in [("company", "Silva & Filhos"), ("line2", "2.º Dto"), ("phone", "+351210000000")] {
        replacement[field] = value.into();
    }
    let changed = ana.request(Method::PUT, &path).json(replacement.clone()).await.expect_status(200);
    (replacement["id"], replacement["default"]) = (added.id().into(), true.into());
    assert_eq!(changed.body, replacement);
    assert_eq!(ana.get_profile().await["addresses"], json!([replacement]));

    ana.request(Method::DELETE, &path).await.expect_status(204);
    assert_eq!(ana.get_profile().await["addresses"], json!([]));
    ana.request(Method::DELETE, &path).await.expect_not_found();
}

#[tokio::test]
async fn addresses_of_other_customers_are_not_found() {
    let shop = Shop::shared().await;
    let (ana, ben) = (shop.new_customer().await, shop.new_customer().await);
    let home = address("1 Rose Lane");
    let path = format!("/customer/address/{}", ana.add_address(home.clone()).await.expect_status(201).id());
    ben.request(Method::PUT, &path).json(home).await.expect_not_found();
    ben.request(Method::DELETE, &path).await.expect_not_found();
    assert_eq!(ana.get_profile().await["addresses"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_account_has_at_most_20_addresses() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for number in 1..=20 {
        ana.add_address(address(&format!("{number} Rose Lane"))).await.expect_status(201);
    }
    ana.add_address(address("21 Rose Lane")).await.expect_problem(409, "conflict");
    assert_eq!(ana.get_profile().await["addresses"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_phone_number_is_stored_as_e164() {
    let shop = Shop::shared().await;
    for (phone, stored) in [("+44 (20) 7946-09.58", "+442079460958"), ("+49 (0) 30 123456", "+4930123456")] {
        let with_phone = json!({"email": new_email("customer"), "password": PASSWORD, "phone": phone});
        let sign_in = shop.client().request(Method::POST, "/customer/signup").json(with_phone).await.expect_status(201);
        let ana = shop.client().with_token_of(&sign_in);
        assert_eq!(ana.get("/customer/profile").await["phone"], stored);
    }
}

#[tokio::test]
async fn a_phone_number_must_be_valid_in_its_country() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for phone in ["+441234", "+999 123456", "0049 30 123456", "+49 30 123456 ext. 5", "+1 800 FLOWERS"] {
        ana.update_profile(json!({"phone": phone})).await.expect_bad_fields(&["phone"]);
    }
}

#[tokio::test]
async fn one_address_is_the_default() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let home = ana.add_address(address("1 Rose Lane")).await.expect_status(201);
    let mut at_work = address("2 Market Street");
    at_work["default"] = true.into();
    let work = ana.add_address(at_work).await.expect_status(201);
    let defaults = async || {
        let profile = ana.get_profile().await;
        let addresses = profile["addresses"].as_array().unwrap();
        let is_default = |address: &Value| (address["line1"].as_str().unwrap().to_owned(), address["default"] == true);
        addresses.iter().map(is_default).collect::<Vec<_>>()
    };
    assert_eq!(defaults().await, [("1 Rose Lane".to_owned(), false), ("2 Market Street".to_owned(), true)]);
    ana.request(Method::DELETE, &format!("/customer/address/{}", work.id())).await.expect_status(204);
    assert_eq!(defaults().await, [("1 Rose Lane".to_owned(), true)]);
    ana.request(Method::DELETE, &format!("/customer/address/{}", home.id())).await.expect_status(204);
    assert_eq!(defaults().await, []);
}

#[tokio::test]
async fn a_postal_code_is_required_where_the_country_has_them() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for code in [None, Some(json!(null)), Some(json!(""))] {
        let mut address = json!({"name": "Ana Silva", "line1": "1 Kildare Street", "city": "Dublin", "country": "IE"});
        if let Some(code) = code {
            address["postal_code"] = code;
        }
        let added = ana.add_address(address.clone()).await.expect_status(201);
        assert_eq!(added["postal_code"], Value::Null);
        address["country"] = "DE".into();
        ana.add_address(address).await.expect_bad_fields(&["postal_code"]);
    }
    assert_eq!(ana.get_profile().await["addresses"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_address_is_stored_as_its_country_writes_it() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for (country, given, stored) in [
        ("US", ("california", "95014"), ("CA", "95014")),
        ("CA", ("Quebec", "h3z  2y7"), ("QC", "H3Z 2Y7")),
        ("JP", ("Tokyo", "154-0023"), ("13", "154-0023")),
        ("LU", ("Esch", "L-4750"), ("Esch", "4750")),
    ] {
        let mut address = address("1 Rose Lane");
        (address["country"], address["region"], address["postal_code"]) =
            (country.into(), given.0.into(), given.1.into());
        let added = ana.add_address(address).await.expect_status(201);
        assert_eq!((added["region"].as_str(), added["postal_code"].as_str()), (Some(stored.0), Some(stored.1)));
    }
    let mut without_region = address("1 Rose Lane");
    (without_region["country"], without_region["postal_code"]) = ("IT".into(), "00187".into());
    ana.add_address(without_region).await.expect_bad_fields(&["region"]);
}

#[tokio::test]
async fn spellings_of_an_international_domain_are_one_account() {
    let shop = Shop::shared().await;
    let name = unique("ana.");
    let sign_up = |domain: &str| shop.client().sign_up(&format!("{name}@{domain}"), PASSWORD).retry_while_busy();
    sign_up("bücher.example").await.expect_status(201);
    for domain in ["BU\u{308}CHER.example", "xn--bcher-kva.example"] {
        sign_up(domain).await.expect_problem(409, "email-taken");
        shop.client().sign_in(&format!("{name}@{domain}"), PASSWORD).await.expect_status(200);
    }
    for domain in ["1.2.3.4", "[1.2.3.4]", "example.123", "example", "0x7f.1"] {
        sign_up(domain).await.expect_bad_fields(&["email"]);
    }
}

#[tokio::test]
async fn a_phone_number_can_be_set_and_cleared() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let profile = ana.update_profile(json!({"phone": "+351210000000"})).await.expect_status(200);
    assert_eq!(profile["phone"], "+351210000000");
    let profile = ana.update_profile(json!({"phone": null})).await.expect_status(200);
    assert_eq!(profile["phone"], Value::Null);
    assert_eq!(ana.get_profile().await.body, profile.body);
}

#[tokio::test]
async fn the_email_address_can_be_changed() {
    let shop = Shop::shared().await;
    let (ana, new) = (shop.new_customer().await, new_email("customer"));
    let profile = ana.change_email(&format!(" {} ", new.to_uppercase())).await.expect_status(200);
    assert_eq!(profile["email"], *new);
    ana.sign_in(&ana.email, PASSWORD).await.expect_unauthenticated();
    assert_eq!(ana.sign_in(&new, PASSWORD).await.expect_status(200).id(), ana.id);
}

#[tokio::test]
async fn an_email_address_of_another_account_is_rejected() {
    let shop = Shop::shared().await;
    let (ana, ben) = (shop.new_customer().await, shop.new_customer().await);
    ben.change_email(&ana.email).await.expect_problem(409, "email-taken");
    assert_eq!(ben.get_profile().await["email"], *ben.email);
}

#[tokio::test]
async fn a_trailing_slash_changes_nothing() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, order) = shop.customer_with_order(&tea, 1).await;
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
        let without = ana.get(path).await.expect_status(200);
        let with = ana.get(&format!("{path}/")).await.expect_status(200);
        assert_eq!(members(&with.body), members(&without.body), "{path}");
    }
    ana.get("/products/").query(&[("limit", "1")]).await.expect_status(200);
    ana.request(Method::POST, "/shopping/wishlist/").json(json!({"product_id": tea.id})).await.expect_status(200);
    ana.request(Method::DELETE, &format!("/shopping/wishlist/{}/", tea.id)).await.expect_status(204);
}

#[tokio::test]
async fn an_access_token_verifies_with_the_published_keys() {
    let shop = Shop::shared().await;
    let sign_in = shop.client().sign_up(&new_email("customer"), PASSWORD).retry_while_busy().await.expect_status(201);
    let keys = shop.client().get("/customer/.well-known/jwks.json").await.expect_status(200);
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys.body).unwrap();
    let token = sign_in["token"].as_str().unwrap();
    let key = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&key).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    rules.set_audience(&["souk"]);
    let claims = jsonwebtoken::decode::<serde_json::Value>(token, &key, &rules).unwrap().claims;
    assert_eq!(claims["sub"], sign_in["id"]);
}
