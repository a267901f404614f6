//! A catalogue of real size: 53,940 diamonds with prices in whole dollars. A test target of its
//! own, so that no other test waits for the import.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use journeys::{Shop, money, unique};
use serde_json::json;

const ROWS: usize = 53_940;

/// Returns a CSV file with the columns of the well-known data set; the first column has no name.
fn diamonds() -> String {
    let cuts = ["Fair", "Good", "Very Good", "Premium", "Ideal"];
    let clarities = ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"];
    let mut file =
        String::from("\"\",\"carat\",\"cut\",\"color\",\"clarity\",\"depth\",\"table\",\"price\",\"x\",\"y\",\"z\"\n");
    for row in 1..=ROWS {
        let (carat, cut) = (20 + row * 7 % 481, cuts[row % cuts.len()]);
        let (color, clarity) = (char::from(b'D' + u8::try_from(row % 7).unwrap()), clarities[row % clarities.len()]);
        let (depth, table, price) = (430 + row % 360, 43 + row % 52, 326 + row * 11 % 18_498);
        writeln!(
            file,
            "\"{row}\",{}.{:02},\"{cut}\",\"{color}\",\"{clarity}\",{}.{},{table},{price},3.95,3.98,2.43",
            carat / 100,
            carat % 100,
            depth / 10,
            depth % 10
        )
        .unwrap();
    }
    file
}

#[tokio::test]
async fn a_large_file_is_imported_once() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let (file, category) = (diamonds(), unique("diamonds"));
    let key = format!("{category}-{{#1}}");
    let mapping = [
        ("key", key.as_str()),
        ("name", "Diamond {#1}: {carat} ct {cut}"),
        ("description", "Stone{#1}: color {color}, clarity {clarity}, depth {depth} %, {x} x {y} x {z} mm"),
        ("category", &category),
        ("price_in", "major"),
        ("currency", "USD"),
        ("available", "1"),
    ];

    let report = admin.import_products("text/csv", file.as_str(), &mapping).await.expect_status(200);
    let ignored = ["table"];
    let all_created = json!({
        "rows": ROWS, "created": ROWS, "updated": 0, "unchanged": 0, "rejected": 0, "errors": [],
        "ignored_columns": ignored,
    });
    assert_eq!(report.body, all_created);

    let found =
        shop.client().list_products(&[("category", &category), ("q", "stone1 diamond")]).await.expect_status(200);
    let [first] = found.items() else { panic!("{found}") };
    assert_eq!(first["name"], "Diamond 1: 0.27 ct Good");
    assert_eq!(first["price"], money(33_700, "USD"));
    assert_eq!(first["description"], "Stone1: color E, clarity SI2, depth 43.1 %, 3.95 x 3.98 x 2.43 mm");
    assert_eq!(first["available"], 1);

    let report = admin.import_products("text/csv", file.as_str(), &mapping).await.expect_status(200);
    let all_unchanged = json!({
        "rows": ROWS, "created": 0, "updated": 0, "unchanged": ROWS, "rejected": 0, "errors": [],
        "ignored_columns": ignored,
    });
    assert_eq!(report.body, all_unchanged);
    let categories = admin.list_all("/products/categories", &[]).await;
    assert!(categories.contains(&json!({"name": category, "products": ROWS})), "{categories:?}");
}
