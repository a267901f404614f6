//! Input that breaks parsers: bytes that are no text, names of other languages' magic, lists
//! without end, mutations of valid values.

use journeys::{Customer, Method, Request, Shop, euros, unique};
use serde_json::{Value, json};

fn raw_json(customer: &Customer, body: impl Into<Vec<u8>>) -> Request {
    customer.request(Method::PATCH, "/customer/profile").header("Content-Type", "application/json").body(body)
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_refused() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for bytes in [
        &b"\xc0\xaf"[..],    // an overlong slash
        b"\xe0\x80\xaf",     // another one
        b"\xc1\x81",         // an overlong A
        b"\xed\xa0\x80",     // half a pair of surrogates
        b"\xf4\x90\x80\x80", // beyond Unicode
        b"\xff\xfe",         // a byte order mark of UTF-16
        b"\x80",             // a continuation of nothing
        b"caf\xe9",          // Latin-1
    ] {
        for body in [[b"{\"phone\": \"", bytes, b"\"}"].concat(), [b"{\"", bytes, b"\": 1}"].concat()] {
            raw_json(&ana, body).await.expect_problem(400, "malformed");
        }
    }
    for escaped in [r#"{"phone": "\ud800"}"#, r#"{"phone": "\udc00\ud800"}"#, r#"{"phone": "\u12"}"#] {
        raw_json(&ana, escaped).await.expect_problem(400, "malformed");
    }
    for control in [r#"{"phone": "\u0000"}"#, r#"{"phone": "+351210000000\u0000"}"#, r#"{"ph\u0000one": null}"#] {
        raw_json(&ana, control).await.expect_problem(422, "validation");
    }
    assert_eq!(ana.get_profile().await.expect_status(200)["phone"], Value::Null);
}

#[tokio::test]
async fn names_with_a_meaning_elsewhere_have_none_here() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for name in ["__proto__", "constructor", "$where", "$set", "phone.$ne", "phone[$ne]", "", "_id", "toString"] {
        let refused = ana.update_profile(json!({name: {"$ne": null}})).await.expect_problem(422, "validation");
        assert_eq!(refused["errors"].as_array().map(Vec::len), Some(1), "{refused}");
    }
    for query in ["q[$ne]=1", "q[]=tea", "category[$regex]=.*", "limit[$gt]=1", "sort=$where", "after=%7B%7D"] {
        let refused = shop.client().get(&format!("/products?{query}")).await;
        refused.expect_problem(422, "validation");
    }
    // Other signs than letters and digits are no part of a word.
    for q in ["$where: zqx(1000)", "'; DROP TABLE zqx; --", "(zqx+)+$", "\" OR zqx=\"zqx", "%' AND zqx=1", "*:*"] {
        let found = shop.client().get("/products").query(&[("q", q)]).await.expect_status(200);
        assert!(found.items().is_empty(), "{q}: {found}");
    }
}

#[tokio::test]
async fn a_path_leads_to_no_file() {
    let shop = Shop::shared().await;
    for path in [
        "/products/images/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/products/images/%2e%2e%2fsigning-key.pem",
        "/products/images/..%5c..%5cwindows%5cwin.ini",
        "/products/images/customer.db",
        "/assets/x/..%2f..%2fCargo.toml",
        "/en/legal/..%2f..%2fsigning-key",
        "/en/legal/%2fetc%2fpasswd",
        "/.git/config",
        "/.env",
        "/customer.db",
        "/en/.htaccess",
        "/backup.tar.gz",
        "/server-status",
        "/actuator/env",
    ] {
        let found = shop.client().get(path).await;
        // nginx refuses a path that leads above the root.
        assert!(matches!(found.status, 400 | 404), "{path}: {found}");
    }
}

#[tokio::test]
async fn lists_without_end_are_refused() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    let admin = shop.admin().await;
    let ids: Vec<Value> = (0..1_500).map(|_| json!(tea.id)).collect();
    shop.client().request(Method::POST, "/products/ids").json(json!({"ids": ids})).await.expect_bad_fields(&["ids"]);
    shop.client().request(Method::POST, "/products/ids").json(json!({"ids": []})).await.expect_bad_fields(&["ids"]);
    let codes: Vec<String> = (0..1_000).map(|number| format!("CODE{number}")).collect();
    let quote = ana.request(Method::POST, "/shopping/quote").json(json!({"codes": codes}));
    quote.await.expect_bad_fields(&["codes"]);
    let order = ana.buy(&tea, 1).await;
    let lines: Vec<Value> = (0..500).map(|_| json!({"product_id": tea.id, "quantity": 1})).collect();
    let refund = admin.refund(order.id(), &unique("key"), json!({"lines": lines, "reason": "x"})).await;
    refund.expect_problem(422, "validation");
    let parcel = admin.ship_parcel(order.id(), json!({"lines": lines})).await;
    assert!(matches!(parcel.status, 409 | 422), "{parcel}");
    let products: Vec<Value> = (0..500).map(|_| json!(tea.id)).collect();
    let discount = json!({"code": unique("code"), "kind": "free_shipping", "products": products});
    let discount = admin.request(Method::POST, "/shopping/admin/discounts").json(discount).await;
    discount.expect_bad_fields(&["products"]);
    let parameters: String = (0..500).map(|number| format!("p{number}=1&")).collect();
    let refused = shop.client().get(&format!("/products?{parameters}")).await.expect_problem(422, "validation");
    assert!(refused["errors"].as_array().unwrap().len() <= 20, "{refused}");
}

/// Every mutation of a cursor is a page of the list or a refused field, never an error of the
/// server.
#[tokio::test]
async fn a_mutated_cursor_is_refused_or_a_cursor() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    admin.new_category(3).await;
    let page = shop.client().get("/products?limit=1&sort=price").await.expect_status(200);
    let cursor = page["next"].as_str().unwrap().to_owned();
    let mut mutations = vec![String::new(), "A".repeat(6_000), format!("{cursor}{cursor}"), format!("{cursor}=")];
    for at in 0..cursor.len() {
        mutations.push(cursor[..at].to_owned());
        let other = if cursor.as_bytes()[at] == b'A' { "z" } else { "A" };
        mutations.push(format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]));
    }
    for mutation in mutations {
        let page = shop.client().get("/products?sort=price&limit=2").query(&[("after", &mutation)]).await;
        assert!(matches!(page.status, 200 | 422), "{mutation}: {page}");
    }
}

/// A file that a spreadsheet opens could run formulas. The shop imports such files and exports
/// none: what a cell begins with does not matter.
#[tokio::test]
async fn a_formula_of_an_import_leaves_as_json_only() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let category = unique("formula");
    let names = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "=HYPERLINK(\"http://evil.example\")"];
    let rows = names.map(|name| format!("{},\"{}\",{category},499", unique("key"), name.replace('"', "\"\"")));
    let file = format!("key,name,category,price\n{}\n", rows.join("\n"));
    admin.import_products("text/csv", file, &[]).await.expect_status(200);
    for accept in ["text/csv", "application/vnd.ms-excel", "*/*"] {
        for path in [&*format!("/products?category={category}"), "/shopping/admin/orders", "/customer/profile/export"] {
            let list = admin.get(path).header("Accept", accept).await.expect_status(200);
            assert_eq!(list.header("Content-Type").split(';').next(), Some("application/json"), "{list}");
        }
    }
    let listed = admin.list_products(&[("category", &category)]).await.expect_status(200);
    let mut listed: Vec<&str> = listed.items().iter().map(|item| item["name"].as_str().unwrap()).collect();
    let mut names = names.to_vec();
    listed.sort_unstable();
    names.sort_unstable();
    assert_eq!(listed, names);
}
