//! The merchant sees on the first page what was sold, and what needs an admin.

use journeys::{Method, PASSWORD, TestShop, euros};
use serde_json::{Value, json};

async fn summary(shop: &TestShop) -> Value {
    shop.admin().await.get("/shopping/admin/summary").await.expect_status(200).body
}

fn today(summary: &Value) -> &Value {
    summary["days"].as_array().unwrap().last().unwrap()
}

#[tokio::test]
async fn a_merchant_sees_todays_sales_and_what_needs_an_admin() {
    let shop = TestShop::start().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    let empty = visitor.open("/en/admin").await.expect_status(200).expect_text("Last 7 days").expect_text("€0.00");
    let empty = empty.expect_text("Before the first sale").expect_text("still those of the sample shop");
    assert!(empty.has_text("No payment needs attention.") && empty.html().contains("<svg class=\"chart\""), "{empty}");

    let tea = shop.new_product("tea", &euros(499), 7).await;
    let (_, order) = shop.customer_with_order(&tea, 2).await;
    let bo = shop.customer_with_cart(&tea, 1).await;
    let authorized = bo.place_order_paying("key", "demo_review").await.expect_status(202);
    let summed = summary(&shop).await;
    assert_eq!(summed["days"].as_array().unwrap().len(), 14);
    let total = order["total"]["amount"].as_u64().unwrap();
    let expected = json!([{"orders": 1, "total": {"amount": total, "currency": "EUR"}}]);
    assert_eq!(today(&summed)["sales"], expected, "only what is confirmed");
    let one = json!({"count": 1, "more": false});
    let none = json!({"count": 0, "more": false});
    assert_eq!((&summed["to_pack"], &summed["attention"], &summed["partially_shipped"]), (&one, &one, &none));

    let page = visitor.open("/en/admin").await.expect_status(200);
    for text in ["1 Payments that need attention", "1 To pack", "0 Partly sent", "1 Low in stock", "1 order", "tea"] {
        assert!(page.has_text(text), "{text} is missing in {page}");
    }
    assert!(!page.has_text("Before the first sale"), "{page}");
    let urgent = visitor.open("/en/admin/orders?payment=attention&sort=oldest").await.expect_status(200);
    let number = |order: &journeys::Response| order["number"].as_str().unwrap().to_owned();
    assert!(urgent.has_text(&number(&authorized)) && !urgent.has_text(&number(&order)), "{urgent}");
    visitor.open("/de/admin").await.expect_status(200).expect_text("Letzte 7 Tage").expect_text("1 Bestellung");

    // A cancelled order is no sale, and its goods are back.
    admin.request(Method::POST, &format!("/shopping/admin/orders/{}/cancel", order.id())).await.expect_status(200);
    assert_eq!(today(&summary(&shop).await)["sales"], json!([]));
    assert_eq!(admin.get("/products/low-stock?threshold=4").await.expect_status(200)["items"], json!([]));
}

#[tokio::test]
async fn the_scarcest_products_come_first() {
    let shop = TestShop::start().await;
    let (visitor, admin) = (shop.admin_visitor().await, shop.admin().await);
    for (name, available) in [("plenty", 6), ("few", 5), ("none", 0), ("one", 1)] {
        shop.new_product(name, &euros(499), available).await;
    }
    // A name ends with the digits of its test.
    let names = |list: &Value| {
        let name = |item: &Value| item["name"].as_str().unwrap().split(char::is_numeric).next().unwrap().to_owned();
        list["items"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    let first = admin.get("/products/low-stock?limit=2").await.expect_status(200);
    assert_eq!(names(&first.body), ["none", "one"]);
    let next = format!("/products/low-stock?limit=2&after={}", first["next"].as_str().unwrap());
    let second = admin.get(&next).await.expect_status(200);
    assert_eq!((names(&second.body), &second["next"]), (vec!["few".to_owned()], &Value::Null));
    let summary = admin.get("/products/summary").await.expect_status(200);
    assert_eq!(summary.body, json!({"threshold": 5, "low_stock": {"count": 3, "more": false}}));
    assert_eq!(admin.get("/products/summary?threshold=6").await["low_stock"]["count"], 4);
    admin.get("/products/low-stock?threshold=101").await.expect_status(422);

    let page = visitor.open("/en/admin/products?stock=low").await.expect_status(200);
    assert!(page.has_text("few") && page.has_text("Out of stock") && !page.has_text("plenty"), "{page}");
    visitor.open("/en/admin").await.expect_status(200).expect_text("3 Low in stock");
    let page = page.expect_text("at most 5 pieces are available");
    assert_eq!(page.form("/admin/products").value("below"), "5");
    let page = visitor.open("/en/admin/products?stock=low&below=0").await.expect_text("no piece is available");
    assert!(page.has_text("none") && !page.has_text("few"), "{page}");
    visitor.open("/en/admin/products?stock=low&below=6").await.expect_status(200).expect_text("plenty");
    let page = visitor.open("/en/admin/products?stock=low&q=few").await.expect_status(200).expect_text("few");
    assert!(!page.has_text("Out of stock"), "{page}");
    assert_eq!(admin.get("/products/low-stock?q=few&threshold=6").await.items().len(), 1);
    visitor.open("/en/admin/products?stock=low&q=plenty").await.expect_text("Nothing found for");

    let ana = shop.new_customer().await;
    for path in ["/products/low-stock", "/products/summary", "/shopping/admin/summary"] {
        ana.get(path).await.expect_status(403);
        shop.client().get(path).await.expect_status(401);
    }
    let customer = shop.visitor();
    customer.sign_in(&ana.email, PASSWORD).await;
    customer.open("/en/admin").await.expect_status(403);
}
