//! The admin imports a file: columns are mapped to fields, every bad line is reported by its number, a file goes in as
//! a whole or not at all, and the same file again doubles nothing.

use journeys::{Admin, Answer, Ask, Product, Shop, euros, members, money, unique};
use serde_json::{Value, json};

/// What makes the products of one file its own, in a shop where many files have been imported.
struct File {
    admin: Admin,
    shelf: String,
}

impl File {
    async fn new(shop: &Shop) -> Self {
        Self { admin: shop.admin().await, shelf: unique("shelf") }
    }

    /// Imports CSV with the columns key, name, price and whatever the test adds.
    fn csv(&self, text: &str, mapping: &[(&str, &str)]) -> Ask {
        let key = format!("{}-{{key}}", self.shelf);
        let own = [("key", key.as_str()), ("category", &self.shelf)];
        self.admin.imports("text/csv", text, &[&own, mapping].concat())
    }

    /// Imports one JSON object a line, whose `key` and `category` are made the file's own.
    fn ndjson(&self, rows: &[Value]) -> Ask {
        let rows = rows.iter().map(|row| {
            let mut row = row.clone();
            row["key"] = format!("{}-{}", self.shelf, row["key"]).into();
            row["category"] = self.shelf.as_str().into();
            row.to_string()
        });
        self.admin.imports("application/x-ndjson", rows.collect::<Vec<_>>().join("\n"), &[])
    }

    /// What of the file is on sale, cheapest first.
    async fn products(&self) -> Vec<Value> {
        self.admin.walks_through("/products", &[("category", &self.shelf), ("sort", "price")]).await
    }
}

#[track_caller]
fn expect_counts(report: &Answer, [rows, created, updated, unchanged, rejected]: [u64; 5]) {
    let counts = json!({
        "rows": rows, "created": created, "updated": updated, "unchanged": unchanged, "rejected": rejected,
    });
    for count in members(&counts) {
        assert_eq!(report[count], counts[count], "{count} in {report}");
    }
}

/// Line and field of everything that is wrong.
fn errors(report: &Answer) -> Vec<(u64, &str)> {
    let errors = report["errors"].as_array().unwrap_or_else(|| panic!("{report}"));
    assert!(errors.iter().all(|error| error["message"].is_string()), "{report}");
    errors.iter().map(|error| (error["line"].as_u64().unwrap(), error["field"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn columns_become_fields() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    let text = "\"\",key,carat,cut,dollars,stock\n1,a,0.23,Ideal,326,4\n2,b,0.21,\"Very, very good\",3.27,5\n";
    let mapping = [
        ("name", "Diamond {#1}: {carat} ct {cut}"),
        ("description", "A diamond, cut: {cut}"),
        ("price", "{dollars}"),
        ("price_in", "major"),
        ("currency", "USD"),
        ("unit", "stone"),
        ("supplier", "{cut} Ltd"),
        ("image", "/diamonds/{key}.svg"),
        ("available", "{stock}"),
    ];
    let report = file.csv(text, &mapping).await.expect_status(200);
    expect_counts(&report, [2, 2, 0, 0, 0]);
    assert_eq!(report["errors"], json!([]));
    let products = file.products().await;
    let expected = json!({
        "id": products[1]["id"],
        "name": "Diamond 1: 0.23 ct Ideal",
        "description": "A diamond, cut: Ideal",
        "category": file.shelf,
        "price": money(32_600, "USD"),
        "unit": "stone",
        "supplier": "Ideal Ltd",
        "image": "/diamonds/a.svg",
        "available": 4,
        "version": 1,
    });
    assert_eq!(products[1], expected);
    assert_eq!(products[0]["name"], "Diamond 2: 0.21 ct Very, very good");
    assert_eq!(products[0]["price"], money(327, "USD"));
}

#[tokio::test]
async fn columns_of_the_right_name_need_no_mapping() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    let text = format!("key,name,description,category,price\n{0}-1,Tea,Green,{0},499\n", file.shelf);
    let report = file.admin.imports("text/csv", text, &[]).await.expect_status(200);
    expect_counts(&report, [1, 1, 0, 0, 0]);
    let tea = &file.products().await[0];
    assert_eq!((&tea["name"], &tea["price"], &tea["available"]), (&json!("Tea"), &euros(499), &json!(0)));
}

#[tokio::test]
async fn a_line_of_json_is_a_product() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    let rows = [
        json!({"key": 1, "name": "Tea", "description": "Green", "price": euros(499), "available": 5}),
        json!({"key": 2, "name": "Cup", "description": "", "price": money(650, "USD"), "unit": "set"}),
    ];
    expect_counts(&file.ndjson(&rows).await.expect_status(200), [2, 2, 0, 0, 0]);
    let products = file.products().await;
    assert_eq!((&products[0]["price"], &products[0]["available"]), (&euros(499), &json!(5)));
    assert_eq!((&products[1]["price"], &products[1]["unit"]), (&money(650, "USD"), &json!("set")));
}

const WITH_BAD_LINES: &str = "key,name,description,price,available\n\
    1,Tea,\"Green\nand fresh\",499,1\n\
    2,Cup,,cheap,1\n\
    3,,,650,1\n\
    4,Pot,,1250,1\n\
    5,,,-1,lots\n\
    4,Pan,,999,1\n\
    6,Jug,,999\n";

#[tokio::test]
async fn every_bad_line_is_named_and_nothing_is_imported() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    let report = file.csv(WITH_BAD_LINES, &[]).await.expect_problem(422, "validation");
    expect_counts(&report, [7, 0, 0, 0, 5]);
    let errors = errors(&report);
    // The product on line 2 goes on on line 3.
    for expected in [(4, "price"), (5, "name"), (7, "name"), (7, "price"), (7, "available"), (8, "key")] {
        assert!(errors.contains(&expected), "{expected:?} is missing in {report}");
    }
    let mut lines: Vec<u64> = errors.iter().map(|(line, _)| *line).collect();
    lines.dedup();
    assert_eq!(lines, [4, 5, 7, 8, 9], "{report}");
    assert_eq!(file.products().await, [] as [Value; 0]);
}

#[tokio::test]
async fn the_good_rows_go_in_when_asked() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    let report = file.csv(WITH_BAD_LINES, &[("on_error", "skip")]).await.expect_status(200);
    expect_counts(&report, [7, 2, 0, 0, 5]);
    assert!(errors(&report).contains(&(4, "price")), "{report}");
    let names: Vec<Value> = file.products().await.iter().map(|product| product["name"].clone()).collect();
    assert_eq!(names, ["Tea", "Pot"]);
}

#[tokio::test]
async fn a_line_that_is_no_json_is_named() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    let good =
        json!({"key": unique("key"), "name": "Tea", "description": "", "category": file.shelf, "price": euros(1)});
    let text = format!("{good}\n\n{{\"key\": \n[1]\n{good}\n");
    let report = file.admin.imports("application/x-ndjson", text, &[]).await.expect_problem(422, "validation");
    let lines: Vec<u64> = errors(&report).iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 5], "{report}");
}

#[tokio::test]
async fn the_same_file_again_changes_nothing() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    let text = "key,name,price\n1,Tea,499\n2,Cup,650\n";
    file.csv(text, &[]).await.expect_status(200);
    let before = file.products().await;
    let report = file.csv(text, &[]).await.expect_status(200);
    expect_counts(&report, [2, 0, 0, 2, 0]);
    assert_eq!(file.products().await, before);
}

#[tokio::test]
async fn a_row_that_differs_updates_its_product() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    file.csv("key,name,price\n1,Tea,499\n2,Cup,650\n", &[]).await.expect_status(200);
    let mut expected = file.products().await;
    let report = file.csv("key,name,price\n3,Pot,1250\n2,Cup,650\n1,Tea,549\n", &[]).await.expect_status(200);
    expect_counts(&report, [3, 1, 1, 1, 0]);
    let products = file.products().await;
    expected[0]["price"] = euros(549);
    expected[0]["version"] = 2.into();
    assert_eq!(products[..2], expected);
    assert_eq!(products[2]["name"], "Pot");
}

#[tokio::test]
async fn a_file_without_stock_leaves_it_alone() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    file.csv("key,name,price,available\n1,Tea,499,40\n", &[]).await.expect_status(200);
    file.csv("key,name,price\n1,Tea,549\n", &[]).await.expect_status(200);
    let tea = &file.products().await[0];
    assert_eq!((&tea["price"], &tea["available"]), (&euros(549), &json!(40)));
}

#[tokio::test]
async fn a_file_with_stock_sets_it() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    file.csv("key,name,price,available\n1,Tea,499,40\n", &[]).await.expect_status(200);
    let tea = Product::of(&file.products().await[0]);
    let ana = shop.new_customer("Ana").await;
    ana.adds(&tea, 15).await.expect_status(200);
    ana.orders("fifteen").await.expect_status(201);
    let report = file.csv("key,name,price,available\n1,Tea,499,60\n", &[]).await.expect_status(200);
    expect_counts(&report, [1, 0, 1, 0, 0]);
    let books = file.admin.books(&tea).await;
    assert_eq!((books.available, books.reserved + books.sold), (60, 15));
}

#[tokio::test]
async fn rows_must_have_keys() {
    let shop = Shop::shared().await;
    let text = format!("key,name,category,price\n,Tea,{},499\n", unique("shelf"));
    let report = shop.admin().await.imports("text/csv", text, &[]).await.expect_problem(422, "validation");
    assert_eq!(errors(&report), [(2, "key")]);
}

#[tokio::test]
async fn a_mapping_that_does_not_fit_the_columns_is_refused_once() {
    let shop = Shop::shared().await;
    let text = "name,category,price\nTea,tea,499\nMug,mugs,1200\n";
    let import = shop.admin().await.imports("text/csv", text, &[("unit", "{size}")]);
    import.await.expect_problem(422, "validation").expect_bad_fields(&["key", "unit"]);
}

#[tokio::test]
async fn only_known_types_of_files_are_read() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    for content_type in ["application/json", "text/plain", "application/vnd.ms-excel"] {
        let import = file.admin.imports(content_type, "key,name,price\n1,Tea,499\n", &[]);
        import.await.expect_problem(415, "unsupported-media-type");
    }
}

#[tokio::test]
async fn a_mapping_that_makes_no_sense_is_refused() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    let text = "key,name,price\n1,Tea,499\n";
    for (parameter, value) in
        [("on_error", "ignore"), ("price_in", "dollars"), ("name", "{name"), ("supplier", "{#0}"), ("colour", "{name}")]
    {
        file.csv(text, &[(parameter, value)]).await.expect_bad_fields(&[parameter]);
    }
    assert_eq!(file.products().await, [] as [Value; 0]);
}

#[tokio::test]
async fn the_same_file_again_does_not_put_back_what_was_sold() {
    let shop = Shop::shared().await;
    let file = File::new(&shop).await;
    let text = "key,name,price,available\n1,Diamond,99900,1\n";
    file.csv(text, &[]).await.expect_status(200);
    let diamond = Product::of(&file.products().await[0]);
    let ana = shop.new_customer("Ana").await;
    ana.adds(&diamond, 1).await.expect_status(200);
    ana.orders("key").await.expect_status(201);
    assert_eq!(file.csv(text, &[]).await.expect_status(200)["unchanged"], 1);
    let books = file.admin.books(&diamond).await;
    assert_eq!((books.available, books.sold), (0, 1));
    file.csv("key,name,price,available\n1,Diamond,99900,3\n", &[]).await.expect_status(200);
    assert_eq!(file.admin.books(&diamond).await.available, 3);
}
