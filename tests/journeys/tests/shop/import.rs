//! The admin imports products: columns are mapped to fields, each bad line is reported by its
//! number, and a file is imported completely or not at all. Importing a file again changes nothing.

use journeys::{Admin, Product, Request, Response, Shop, euros, members, money, unique};
use serde_json::{Value, json};

/// Imports whose products have a category and a key prefix of their own.
struct Importer {
    admin: Admin,
    category: String,
}

impl Importer {
    async fn new(shop: &Shop) -> Self {
        Self { admin: shop.admin().await, category: unique("category") }
    }

    fn csv(&self, text: &str, mapping: &[(&str, &str)]) -> Request {
        let key = format!("{}-{{key}}", self.category);
        let base = [("key", key.as_str()), ("category", &self.category)];
        self.admin.import_products("text/csv", text, &[&base, mapping].concat())
    }

    fn ndjson(&self, rows: &[Value]) -> Request {
        let rows = rows.iter().map(|row| {
            let mut row = row.clone();
            row["key"] = format!("{}-{}", self.category, row["key"]).into();
            row["category"] = self.category.as_str().into();
            row.to_string()
        });
        self.admin.import_products("application/x-ndjson", rows.collect::<Vec<_>>().join("\n"), &[])
    }

    async fn products(&self) -> Vec<Value> {
        self.admin.list_all("/products", &[("category", &self.category), ("sort", "price")]).await
    }
}

#[track_caller]
fn expect_counts(report: &Response, [rows, created, updated, unchanged, rejected]: [u64; 5]) {
    let counts = json!({
        "rows": rows, "created": created, "updated": updated, "unchanged": unchanged, "rejected": rejected,
    });
    for count in members(&counts) {
        assert_eq!(report[count], counts[count], "{count} in {report}");
    }
}

fn errors(report: &Response) -> Vec<(u64, &str)> {
    let errors = report["errors"].as_array().unwrap_or_else(|| panic!("{report}"));
    assert!(errors.iter().all(|error| error["message"].is_string()), "{report}");
    errors.iter().map(|error| (error["line"].as_u64().unwrap(), error["field"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn columns_are_mapped_to_fields() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    let text =
        "\"\",key,carat,cut,dollars,stock,grams\n1,a,0.23,Ideal,326,4,46\n2,b,0.21,\"Very, very good\",3.27,5,42\n";
    let mapping = [
        ("name", "Diamond {#1}: {carat} ct {cut}"),
        ("description", "A diamond, cut: {cut}"),
        ("price", "{dollars}"),
        ("price_in", "major"),
        ("currency", "USD"),
        ("unit", "stone"),
        ("supplier", "{cut} Ltd"),
        ("image", "/diamonds/{key}.svg"),
        ("tax_class", "zero"),
        ("weight_grams", "{grams}"),
        ("digital", "FALSE"),
        ("available", "{stock}"),
    ];
    let report = importer.csv(text, &mapping).await.expect_status(200);
    expect_counts(&report, [2, 2, 0, 0, 0]);
    assert_eq!(report["errors"], json!([]));
    let products = importer.products().await;
    let expected = json!({
        "id": products[1]["id"],
        "name": "Diamond 1: 0.23 ct Ideal",
        "description": "A diamond, cut: Ideal",
        "category": importer.category,
        "price": money(32_600, "USD"),
        "unit": "stone",
        "supplier": "Ideal Ltd",
        "image": "/diamonds/a.svg",
        "tax_class": "zero",
        "weight_grams": 46,
        "digital": false,
        "available": 4,
        "version": 1,
    });
    assert_eq!(products[1], expected);
    assert_eq!(products[0]["name"], "Diamond 2: 0.21 ct Very, very good");
    assert_eq!(products[0]["price"], money(327, "USD"));
}

#[tokio::test]
async fn columns_named_after_fields_need_no_mapping() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    let text = format!("key,name,description,category,price\n{0}-1,Tea,Green,{0},499\n", importer.category);
    let report = importer.admin.import_products("text/csv", text, &[]).await.expect_status(200);
    expect_counts(&report, [1, 1, 0, 0, 0]);
    let tea = &importer.products().await[0];
    assert_eq!((&tea["name"], &tea["price"], &tea["available"]), (&json!("Tea"), &euros(499), &json!(0)));
}

#[tokio::test]
async fn a_line_of_ndjson_is_a_product() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    let rows = [
        json!({"key": 1, "name": "Tea", "description": "Green", "price": euros(499), "available": 5}),
        json!({"key": 2, "name": "Cup", "description": "", "price": money(650, "USD"), "unit": "set"}),
    ];
    expect_counts(&importer.ndjson(&rows).await.expect_status(200), [2, 2, 0, 0, 0]);
    let products = importer.products().await;
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
async fn a_file_with_bad_rows_is_rejected_as_a_whole() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    let report = importer.csv(WITH_BAD_LINES, &[]).await.expect_problem(422, "validation");
    expect_counts(&report, [7, 0, 0, 0, 5]);
    let errors = errors(&report);
    // The quoted description of the first row spans lines 2 and 3.
    for expected in [(4, "price"), (5, "name"), (7, "name"), (7, "price"), (7, "available"), (8, "key")] {
        assert!(errors.contains(&expected), "{expected:?} is missing in {report}");
    }
    let mut lines: Vec<u64> = errors.iter().map(|(line, _)| *line).collect();
    lines.dedup();
    assert_eq!(lines, [4, 5, 7, 8, 9], "{report}");
    assert_eq!(importer.products().await, [] as [Value; 0]);
}

#[tokio::test]
async fn on_error_skip_imports_the_good_rows() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    let report = importer.csv(WITH_BAD_LINES, &[("on_error", "skip")]).await.expect_status(200);
    expect_counts(&report, [7, 2, 0, 0, 5]);
    assert!(errors(&report).contains(&(4, "price")), "{report}");
    let names: Vec<Value> = importer.products().await.iter().map(|product| product["name"].clone()).collect();
    assert_eq!(names, ["Tea", "Pot"]);
}

#[tokio::test]
async fn lines_that_are_not_json_objects_are_reported() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    let mut good = json!({"key": unique("key"), "name": "Tea", "description": "", "price": euros(1)});
    good["category"] = importer.category.as_str().into();
    let text = format!("{good}\n\n{{\"key\": \n[1]\n{good}\n");
    let report =
        importer.admin.import_products("application/x-ndjson", text, &[]).await.expect_problem(422, "validation");
    let lines: Vec<u64> = errors(&report).iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 5], "{report}");
}

#[tokio::test]
async fn importing_the_same_file_again_changes_nothing() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    let text = "key,name,price\n1,Tea,499\n2,Cup,650\n";
    importer.csv(text, &[]).await.expect_status(200);
    let before = importer.products().await;
    let report = importer.csv(text, &[]).await.expect_status(200);
    expect_counts(&report, [2, 0, 0, 2, 0]);
    assert_eq!(importer.products().await, before);
}

#[tokio::test]
async fn a_changed_row_updates_its_product() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    importer.csv("key,name,price\n1,Tea,499\n2,Cup,650\n", &[]).await.expect_status(200);
    let mut expected = importer.products().await;
    let report = importer.csv("key,name,price\n3,Pot,1250\n2,Cup,650\n1,Tea,549\n", &[]).await.expect_status(200);
    expect_counts(&report, [3, 1, 1, 1, 0]);
    let products = importer.products().await;
    expected[0]["price"] = euros(549);
    expected[0]["version"] = 2.into();
    assert_eq!(products[..2], expected);
    assert_eq!(products[2]["name"], "Pot");
}

#[tokio::test]
async fn a_file_without_stock_keeps_the_stock() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    importer.csv("key,name,price,available\n1,Tea,499,40\n", &[]).await.expect_status(200);
    importer.csv("key,name,price\n1,Tea,549\n", &[]).await.expect_status(200);
    let tea = &importer.products().await[0];
    assert_eq!((&tea["price"], &tea["available"]), (&euros(549), &json!(40)));
}

#[tokio::test]
async fn a_file_adds_the_change_of_its_number_to_what_sales_have_left() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    let import = async |number: &str| {
        let file = format!("key,name,price,available\n1,Tea,499,{number}\n");
        importer.csv(&file, &[]).await.expect_status(200)
    };
    import("40").await;
    let tea = Product::from_json(&importer.products().await[0]);
    shop.customer_with_order(&tea, 15).await;
    for (number, updated, available) in [("60", 1, 45), ("60", 0, 45), ("50", 1, 35), ("10", 1, 0), ("20", 1, 5)] {
        assert_eq!(import(number).await["updated"], updated, "{number}");
        let stock = importer.admin.stock(&tea).await;
        assert_eq!((stock.available, stock.reserved + stock.sold), (available, 15), "{number}");
    }
    // A file without numbers does not make the next one forget them.
    importer.csv("key,name,price\n1,Tea,549\n", &[]).await.expect_status(200);
    import("20").await;
    assert_eq!(importer.admin.stock(&tea).await.available, 5);
}

#[tokio::test]
async fn a_row_without_a_key_is_rejected() {
    let shop = Shop::shared().await;
    let text = format!("key,name,category,price\n,Tea,{},499\n", unique("category"));
    let report = shop.admin().await.import_products("text/csv", text, &[]).await.expect_problem(422, "validation");
    assert_eq!(errors(&report), [(2, "key")]);
}

#[tokio::test]
async fn a_mapping_to_missing_columns_is_reported_once() {
    let shop = Shop::shared().await;
    let text = "name,category,price\nTea,tea,499\nMug,mugs,1200\n";
    let import = shop.admin().await.import_products("text/csv", text, &[("unit", "{size}")]);
    import.await.expect_problem(422, "validation").expect_bad_fields(&["key", "unit"]);
}

#[tokio::test]
async fn an_unsupported_content_type_is_rejected() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    for content_type in ["application/json", "text/plain", "application/vnd.ms-excel"] {
        let import = importer.admin.import_products(content_type, "key,name,price\n1,Tea,499\n", &[]);
        import.await.expect_problem(415, "unsupported-media-type");
    }
}

#[tokio::test]
async fn an_invalid_mapping_is_rejected() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    let text = "key,name,price\n1,Tea,499\n";
    for (parameter, value) in
        [("on_error", "ignore"), ("price_in", "dollars"), ("name", "{name"), ("supplier", "{#0}"), ("colour", "{name}")]
    {
        importer.csv(text, &[(parameter, value)]).await.expect_bad_fields(&[parameter]);
    }
    assert_eq!(importer.products().await, [] as [Value; 0]);
}

#[tokio::test]
async fn importing_the_same_file_again_does_not_undo_sales() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    let text = "key,name,price,available\n1,Diamond,99900,1\n";
    importer.csv(text, &[]).await.expect_status(200);
    let diamond = Product::from_json(&importer.products().await[0]);
    shop.customer_with_order(&diamond, 1).await;
    assert_eq!(importer.csv(text, &[]).await.expect_status(200)["unchanged"], 1);
    let stock = importer.admin.stock(&diamond).await;
    assert_eq!((stock.available, stock.sold), (0, 1));
    importer.csv("key,name,price,available\n1,Diamond,99900,3\n", &[]).await.expect_status(200);
    assert_eq!(importer.admin.stock(&diamond).await.available, 2);
}

const COLUMNS: &str = "key,name,category,price,description";

#[tokio::test]
async fn a_broken_quote_is_an_error_with_its_line() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    // The first quote swallows the rest of the file: nothing is imported, whatever `on_error` says.
    for on_error in ["abort", "skip"] {
        let file = format!("{COLUMNS}\na,A,c,1,\"x\nb,B,c,1,y\n");
        let report = importer.csv(&file, &[("on_error", on_error)]).await.expect_problem(422, "validation");
        assert_eq!(errors(&report), [(2, "row")], "{report}");
        assert_eq!((&report["rows"], &report["rejected"], &report["created"]), (&json!(1), &json!(1), &json!(0)));
    }
    for (rows, line) in [
        ("a,A,c,1,5\" nail\nb,B,c,1,y\n", 2),
        ("a,A,c,1,\"x\" y\nb,B,c,1,y\n", 2),
        ("a,A,c,1,x\nb,B,c,1, \"y\"\n", 3),
        ("a,A,c,1,\"x\ny\"\r\nb,B,c,1,y,z\r\n", 4),
        ("a,A,c,1,x\rb,B,c,1\r", 3),
        ("a,A,c,1,\u{0}\nb,B,c,1,y\n", 2),
        (",,,,\nb,B,c,1,y\n", 2),
        ("\"\",\"\",\"\",\"\",\"\"\nb,B,c,1,y\n", 2),
        ("b,B,c,1,y\n   \n", 3),
        ("b,B,c,1,y\n , , , , \n", 3),
    ] {
        let report = importer.csv(&format!("{COLUMNS}\n{rows}"), &[]).await.expect_problem(422, "validation");
        let mut lines: Vec<u64> = errors(&report).iter().map(|(line, _)| *line).collect();
        lines.dedup();
        assert_eq!((lines, &report["rejected"]), (vec![line], &json!(1)), "{rows:?}: {report}");
    }
    assert_eq!(importer.products().await, [] as [Value; 0]);
}

#[tokio::test]
async fn rows_end_with_any_line_break_and_blank_lines_are_no_rows() {
    let shop = Shop::shared().await;
    for end in ["\n", "\r\n", "\r"] {
        let importer = Importer::new(&shop).await;
        let file = format!("\u{feff}{COLUMNS}\n\na,A,c,1,\"x\ny\"\nb,B,c,1,\"\"\"\"\n\n").replace('\n', end);
        let report = importer.csv(&file, &[]).await.expect_status(200);
        expect_counts(&report, [2, 2, 0, 0, 0]);
        let report = importer.csv(&file[..file.len() - 2 * end.len()], &[]).await.expect_status(200);
        expect_counts(&report, [2, 0, 0, 2, 0]);
    }
    let importer = Importer::new(&shop).await;
    expect_counts(&importer.csv(COLUMNS, &[]).await.expect_status(200), [0, 0, 0, 0, 0]);
    for empty in ["", "\u{feff}", "\r\n\n", "sep=;\n"] {
        importer.csv(empty, &[]).await.expect_problem(422, "validation");
    }
    importer.csv("k1,Tea,c,1,x\nk2,Cup,c,1,y\n", &[]).await.expect_bad_fields(&["key", "name", "price"]);
}

#[tokio::test]
async fn semicolons_and_tabs_are_recognised_or_asked_for() {
    let shop = Shop::shared().await;
    let decimal_point = [("price_in", "major")];
    for (file, mapping) in [
        ("key;name;price\n1;Tea, green;34.50\n", &[][..]),
        ("key\tname\tprice\n1\tTea, green\t34.50\n", &[]),
        ("sep=;\r\nkey;name;price\r\n1;Tea, green;34.50\r\n", &[]),
        ("key;name;price;a,b\n1;Tea, green;34.50;\n", &[("delimiter", "semicolon")]),
        ("key;name;price;a,b\n1;Tea, green;34.50;\n", &[("delimiter", ";")]),
        ("key\tname\tprice\ta,b\n1\tTea, green\t34.50\t\n", &[("delimiter", "tab")]),
    ] {
        let importer = Importer::new(&shop).await;
        expect_counts(
            &importer.csv(file, &[&decimal_point, mapping].concat()).await.expect_status(200),
            [1, 1, 0, 0, 0],
        );
        let tea = &importer.products().await[0];
        assert_eq!((&tea["name"], &tea["price"]), (&json!("Tea, green"), &euros(3450)), "{file:?}");
    }
    let importer = Importer::new(&shop).await;
    importer.csv("key;name;price,a\n1;Tea;1,\n", &[]).await.expect_bad_fields(&["delimiter"]);
    importer.csv("key,name,price\n1,Tea,1\n", &[("delimiter", "|")]).await.expect_bad_fields(&["delimiter"]);
    importer.csv("sep=;\nkey;name;price\n", &[("delimiter", ",")]).await.expect_bad_fields(&["delimiter"]);
    // A decimal comma is not guessed.
    let comma = importer.csv("key;name;price\n1;Tea;34,50\n", &decimal_point).await.expect_problem(422, "validation");
    assert_eq!(errors(&comma), [(2, "price")], "{comma}");
}

#[tokio::test]
async fn a_name_that_is_given_twice_is_refused() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    importer.csv("key,name,price,price\n1,Tea,100000,1\n", &[]).await.expect_bad_fields(&["price"]);
    importer.csv("key,name,price, Price \n1,Tea,100000,1\n", &[]).await.expect_bad_fields(&["Price"]);
    let row = |members: &str| format!("{{\"name\":\"Tea\",\"category\":\"{}\",{members}}}", importer.category);
    let rows = [
        row(r#""key":"a","price":1"#),
        row(r#""key":"b","price":100000,"price":1"#),
        row(r#""key":"c","price":{"amount":100000,"currency":"EUR","amount":1}"#),
        row(r#""key":"d","price":1,"\u006bey":"e""#),
    ];
    let import = importer.admin.import_products("application/x-ndjson", rows.join("\n"), &[]);
    let report = import.await.expect_problem(422, "validation");
    assert_eq!(errors(&report), [(2, "price"), (3, "price.amount"), (4, "key")], "{report}");
}

#[tokio::test]
async fn numbers_of_a_file_are_judged_by_their_value() {
    let shop = Shop::shared().await;
    let importer = Importer::new(&shop).await;
    let file = "key,name,price,available\n1,Tea,34.0000,2.0\n2,Cup,1e2,1e1\n";
    importer.csv(file, &[("price_in", "major")]).await.expect_status(200);
    let products = importer.products().await;
    assert_eq!((&products[0]["price"], &products[0]["available"]), (&euros(3400), &json!(2)));
    assert_eq!((&products[1]["price"], &products[1]["available"]), (&euros(10_000), &json!(10)));
    let file = "key,name,price,available\n\
        1,Tea,34.001,2\n2,Tea,\"34,00\",2\n3,Tea,\"1.234,56\",2\n4,Tea,\"1,234.56\",2\n5,Tea,1e400,2\n6,Tea,34,2.5\n";
    let report = importer.csv(file, &[("price_in", "major")]).await.expect_problem(422, "validation");
    let expected = [(2, "price"), (3, "price"), (4, "price"), (5, "price"), (6, "price"), (7, "available")];
    assert_eq!(errors(&report), expected, "{report}");
    let key = unique("key");
    let row = format!(
        r#"{{"key":"{key}","name":"Pot","category":"{}","price":{{"amount":499.0,"currency":"EUR"}},"available":2.0}}"#,
        importer.category
    );
    importer.admin.import_products("application/x-ndjson", row, &[]).await.expect_status(200);
    let pot = &importer.products().await[0];
    assert_eq!((&pot["price"], &pot["available"]), (&euros(499), &json!(2)));
}
