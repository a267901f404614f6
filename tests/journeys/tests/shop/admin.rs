//! The admin keeps the catalogue: offers products, edits them without treading on a colleague's toes, counts the
//! stock. Visitors find what is there, in any order and page by page; nobody else changes it.

use journeys::{Admin, Books, Method, Product, Shop, at_once, euros, goods, members, unique};
use serde_json::{Value, json};

/// Products of one category: a name and a price in cents each, offered one after the other.
async fn a_shelf_with(admin: &Admin, products: &[(&str, u64)]) -> Vec<Product> {
    let category = unique("shelf");
    let mut shelf = Vec::new();
    for (name, cents) in products {
        let mut product = goods("ware", &euros(*cents), 1);
        product["name"] = (*name).into();
        product["category"] = category.as_str().into();
        shelf.push(Product::of(&admin.offers(product).await.expect_status(201).body));
    }
    shelf
}

fn names(products: &[Value]) -> Vec<&str> {
    products.iter().map(|product| product["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn puts_a_product_on_sale() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let mut tea = goods("tea", &euros(499), 7);
    let offered = admin.offers(tea.clone()).await.expect_status(201);
    for (member, default) in [("unit", json!("piece")), ("supplier", json!(null)), ("image", json!(null))] {
        tea[member] = default;
    }
    tea["version"] = 1.into();
    tea["id"] = offered.id().into();
    assert_eq!(offered.body, tea);
    assert!(offered.header("Location").ends_with(&format!("/products/{}", offered.id())), "{offered:?}");
    assert_eq!(shop.visitor().gets(offered.header("Location")).await.expect_status(200).body, tea);
}

#[tokio::test]
async fn offers_every_field_that_a_product_has() {
    let shop = Shop::shared().await;
    let mut tea = goods("tea", &euros(499), 7);
    tea["unit"] = "100 g".into();
    tea["supplier"] = "Chá & Filhos, Açores".into();
    tea["image"] = "https://example.com/tea.svg".into();
    let offered = shop.admin().await.offers(tea.clone()).await.expect_status(201);
    for field in members(&tea) {
        assert_eq!(offered[field], tea[field], "{field}");
    }
}

#[tokio::test]
async fn without_a_count_there_is_none_to_sell() {
    let shop = Shop::shared().await;
    let mut tea = goods("tea", &euros(499), 7);
    tea.as_object_mut().unwrap().remove("available");
    assert_eq!(shop.admin().await.offers(tea).await.expect_status(201)["available"], 0);
}

#[tokio::test]
async fn edits_one_field_and_leaves_the_others() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 7).await;
    let mut expected = admin.looks_at(&tea).await.body;
    let edited = admin.edits(&tea, json!({"price": euros(549), "supplier": "Ana"})).await.expect_status(200);
    expected["price"] = euros(549);
    expected["supplier"] = "Ana".into();
    expected["version"] = 2.into();
    assert_eq!(edited.body, expected);
    assert_eq!(admin.looks_at(&tea).await.body, expected);
}

#[tokio::test]
async fn clears_a_field_with_null() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 7).await;
    admin.edits(&tea, json!({"supplier": "Ana", "image": "/tea.svg"})).await.expect_status(200);
    let cleared = admin.edits(&tea, json!({"supplier": null, "image": null})).await.expect_status(200);
    assert_eq!((&cleared["supplier"], &cleared["image"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn replaces_a_product_as_a_whole() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 7).await;
    admin.edits(&tea, json!({"supplier": "Ana", "unit": "100 g"})).await.expect_status(200);
    let mut by = goods("coffee", &euros(799), 0);
    by.as_object_mut().unwrap().remove("available");
    let replaced = admin.replaces(&tea, by.clone()).await.expect_status(200);
    for field in members(&by) {
        assert_eq!(replaced[field], by[field], "{field}");
    }
    assert_eq!(replaced.id(), tea.id);
    assert_eq!((&replaced["supplier"], &replaced["unit"]), (&Value::Null, &json!("piece")));
    assert_eq!(replaced["available"], 7, "stock is no part of what is offered");
    assert_eq!(replaced["version"], 3);
}

#[tokio::test]
async fn an_edit_from_an_old_version_is_refused() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 7).await;
    let colleague = admin.edits(&tea, json!({"price": euros(549), "version": 1})).await.expect_status(200);
    admin.edits(&tea, json!({"price": euros(9), "version": 1})).await.expect_problem(409, "conflict");
    let mut by = goods("coffee", &euros(799), 0);
    by.as_object_mut().unwrap().remove("available");
    by["version"] = 1.into();
    admin.replaces(&tea, by).await.expect_problem(409, "conflict");
    assert_eq!(admin.looks_at(&tea).await.body, colleague.body);
}

#[tokio::test]
async fn of_two_edits_from_one_version_one_wins() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 7).await;
    let edits = (0..8).map(|cents| admin.edits(&tea, json!({"price": euros(cents), "version": 1})));
    let answers = at_once(edits).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "{answers:#?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)), "{answers:#?}");
    assert_eq!(admin.looks_at(&tea).await.body, won[0].body);
}

#[tokio::test]
async fn a_sale_is_no_edit() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 7).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 1).await.expect_status(200);
    ana.orders("one").await.expect_status(201);
    admin.edits(&tea, json!({"price": euros(549), "version": 1})).await.expect_status(200);
}

#[tokio::test]
async fn counts_the_stock() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 7).await;
    assert_eq!(admin.books(&tea).await, Books { available: 7, reserved: 0, sold: 0 });
    let counted = admin.restocks(&tea, 12).await.expect_status(200);
    assert_eq!(counted.body, json!({"available": 12, "reserved": 0, "sold": 0}));
    assert_eq!(admin.books(&tea).await, Books { available: 12, reserved: 0, sold: 0 });
    assert_eq!(admin.looks_at(&tea).await["available"], 12);
}

#[tokio::test]
async fn counting_leaves_what_is_sold_alone() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 7).await;
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 3).await.expect_status(200);
    ana.orders("three").await.expect_status(201);
    admin.restocks(&tea, 100).await.expect_status(200);
    assert_eq!(admin.books(&tea).await, Books { available: 100, reserved: 0, sold: 3 });
}

#[tokio::test]
async fn what_is_withdrawn_is_gone() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 7).await;
    admin.withdraws(&tea).await.expect_status(204);
    admin.looks_at(&tea).await.expect_problem(404, "not-found");
    admin.withdraws(&tea).await.expect_problem(404, "not-found");
    admin.edits(&tea, json!({"price": euros(1)})).await.expect_problem(404, "not-found");
    assert_eq!(admin.looks_round(&[("category", &tea.category)]).await["items"], json!([]));
    assert_eq!(admin.asks(Method::POST, "/products/ids").json(json!({"ids": [tea.id]})).await["items"], json!([]));
}

#[tokio::test]
async fn nobody_else_changes_the_catalogue() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 7).await;
    let (visitor, ana) = (shop.visitor(), shop.new_customer("Ana").await);
    let before = admin.looks_at(&tea).await.body;
    let (path, stock) = (tea.path(), format!("{}/stock", tea.path()));
    for (method, path, body) in [
        (Method::POST, "/products", goods("coffee", &euros(1), 1)),
        (Method::PUT, &path, goods("coffee", &euros(1), 1)),
        (Method::PATCH, &path, json!({"price": euros(1)})),
        (Method::DELETE, &path, json!({})),
        (Method::PUT, &stock, json!({"available": 0})),
        (Method::GET, &stock, json!({})),
        (Method::POST, "/products/import", json!({})),
    ] {
        visitor.asks(method.clone(), path).json(body.clone()).await.expect_problem(401, "unauthenticated");
        ana.asks(method, path).json(body).await.expect_problem(403, "forbidden");
    }
    assert_eq!(admin.looks_at(&tea).await.body, before);
}

#[tokio::test]
async fn lists_are_sorted_as_asked() {
    let shop = Shop::shared().await;
    let shelf = a_shelf_with(&shop.admin().await, &[("beta", 300), ("Alpha", 200), ("gamma", 100)]).await;
    let category = &shelf[0].category;
    for (sort, expected) in [
        ("newest", ["gamma", "Alpha", "beta"]),
        ("name", ["Alpha", "beta", "gamma"]),
        ("-name", ["gamma", "beta", "Alpha"]),
        ("price", ["gamma", "Alpha", "beta"]),
        ("-price", ["beta", "Alpha", "gamma"]),
    ] {
        let list = shop.visitor().looks_round(&[("category", category), ("sort", sort)]).await.expect_status(200);
        assert_eq!(names(list.items()), expected, "{sort}");
        let path = format!("/products/category/{category}");
        let list = shop.visitor().gets(&path).query(&[("sort", sort)]).await.expect_status(200);
        assert_eq!(names(list.items()), expected, "{sort}");
    }
    let unsorted = shop.visitor().looks_round(&[("category", category)]).await.expect_status(200);
    assert_eq!(names(unsorted.items()), ["gamma", "Alpha", "beta"]);
}

#[tokio::test]
async fn categories_say_how_much_is_in_them() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let shelf = a_shelf_with(&admin, &[("beta", 300), ("alpha", 200), ("gamma", 100)]).await;
    admin.withdraws(&shelf[1]).await.expect_status(204);
    let categories = shop.visitor().walks_through("/products/categories", &[]).await;
    let mine: Vec<_> = categories.iter().filter(|category| category["name"] == *shelf[0].category).collect();
    assert_eq!(mine, [&json!({"name": shelf[0].category, "products": 2})]);
    assert!(names(&categories).is_sorted(), "{categories:?}");
}

#[tokio::test]
async fn a_category_with_nothing_in_it_is_none() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.sells("tea", &euros(499), 7).await;
    let path = format!("/products/category/{}", tea.category);
    admin.gets(&path).await.expect_status(200);
    admin.withdraws(&tea).await.expect_status(204);
    admin.gets(&path).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn a_category_may_have_any_name() {
    let shop = Shop::shared().await;
    let mut tea = goods("tea", &euros(499), 7);
    let category = unique("Chá & Café ");
    tea["category"] = category.as_str().into();
    shop.admin().await.offers(tea).await.expect_status(201);
    let found = shop.visitor().gets(&format!("/products/category/{category}")).await.expect_status(200);
    assert_eq!(found.items().len(), 1);
}

#[tokio::test]
async fn every_word_of_a_search_is_found_somewhere() {
    let shop = Shop::shared().await;
    let word = unique("word");
    let mut tea = goods("tea", &euros(499), 7);
    tea["name"] = format!("Crème brûlée {word}").into();
    tea["description"] = "Smoky, from the ÅLAND islands".into();
    tea["category"] = "Desserts of journeys".into();
    shop.admin().await.offers(tea).await.expect_status(201);
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
        let list = shop.visitor().looks_round(&[("q", &search)]).await.expect_status(200);
        assert_eq!(!list.items().is_empty(), found, "{search:?}: {list}");
    }
}

#[tokio::test]
async fn a_walk_meets_every_product_once() {
    let shop = Shop::shared().await;
    let shelf = shop.admin().await.fills_a_shelf(47).await;
    let category = shelf[0].category.as_str();
    let mut expected: Vec<&str> = shelf.iter().map(|product| product.id.as_str()).collect();
    expected.sort_unstable();
    for sort in ["newest", "name", "-name", "price", "-price"] {
        for limit in ["1", "10", "47", "100"] {
            let query = [("category", category), ("sort", sort), ("limit", limit)];
            let met = shop.visitor().walks_through("/products", &query).await;
            let mut ids: Vec<&str> = met.iter().map(|product| product["id"].as_str().unwrap()).collect();
            ids.sort_unstable();
            assert_eq!(ids, expected, "{sort} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_walk_keeps_the_order() {
    let shop = Shop::shared().await;
    let shelf = shop.admin().await.fills_a_shelf(23).await;
    let query = [("category", shelf[0].category.as_str()), ("sort", "-price"), ("limit", "5")];
    let met = shop.visitor().walks_through("/products", &query).await;
    let prices: Vec<u64> = met.iter().map(|product| product["price"]["amount"].as_u64().unwrap()).collect();
    assert_eq!(prices, (1..=23).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn equal_prices_do_not_upset_a_walk() {
    let shop = Shop::shared().await;
    let shelf = a_shelf_with(&shop.admin().await, &[("a", 5), ("b", 5), ("c", 5), ("d", 5), ("e", 5)]).await;
    for sort in ["price", "-price"] {
        let query = [("category", shelf[0].category.as_str()), ("sort", sort), ("limit", "2")];
        let met = shop.visitor().walks_through("/products", &query).await;
        let mut met = names(&met);
        met.sort_unstable();
        assert_eq!(met, ["a", "b", "c", "d", "e"], "{sort}");
    }
}

#[tokio::test]
async fn pages_have_20_products_unless_asked_otherwise() {
    let shop = Shop::shared().await;
    let shelf = shop.admin().await.fills_a_shelf(21).await;
    let page = shop.visitor().looks_round(&[("category", &shelf[0].category)]).await.expect_status(200);
    assert_eq!(members(&page.body), ["items", "next"]);
    assert_eq!(page.items().len(), 20);
    let next = page["next"].as_str().unwrap();
    let rest = shop.visitor().looks_round(&[("category", &shelf[0].category), ("after", next)]).await;
    assert_eq!((rest.items().len(), &rest["next"]), (1, &Value::Null));
}

#[tokio::test]
async fn a_list_that_changes_neither_repeats_nor_skips() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let shelf = a_shelf_with(&admin, &[("b", 1), ("d", 1), ("f", 1), ("h", 1)]).await;
    let query = [("category", shelf[0].category.as_str()), ("sort", "name"), ("limit", "2")];
    let first = shop.visitor().looks_round(&query).await.expect_status(200);
    assert_eq!(names(first.items()), ["b", "d"]);

    let mut earlier = goods("ware", &euros(1), 1);
    earlier["name"] = "a".into();
    earlier["category"] = shelf[0].category.as_str().into();
    admin.offers(earlier).await.expect_status(201);
    admin.withdraws(&shelf[1]).await.expect_status(204);

    let rest = [&query[..], &[("after", first["next"].as_str().unwrap())]].concat();
    assert_eq!(names(shop.visitor().looks_round(&rest).await.items()), ["f", "h"]);
}

#[tokio::test]
async fn many_are_fetched_at_once_in_the_order_asked() {
    let shop = Shop::shared().await;
    let shelf = a_shelf_with(&shop.admin().await, &[("a", 1), ("b", 1), ("c", 1)]).await;
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    let ids = json!({"ids": [shelf[2].id, unknown, shelf[0].id, shelf[1].id]});
    let fetched = shop.visitor().asks(Method::POST, "/products/ids").json(ids).await.expect_status(200);
    assert_eq!(names(fetched.items()), ["c", "a", "b"]);
}
