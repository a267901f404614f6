//! A shop behind a proxy that ends TLS.

use journeys::TestShop;

const PAGE: &str = "/en/account/sign-in";

#[tokio::test]
async fn browsers_keep_to_https_and_so_do_cookies() {
    let shop = TestShop::start_in(&["--no-demo"], &[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let client = shop.client();
    for path in [PAGE, "/products", "/products/unknown", "/nothing"] {
        let by_https = client.get(path).header("X-Forwarded-Proto", "https").await;
        assert_eq!(by_https.header("Strict-Transport-Security"), "max-age=31536000", "{by_https}");
        let by_http = client.get(path).header("X-Forwarded-Proto", "http").await;
        assert!(by_http.headers("Strict-Transport-Security").is_empty(), "{by_http}");
    }
    let page = client.get(PAGE).header("X-Forwarded-Proto", "https").await.expect_status(200);
    let cookies = page.headers("Set-Cookie");
    assert!(!cookies.is_empty(), "{page}");
    for cookie in cookies {
        assert!(cookie.starts_with("__Host-") && cookie.ends_with("; Secure"), "{cookie}");
    }
}

#[tokio::test]
async fn the_scheme_is_taken_from_trusted_proxies_only() {
    let shop = TestShop::start_in(&["--no-demo"], &[]).await;
    let page = shop.client().get(PAGE).header("X-Forwarded-Proto", "https").await.expect_status(200);
    assert!(page.headers("Strict-Transport-Security").is_empty(), "{page}");
    assert!(page.headers("Set-Cookie").iter().all(|cookie| !cookie.contains("Secure")), "{page}");
}
