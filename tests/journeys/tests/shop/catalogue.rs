//! The admin maintains the catalogue; customers list, sort, search and page through it.

use journeys::{
    Admin, Method, Product, Shop, Stock, UNKNOWN_ID, euros, members, money, product_json, run_concurrently, unique,
};
use serde_json::{Value, json};

async fn new_category_with(admin: &Admin, products: &[(&str, u64)]) -> Vec<Product> {
    let category = unique("category");
    let mut created = Vec::new();
    for (name, cents) in products {
        let mut product = product_json("product", &euros(*cents), 1);
        product["name"] = (*name).into();
        product["category"] = category.as_str().into();
        created.push(Product::from_json(&admin.create_product(product).await.expect_status(201).body));
    }
    created
}

fn names(products: &[Value]) -> Vec<&str> {
    products.iter().map(|product| product["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_new_product_has_defaults_and_a_location() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let mut tea = product_json("tea", &euros(499), 7);
    let created = admin.create_product(tea.clone()).await.expect_status(201);
    for (member, default) in [
        ("unit", json!("piece")),
        ("supplier", json!(null)),
        ("image", json!(null)),
        ("tax_class", json!("standard")),
        ("weight_grams", json!(0)),
        ("digital", json!(false)),
    ] {
        tea[member] = default;
    }
    tea["version"] = 1.into();
    tea["id"] = created.id().into();
    assert_eq!(created.body, tea);
    assert!(created.header("Location").ends_with(&format!("/products/{}", created.id())), "{created:?}");
    assert_eq!(shop.client().get(created.header("Location")).await.expect_status(200).body, tea);
}

#[tokio::test]
async fn a_new_product_has_every_field_that_was_sent() {
    let shop = Shop::shared().await;
    let mut tea = product_json("tea", &euros(499), 7);
    tea["unit"] = "100 g".into();
    tea["supplier"] = "Chá & Filhos, Açores".into();
    tea["image"] = "https://example.com/tea.svg".into();
    tea["tax_class"] = "reduced".into();
    tea["weight_grams"] = 1_000_000.into();
    tea["digital"] = true.into();
    let created = shop.admin().await.create_product(tea.clone()).await.expect_status(201);
    for field in members(&tea) {
        assert_eq!(created[field], tea[field], "{field}");
    }
}

#[tokio::test]
async fn an_image_is_a_path_of_the_shop_or_a_web_address() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let mut tea = product_json("tea", &euros(499), 7);
    for bad in [
        "/\\evil.example",
        "//evil.example",
        "/%5Cevil.example",
        "/\t/evil.example",
        "/../admin",
        "/%2e%2e/admin",
        "https://user:secret@example.com/tea.svg",
        "https:/\\evil.example",
        "javascript:alert(1)",
    ] {
        tea["image"] = bad.into();
        admin.create_product(tea.clone()).await.expect_bad_fields(&["image"]);
    }
    tea["image"] = "/чай.svg".into();
    let created = admin.create_product(tea).await.expect_status(201);
    assert_eq!(created["image"], "/%D1%87%D0%B0%D0%B9.svg");
}

#[tokio::test]
async fn currencies_are_those_in_use() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    for (currency, is_in_use) in [("XCG", true), ("VES", true), ("BGN", false), ("HRK", false), ("XAU", false)] {
        let response = admin.create_product(product_json("tea", &money(499, currency), 7)).await;
        if is_in_use {
            response.expect_status(201);
        } else {
            response.expect_bad_fields(&["price.currency"]);
        }
    }
}

#[tokio::test]
async fn a_new_product_without_stock_has_none_available() {
    let shop = Shop::shared().await;
    let mut tea = product_json("tea", &euros(499), 7);
    tea.as_object_mut().unwrap().remove("available");
    assert_eq!(shop.admin().await.create_product(tea).await.expect_status(201)["available"], 0);
}

#[tokio::test]
async fn an_update_changes_only_the_fields_that_were_sent() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    let mut expected = admin.get_product(&tea).await.body;
    let changes =
        json!({"price": euros(549), "supplier": "Ana", "tax_class": "zero", "weight_grams": 120, "digital": true});
    let updated = admin.update_product(&tea, changes.clone()).await.expect_status(200);
    for field in members(&changes) {
        expected[field] = changes[field].clone();
    }
    expected["version"] = 2.into();
    assert_eq!(updated.body, expected);
    assert_eq!(admin.get_product(&tea).await.body, expected);
}

#[tokio::test]
async fn null_clears_an_optional_field() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    admin.update_product(&tea, json!({"supplier": "Ana", "image": "/tea.svg"})).await.expect_status(200);
    let cleared = admin.update_product(&tea, json!({"supplier": null, "image": null})).await.expect_status(200);
    assert_eq!((&cleared["supplier"], &cleared["image"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_replacement_resets_fields_that_were_not_sent() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    let changes = json!({"supplier": "Ana", "unit": "100 g", "tax_class": "reduced", "weight_grams": 120});
    admin.update_product(&tea, changes).await.expect_status(200);
    let mut replacement = product_json("coffee", &euros(799), 0);
    replacement.as_object_mut().unwrap().remove("available");
    let replaced = admin.replace_product(&tea, replacement.clone()).await.expect_status(200);
    for field in members(&replacement) {
        assert_eq!(replaced[field], replacement[field], "{field}");
    }
    assert_eq!(replaced.id(), tea.id);
    assert_eq!((&replaced["supplier"], &replaced["unit"]), (&Value::Null, &json!("piece")));
    assert_eq!((&replaced["tax_class"], &replaced["weight_grams"]), (&json!("standard"), &json!(0)));
    assert_eq!(replaced["available"], 7, "a replacement leaves the stock");
    assert_eq!(replaced["version"], 3);
}

#[tokio::test]
async fn an_edit_of_an_old_version_is_rejected() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    let read = admin.get_product(&tea).await;
    let old = read.header("ETag");
    let update =
        |if_match: &str, price| admin.update_product(&tea, json!({"price": euros(price)})).header("If-Match", if_match);
    let replace = |if_match: &str| {
        let mut replacement = product_json("coffee", &euros(799), 0);
        replacement.as_object_mut().unwrap().remove("available");
        admin.request(Method::PUT, &tea.path()).header("If-Match", if_match).json(replacement)
    };
    let first = update(old, 549).await.expect_status(200);
    assert_ne!(first.header("ETag"), old);
    for late in [update(old, 9), replace(old), replace("\"1\""), admin.delete_product(&tea).header("If-Match", old)] {
        assert_eq!(late.await.expect_problem(412, "precondition-failed")["version"], 2);
    }
    let weak = format!("W/{}", first.header("ETag"));
    replace(&weak).await.expect_problem(412, "precondition-failed");
    assert_eq!(admin.get_product(&tea).await.body, first.body);
    for current in [first.header("ETag"), "\"1\", \"3\"", "*"] {
        replace(current).await.expect_status(200);
    }
    for malformed in ["3", "\"3", "", "*, \"3\""] {
        replace(malformed).await.expect_problem(400, "malformed");
    }
}

#[tokio::test]
async fn a_replacement_needs_the_version_that_it_replaces() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    let mut replacement = product_json("coffee", &euros(799), 0);
    replacement.as_object_mut().unwrap().remove("available");
    let blind = admin.request(Method::PUT, &tea.path()).json(replacement.clone()).await;
    blind.expect_problem(428, "precondition-required");
    replacement["version"] = 1.into();
    admin.replace_product(&tea, replacement).await.expect_bad_fields(&["version"]);
    assert_eq!(admin.get_product(&tea).await["version"], 1);
}

#[tokio::test]
async fn of_concurrent_updates_of_one_version_one_succeeds() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    let updates =
        (0..8).map(|cents| admin.update_product(&tea, json!({"price": euros(cents)})).header("If-Match", "\"1\""));
    let responses = run_concurrently(updates).await;
    let succeeded: Vec<_> = responses.iter().filter(|response| response.status == 200).collect();
    assert_eq!(succeeded.len(), 1, "{responses:#?}");
    assert!(responses.iter().all(|response| matches!(response.status, 200 | 412)), "{responses:#?}");
    assert_eq!(admin.get_product(&tea).await.body, succeeded[0].body);
}

#[tokio::test]
async fn an_order_does_not_stand_in_the_way_of_an_edit() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    let read = admin.get_product(&tea).await;
    shop.customer_with_order(&tea, 1).await;
    assert_ne!(admin.get_product(&tea).await.header("ETag"), read.header("ETag"), "the product shows its stock");
    let edit = admin.update_product(&tea, json!({"price": euros(549)}));
    edit.header("If-Match", read.header("ETag")).await.expect_status(200);
}

#[tokio::test]
async fn a_product_that_the_client_has_is_not_sent_again() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    let tag = admin.get_product(&tea).await.header("ETag").to_owned();
    let known = admin.get_product(&tea).header("If-None-Match", &tag).await.expect_status(304);
    assert_eq!(known.header("ETag"), tag);
    shop.customer_with_order(&tea, 1).await;
    let changed = admin.get_product(&tea).header("If-None-Match", &tag).await.expect_status(200);
    assert_eq!(changed["available"], 6);
}

#[tokio::test]
async fn stock_that_arrives_is_added_to_what_sales_have_left() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    shop.customer_with_order(&tea, 2).await;
    let added = admin.add_stock(&tea, 5).await.expect_status(200);
    assert_eq!((&added["available"], &added["sold"]), (&json!(13), &json!(2)));
    assert_eq!(admin.add_stock(&tea, -13).await.expect_status(200)["available"], 0);
    let refused = admin.add_stock(&tea, -1).await.expect_problem(409, "stock-out-of-range");
    assert_eq!((&refused["stock"]["available"], &refused["stock"]["sold"]), (&json!(0), &json!(2)));
    admin.add_stock(&tea, 1_000_000_000).await.expect_status(200);
    admin.add_stock(&tea, 1).await.expect_problem(409, "stock-out-of-range");
    let both = admin.add_stock(&tea, 0).json(json!({"add": 1, "available": 5}));
    both.await.expect_bad_fields(&["available"]);
    assert_eq!(admin.stock(&tea).await, Stock { available: 1_000_000_000, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn concurrent_additions_to_the_stock_all_count() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 0).await;
    for response in run_concurrently((0..16).map(|_| admin.add_stock(&tea, 3))).await {
        response.expect_status(200);
    }
    assert_eq!(admin.stock(&tea).await.available, 48);
}

#[tokio::test]
async fn stock_is_set_only_by_an_admin_who_has_seen_it() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let set = |if_match: Option<&str>| {
        let request = admin.request(Method::PUT, &tea.stock_path()).json(json!({"available": 15}));
        match if_match {
            Some(tag) => request.header("If-Match", tag),
            None => request,
        }
    };
    let read = admin.get(&tea.stock_path()).await.expect_status(200);
    let seen = read.header("ETag");
    assert_eq!(seen, format!("\"{}\"", read["version"]));
    shop.customer_with_order(&tea, 2).await;
    set(None).await.expect_problem(428, "precondition-required");
    let refused = set(Some(seen)).await.expect_problem(412, "precondition-failed");
    assert_eq!((&refused["stock"]["available"], &refused["stock"]["sold"]), (&json!(8), &json!(2)));
    let current = format!("\"{}\"", refused["stock"]["version"]);
    set(Some(&format!("W/{current}"))).await.expect_problem(412, "precondition-failed");
    admin.add_stock(&tea, 1).header("If-Match", seen).await.expect_problem(412, "precondition-failed");
    assert_eq!(admin.stock(&tea).await.available, 8);
    let stock = set(Some(&format!("\"0\", {current}"))).await.expect_status(200);
    assert_eq!((&stock["available"], &stock["sold"]), (&json!(15), &json!(2)));
    set(Some(&current)).await.expect_problem(412, "precondition-failed");
    set(Some("*")).await.expect_status(200);
    for malformed in ["5", "\"5", ""] {
        set(Some(malformed)).await.expect_problem(400, "malformed");
    }
    // An unknown product is reported before a missing If-Match.
    let unknown = admin.request(Method::PUT, &format!("/products/{UNKNOWN_ID}/stock"));
    unknown.json(json!({"available": 1})).await.expect_not_found();
}

#[tokio::test]
async fn every_change_of_the_stock_has_a_version_of_its_own() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let mut seen = Vec::new();
    let mut see = async || {
        let tag = admin.get(&tea.stock_path()).await.expect_status(200).header("ETag").to_owned();
        assert!(!seen.contains(&tag), "{tag} in {seen:?}");
        seen.push(tag);
    };
    see().await;
    let ana = shop.customer_with_cart(&tea, 2).await;
    let order = ana.place_order("key").await.expect_status(201);
    see().await;
    ana.cancel_order(order.id()).await.expect_status(200);
    see().await;
    admin.add_stock(&tea, 1).await.expect_status(200);
    see().await;
    admin.set_stock(&tea, 10).await.expect_status(200);
    see().await;
}

#[tokio::test]
async fn setting_the_stock_changes_the_available_quantity() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    assert_eq!(admin.stock(&tea).await, Stock { available: 7, reserved: 0, sold: 0 });
    let updated = admin.set_stock(&tea, 12).await.expect_status(200);
    assert_eq!(updated.body, json!({"available": 12, "reserved": 0, "sold": 0, "version": 2}));
    assert_eq!(updated.header("ETag"), "\"2\"");
    assert_eq!(admin.stock(&tea).await, Stock { available: 12, reserved: 0, sold: 0 });
    assert_eq!(admin.get_product(&tea).await["available"], 12);
}

#[tokio::test]
async fn setting_the_stock_keeps_the_sold_quantity() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    shop.customer_with_order(&tea, 3).await;
    admin.set_stock(&tea, 100).await.expect_status(200);
    assert_eq!(admin.stock(&tea).await, Stock { available: 100, reserved: 0, sold: 3 });
}

#[tokio::test]
async fn a_deleted_product_is_not_found_or_listed() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    admin.delete_product(&tea).await.expect_status(204);
    admin.get_product(&tea).await.expect_not_found();
    admin.delete_product(&tea).await.expect_not_found();
    admin.update_product(&tea, json!({"price": euros(1)})).await.expect_not_found();
    assert_eq!(admin.list_products(&[("category", &tea.category)]).await["items"], json!([]));
    assert_eq!(admin.request(Method::POST, "/products/ids").json(json!({"ids": [tea.id]})).await["items"], json!([]));
}

#[tokio::test]
async fn only_admins_change_the_catalogue() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    let (client, ana) = (shop.client(), shop.new_customer().await);
    let before = admin.get_product(&tea).await.body;
    let (path, stock) = (tea.path(), format!("{}/stock", tea.path()));
    for (method, path, body) in [
        (Method::POST, "/products", product_json("coffee", &euros(1), 1)),
        (Method::PUT, &path, product_json("coffee", &euros(1), 1)),
        (Method::PATCH, &path, json!({"price": euros(1)})),
        (Method::DELETE, &path, json!({})),
        (Method::PUT, &stock, json!({"available": 0})),
        (Method::PATCH, &stock, json!({"add": -1})),
        (Method::GET, &stock, json!({})),
        (Method::POST, "/products/import", json!({})),
        (Method::POST, "/products/images", json!({})),
    ] {
        client.request(method.clone(), path).json(body.clone()).await.expect_unauthenticated();
        ana.request(method, path).json(body).await.expect_problem(403, "forbidden");
    }
    assert_eq!(admin.get_product(&tea).await.body, before);
}

#[tokio::test]
async fn lists_are_sorted_as_requested() {
    let shop = Shop::shared().await;
    let products = new_category_with(&shop.admin().await, &[("beta", 300), ("Alpha", 200), ("gamma", 100)]).await;
    let category = &products[0].category;
    for (sort, expected) in [
        ("newest", ["gamma", "Alpha", "beta"]),
        ("name", ["Alpha", "beta", "gamma"]),
        ("-name", ["gamma", "beta", "Alpha"]),
        ("price", ["gamma", "Alpha", "beta"]),
        ("-price", ["beta", "Alpha", "gamma"]),
    ] {
        let list = shop.client().list_products(&[("category", category), ("sort", sort)]).await.expect_status(200);
        assert_eq!(names(list.items()), expected, "{sort}");
        let path = format!("/products/category/{category}");
        let list = shop.client().get(&path).query(&[("sort", sort)]).await.expect_status(200);
        assert_eq!(names(list.items()), expected, "{sort}");
    }
    let unsorted = shop.client().list_products(&[("category", category)]).await.expect_status(200);
    assert_eq!(names(unsorted.items()), ["gamma", "Alpha", "beta"]);
}

#[tokio::test]
async fn names_are_sorted_as_in_a_dictionary() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let sorted =
        ["Äpfel", "Apfelsaft", "cafe", "Café", "Łódź mug", "Øl", "tea", "Tea", "Zoo", "Καφές", "Чай", "日本茶"];
    let word = unique("word");
    let mut rows: Vec<Value> = Vec::new();
    for (number, name) in sorted.iter().enumerate() {
        let mut row = product_json("product", &euros(1), 1);
        row["key"] = unique("key").into();
        row["name"] = (*name).into();
        row["category"] = format!("{name} {word}").into();
        row["supplier"] = number.to_string().into();
        rows.push(row);
    }
    rows.reverse();
    let file = rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    admin.import_products("application/x-ndjson", file, &[]).await.expect_status(200);
    for limit in ["1", "5", "100"] {
        let mut listed = shop.client().list_all("/products", &[("q", &word), ("sort", "name"), ("limit", limit)]).await;
        assert_eq!(names(&listed), sorted, "by {limit}");
        listed = shop.client().list_all("/products", &[("q", &word), ("sort", "-name"), ("limit", limit)]).await;
        listed.reverse();
        assert_eq!(names(&listed), sorted, "by {limit}");
    }
    let categories = shop.client().list_all("/products/categories", &[]).await;
    let names = names(&categories).into_iter().filter_map(|name| name.strip_suffix(&format!(" {word}")));
    assert_eq!(names.collect::<Vec<_>>(), sorted);
}

#[tokio::test]
async fn categories_count_their_products() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let products = new_category_with(&admin, &[("beta", 300), ("alpha", 200), ("gamma", 100)]).await;
    admin.delete_product(&products[1]).await.expect_status(204);
    let categories = shop.client().list_all("/products/categories", &[]).await;
    let matching: Vec<_> = categories.iter().filter(|category| category["name"] == *products[0].category).collect();
    assert_eq!(matching, [&json!({"name": products[0].category, "products": 2})]);
}

#[tokio::test]
async fn an_empty_category_is_not_found() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 7).await;
    let path = format!("/products/category/{}", tea.category);
    admin.get(&path).await.expect_status(200);
    admin.delete_product(&tea).await.expect_status(204);
    admin.get(&path).await.expect_not_found();
}

#[tokio::test]
async fn a_category_name_may_contain_any_characters() {
    let shop = Shop::shared().await;
    let mut tea = product_json("tea", &euros(499), 7);
    let category = unique("Chá & Café ");
    tea["category"] = category.as_str().into();
    shop.admin().await.create_product(tea).await.expect_status(201);
    let found = shop.client().get(&format!("/products/category/{category}")).await.expect_status(200);
    assert_eq!(found.items().len(), 1);
}

#[tokio::test]
async fn a_search_matches_every_word_in_any_field() {
    let shop = Shop::shared().await;
    let word = unique("word");
    let mut tea = product_json("tea", &euros(499), 7);
    tea["name"] = format!("Crème brûlée {word}").into();
    tea["description"] = "Smoky, from the ÅLAND islands".into();
    tea["category"] = "Desserts of journeys".into();
    shop.admin().await.create_product(tea).await.expect_status(201);
    for (search, found) in [
        (word.clone(), true),
        (word.to_uppercase(), true),
        (format!("creme BRULEE {word}"), true),
        (format!("{word} smoky"), true),
        (format!("{word} aland"), true),
        (format!("{word} desserts"), true),
        (format!("{word} islands creme"), true),
        (format!("{word} smo"), true),
        (format!("smo {word}"), false),
        (format!("{word} moky"), false),
        (format!("{word} coffee"), false),
    ] {
        let list = shop.client().list_products(&[("q", &search)]).await.expect_status(200);
        assert_eq!(!list.items().is_empty(), found, "{search:?}: {list}");
    }
}

#[tokio::test]
async fn a_search_finds_text_of_any_script() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let word = unique("word");
    for name in ["Καφές", "Łódź", "Straße", "日本茶"] {
        let mut product = product_json("tea", &euros(499), 7);
        product["name"] = name.into();
        product["description"] = word.as_str().into();
        admin.create_product(product).await.expect_status(201);
    }
    for (search, found) in [
        ("καφες", vec!["Καφές"]),
        ("ΚΑΦΕΣ", vec!["Καφές"]),
        ("lodz", vec!["Łódź"]),
        ("strasse", vec!["Straße"]),
        ("茶", vec!["日本茶"]),
        ("日本", vec!["日本茶"]),
        ("本日", vec![]),
    ] {
        let q = format!("{word} {search}");
        let list = shop.client().list_products(&[("q", &q)]).await.expect_status(200);
        assert_eq!(names(list.items()), found, "{search}");
    }
}

#[tokio::test]
async fn a_search_without_words_finds_nothing_and_an_empty_one_everything() {
    let shop = Shop::shared().await;
    shop.new_product("tea", &euros(499), 7).await;
    for q in ["!!!", "☕", "\"*(-"] {
        let list = shop.client().list_products(&[("q", q)]).await.expect_status(200);
        assert!(list.items().is_empty() && list["next"].is_null(), "{q:?}: {list}");
    }
    for q in ["", "  "] {
        assert!(!shop.client().list_products(&[("q", q)]).await.expect_status(200).items().is_empty(), "{q:?}");
    }
}

#[tokio::test]
async fn pages_contain_every_product_once() {
    let shop = Shop::shared().await;
    let products = shop.admin().await.new_category(47).await;
    let category = products[0].category.as_str();
    let mut expected: Vec<&str> = products.iter().map(|product| product.id.as_str()).collect();
    expected.sort_unstable();
    for sort in ["newest", "name", "-name", "price", "-price"] {
        for limit in ["1", "10", "47", "100"] {
            let query = [("category", category), ("sort", sort), ("limit", limit)];
            let listed = shop.client().list_all("/products", &query).await;
            let mut ids: Vec<&str> = listed.iter().map(|product| product["id"].as_str().unwrap()).collect();
            ids.sort_unstable();
            assert_eq!(ids, expected, "{sort} by {limit}");
        }
    }
}

#[tokio::test]
async fn pages_keep_the_sort_order() {
    let shop = Shop::shared().await;
    let products = shop.admin().await.new_category(23).await;
    let query = [("category", products[0].category.as_str()), ("sort", "-price"), ("limit", "5")];
    let listed = shop.client().list_all("/products", &query).await;
    let prices: Vec<u64> = listed.iter().map(|product| product["price"]["amount"].as_u64().unwrap()).collect();
    assert_eq!(prices, (1..=23).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn pages_contain_products_of_equal_price_once() {
    let shop = Shop::shared().await;
    let products = new_category_with(&shop.admin().await, &[("a", 5), ("b", 5), ("c", 5), ("d", 5), ("e", 5)]).await;
    for sort in ["price", "-price"] {
        let query = [("category", products[0].category.as_str()), ("sort", sort), ("limit", "2")];
        let listed = shop.client().list_all("/products", &query).await;
        let mut listed = names(&listed);
        listed.sort_unstable();
        assert_eq!(listed, ["a", "b", "c", "d", "e"], "{sort}");
    }
}

#[tokio::test]
async fn a_page_has_20_products_by_default() {
    let shop = Shop::shared().await;
    let products = shop.admin().await.new_category(21).await;
    let page = shop.client().list_products(&[("category", &products[0].category)]).await.expect_status(200);
    assert_eq!(members(&page.body), ["items", "next"]);
    assert_eq!(page.items().len(), 20);
    let next = page["next"].as_str().unwrap();
    let rest = shop.client().list_products(&[("category", &products[0].category), ("after", next)]).await;
    assert_eq!((rest.items().len(), &rest["next"]), (1, &Value::Null));
}

#[tokio::test]
async fn a_list_that_changes_between_pages_neither_repeats_nor_skips() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let products = new_category_with(&admin, &[("b", 1), ("d", 1), ("f", 1), ("h", 1)]).await;
    let query = [("category", products[0].category.as_str()), ("sort", "name"), ("limit", "2")];
    let first = shop.client().list_products(&query).await.expect_status(200);
    assert_eq!(names(first.items()), ["b", "d"]);

    let mut earlier = product_json("product", &euros(1), 1);
    earlier["name"] = "a".into();
    earlier["category"] = products[0].category.as_str().into();
    admin.create_product(earlier).await.expect_status(201);
    admin.delete_product(&products[1]).await.expect_status(204);

    let rest = [&query[..], &[("after", first["next"].as_str().unwrap())]].concat();
    assert_eq!(names(shop.client().list_products(&rest).await.items()), ["f", "h"]);
}

#[tokio::test]
async fn products_are_fetched_by_id_in_the_requested_order() {
    let shop = Shop::shared().await;
    let products = new_category_with(&shop.admin().await, &[("a", 1), ("b", 1), ("c", 1)]).await;
    let ids = json!({"ids": [products[2].id, UNKNOWN_ID, products[0].id, products[1].id]});
    let fetched = shop.client().request(Method::POST, "/products/ids").json(ids).await.expect_status(200);
    assert_eq!(names(fetched.items()), ["c", "a", "b"]);
}
