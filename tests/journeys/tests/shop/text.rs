//! Text in any script: what is visible, what is the same, and what is refused.

use journeys::{Admin, Shop, address, euros, new_email, product_json, unique};
use serde_json::{Value, json};

/// Invisible, although each has at least one character.
const INVISIBLE: [&str; 8] =
    ["\u{200b}", "\u{2060}\u{feff}", "\u{ad}", "\u{3164}", "\u{2800}", "\u{301}", "\u{200e}", "\u{e0041}"];
/// Not text of one line.
const NOT_IN_A_LINE: [&str; 8] = ["a\nb", "a\rb", "a\u{2028}b", "a\u{85}b", "a\tb", "a\u{202e}b", "a\u{2066}b", "a\0b"];

async fn expect_refused(admin: &Admin, field: &str, text: &str) {
    let mut product = product_json("tea", &euros(499), 1);
    product[field] = text.into();
    admin.create_product(product).await.expect_bad_fields(&[field]);
}

#[tokio::test]
async fn a_product_has_visible_text_without_control_of_direction_or_lines() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    for field in ["name", "category", "unit", "supplier"] {
        for text in INVISIBLE.into_iter().chain(NOT_IN_A_LINE) {
            expect_refused(&admin, field, text).await;
        }
    }
    for text in INVISIBLE.into_iter().chain(["a\u{202e}b", "a\0b"]) {
        expect_refused(&admin, "description", text).await;
    }
}

#[tokio::test]
async fn an_address_has_visible_text_of_one_line() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for text in INVISIBLE.into_iter().chain(NOT_IN_A_LINE) {
        let mut address = address(text);
        address["city"] = text.into();
        ana.add_address(address).await.expect_bad_fields(&["line1", "city"]);
    }
}

#[tokio::test]
async fn a_search_for_invisible_text_is_refused() {
    let shop = Shop::shared().await;
    for text in INVISIBLE {
        shop.client().list_products(&[("q", text)]).await.expect_bad_fields(&["q"]);
        shop.client().list_products(&[("category", text)]).await.expect_bad_fields(&["category"]);
    }
}

#[tokio::test]
async fn an_imported_row_obeys_the_rules_of_text() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let text = format!("key,name,category,price\n\u{200b},Tea,{0},499\n{0},T\u{202e}ea,{0},499\n", unique("category"));
    let report = admin.import_products("text/csv", text, &[]).await.expect_problem(422, "validation");
    let errors: Vec<(&Value, &Value)> =
        report["errors"].as_array().unwrap().iter().map(|error| (&error["line"], &error["field"])).collect();
    assert_eq!(errors, [(&json!(2), &json!("key")), (&json!(3), &json!("name"))]);
}

#[tokio::test]
async fn emoji_and_scripts_with_joiners_stay_as_they_are() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    for name in ["👩\u{200d}👩\u{200d}👧 tea ❤\u{fe0f}", "چای می\u{200c}خواهم", "ශ්\u{200d}රී ලංකා", "日本茶"]
    {
        let mut product = product_json("tea", &euros(499), 1);
        product["name"] = name.into();
        product["description"] = format!("{name}\r\n\r\n\tTwo lines").into();
        let created = admin.create_product(product).await.expect_status(201);
        assert_eq!(
            (&created["name"], &created["description"]),
            (&json!(name), &json!(format!("{name}\n\n\tTwo lines")))
        );
    }
}

#[tokio::test]
async fn two_spellings_of_a_category_are_one_category() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let category = unique("Café ");
    let spellings = [
        category.clone(),
        category.replace('é', "e\u{301}"),
        category.replace(' ', "\u{a0}"),
        category.replace('f', "f\u{200b}"),
    ];
    for spelling in &spellings {
        let mut product = product_json("tea", &euros(499), 1);
        product["category"] = spelling.as_str().into();
        assert_eq!(admin.create_product(product).await.expect_status(201)["category"], *category, "{spelling:?}");
    }
    for spelling in &spellings {
        let by_path = shop.client().get(&format!("/products/category/{spelling}")).await.expect_status(200);
        let by_query = shop.client().list_products(&[("category", spelling)]).await.expect_status(200);
        assert_eq!((by_path.items().len(), by_query.items().len()), (4, 4), "{spelling:?}");
    }
    let categories = shop.client().list_all("/products/categories", &[]).await;
    let found: Vec<&Value> = categories.iter().filter(|found| found["name"] == *category).collect();
    assert_eq!(found, [&json!({"name": category, "products": 4})]);
}

#[tokio::test]
async fn two_spellings_of_an_import_key_are_one_product() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let key = unique("clé-");
    let row = |key: &str| format!("{key},Tea,{},499\n", unique("category"));
    let file = |rows: &[String]| format!("key,name,category,price\n{}", rows.concat());
    let decomposed = key.replace('é', "e\u{301}");
    let first = admin.import_products("text/csv", file(&[row(&key)]), &[]).await.expect_status(200);
    let second = admin.import_products("text/csv", file(&[row(&decomposed)]), &[]).await.expect_status(200);
    assert_eq!((&first["created"], &second["created"], &second["updated"]), (&json!(1), &json!(0), &json!(1)));
    let twice = file(&[row(&key), row(&decomposed)]);
    let refused = admin.import_products("text/csv", twice, &[]).await.expect_problem(422, "validation");
    assert_eq!(refused["errors"][0]["field"], "key");
}

#[tokio::test]
async fn the_spelling_of_a_password_does_not_matter() {
    let shop = Shop::shared().await;
    for (chosen, typed) in [
        ("crème brûlée à gogo", "cre\u{300}me bru\u{302}le\u{301}e a\u{300} gogo"),
        ("cre\u{300}me bru\u{302}le\u{301}e a\u{300} gogo", "crème\u{a0}brûlée à gogo"),
    ] {
        let email = new_email("customer");
        shop.client().sign_up(&email, chosen).retry_while_busy().await.expect_status(201);
        shop.client().sign_in(&email, typed).await.expect_status(200);
        shop.client().sign_in(&email, chosen).await.expect_status(200);
        shop.client().sign_in(&email, "creme brulee a gogo").await.expect_unauthenticated();
    }
    for bad in ["a\tnew password", "a new\u{0} password"] {
        shop.client().sign_up(&new_email("customer"), bad).await.expect_bad_fields(&["password"]);
    }
}
