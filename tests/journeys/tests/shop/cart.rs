//! Carts show what an order would cost now and which lines cannot be ordered; wishlists keep
//! products for later.

use journeys::{Method, Shop, UNKNOWN_ID, euros, members, money, run_concurrently, unique};
use serde_json::{Value, json};

#[tokio::test]
async fn a_new_cart_is_empty() {
    let shop = Shop::shared().await;
    let cart = shop.new_customer().await.get_cart().await.expect_status(200);
    assert_eq!(cart.body, json!({"items": [], "total": euros(0)}));
}

#[tokio::test]
async fn adding_a_product_again_adds_to_its_quantity() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let cart = ana.add_to_cart(&tea, 3).await.expect_status(200);
    assert_eq!(cart.items().len(), 1);
    assert_eq!(cart.line(&tea)["quantity"], 5);
    assert_eq!(cart["total"], euros(2_495));
    assert_eq!(ana.get_cart().await.body, cart.body);
}

#[tokio::test]
async fn concurrent_additions_all_count() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let ana = shop.new_customer().await;
    for response in run_concurrently((0..20).map(|_| ana.add_to_cart(&tea, 1))).await {
        response.expect_status(200);
    }
    assert_eq!(ana.get_cart().await.line(&tea)["quantity"], 20);
}

#[tokio::test]
async fn concurrent_changes_from_two_devices_are_all_kept() {
    let shop = Shop::shared().await;
    let products = shop.admin().await.new_category(12).await;
    let phone = shop.new_customer().await;
    let laptop = phone.sign_in_again().await;
    let (tea, rest) = products.split_first().unwrap();
    let (removed, set) = rest.split_at(3);
    for product in removed {
        phone.add_to_cart(product, 1).await.expect_status(200);
    }
    let additions =
        (0..40).map(|number| if number % 2 == 0 { phone.add_to_cart(tea, 1) } else { laptop.add_to_cart(tea, 2) });
    let updates = (2..).zip(set).map(|(quantity, product)| {
        if quantity % 2 == 0 { phone.set_quantity(product, quantity) } else { laptop.set_quantity(product, quantity) }
    });
    let removals = removed.iter().map(|product| laptop.remove_from_cart(product));
    for response in run_concurrently(additions.chain(updates).chain(removals)).await {
        assert!(matches!(response.status, 200 | 204), "{response}");
    }
    let cart = phone.get_cart().await.expect_status(200);
    assert_eq!(cart.line(tea)["quantity"], 60);
    for (quantity, product) in (2..).zip(set) {
        assert_eq!(cart.line(product)["quantity"], quantity, "{cart}");
    }
    assert_eq!(cart.items().len(), 1 + set.len(), "{cart}");
    assert_eq!(laptop.get_cart().await.body, cart.body);
}

#[tokio::test]
async fn setting_a_quantity_replaces_it() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 5).await;
    assert_eq!(ana.set_quantity(&tea, 2).await.expect_status(200).line(&tea)["quantity"], 2);
}

#[tokio::test]
async fn setting_a_quantity_adds_a_missing_line() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    assert_eq!(ana.set_quantity(&tea, 2).await.expect_status(200).line(&tea)["quantity"], 2);
}

#[tokio::test]
async fn removing_a_missing_line_is_not_found() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 499, 10), ("cup", 650, 10)]).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    ana.add_to_cart(&cup, 1).await.expect_status(200);
    ana.remove_from_cart(&tea).await.expect_status(204);
    ana.remove_from_cart(&tea).await.expect_not_found();
    let cart = ana.get_cart().await;
    assert_eq!(cart.line(&tea), &Value::Null);
    assert_eq!(cart["total"], euros(650));
}

#[tokio::test]
async fn emptying_a_cart_twice_succeeds() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    ana.empty_cart().await.expect_status(204);
    ana.empty_cart().await.expect_status(204);
    assert_eq!(ana.get_cart().await["items"], json!([]));
}

#[tokio::test]
async fn each_customer_has_a_cart_and_a_wishlist_of_their_own() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, ben) = (shop.new_customer().await, shop.new_customer().await);
    ana.add_to_cart(&tea, 2).await.expect_status(200);
    ana.add_to_wishlist(&tea).await.expect_status(200);
    assert_eq!(ben.get_cart().await["items"], json!([]));
    assert_eq!(ben.get_wishlist().await["items"], json!([]));
}

#[tokio::test]
async fn a_cart_shows_the_current_product_and_price() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let changes = json!({"name": unique("green tea"), "price": euros(549), "image": "/tea.svg"});
    admin.update_product(&tea, changes.clone()).await.expect_status(200);
    let cart = ana.get_cart().await.expect_status(200);
    for field in members(&changes) {
        assert_eq!(cart.line(&tea)["product"][field], changes[field], "{field}");
    }
    assert_eq!((&cart.line(&tea)["total"], &cart["total"]), (&euros(1_098), &euros(1_098)));
}

#[tokio::test]
async fn a_line_that_exceeds_the_stock_is_short() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    for (quantity, available, status) in [(2, 10, "ok"), (2, 2, "ok"), (2, 1, "short"), (2, 0, "short"), (2, 3, "ok")] {
        ana.set_quantity(&tea, quantity).await.expect_status(200);
        admin.set_stock(&tea, available).await.expect_status(200);
        let cart = ana.get_cart().await;
        let line = cart.line(&tea);
        assert_eq!((&line["status"], &line["available"]), (&json!(status), &json!(available)), "{cart}");
        assert_eq!(cart["total"], euros(998), "a short line still counts towards the total");
    }
}

#[tokio::test]
async fn a_quantity_may_exceed_the_stock() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 1).await;
    let cart = shop.new_customer().await.add_to_cart(&tea, 5).await.expect_status(200);
    assert_eq!((&cart.line(&tea)["quantity"], &cart.line(&tea)["status"]), (&json!(5), &json!("short")));
}

#[tokio::test]
async fn a_discontinued_product_is_marked_and_costs_nothing() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 499, 10), ("cup", 650, 10)]).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    ana.add_to_cart(&cup, 1).await.expect_status(200);
    admin.delete_product(&tea).await.expect_status(204);
    let cart = ana.get_cart().await.expect_status(200);
    let line = cart.line(&tea);
    assert_eq!((&line["status"], &line["available"]), (&json!("discontinued"), &json!(0)));
    assert_eq!((&line["product"]["name"], &line["product"]["price"]), (&json!(tea.name), &tea.price));
    assert_eq!(cart["total"], euros(650));
}

#[tokio::test]
async fn a_discontinued_product_can_be_removed_from_the_cart() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    admin.delete_product(&tea).await.expect_status(204);
    ana.remove_from_cart(&tea).await.expect_status(204);
    assert_eq!(ana.get_cart().await["items"], json!([]));
}

#[tokio::test]
async fn a_cart_rejects_a_second_currency() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let jeans = admin.new_product("jeans", &money(5_999, "USD"), 10).await;
    let ana = shop.new_customer().await;
    let cart = ana.add_to_cart(&tea, 1).await.expect_status(200);
    ana.add_to_cart(&jeans, 1).await.expect_problem(409, "currency-mixed");
    ana.set_quantity(&jeans, 1).await.expect_problem(409, "currency-mixed");
    assert_eq!(ana.get_cart().await.body, cart.body);
    ana.remove_from_cart(&tea).await.expect_status(204);
    assert_eq!(ana.add_to_cart(&jeans, 2).await.expect_status(200)["total"], money(11_998, "USD"));
}

/// The catalogue changes the currency of a product that is in carts.
#[tokio::test]
async fn a_line_whose_currency_changed_must_be_removed() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 499, 10), ("cup", 650, 10)]).await;
    let jeans = admin.new_product("jeans", &money(5_999, "USD"), 10).await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    ana.add_to_cart(&cup, 1).await.expect_status(200);
    admin.update_product(&tea, json!({"price": money(549, "USD")})).await.expect_status(200);
    let cart = ana.get_cart().await.expect_status(200);
    assert_eq!(
        (&cart.line(&tea)["status"], &cart.line(&tea)["total"]),
        (&json!("currency-mixed"), &money(1_098, "USD"))
    );
    assert_eq!((&cart.line(&cup)["status"], &cart["total"]), (&json!("ok"), &Value::Null));
    ana.place_order("mixed").await.expect_problem(409, "currency-mixed");
    assert_eq!(admin.stock(&cup).await.available, 10);
    ana.add_to_cart(&jeans, 1).await.expect_problem(409, "currency-mixed");
    let cart = ana.set_quantity(&cup, 2).await.expect_status(200);
    assert_eq!((&cart.line(&tea)["status"], &cart["total"]), (&json!("currency-mixed"), &Value::Null));
    ana.remove_from_cart(&tea).await.expect_status(204);
    assert_eq!(ana.get_cart().await["total"], euros(1_300));
    ana.place_order("mended").await.expect_status(201);

    // Once all of its products are in dollars, the cart is.
    let ben = shop.customer_with_cart(&cup, 1).await;
    admin.update_product(&cup, json!({"price": money(700, "USD")})).await.expect_status(200);
    assert_eq!(ben.get_cart().await["total"], money(700, "USD"));
    let eur = admin.new_product("pot", &euros(1), 10).await;
    ben.add_to_cart(&eur, 1).await.expect_problem(409, "currency-mixed");
    assert_eq!(ben.add_to_cart(&jeans, 1).await.expect_status(200)["total"], money(6_699, "USD"));
}

#[tokio::test]
async fn a_line_has_at_most_999_units() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 5_000).await;
    let ana = shop.new_customer().await;
    ana.add_to_cart(&tea, 1_000).await.expect_bad_fields(&["quantity"]);
    ana.add_to_cart(&tea, 998).await.expect_status(200);
    ana.add_to_cart(&tea, 2).await.expect_bad_fields(&["quantity"]);
    ana.set_quantity(&tea, 1_000).await.expect_bad_fields(&["quantity"]);
    let cart = ana.add_to_cart(&tea, 1).await.expect_status(200);
    assert_eq!((&cart.line(&tea)["quantity"], &cart["total"]), (&json!(999), &euros(498_501)));
}

#[tokio::test]
async fn a_cart_has_at_most_100_lines() {
    let shop = Shop::shared().await;
    let products = shop.admin().await.new_category(101).await;
    let ana = shop.new_customer().await;
    let (last, others) = products.split_last().unwrap();
    for product in others {
        ana.add_to_cart(product, 1).await.expect_status(200);
    }
    ana.add_to_cart(last, 1).await.expect_problem(409, "conflict");
    ana.set_quantity(last, 1).await.expect_problem(409, "conflict");
    let cart = ana.add_to_cart(&others[0], 1).await.expect_status(200);
    assert_eq!((cart.items().len(), &cart["total"]), (100, &euros(5_051)));
}

#[tokio::test]
async fn an_unknown_product_cannot_be_added() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let line = json!({"product_id": UNKNOWN_ID, "quantity": 1});
    ana.request(Method::POST, "/shopping/cart").json(line).await.expect_not_found();
    let path = format!("/shopping/cart/{UNKNOWN_ID}");
    ana.request(Method::PUT, &path).json(json!({"quantity": 1})).await.expect_not_found();
    let body = json!({"product_id": UNKNOWN_ID});
    ana.request(Method::POST, "/shopping/wishlist").json(body).await.expect_not_found();
    assert_eq!(ana.get_cart().await["items"], json!([]));
    assert_eq!(ana.get_wishlist().await["items"], json!([]));
}

#[tokio::test]
async fn a_wishlist_shows_product_and_stock() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 3).await;
    let ana = shop.new_customer().await;
    let wishlist = ana.add_to_wishlist(&tea).await.expect_status(200);
    assert_eq!(wishlist.items(), [json!({"product": tea.snapshot(), "status": "ok", "available": 3})]);
    assert_eq!(ana.get_wishlist().await.body, wishlist.body);
}

#[tokio::test]
async fn adding_to_the_wishlist_twice_keeps_one_entry() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 3).await;
    let ana = shop.new_customer().await;
    let first = ana.add_to_wishlist(&tea).await.expect_status(200);
    assert_eq!(ana.add_to_wishlist(&tea).await.expect_status(200).body, first.body);
}

#[tokio::test]
async fn removing_a_missing_wishlist_entry_is_not_found() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 499, 3), ("cup", 650, 3)]).await;
    let ana = shop.new_customer().await;
    ana.add_to_wishlist(&tea).await.expect_status(200);
    ana.add_to_wishlist(&cup).await.expect_status(200);
    ana.remove_from_wishlist(&tea).await.expect_status(204);
    ana.remove_from_wishlist(&tea).await.expect_not_found();
    let wishlist = ana.get_wishlist().await;
    assert_eq!((wishlist.items().len(), wishlist.line(&tea)), (1, &Value::Null));
}

#[tokio::test]
async fn a_discontinued_product_stays_on_the_wishlist() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 3).await;
    let ana = shop.new_customer().await;
    ana.add_to_wishlist(&tea).await.expect_status(200);
    admin.delete_product(&tea).await.expect_status(204);
    let wishlist = ana.get_wishlist().await.expect_status(200);
    assert_eq!(wishlist.line(&tea)["status"], "discontinued");
    assert_eq!(wishlist.line(&tea)["product"]["name"], *tea.name);
}

#[tokio::test]
async fn a_wishlist_has_at_most_200_products() {
    let shop = Shop::shared().await;
    let products = shop.admin().await.new_category(201).await;
    let ana = shop.new_customer().await;
    let (last, others) = products.split_last().unwrap();
    for product in others {
        ana.add_to_wishlist(product).await.expect_status(200);
    }
    ana.add_to_wishlist(last).await.expect_problem(409, "conflict");
    ana.add_to_wishlist(&others[0]).await.expect_status(200);
    assert_eq!(ana.list_all("/shopping/wishlist", &[]).await.len(), 200);
}
