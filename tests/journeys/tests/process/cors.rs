//! Pages of other origins: those that the operator allows may use the API from a browser.

use journeys::{Method, Response, TestShop};

const ALLOWED: &str = "https://shop.example";

async fn shop() -> TestShop {
    let origins = format!("http://localhost:3000, {ALLOWED}");
    TestShop::start_in(&["--memory"], &[("CORS_ORIGINS", &origins)]).await
}

async fn preflight(shop: &TestShop, origin: &str, path: &str) -> Response {
    let request = shop.client().request(Method::OPTIONS, path).header("Origin", origin);
    request.header("Access-Control-Request-Method", "POST").await
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_send_and_read() {
    let shop = shop().await;
    for origin in [ALLOWED, "http://localhost:3000"] {
        let allowed = preflight(&shop, origin, "/shopping/cart").await.expect_status(204);
        assert_eq!(allowed.header("Access-Control-Allow-Origin"), origin);
        assert_eq!(allowed.header("Access-Control-Allow-Methods"), "DELETE, GET, HEAD, OPTIONS, POST");
        for name in ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"] {
            assert!(allowed.header("Access-Control-Allow-Headers").split(", ").any(|header| header == name), "{name}");
        }
        assert_eq!(allowed.header("Access-Control-Max-Age"), "600");
        for path in ["/products", "/shopping/cart", "/nothing"] {
            let response = shop.client().get(path).header("Origin", origin).await;
            assert_eq!(response.header("Access-Control-Allow-Origin"), origin, "{response}");
            assert_eq!(response.header("Access-Control-Allow-Credentials"), "", "{response}");
            for name in ["X-Request-Id", "Location", "ETag", "Retry-After"] {
                let exposed = response.header("Access-Control-Expose-Headers");
                assert!(exposed.split(", ").any(|header| header == name), "{name} of {response}");
            }
        }
    }
}

#[tokio::test]
async fn another_origin_is_answered_without_permission_to_read() {
    let shop = shop().await;
    for origin in
        ["https://evil.example", "https://shop.example.evil", "http://shop.example", "null", "HTTPS://SHOP.EXAMPLE"]
    {
        let refused = preflight(&shop, origin, "/shopping/cart").await.expect_status(204);
        let read = shop.client().get("/products").header("Origin", origin).await.expect_status(200);
        for response in [refused, read] {
            assert_eq!(response.header("Access-Control-Allow-Origin"), "", "{origin}: {response}");
            assert!(response.header("Vary").contains("Origin"), "{response}");
        }
    }
    let unasked = shop.client().get("/products").await.expect_status(200);
    assert!(unasked.header("Vary").contains("Origin"), "{unasked}");
}
