//! A body is read as its headers describe it: media type, charset and content coding. A body that
//! the shop cannot read so is refused and changes nothing.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use journeys::{Customer, Method, Request, Response, Shop, euros, unique};
use serde_json::json;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_csv_file_is_read_in_its_charset_and_coding() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    for (content_type, coding, café) in [
        ("TEXT/CSV", "", "Café".as_bytes()),
        ("text/csv ; charset=\"UTF-8\"", "identity", "Café".as_bytes()),
        ("text/csv; charset=windows-1252", "", b"Caf\xe9"),
        ("text/csv; Charset=ISO-8859-1", "x-gzip", b"Caf\xe9"),
        ("text/csv", "GZIP", "Café".as_bytes()),
    ] {
        let category = unique("category");
        let text = [b"key,name,price\n", unique("key").as_bytes(), b",", café, b",499\n"].concat();
        let file = if coding.to_ascii_lowercase().contains("gzip") { gzip(&text) } else { text };
        let import = admin.import_products(content_type, file, &[("category", &category)]);
        import.header("Content-Encoding", coding).await.expect_status(200);
        let [product] = &admin.list_all("/products", &[("category", &category)]).await[..] else {
            panic!("{category}")
        };
        assert_eq!(product["name"], "Café", "{content_type} {coding}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_as_its_headers_say_is_refused() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let text = format!("key,name,category,price\n{},tea,tea,499\n", unique("key"));
    let import = |content_type: &str, coding: &str, file: &[u8]| {
        admin.import_products(content_type, file, &[]).header("Content-Encoding", coding)
    };
    for content_type in ["", "csv", "text/plain", "text/csv; header=absent", "application/json"] {
        let refused = import(content_type, "", text.as_bytes()).await.expect_problem(415, "unsupported-media-type");
        assert!(refused.header("Accept").contains("text/csv"), "{refused}");
    }
    for content_type in ["text/csv; charset=utf-7", "text/csv; charset=x", "application/x-ndjson; charset=latin1"] {
        import(content_type, "", text.as_bytes()).await.expect_problem(415, "unsupported-media-type");
    }
    for coding in ["br", "deflate", "zstd", "gzip, gzip", "compress"] {
        let refused = import("text/csv", coding, text.as_bytes()).await.expect_problem(415, "unsupported-media-type");
        assert_eq!(refused.header("Accept-Encoding"), "gzip", "{refused}");
    }
    import("text/csv", "gzip", text.as_bytes()).await.expect_problem(400, "malformed");
    import("text/csv", "gzip", &gzip(&vec![b' '; 70_000_000])).await.expect_problem(413, "too-large");
}

async fn set_phone(ana: &Customer, content_type: &str, coding: &str, body: impl Into<Vec<u8>>) -> Response {
    let request: Request = ana.request(Method::PATCH, "/customer/profile").header("Content-Type", content_type);
    request.header("Content-Encoding", coding).body(body).await
}

#[tokio::test]
async fn a_json_body_is_utf8_and_may_be_compressed() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let json = json!({"phone": "+351210000001"}).to_string();
    for content_type in ["application/json", "Application/JSON; charset=UTF-8", "application/merge-patch+json"] {
        set_phone(&ana, content_type, "", json.as_str()).await.expect_status(200);
    }
    let changed = set_phone(&ana, "application/json", "gzip", gzip(br#"{"phone": null}"#)).await.expect_status(200);
    assert_eq!(changed["phone"], json!(null));
    for (content_type, coding) in [
        ("application/json; charset=windows-1252", ""),
        ("application/json; charset=utf-16", ""),
        ("application/problem+json", ""),
        ("application/json-patch+json", ""),
        ("text/json", ""),
        ("application/json", "br"),
        ("application/json", "gzip, gzip"),
    ] {
        let refused = set_phone(&ana, content_type, coding, json.as_str()).await;
        let refused = refused.expect_problem(415, "unsupported-media-type");
        let (accepts_coding, accepts_patch) = (refused.header("Accept-Encoding"), refused.header("Accept-Patch"));
        if coding.is_empty() {
            assert_eq!(accepts_coding, "", "{refused}");
        } else {
            assert_eq!((accepts_coding, accepts_patch), ("gzip", ""), "{refused}");
        }
        if content_type.ends_with("json") && coding.is_empty() {
            assert_eq!(accepts_patch, "application/json, application/merge-patch+json", "{refused}");
        }
    }
    let bomb = gzip(&[b"{}".to_vec(), vec![b' '; 10_000_000]].concat());
    set_phone(&ana, "application/json", "gzip", bomb).await.expect_problem(413, "too-large");
    let merge = ana.request(Method::POST, "/customer/address").header("Content-Type", "application/merge-patch+json");
    merge.body("{}").await.expect_problem(415, "unsupported-media-type");
    assert_eq!(ana.get_profile().await["phone"], json!(null));
}

#[tokio::test]
async fn a_header_that_must_be_single_is_refused_twice() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    let order = || ana.request(Method::POST, "/shopping/order").json(json!({}));
    order().header("Idempotency-Key", "a").header("Idempotency-Key", "a").await.expect_problem(400, "malformed");
    let twice = ana.get("/shopping/cart").header("Authorization", format!("Bearer {}", ana.token()));
    twice.await.expect_problem(400, "malformed");
    assert!(ana.list_orders().await.items().is_empty());
}
