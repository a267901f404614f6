//! Admins look after the catalogue and the discounts on the pages.

use journeys::{Admin, HtmlForm, Method, PASSWORD, Response, Shop, Stock, Visitor, euros, unique, wait_for};
use serde_json::{Value, json};

/// Returns the form of a new product.
async fn new_product(visitor: &Visitor, language: &str, name: &str, price: &str) -> HtmlForm {
    let page = visitor.open(&format!("/{language}/admin/products/new")).await.expect_status(200);
    let form = page.form("/products/new").set("name", name).set("category", "tea");
    assert_eq!(form.value("currency"), "EUR", "the currency of the shop");
    form.set("price", price).set("available", "7")
}

/// Creates a product, and returns its id.
async fn create_product(visitor: &Visitor, name: &str) -> String {
    let page = visitor.send_form(&new_product(visitor, "en", name, "12.50").await).await;
    id_of(&page.expect_status(200).expect_text("Created."))
}

fn id_of(page: &Response) -> String {
    let path = page.address().split('?').next().unwrap();
    path.rsplit('/').next().unwrap().to_owned()
}

async fn stored(shop: &Shop, id: &str) -> Response {
    shop.client().get(&format!("/products/{id}")).await.expect_status(200)
}

async fn stock(admin: &Admin, id: &str) -> Stock {
    Stock::from_response(&admin.get(&format!("/products/{id}/stock")).await.expect_status(200))
}

#[tokio::test]
async fn an_admin_creates_a_product_and_a_shopper_sees_it() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let name = unique("Pu-erh");
    let id = create_product(&visitor, &name).await;
    shop.visitor().open(&format!("/en/p/{id}")).await.expect_status(200).expect_text(&name).expect_text("€12.50");

    let page = visitor.open(&format!("/en/admin/products/{id}")).await.expect_status(200);
    let form = page.form(&id).set("price", "1,234.5").set("weight_grams", "120").set("digital", "true");
    visitor.send_form(&form).await.expect_status(200).expect_text("Saved.");
    let product = stored(&shop, &id).await;
    assert_eq!((&product["price"], &product["weight_grams"]), (&euros(123_450), &json!(120)));
    assert_eq!(
        (&product["digital"], &product["unit"], &product["version"]),
        (&json!(true), &json!("piece"), &json!(2))
    );

    let list = visitor.open(&format!("/en/admin/products?q={name}&sort=name")).await.expect_status(200);
    list.expect_text(&name).expect_text("€1,234.50");
    visitor.open("/en/admin/products?q=nothing-has-this-name").await.expect_status(200).expect_text("Nothing found");

    let german = new_product(&visitor, "de", &unique("Tee"), "12,50").await;
    let id = id_of(&visitor.send_form(&german).await.expect_status(200).expect_text("Angelegt."));
    assert_eq!(stored(&shop, &id).await["price"], euros(1_250));
    let page = visitor.open(&format!("/de/admin/products/{id}")).await.expect_status(200);
    assert_eq!(page.form(&id).value("price"), "12,50");
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_its_field_and_kept() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let form = new_product(&visitor, "en", "", "12,50").await;
    let form = form.set("weight_grams", "heavy").set("description", "Two\nlines");
    let page = visitor.send_form(&form).await.expect_status(422).expect_text("Please check 3 fields");
    assert_eq!(page.invalid_fields(), ["name", "price", "weight_grams"]);
    let kept = page.form("/products/new");
    assert_eq!((kept.value("price"), kept.value("weight_grams")), ("12,50", "heavy"));
    assert_eq!((kept.value("description"), kept.value("available")), ("Two\nlines", "7"));
    let form = kept.set("name", &unique("tea")).set("price", "12.50").set("weight_grams", "");
    let id = id_of(&visitor.send_form(&form).await.expect_status(200));

    let form = visitor.open(&format!("/en/admin/products/{id}")).await.form(&id).set("currency", "euro");
    let refused = visitor.send_form(&form).await.expect_status(422);
    assert_eq!((refused.invalid_fields(), refused.form(&id).value("currency")), (vec!["currency".to_owned()], "euro"));
}

#[tokio::test]
async fn two_admins_edit_a_product_at_once_and_nothing_is_lost() {
    let shop = Shop::shared().await;
    let first = shop.admin_visitor().await;
    let second = shop.admin_visitor().await;
    let id = create_product(&first, &unique("tea")).await;
    let path = format!("/en/admin/products/{id}");
    let (one, other) = (first.open(&path).await.form(&id), second.open(&path).await.form(&id));
    first.send_form(&one.set("price", "13.00").set("supplier", "Ana")).await.expect_status(200);

    let typed = other.set("price", "14.00").set("description", "A new text");
    let page = second.send_form(&typed).await.expect_status(412).expect_text("Another admin has changed this");
    let page = page.expect_text("Stored now: 13.00").expect_text("Stored now: Ana");
    assert_eq!(stored(&shop, &id).await["price"], euros(1_300), "nothing is saved yet");
    let kept = page.form(&id);
    assert_eq!((kept.value("price"), kept.value("description")), ("14.00", "A new text"));
    second.send_form(&kept.set("supplier", "Ana")).await.expect_status(200).expect_text("Saved.");
    let product = stored(&shop, &id).await;
    assert_eq!((&product["price"], &product["supplier"]), (&euros(1_400), &json!("Ana")));
    assert_eq!(product["description"], "A new text");
}

#[tokio::test]
async fn stock_is_added_and_counted() {
    let shop = Shop::shared().await;
    let (admin, visitor) = (shop.admin().await, shop.admin_visitor().await);
    let id = create_product(&visitor, &unique("tea")).await;
    let path = format!("/en/admin/products/{id}");
    let before = visitor.open(&path).await.expect_status(200);
    let add = before.form("/stock/add").set("add", "20");
    visitor.send_form(&add).await.expect_status(200).expect_text("Saved.").expect_text("Available 27");
    visitor.send_form(&add).await.expect_status(200);
    assert_eq!(stock(&admin, &id).await.available, 27, "a double click adds once");
    let other = visitor.send_form(&add.set("add", "-2")).await.expect_status(422).expect_text("sent before");
    let lost = other.form("/stock/add");
    assert_eq!(lost.value("add"), "-2");
    visitor.send_form(&lost).await.expect_status(200).expect_text("Available 25");
    let late = before.form("/stock/count").set("counted", "7");
    let page = visitor.send_form(&late).await.expect_status(412).expect_text("Available 25");
    visitor.send_form(&page.form("/stock/count").set("counted", "24")).await.expect_status(200);
    assert_eq!(stock(&admin, &id).await.available, 24);

    let page = visitor.open(&path).await;
    let refused = visitor.send_form(&page.form("/stock/add").set("add", "many")).await.expect_status(422);
    assert_eq!((refused.invalid_fields(), refused.form("/stock/add").value("add")), (vec!["add".to_owned()], "many"));
    let refused = visitor.send_form(&page.form("/stock/add").set("add", "-25")).await.expect_status(409);
    refused.expect_text("There can be 0 to 1,000,000,000 units.");
}

#[tokio::test]
async fn units_are_added_although_the_stock_has_changed() {
    let shop = Shop::shared().await;
    let (admin, visitor) = (shop.admin().await, shop.admin_visitor().await);
    let tea = shop.new_product("tea", &euros(499), 7).await;
    let page = visitor.open(&format!("/en/admin/products/{}", tea.id)).await.expect_status(200);
    shop.customer_with_order(&tea, 2).await;
    visitor.send_form(&page.form("/stock/add").set("add", "10")).await.expect_status(200).expect_text("Saved.");
    assert_eq!(stock(&admin, &tea.id).await.available, 15);
    visitor.send_form(&page.form("/stock/count").set("counted", "15")).await.expect_status(412);
}

#[tokio::test]
async fn a_double_click_creates_one_product() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let name = unique("Oolong");
    let form = new_product(&visitor, "en", &name, "12.50").await;
    let (one, other) = tokio::join!(visitor.send_form(&form), visitor.send_form(&form));
    assert_eq!(id_of(&one.expect_status(200)), id_of(&other.expect_status(200)));
    let list = shop.client().list_products(&[("q", &name)]).await.expect_status(200);
    assert_eq!(list.items().len(), 1);

    // The form of a page that "back" has shown again.
    let changed = visitor.send_form(&form.set("price", "13.00")).await.expect_status(422).expect_text("sent before");
    let again = visitor.send_form(&changed.form("/products/new")).await.expect_status(200);
    again.expect_text("Created.");
    assert_eq!(shop.client().list_products(&[("q", &name)]).await.items().len(), 2);
}

#[tokio::test]
async fn the_same_key_creates_one_product_and_adds_once() {
    let shop = Shop::shared().await;
    let (admin, key) = (shop.admin().await, unique("key"));
    let body =
        json!({"name": unique("tea"), "description": "", "category": "tea", "price": euros(499), "available": 5});
    let create = |body: &Value| admin.create_product(body.clone()).header("Idempotency-Key", &key);
    let first = create(&body).await.expect_status(201);
    let path = format!("/products/{}", first.id());
    let again = create(&body).await.expect_status(201);
    assert_eq!((again.id(), again.header("Idempotent-Replayed")), (first.id(), "true"));
    assert_eq!(again.header("Location"), path);
    let mut other = body.clone();
    other["available"] = 6.into();
    create(&other).await.expect_problem(422, "key-reused");
    admin.create_product(body.clone()).header("Idempotency-Key", "a b").await.expect_problem(400, "malformed");

    let stock = format!("{path}/stock");
    let add = |number: u32| {
        admin.request(Method::PATCH, &stock).header("Idempotency-Key", "delivery-1").json(json!({"add": number}))
    };
    assert_eq!(add(3).await.expect_status(200)["available"], 8);
    let again = add(3).await.expect_status(200);
    assert_eq!((&again["available"], again.header("Idempotent-Replayed")), (&json!(8), "true"));
    add(4).await.expect_problem(422, "key-reused");

    admin.request(Method::DELETE, &path).await.expect_status(204);
    create(&body).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn a_product_is_sold_in_the_currency_of_the_shop() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let form = new_product(&visitor, "en", &unique("tea"), "12.50").await;
    let refused = visitor.send_form(&form.set("currency", "USD").set("name", "")).await.expect_status(422);
    let refused = refused.expect_text("Currency: The shop sells in EUR.");
    assert_eq!(refused.invalid_fields(), ["name", "currency"]);

    let code = unique("TEA");
    let form = visitor.open("/en/admin/discounts/new").await.form("/discounts/new").set("code", &code);
    let form = form.set("kind", "amount").set("value", "1.00").set("currency", "USD");
    let refused = visitor.send_form(&form).await.expect_status(422).expect_text("The shop sells in EUR.");
    assert_eq!(refused.invalid_fields(), ["value"]);
}

#[tokio::test]
async fn an_emptied_field_gets_the_value_of_a_new_product() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let id = create_product(&visitor, &unique("tea")).await;
    for (unit, weight, expected) in [("100 g", "250", ("100 g", 250)), ("", "", ("piece", 0))] {
        let form = visitor.open(&format!("/en/admin/products/{id}")).await.form(&id);
        let form = form.set("unit", unit).set("weight_grams", weight);
        visitor.send_form(&form).await.expect_status(200).expect_text("Saved.");
        let product = stored(&shop, &id).await;
        assert_eq!((&product["unit"], &product["weight_grams"]), (&json!(expected.0), &json!(expected.1)));
    }
}

#[tokio::test]
async fn a_deleted_product_is_gone() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let id = create_product(&visitor, &unique("tea")).await;
    let form = visitor.open(&format!("/en/admin/products/{id}")).await.form("/delete");
    visitor.send_form(&form).await.expect_status(200).expect_text("Deleted.");
    shop.visitor().open(&format!("/en/p/{id}")).await.expect_status(404);
    visitor.send_form(&form).await.expect_status(200).expect_text("Deleted.");
}

#[tokio::test]
async fn a_file_is_imported_or_refused_by_line() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let (name, key) = (unique("tea"), unique("key"));
    let page = visitor.open("/en/admin/products/import").await.expect_status(200);
    let file = |price: &str| {
        format!(
            "key,name,description,category,price,available\n{key},{name},,tea,3.20,5\n{key}-2,{name} two,,tea,{price},1\n"
        )
    };
    let bad = visitor.send_form(&page.form("/import").set("text", &file("cheap"))).await.expect_status(422);
    let bad = bad.expect_text("2 rows: 0 created").expect_text("1 rejected").expect_text("3 price");
    let bad = bad.expect_text("Nothing was imported.");
    let capitals = file("4").replacen("key,name", "Key,Name", 1);
    let refused = visitor.send_form(&page.form("/import").choose(capitals)).await.expect_status(422);
    refused.expect_text("write key, name instead of Key, Name");
    assert_eq!(bad.form("/import").value("text").trim(), file("cheap").trim());
    visitor.send_form(&page.form("/import")).await.expect_status(422).expect_text("Choose a CSV file");
    let both = visitor.send_form(&bad.form("/import").choose(file("4"))).await.expect_status(422);
    both.expect_text("Choose a file, or paste text, not both.");
    let with_colour = file("4").replacen("price,available", "price,Available", 1);
    let good = visitor.send_form(&page.form("/import").choose(with_colour)).await.expect_status(200);
    good.expect_text("2 rows: 2 created").expect_text("These columns were not used: Available.");
    let good = visitor.send_form(&page.form("/import").choose(file("4"))).await.expect_status(200);
    good.expect_text("2 rows: 0 created, 2 updated");
    visitor.open(&format!("/en/admin/products?q={name}")).await.expect_text("€3.20").expect_text("€4.00");
}

#[tokio::test]
async fn a_file_of_a_german_spreadsheet_is_imported() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let (name, key) = (unique("Krug"), unique("key"));
    let page = visitor.open("/de/admin/products/import").await.expect_status(200);
    let file = format!("key;name;category;price\r\n{key};{name} gr\u{fc}n;Keramik;1234,50\r\n");
    // Excel writes the encoding of Windows.
    let file: Vec<u8> = file.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    visitor.send_form(&page.form("/import").choose(file)).await.expect_status(200).expect_text("1 angelegt");
    let list = visitor.open(&format!("/de/admin/products?q={name}")).await;
    list.expect_text(&format!("{name} grün")).expect_text("1.234,50 €");

    // Excel names the delimiter in a line of its own. The file's currency counts, not the shop's.
    let dollars = format!("sep=;\r\nkey;name;category;price;currency\r\n{key}-2;{name} rot;Keramik;7,50;USD\r\n");
    for file in [dollars.clone().into_bytes(), [0xfe_u8, 0xff].into_iter().chain(utf16(&dollars)).collect()] {
        visitor.send_form(&page.form("/import").choose(file)).await.expect_status(200).expect_text("1 Zeile");
        let list = visitor.open(&format!("/de/admin/products?q={name}+rot")).await;
        list.expect_text("7,50 $");
    }
}

/// UTF-16, big-endian, as "Unicode text" of Excel.
fn utf16(text: &str) -> impl Iterator<Item = u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes)
}

#[tokio::test]
async fn a_large_file_with_errors_shows_the_first_of_them() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let page = visitor.open("/en/admin/products/import").await.expect_status(200);
    let rows: String = (0..20_000).map(|row| format!("{row},Tea {row},tea,cheap\n")).collect();
    let file = format!("key,name,category,price\n{rows}");
    let refused = visitor.send_form(&page.form("/import").choose(file)).await.expect_status(422);
    refused.expect_text("20,000 rejected").expect_text("These are the first 100 errors.");
    let too_large = visitor.send_form(&page.form("/import").choose(vec![b'a'; 8 * 1024 * 1024 + 1])).await;
    too_large.expect_status(413).expect_text("The file is larger than the shop takes on this page.");
}

#[tokio::test]
async fn a_discount_of_the_page_works_in_a_quote() {
    let shop = Shop::shared().await;
    let visitor = shop.admin_visitor().await;
    let tea = shop.new_product("tea", &euros(3_000), 100).await;
    let customer = shop.customer_with_cart(&tea, 1).await;
    let code = unique("TEA");
    let form = visitor.open("/en/admin/discounts/new").await.expect_status(200).form("/discounts/new");
    let form = form.set("code", &code).set("until", "2020-01-01T00:00").press("product", &tea.id);
    let wrong = form.set("value", "a lot").set("limit", "0").set("minimum", "free");
    let refused = visitor.send_form(&wrong).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["value", "minimum", "limit"]);
    let form = refused.form("/discounts/new").set("value", "12.5").set("limit", "").set("minimum", "1.00");
    visitor.send_form(&form).await.expect_status(200).expect_text("Created.").expect_text(&code);
    let discount = async || {
        let quote = customer.request(Method::POST, "/shopping/quote").json(json!({"codes": [code]})).await;
        let quote = quote.expect_status(200);
        (quote["discounts"][0]["amount"]["amount"].as_u64().unwrap(), quote["discounts"][0]["reason"].clone())
    };
    // Another instance of the fleet learns of a change a little later.
    let quotes_show = async |expected: (u64, Value)| {
        wait_for("the discount in quotes", async || {
            let found = discount().await;
            if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    };
    quotes_show((0, json!("expired"))).await;
    let again = visitor.send_form(&form).await.expect_status(409).expect_text("Another discount has this code");
    assert_eq!(again.form("/discounts/new").value("value"), "12.5");

    let path = discount_path(&visitor, &code).await;
    let page = visitor.open(&path).await.expect_status(200);
    let stale = page.form(&path).set("value", "20");
    assert_eq!((stale.value("until"), stale.value("minimum")), ("2020-01-01T00:00:00", "1.00"));
    visitor.send_form(&page.form(&path).set("until", "")).await.expect_status(200).expect_text("Saved.");
    quotes_show((375, Value::Null)).await;
    let refused = visitor.send_form(&stale).await.expect_status(412).expect_text("Stored now: 12.5");
    let amount = refused.form(&path).set("kind", "amount").set("value", "5.00").set("until", "");
    visitor.send_form(&amount).await.expect_status(200);
    quotes_show((500, Value::Null)).await;
    visitor.send_form(&visitor.open(&path).await.form("/delete")).await.expect_text("Deleted.");
    quotes_show((0, json!("unknown"))).await;
}

#[tokio::test]
async fn the_products_of_a_discount_are_found_by_their_names() {
    let shop = Shop::shared().await;
    let (admin, visitor) = (shop.admin().await, shop.admin_visitor().await);
    let (one, other) = (unique("Assam"), unique("Ceylon"));
    let ids = [create_product(&visitor, &one).await, create_product(&visitor, &other).await];
    let code = unique("PICK");
    let form = visitor.open("/en/admin/discounts/new").await.expect_status(200).form("/discounts/new");
    let form = form.set("code", &code).set("value", "a lot");

    // "Enter" after typing a name searches, and saves nothing.
    let search = form.clone().set("find", &one).press("pick", "default");
    let page = visitor.send_form(&search).await.expect_status(200).expect_text(&one).expect_text("€12.50");
    let page = visitor.send_form(&page.form("/discounts/new").press("pick", &format!("add:{}", ids[0]))).await;
    let page = page.expect_status(200).expect_text("is added");
    assert_eq!(
        (page.form("/discounts/new").value("code"), page.form("/discounts/new").value("value")),
        (&*code, "a lot")
    );
    let found = page.form("/discounts/new").set("find", &other).press("pick", "search");
    let page = visitor.send_form(&found).await.expect_status(200);
    let page = visitor.send_form(&page.form("/discounts/new").press("pick", &format!("add:{}", ids[1]))).await;
    let page = page.expect_text(&one).expect_text(&other);
    assert!(page.html().contains(&format!("href=\"/en/admin/products/{}\"", ids[0])), "names are links");
    let refused = visitor.send_form(&page.form("/discounts/new")).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["value"]);
    visitor.send_form(&refused.form("/discounts/new").set("value", "10")).await.expect_text("Created.");

    let path = discount_path(&visitor, &code).await;
    let stored = async || admin.get(&path.replace("/en/admin", "/shopping/admin")).await.expect_status(200);
    assert_eq!(stored().await["products"], json!(ids));
    let page = visitor.open(&path).await.expect_status(200).expect_text(&one).expect_text(&other);
    let stale = page.form(&path).set("value", "20");
    let page = visitor.send_form(&page.form(&path).press("pick", &format!("remove:{}", ids[0]))).await;
    let page = page.expect_status(200);
    assert!(!page.has_text(&one) && page.has_text(&other), "{page}");
    assert_eq!(stored().await["products"], json!(ids), "nothing is saved yet");
    visitor.send_form(&page.form(&path)).await.expect_status(200).expect_text("Saved.");
    assert_eq!(stored().await["products"], json!([ids[1]]));
    let conflict = visitor.send_form(&stale).await.expect_status(412);
    conflict.expect_text(&format!("Stored now: {other}")).expect_text(&one);

    admin.request(Method::DELETE, &format!("/products/{}", ids[1])).await.expect_status(204);
    visitor.open(&path).await.expect_status(200).expect_text("A product that is deleted");
}

#[tokio::test]
async fn a_discount_is_for_categories_of_the_catalogue() {
    let shop = Shop::shared().await;
    let (admin, visitor) = (shop.admin().await, shop.admin_visitor().await);
    let [tea, mug] = admin.new_products([("tea", 3_000, 10), ("mug", 1_000, 10)]).await;
    let is_offered = |page: &Response, category: &str, is_checked: bool| {
        page.check_boxes("categories").contains(&(category.to_owned(), is_checked))
    };
    let code = unique("CATEGORY");
    let page = visitor.open("/en/admin/discounts/new").await.expect_status(200);
    assert!(is_offered(&page, &tea.category, false) && is_offered(&page, &mug.category, false));
    let form = page.form("/discounts/new").set("code", &code).set("value", "a lot").press("categories", &tea.category);
    let refused = visitor.send_form(&form).await.expect_status(422);
    assert_eq!(refused.invalid_fields(), ["value"]);
    assert!(is_offered(&refused, &tea.category, true) && is_offered(&refused, &mug.category, false));
    let form = refused.form("/discounts/new").set("value", "10");
    visitor.send_form(&form).await.expect_status(200).expect_text("Created.");
    let path = discount_path(&visitor, &code).await;
    let stored = async || admin.get(&path.replace("/en/admin", "/shopping/admin")).await.expect_status(200);
    assert_eq!(stored().await["categories"], json!([tea.category]));

    // A category stays chosen after its last product is deleted.
    admin.delete_product(&tea).await.expect_status(204);
    let gone = format!("{} (has no products)", tea.category);
    let page = visitor.open(&path).await.expect_status(200).expect_text(&gone);
    assert!(is_offered(&page, &tea.category, true) && is_offered(&page, &mug.category, false));
    let stale = page.form(&path).set("value", "20");
    let both = page.form(&path).press("categories", &mug.category);
    visitor.send_form(&both).await.expect_status(200).expect_text("Saved.");
    let mut categories = [&tea.category, &mug.category];
    categories.sort();
    assert_eq!(stored().await["categories"], json!(categories));

    let conflict = visitor.send_form(&stale).await.expect_status(412).expect_text("chosen categories. Stored now: ");
    assert!(is_offered(&conflict, &tea.category, true) && is_offered(&conflict, &mug.category, false));
    let forged = conflict.form(&path).forge("categories", &"x".repeat(101));
    visitor.send_form(&forged).await.expect_status(422).expect_text("Choose at most 100 categories.");
}

/// Returns the path of the page of a discount, from the list.
async fn discount_path(visitor: &Visitor, code: &str) -> String {
    let mut list = visitor.open("/en/admin/discounts").await.expect_status(200);
    loop {
        if let Some((before, _)) = list.html().split_once(&format!("\">{code}</a>")) {
            return before.rsplit('"').next().unwrap().to_owned();
        }
        let (_, rest) = list.html().split_once("class=\"button\" href=\"/en/admin/discounts?after=").unwrap();
        let next = rest.split('"').next().unwrap().to_owned();
        list = visitor.open(&format!("/en/admin/discounts?after={next}")).await.expect_status(200);
    }
}

#[tokio::test]
async fn only_admins_see_the_pages() {
    let shop = Shop::shared().await;
    let customer = shop.new_customer().await;
    let (visitor, guest) = (shop.visitor(), shop.visitor());
    visitor.sign_in(&customer.email, PASSWORD).await;
    let csrf = visitor.open("/en/account/email").await.form("/email").value("csrf").to_owned();
    for path in ["products/import", "products/01890a5d-ac96-774b-bcce-b302099a8057/image"] {
        visitor.post(&format!("/en/admin/{path}"), &format!("csrf={csrf}")).await.expect_status(403);
        guest.post(&format!("/en/admin/{path}"), &format!("csrf={csrf}")).await.expect_status(303);
    }
    for path in [
        "products",
        "products/new",
        "products/import",
        "products/01890a5d-ac96-774b-bcce-b302099a8057",
        "discounts",
        "discounts/new",
        "settings",
        "taxes",
        "taxes/json",
        "taxes/rates/new",
        "taxes/rates/0",
        "shipping",
        "shipping/json",
        "shipping/zones/new",
        "shipping/zones/0",
        "shipping/zones/0/methods/new",
        "shipping/zones/0/methods/0",
    ] {
        let path = format!("/en/admin/{path}");
        visitor.open(&path).await.expect_status(403);
        assert!(guest.open(&path).await.address().starts_with("/en/account/sign-in"), "{path}");
        if !["/products", "/discounts", "/taxes", "/shipping"].iter().any(|list| path.ends_with(list)) {
            visitor.post(&path, &format!("csrf={csrf}&name=x&version=x")).await.expect_status(403);
        }
    }
}
