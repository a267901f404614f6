//! Requests that no HTTP library sends: heads outside of the API, and bodies that do not arrive.

use std::env;

use journeys::{Shop, UNKNOWN_ID, euros, unique};

/// Heads and the status of their response, in one process and through nginx. Older versions of
/// nginx differ from newer ones in some.
fn heads() -> Vec<(&'static str, String, &'static [u16], &'static [u16])> {
    let get = |target: &str, headers: &str| format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n{headers}\r\n");
    let method = |method: &str| format!("{method} /products HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    let long = "a".repeat(9_000);
    let very_long = "a".repeat(100_000);
    let with_host = |host: &str| format!("GET /products HTTP/1.1\r\n{host}\r\n");
    let post = |headers: &str, body: &str| {
        format!(
            "POST /customer/login HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n{headers}\r\n{body}"
        )
    };
    vec![
        ("an unknown method", method("PURGE"), &[501], &[501]),
        ("a method of WebDAV", method("PROPFIND"), &[501], &[501]),
        ("TRACE", method("TRACE"), &[501], &[405, 501]),
        ("CONNECT", "CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example\r\n\r\n".into(), &[501], &[400, 405, 501]),
        ("a method in lower case", method("get"), &[501], &[400]),
        ("the whole server", "OPTIONS * HTTP/1.1\r\nHost: shop.example\r\n\r\n".into(), &[404], &[400]),
        ("a long path", get(&format!("/products/{long}"), ""), &[414], &[414]),
        ("a long query", get(&format!("/products?q={long}"), ""), &[414], &[414]),
        ("a very long path", get(&format!("/products/{very_long}"), ""), &[414], &[414]),
        ("large headers", get("/products", &format!("X-Large: {very_long}\r\n")), &[431], &[431]),
        ("large headers in one piece", get("/products", &format!("X: {}\r\n", "a".repeat(48_000))), &[431], &[431]),
        ("many headers", get("/products", &"X-Many: a\r\n".repeat(101)), &[431], &[200, 431]),
        ("no Host", with_host(""), &[400], &[400]),
        ("an empty Host", with_host("Host:\r\n"), &[400], &[400]),
        ("two Hosts", with_host("Host: shop.example\r\nHost: shop.example\r\n"), &[400], &[200, 400]),
        ("a Host with a path", with_host("Host: shop.example/products\r\n"), &[400], &[400]),
        ("a Host with a user", with_host("Host: user@shop.example\r\n"), &[400], &[400]),
        ("a header without a name", get("/products", ": a\r\n"), &[400], &[200, 400]),
        ("no HTTP", "\u{16}\u{3}\u{1}\r\n\r\n".into(), &[400], &[400]),
        ("HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), &[505], &[400, 505]),
        ("a future version", "GET /products HTTP/3.0\r\nHost: shop.example\r\n\r\n".into(), &[505], &[505]),
        ("an unknown expectation", get("/products", "Expect: a-miracle\r\n"), &[417], &[200]),
        ("an unknown transfer coding", post("Transfer-Encoding: gzip\r\n", ""), &[400], &[501]),
        ("two transfer codings", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), &[501], &[501]),
        ("two lengths", post("Content-Length: 2\r\nContent-Length: 3\r\n", "{} "), &[400], &[400]),
        ("a length that is no number", post("Content-Length: two\r\n", "{}"), &[400], &[400]),
        // The chunks are read: an empty body.
        (
            "a length and chunks",
            post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            &[400],
            &[400],
        ),
        ("broken percent-encoding", get("/products/%zz", ""), &[400], &[400]),
        ("an encoded NUL", get("/products/%00", ""), &[400], &[400]),
        ("text that is not UTF-8", get("/products/%ff", ""), &[400], &[400]),
        ("a parent folder", get("/products/../customer/whoami", ""), &[404], &[404]),
        ("an encoded parent folder", get("/products/%2e%2e/customer/whoami", ""), &[404], &[404]),
        ("two slashes", get("//products", ""), &[404], &[404]),
    ]
}

#[tokio::test]
async fn a_request_outside_of_the_api_gets_a_problem() {
    let shop = Shop::shared().await;
    for (name, request, one_process, fleet) in heads() {
        let expected = if env::var_os("SOUK_URL").is_some() { fleet } else { one_process };
        let response = shop.send_raw(request.as_bytes()).await;
        let response = response.unwrap_or_else(|| panic!("{name}: no response"));
        assert!(expected.contains(&response.status), "{name}: {response:?}");
        if response.status >= 400 {
            response.expect_problem(name);
            for (header, value) in [("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer")] {
                assert_eq!(response.header(header), value, "{name}: {response:?}");
            }
        }
    }
    shop.client().get("/products").await.expect_status(200);
}

#[tokio::test]
async fn an_unusual_request_within_the_standard_is_served() {
    let shop = Shop::shared().await;
    for (name, request) in [
        ("HTTP/1.0", "GET /products HTTP/1.0\r\n\r\n"),
        ("an absolute target", "GET http://shop.example/products HTTP/1.1\r\nHost: shop.example\r\n\r\n"),
        ("an empty line first", "\r\nGET /products HTTP/1.1\r\nHost: shop.example:8000\r\n\r\n"),
        ("an address as Host", "GET /products HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n"),
        ("a Host with an empty port", "GET /products HTTP/1.1\r\nHost: shop.example:\r\n\r\n"),
        ("a slash at the end", "GET /products/ HTTP/1.1\r\nHost: shop.example\r\n\r\n"),
    ] {
        let response = shop.send_raw(request.as_bytes()).await;
        assert_eq!(response.map(|response| response.status), Some(200), "{name}");
    }
    let mut connection = shop.connect().await;
    let pipelined = "GET /products HTTP/1.1\r\nHost: shop.example\r\n\r\n".repeat(2);
    connection.send(pipelined.as_bytes()).await;
    for _ in 0..2 {
        assert_eq!(connection.response().await.unwrap().status, 200);
    }
    let mut connection = shop.connect().await;
    let head = "POST /customer/login HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n";
    connection.send(format!("{head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n").as_bytes()).await;
    connection.send(b"{}").await;
    assert_eq!(connection.response().await.unwrap().status, 422);
}

/// Bodies that were announced and do not arrive whole: headers, and the bytes before the client
/// closes its side.
const BROKEN: [(&str, &str, &str); 7] = [
    ("no byte", "Content-Length: 5300\r\n", ""),
    ("some bytes", "Content-Length: 5300\r\n", "{"),
    ("a whole object, but too short", "Content-Length: 5300\r\n", "{}"),
    ("no chunk", "Transfer-Encoding: chunked\r\n", ""),
    ("a chunk without a size", "Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
    ("a chunk that is too short", "Transfer-Encoding: chunked\r\n", "10\r\n{}"),
    ("no last chunk", "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n"),
];

#[tokio::test]
async fn a_body_that_does_not_arrive_whole_changes_nothing() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    let cart = ana.get_cart().await.expect_status(200).body;
    let category = unique("broken");
    let rows = format!("key,name,category,price\\na,A,{category},1\\n").replace("\\n", "\n");
    for (name, length, body) in BROKEN {
        for (client, method, path, body) in [
            (&*ana, "POST", "/shopping/order", body.to_owned()),
            (&*ana, "POST", "/shopping/guest", body.to_owned()),
            (&*ana, "DELETE", "/shopping/cart", body.to_owned()),
            (&*ana, "DELETE", "/customer/profile", body.to_owned()),
            (&*admin, "POST", "/products/import", body.replace("{}", &rows)),
        ] {
            let headers = format!("Idempotency-Key: {}\r\n{length}", unique("key"));
            let mut request = client.raw_head(method, path, &headers);
            if path == "/products/import" {
                request = request.replace("application/json", "text/csv");
            }
            let response = shop.send_raw_and_half_close(format!("{request}\r\n{body}").as_bytes()).await;
            // nginx ends such a connection without a response.
            if let Some(response) = response {
                assert_eq!(response.status, 400, "{name}: {method} {path}: {response:?}");
                response.expect_problem(name);
            }
        }
    }
    assert_eq!(ana.get_cart().await.expect_status(200).body, cart);
    assert!(ana.list_orders().await.expect_status(200).items().is_empty());
    let imported = shop.client().get(&format!("/products?category={category}")).await.expect_status(200);
    assert!(imported.items().is_empty(), "{imported}");
}

#[tokio::test]
async fn an_order_needs_a_body() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    for length in ["", "Content-Length: 0\r\n"] {
        let head = ana.raw_head("POST", "/shopping/order", &format!("Idempotency-Key: key\r\n{length}"));
        let response = shop.send_raw(format!("{head}\r\n").as_bytes()).await.unwrap();
        assert_eq!(response.status, 400, "{response:?}");
        response.expect_problem("no body");
    }
    ana.place_order("key").await.expect_status(201);
}

#[tokio::test]
async fn slow_bodies_delay_nobody_else() {
    let shop = Shop::shared().await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut connection = shop.connect().await;
        connection
            .send(
                b"POST /customer/login HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n\
                  Content-Length: 100\r\n\r\n{\"email\": \"a@b.example\", ",
            )
            .await;
        slow.push(connection);
    }
    for _ in 0..20 {
        shop.client().get("/products").await.expect_status(200);
    }
}

#[tokio::test]
async fn a_file_is_refused_before_its_body_is_sent() {
    let shop = Shop::shared().await;
    let customer = shop.new_customer().await;
    let stranger = shop.client().with_token("none");
    for (client, status) in [(&stranger, 401), (&*customer, 403)] {
        for (path, content_type) in [("/products/import", "text/csv"), ("/products/images", "image/jpeg")] {
            let head = client.raw_head("POST", path, "Content-Length: 8000000\r\n");
            let head = head.replace("application/json", content_type);
            let mut connection = shop.connect().await;
            connection.send(format!("{head}\r\nkey,name\n").as_bytes()).await;
            let response = connection.response().await.unwrap();
            assert_eq!(response.status, status, "{response:?}");
            response.expect_problem(path);
        }
    }
    for page in ["import".to_owned(), format!("{UNKNOWN_ID}/image")] {
        let head = stranger.raw_head("POST", &format!("/en/admin/products/{page}"), "Content-Length: 8000000\r\n");
        let head = head.replace("application/json", "multipart/form-data; boundary=b");
        let mut connection = shop.connect().await;
        connection.send(format!("{head}\r\n--b\r\n").as_bytes()).await;
        let response = connection.response().await.unwrap();
        assert_eq!(response.status, 303, "{response:?}");
    }
}
