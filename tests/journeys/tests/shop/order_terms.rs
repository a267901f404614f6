//! What an order is placed with: e-mail address, addresses, shipping method, expected total,
//! number.

use journeys::{Method, Shop, Stock, euros, money, order_with};
use serde_json::{Value, json};

fn number_of(order: &Value) -> u64 {
    order["number"].as_str().unwrap().strip_prefix("S-").unwrap().parse().unwrap()
}

#[tokio::test]
async fn numbers_rise_and_the_addresses_are_frozen() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 1_000).await;
    let ana = shop.new_customer().await;
    let mut last = 0;
    for key in ["first", "second", "third"] {
        ana.add_to_cart(&tea, 1).await.expect_status(200);
        let order = ana.place_order(key).await.expect_status(201);
        assert!(number_of(&order.body) > last, "{order}");
        last = number_of(&order.body);
        let address = &order["shipping_address"];
        assert_eq!((&address["name"], &address["country"]), (&"Ana Silva".into(), &"DE".into()));
        assert_eq!(&order["billing_address"], address, "the shipping address, unless there is another");
    }
    let listed = ana.list_orders().await.expect_status(200);
    assert_eq!(number_of(&listed.items()[0]), last);
    let timeline = shop.admin().await.get_timeline(listed.items()[0]["id"].as_str().unwrap()).await.expect_status(200);
    assert_eq!(timeline["order"]["number"], listed.items()[0]["number"]);
}

#[tokio::test]
async fn an_order_keeps_the_saved_address_that_it_names() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    let address = |city: &str| json!({"name": "Ana Silva", "line1": "Gate 7", "city": city, "postal_code": "10117", "country": "DE"});
    let saved = ana.add_address(address("Berlin")).await.expect_status(201);
    let fields = json!({"shipping_address_id": saved["id"], "shipping_method": "standard"});
    let order = ana.place_order("key").json(fields.clone()).await.expect_status(201);
    let change = ana.request(Method::PUT, &format!("/customer/address/{}", saved["id"].as_str().unwrap()));
    change.json(address("Potsdam")).await.expect_status(200);
    let later = ana.get_order(order.id()).await.expect_status(200);
    for order in [&order, &later] {
        assert_eq!(
            (&order["shipping_address"]["line1"], &order["shipping_address"]["city"]),
            (&"Gate 7".into(), &"Berlin".into())
        );
    }
    let mut both = fields;
    both["shipping_address"] = address("Berlin");
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    ana.place_order("other").json(both).await.expect_bad_fields(&["shipping_address"]);
}

#[tokio::test]
async fn an_order_without_what_it_needs_names_each_field() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    let place = |fields: Value| {
        let request = ana.place_order("key");
        request.json(fields)
    };
    place(json!({"email": ana.email})).await.expect_bad_fields(&["shipping_address", "shipping_method"]);
    let mut without_method = order_with(&ana.email, json!({}));
    without_method.as_object_mut().unwrap().remove("shipping_method");
    place(without_method).await.expect_bad_fields(&["shipping_method"]);
    for (fields, bad) in [
        (json!({"shipping_method": "teleport"}), &["shipping_method"][..]),
        (json!({"codes": ["NOSUCHCODE"]}), &["codes"]),
        (json!({"email": "ana", "note": ""}), &["email", "note"]),
        (json!({"note": "x".repeat(501)}), &["note"]),
        (
            json!({"shipping_address": {"country": "XX"}, "expected_total": 1}),
            &[
                "shipping_address.name",
                "shipping_address.line1",
                "shipping_address.city",
                "shipping_address.country",
                "expected_total",
            ],
        ),
        (json!({"vat_number": "DE1"}), &["vat_number"]),
    ] {
        ana.place_order_with("key", fields).await.expect_bad_fields(bad);
    }
    assert!(ana.list_orders().await.items().is_empty());
    assert_eq!(admin.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
    ana.place_order("key").await.expect_status(201);
}

#[tokio::test]
async fn an_order_is_placed_at_the_expected_total_or_not_at_all() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    for wrong in [euros(997), money(998, "USD")] {
        let refused = ana.place_order_with("wrong", json!({"expected_total": wrong})).await;
        let refused = refused.expect_problem(409, "quote-changed");
        assert_eq!(refused["quote"]["total"], euros(998));
    }
    assert!(ana.list_orders().await.items().is_empty(), "nothing is stored");

    // The cart has the price of the moment at which it was filled; the client has seen today's.
    admin.update_product(&tea, json!({"price": euros(549)})).await.expect_status(200);
    ana.place_order_with("old", json!({"expected_total": euros(998)})).await.expect_problem(409, "quote-changed");
    assert_eq!(admin.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
    let order = ana.place_order_with("new", json!({"expected_total": euros(1_098)})).await.expect_status(201);
    assert_eq!((&order["total"], &order["payment"]["captured"]), (&euros(1_098), &euros(1_098)));
}

#[tokio::test]
async fn the_charge_contains_shipping() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let order = ana.place_order_with("key", json!({"shipping_method": "standard"})).await.expect_status(201);
    assert_eq!(order["quote"]["shipping"]["price"], euros(490));
    assert_eq!((&order["total"], &order["payment"]["captured"]), (&euros(1_488), &euros(1_488)));
}
