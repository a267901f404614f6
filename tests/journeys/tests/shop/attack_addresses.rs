//! Attacks with addresses: those that the shop should fetch (SSRF), should redirect to, or should
//! take for its own.

use std::net::TcpListener;

use journeys::{Client, Method, PASSWORD, Shop, euros, forgery, order_with, product_json, unique};
use serde_json::json;

/// A server that the shop must not call.
struct Trap(TcpListener);

impl Trap {
    fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}/trap", self.0.local_addr().unwrap())
    }

    #[track_caller]
    fn expect_no_visit(&self) {
        assert!(self.0.accept().is_err(), "the shop has fetched an address of a request");
    }
}

#[tokio::test]
async fn no_address_in_a_request_is_fetched() {
    let shop = Shop::shared().await;
    let (trap, admin) = (Trap::set(), shop.admin().await);
    let url = trap.url();
    let mut product = product_json("tea", &euros(499), 10);
    product["image"] = url.as_str().into();
    let tea = journeys::Product::from_json(&admin.create_product(product).await.expect_status(201).body);
    let file = format!("key,name,category,price,image\n{},tea,tea,499,{url}\n", unique("key"));
    admin.import_products("text/csv", file, &[]).await.expect_status(200);

    let ana = shop.new_customer().await;
    let forged = forgery::signed_with_a_key_of_its_own(ana.token(), &json!({"jku": url, "x5u": url, "kid": url}));
    ana.with_token(&forged).get_cart().await.expect_unauthenticated();
    ana.add_to_cart(&tea, 1).await.expect_status(200);
    let quote = json!({"vat_number": url, "codes": [url]});
    ana.request(Method::POST, "/shopping/quote").json(quote).await.expect_problem(422, "validation");
    let payment = json!({"payment": {"method": "demo", "token": "demo_ok", "return_url": url}});
    let order = ana.place_order_with("key", payment).await;
    assert!(matches!(order.status, 201 | 422), "{order}");
    let order = if order.status == 201 { order } else { ana.place_order("plain").await.expect_status(201) };
    admin.ship_parcel(order.id(), json!({"carrier": url, "tracking": url})).await.expect_status(201);

    let visitor = shop.visitor();
    visitor.sign_in(&ana.email, PASSWORD).await;
    for path in [&*format!("/en/p/{}", tea.id), "/en/cart", "/en/account/orders", &format!("/en/order/{}", order.id())]
    {
        visitor.open(path).await.expect_status(200);
    }
    shop.wait_for_mail(&ana.email, "received").await;
    trap.expect_no_visit();
}

#[tokio::test]
async fn a_redirect_leads_to_no_other_site() {
    let shop = Shop::shared().await;
    for target in [
        "//evil.example",
        "//evil.example/%2e%2e",
        "/\\evil.example",
        "/%5cevil.example",
        "/%2f%2fevil.example",
        "/en//evil.example",
        "/en/%2f%2fevil.example/",
        "/en/..//evil.example",
        "/https://evil.example",
        "/en?next=//evil.example",
        "/order/x?key=//evil.example",
        "/p/01890a5d-ac96-774b-bcce-b302099a8057/%2f%2fevil.example",
        "/verify?next=https://evil.example",
        "/%0d%0aLocation:%20https://evil.example",
        "/en/account?done=%0d%0aSet-Cookie:%20a=b",
        "/en/account/sign-in?next=%0d%0aSet-Cookie:%20a=b",
        "/en/account/orders?after=%0d%0aSet-Cookie:%20a=b",
        "http://evil.example/en/account",
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\nAccept: text/html\r\n\r\n");
        let response = shop.send_raw(request.as_bytes()).await.unwrap();
        assert!(response.headers("Location").count() <= 1, "{target}: {response:?}");
        let location = response.header("Location");
        assert!(!location.starts_with("//") && !location.contains('\\'), "{target}: {response:?}");
        assert!(location.is_empty() || location.starts_with('/'), "{target}: {response:?}");
        assert!(response.headers("Set-Cookie").all(|cookie| !cookie.starts_with("a=")), "{target}: {response:?}");
    }
    let tea = shop.new_product("tea", &euros(499), 10).await;
    for next in ["//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example", "/%0a", "\u{0}/x"] {
        let visitor = shop.visitor();
        let page = visitor.open(&format!("/en/p/{}", tea.id)).await.expect_status(200);
        let form = page.form("/cart/add").forge("next", next);
        let added = visitor.post(&form.action, &form.encode()).await.expect_status(303);
        let location = added.header("Location");
        assert!(location == "/en/cart" || location == "/%0a", "{next:?}: {added}");
    }
}

/// The links in mails and pages begin with the operator's `PUBLIC_URL`.
#[tokio::test]
async fn a_forged_host_is_in_no_link() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let evil = |client: &Client, method, path: &str| {
        let request = client.request(method, path).header("Host", "evil.example");
        request.header("X-Forwarded-Host", "evil.example").header("Forwarded", "host=evil.example")
    };
    let forgot = evil(&shop.client(), Method::POST, "/customer/password/forgot").json(json!({"email": ana.email}));
    forgot.await.expect_status(204);
    let mail = shop.wait_for_mail(&ana.email, "password").await;
    assert!(!mail.text.contains("evil") && !mail.html.contains("evil"), "{}", mail.text);
    assert!(!format!("{:?}", mail.headers).contains("evil"), "{:?}", mail.headers);

    let tea = shop.new_product("tea", &euros(499), 10).await;
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&tea, 1).await.expect_status(200);
    let order = evil(&guest, Method::POST, "/shopping/order").header("Idempotency-Key", "key");
    let order = order.json(order_with(&ana.email, json!({}))).await.expect_status(201);
    assert!(order["link"].as_str().unwrap().starts_with("/shopping/order/"), "{order}");
    assert!(order.header("Location").starts_with('/'), "{order}");
    let mail = shop.wait_for_mail(&ana.email, "received").await;
    assert!(!mail.text.contains("evil") && !mail.html.contains("evil"), "{}", mail.text);

    for path in ["/", "/en", "/en/cart", &format!("/en/p/{}", tea.id), "/sitemap.xml", "/robots.txt", "/en/nothing"] {
        let page = evil(&shop.client(), Method::GET, path).header("Accept", "text/html").await;
        assert!(!page.body.to_string().contains("evil") && !page.header("Location").contains("evil"), "{page}");
    }
}

/// A cache must not store what only the attacker's request has made.
#[tokio::test]
async fn headers_that_caches_do_not_compare_change_nothing() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    for path in [tea.path(), format!("/en/p/{}/tea", tea.id), "/en/cart".to_owned(), "/shopping/shop".to_owned()] {
        let plain = shop.client().get(&path).await;
        for (name, value) in [
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Scheme", "nothttps"),
            ("X-Forwarded-Prefix", "/evil"),
            ("X-Forwarded-Port", "1"),
            ("X-Host", "evil.example"),
            ("X-Original-URL", "/customer/whoami"),
            ("X-Rewrite-URL", "/customer/whoami"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("X-Method-Override", "DELETE"),
            ("Range", "bytes=0-1"),
            ("Origin", "https://evil.example"),
            ("Referer", "https://evil.example/<script>"),
            ("User-Agent", "<script>evil</script>"),
        ] {
            let forged = shop.client().get(&path).header(name, value).await;
            assert_eq!(forged.status, plain.status, "{name}: {forged}");
            assert_eq!(forged.header("Location"), plain.header("Location"), "{name}: {forged}");
            assert_eq!(forged.header("Cache-Control"), plain.header("Cache-Control"), "{name}: {forged}");
            assert!(!forged.body.to_string().contains("evil"), "{name}: {forged}");
        }
    }
}

#[tokio::test]
async fn a_header_overrides_no_method() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        ana.get("/shopping/cart").header(name, "DELETE").await.expect_status(200);
        ana.request(Method::POST, "/shopping/cart").header(name, "DELETE").json(json!({})).await.expect_status(422);
    }
    ana.get("/shopping/cart?_method=DELETE").await;
    assert_eq!(ana.get_cart().await.expect_status(200).items().len(), 1);
}

/// A personal page is stored under no address, also when the address looks like a file's.
#[tokio::test]
async fn an_address_like_a_files_makes_no_personal_page_public() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let visitor = shop.visitor();
    visitor.sign_in(&ana.email, PASSWORD).await;
    for path in [
        "/en/account/x.css",
        "/en/account/logo.png",
        "/en/account;x.css",
        "/en/account%2fx.css",
        "/en/account/orders/x.js",
        "/en/account%0ax.css",
        "/en/account%3fx.css",
    ] {
        let page = visitor.get(path).await;
        assert!(!page.body.to_string().contains(&ana.email), "{path}: {page}");
        assert!(matches!(page.status, 400 | 404), "{path}: {page}");
        assert!(!page.header("Cache-Control").contains("public"), "{path}: {page}");
    }
    for path in ["/customer/profile.css", "/customer/profile/x.css", "/customer/profile%2fx.css"] {
        let response = ana.get(path).await.expect_not_found();
        assert_eq!(response.header("Cache-Control"), "no-store", "{response}");
    }
}
