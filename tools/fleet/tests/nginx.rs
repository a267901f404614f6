//! nginx with the configuration of this repository, in front of test back ends.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests are tests too")]

#[path = "nginx/ambiguous.rs"]
mod ambiguous;
#[path = "nginx/backend.rs"]
mod backend;

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use fleet::{Nginx, Settings, SignInRate};
use serde_json::Value;

use crate::backend::{Backend, Behaviour, Message, raw, request};

fn settings(customer: &[&Backend], products: &[&Backend], shopping: &[&Backend]) -> Settings {
    let addresses = |backends: &[&Backend]| backends.iter().map(|backend| backend.address).collect();
    Settings {
        port: 0,
        customer: addresses(customer),
        products: addresses(products),
        shopping: addresses(shopping),
        web: Vec::new(),
        sign_in: SignInRate::UNLIMITED,
        trusted_proxies: Vec::new(),
    }
}

fn start(settings: Settings) -> (Nginx, SocketAddr) {
    let nginx = Nginx::start(&settings).unwrap();
    let address = nginx.component().address();
    (nginx, address)
}

fn shop() -> (Nginx, SocketAddr) {
    let [customer, products, shopping, web] =
        ["customer", "products", "shopping", "web"].map(|name| Backend::start(name, Behaviour::Echo));
    start(Settings { web: vec![web.address], ..settings(&[&customer], &[&products], &[&shopping]) })
}

fn get(address: SocketAddr, target: &str) -> Message {
    request(address, "GET", target, &[], b"")
}

/// Asserts that nginx itself responded with problem+json, in the same form as the services.
#[track_caller]
fn problem(answer: &Message, status: u16, code: &str) {
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(body["type"], format!("urn:souk:problem:{code}"));
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"].as_str(), answer.header("x-request-id"));
    assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    let again = matches!(status, 429 | 502..=504);
    assert_eq!(answer.header("retry-after").is_some(), again, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    assert_eq!(answer.header("allow").is_some(), status == 405, "{answer:?}");
    for (name, value) in SECURITY {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
}

const SECURITY: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
];

#[test]
#[ignore = "needs nginx"]
fn prefixes_are_stripped_and_the_rest_is_unchanged() {
    let (_nginx, address) = shop();
    for (target, service, seen) in [
        ("/customer", "customer", "/"),
        ("/customer/", "customer", "/"),
        ("/customer/whoami", "customer", "/whoami"),
        ("/products?limit=2&q=a%20b+c%2Fd", "products", "/?limit=2&q=a%20b+c%2Fd"),
        ("/products/?limit=2", "products", "/?limit=2"),
        ("/products/category/Tea%20%26%2FCoffee", "products", "/category/Tea%20%26%2FCoffee"),
        ("/products/category/T%C3%A9?q=//x/../y", "products", "/category/T%C3%A9?q=//x/../y"),
        ("/products/category/%2568ealth", "products", "/category/%2568ealth"),
        ("/products/a.b/..c", "products", "/a.b/..c"),
        ("/shopping/order/1/cancel", "shopping", "/order/1/cancel"),
        ("/shopping/order", "shopping", "/order"),
        ("/products/import?key=sku", "products", "/import?key=sku"),
        ("http://shop.example/shopping/cart?x", "shopping", "/cart?x"),
    ] {
        let answer = get(address, target);
        assert_eq!(answer.status(), 200, "{target}: {answer:?}");
        assert_eq!((answer.backend(), answer.target()), (service, seen), "{target}");
    }
}

#[test]
#[ignore = "needs nginx"]
fn unknown_and_internal_paths_are_problems() {
    let (_nginx, address) = shop();
    for target in [
        "/souk-problem",
        "/souk-page-unavailable",
        "/customers/profile/../x",
        "/customer-x",
        // Ambiguous paths.
        "/customer//profile",
        "//customer/profile",
        "/customer/a/../profile",
        "/customer/a/./profile",
        "/customer/../products/import",
        "/customer/..%2fproducts/import",
        "/customer/%2e%2e/products/import",
        "/customer%2Fprofile",
        "/%63ustomer/profile",
        "/products/a%2F%2Fb",
        "/products/a/..",
        "/products/a/..?x",
        // Internal paths.
        "/customer/health/live",
        "/customer/health",
        "/customer/health/",
        "/customer/health?x",
        "/customer//health",
        "/customer/%68ealth/ready",
        "/customer/HEALTH/live",
        "/customer/x/../health/live",
        "/customer/./health/live",
        "/customer/health%2Flive",
        "/customer/x%2f..%2fhealth/live",
        "/products/metrics",
        "/products/metrics/",
        "/shopping/%6d%65trics",
        "/products/import/../metrics",
        "http://shop.example/shopping/metrics",
    ] {
        problem(&get(address, target), 404, "not-found");
    }
    assert_eq!(get(address, "/nginx-health").text(), "ok\n");
}

#[test]
#[ignore = "needs nginx"]
fn everything_else_goes_to_web_unchanged() {
    let (_nginx, address) = shop();
    for target in
        ["/", "/?x=/y", "/en", "/de/c/Tea%20%26%2FCoffee?sort=price", "/assets/a/b.css", "/web/whoami", "/other"]
    {
        let answer = get(address, target);
        assert_eq!((answer.status(), answer.backend(), answer.target()), (200, "web", target));
    }
    for target in ["/health", "/health/ready", "/%68ealth/live", "/en/health", "/metrics", "/en//cart", "/en/../x"] {
        problem(&get(address, target), 404, "not-found");
    }
    let trace = request(address, "TRACE", "/products", &[], b"");
    problem(&trace, 405, "method-not-allowed");
    assert_eq!(trace.header("allow"), Some("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"));
}

#[test]
#[ignore = "needs nginx"]
fn pages_have_their_own_content_security_policy() {
    let web = Backend::start("web", Behaviour::Problem);
    let (_nginx, address) = start(Settings { web: vec![web.address], ..settings(&[], &[], &[]) });
    let page = request(address, "GET", "/en", &["X-Request-Id: ours"], b"");
    assert_eq!((page.status(), page.header("x-request-id"), page.header("x-own")), (422, Some("ours"), Some("kept")));
    assert_eq!(page.header("content-security-policy"), Some("default-src 'self'"));
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    assert_eq!((page.header("x-frame-options"), page.header("permissions-policy")), (Some("DENY"), None));
}

#[test]
#[ignore = "needs nginx"]
fn a_visitor_gets_a_page_while_web_is_away() {
    let (_nginx, address) = start(settings(&[], &[], &[]));
    let page = get(address, "/en/cart");
    assert_eq!((page.status(), page.header("content-type")), (502, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("cannot be reached right now") && page.header("retry-after").is_some(), "{page:?}");
    for (name, value) in SECURITY {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
}

#[test]
#[ignore = "needs nginx"]
fn requests_that_cannot_be_read_are_problems() {
    let (_nginx, address) = shop();
    let long = "x".repeat(40_000);
    problem(&raw(address, b"nonsense\r\n\r\n"), 400, "malformed");
    problem(&raw(address, b"GET / HTTP/1.1\r\n\r\n"), 400, "malformed");
    problem(&raw(address, b"GET /products/%00 HTTP/1.1\r\nHost: x\r\n\r\n"), 400, "malformed");
    problem(&raw(address, b"GET / HTTP/7.1\r\nHost: x\r\n\r\n"), 505, "malformed");
    problem(&request(address, "TRACE", "/products", &[], b""), 405, "method-not-allowed");
    problem(&get(address, &format!("/products/{long}")), 414, "too-large");
    problem(&request(address, "GET", "/products", &[&format!("X: {long}")], b""), 431, "too-large");
    let odd = b"POST /products HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n";
    problem(&raw(address, odd), 501, "malformed");
}

#[test]
#[ignore = "needs nginx"]
fn bodies_have_limits() {
    let (_nginx, address) = shop();
    let post = |target, size| request(address, "POST", target, &[], &vec![b' '; size]);
    // A body slightly above the limit of the service is passed on, so that the service responds.
    let passed = post("/shopping/cart", 70_000);
    assert_eq!((passed.status(), passed.text().lines().last()), (200, Some("70000")));
    problem(&post("/shopping/cart", 90_000), 413, "too-large");
    problem(&post("/products", 90_000), 413, "too-large");
    let passed = post("/products/import?key=sku", 3_000_000);
    assert_eq!((passed.status(), passed.text().lines().last()), (200, Some("3000000")));
    let headers = "POST /products/import HTTP/1.1\r\nHost: x\r\nContent-Length: 70000000\r\n\r\n";
    problem(&raw(address, headers.as_bytes()), 413, "too-large");
    // Images, and pages that upload a file.
    let image = "/de/admin/products/01890a5d-ac96-774b-bcce-b302099a8057/image";
    for target in ["/products/images", "/en/admin/products/import", image] {
        let passed = post(target, 9_000_000);
        assert_eq!((passed.status(), passed.text().lines().last()), (200, Some("9000000")), "{target}");
    }
    problem(&post("/products/images", 10_000_000), 413, "too-large");
    for target in ["/en/admin/products/new", "/en/admin/products/import/x", &format!("{image}/remove")] {
        problem(&post(target, 90_000), 413, "too-large");
    }
}

#[test]
#[ignore = "needs nginx"]
fn forged_forwarding_headers_are_replaced() {
    let (_nginx, address) = shop();
    let forged = [
        "X-Forwarded-For: 1.2.3.4",
        "X-Real-IP: 1.2.3.4",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 1",
        "X-Forwarded-Prefix: /evil",
        "Forwarded: for=1.2.3.4",
        "Proxy: evil.example:1",
        "Upgrade: h2c",
        "Authorization: Bearer kept",
    ];
    let seen = request(address, "GET", "/customer/whoami", &forged, b"");
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-host", "shop.example"),
        ("host", "shop.example"),
        ("x-forwarded-proto", "http"),
        ("authorization", "Bearer kept"),
    ] {
        assert_eq!(seen.arrived(name), [value], "{name}");
    }
    assert_eq!(seen.header("strict-transport-security"), None);
    for gone in ["x-forwarded-port", "x-forwarded-prefix", "forwarded", "proxy", "upgrade", "connection"] {
        assert_eq!(seen.arrived(gone), [""; 0], "{gone}");
    }
}

#[test]
#[ignore = "needs nginx"]
fn only_addresses_that_trusted_proxies_add_are_accepted() {
    let customer = Backend::start("customer", Behaviour::Echo);
    let trusted_proxies = vec!["127.0.0.1".to_owned(), "10.0.0.0/8".to_owned()];
    let (_nginx, address) = start(Settings { trusted_proxies, ..settings(&[&customer], &[], &[]) });
    let headers = ["X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.1.2.3", "X-Forwarded-Proto: https"];
    let seen = request(address, "GET", "/customer/whoami", &headers, b"");
    assert_eq!(seen.arrived("x-forwarded-for"), ["1.2.3.4"]);
    assert_eq!(seen.arrived("x-real-ip"), ["1.2.3.4"]);
    assert_eq!(seen.arrived("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.header("strict-transport-security"), Some("max-age=31536000"));
    let headers = ["X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: http"];
    let by_http = request(address, "GET", "/customer/whoami", &headers, b"");
    assert_eq!(by_http.header("strict-transport-security"), None);
}

#[test]
#[ignore = "needs nginx"]
fn a_request_id_reaches_service_response_and_log_once() {
    let (nginx, address) = shop();
    let longest = "x".repeat(64);
    for kept in ["client-1_2.3", &longest] {
        let header = format!("X-Request-Id: {kept}");
        let answer = request(address, "GET", "/products", &[&header], b"");
        assert_eq!((answer.header("x-request-id"), answer.arrived("x-request-id")), (Some(kept), vec![kept]));
        problem(&request(address, "GET", "/products/health", &[&header], b""), 404, "not-found");
    }
    let (too_long, mut ids) = ("x".repeat(65), Vec::new());
    for refused in ["a b", "a\"b", "ü", "", &too_long] {
        let answer = request(address, "GET", "/products", &[&format!("X-Request-Id: {refused}")], b"");
        let fresh = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(fresh.len(), 32, "{fresh}");
        assert_eq!(answer.arrived("x-request-id"), [&fresh]);
        ids.push(fresh);
    }
    ids.dedup();
    assert_eq!(ids.len(), 5, "each id should be different");

    let missing = request(address, "GET", "/products/health?email=ana", &["X-Request-Id: seen"], b"");
    problem(&missing, 404, "not-found");
    assert_eq!(missing.header("x-request-id"), Some("seen"));
    drop(get(address, "/products/1?q=secret"));
    nginx.component().stop().unwrap();
    let log = fs::read_to_string(nginx.component().log()).unwrap();
    assert!(!log.contains("ana") && !log.contains("secret") && !log.contains("127.0.0.1\""), "{log}");
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let line = lines.iter().find(|line| line["request_id"] == "seen").expect("a line with the id");
    assert_eq!(
        (&line["status"], &line["path"], &line["method"]),
        (&404.into(), &"/products/health".into(), &"GET".into())
    );
    assert_eq!(
        lines.iter().filter(|line| line["path"] == "/products/1" && line["upstream_status"] == "200").count(),
        1
    );
}

#[test]
#[ignore = "needs nginx"]
fn responses_of_services_pass_with_each_header_once() {
    let products = Backend::start("products", Behaviour::Problem);
    let (_nginx, address) = start(settings(&[], &[&products], &[]));
    let answer = request(address, "GET", "/products", &["X-Request-Id: ours"], b"");
    assert_eq!((answer.status(), answer.backend()), (422, "products"));
    assert_eq!(answer.header("x-request-id"), Some("ours"));
    assert_eq!(answer.header("x-own"), Some("kept"));
    assert_eq!((answer.header("server"), answer.header("permissions-policy")), (Some("nginx"), None));
    for (name, value) in SECURITY {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
}

#[test]
#[ignore = "needs nginx"]
fn passwords_cannot_be_guessed_fast() {
    let customer = Backend::start("customer", Behaviour::Echo);
    let sign_in = SignInRate { per_minute: 1, burst: 2 };
    let (_nginx, address) = start(Settings { sign_in, ..settings(&[&customer], &[], &[]) });
    // Only sign-in attempts count.
    for _ in 0..5 {
        assert_eq!(get(address, "/customer/login").status(), 200);
        assert_eq!(request(address, "POST", "/customer/token", &[], b"{}").status(), 200);
    }
    for target in ["/customer/login", "/customer/signup", "/customer/login?x"] {
        assert_eq!(request(address, "POST", target, &[], b"{}").status(), 200);
    }
    for target in ["/customer/login", "/customer/signup", "/customer/%6cogin", "/customer/login/", "/customer/login?y"]
    {
        let forged = request(address, "POST", target, &["X-Forwarded-For: 9.9.9.9"], b"{}");
        problem(&forged, 429, "too-many-attempts");
    }
    assert_eq!(get(address, "/customer/profile").status(), 200);
    assert_eq!(customer.requests(), 14);
}

#[test]
#[ignore = "needs nginx"]
fn requests_in_progress_are_limited_for_each_address() {
    let (_nginx, address) = shop();
    let begun = Instant::now();
    let wait_for = |status: u16| loop {
        let answer = get(address, "/products");
        if answer.status() == status {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{answer:?}");
    };
    let slow_clients: Vec<TcpStream> = (0..512)
        .map(|_| {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(b"POST /customer/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{").unwrap();
            client
        })
        .collect();
    problem(&wait_for(503), 503, "busy");
    drop(slow_clients);
    wait_for(200);
}

fn unused_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
#[ignore = "needs nginx"]
fn a_service_without_instances_is_down() {
    let mut none = settings(&[], &[], &[]);
    none.products = vec![unused_address()];
    none.shopping = vec![unused_address(), unused_address()];
    let (_nginx, address) = start(none);
    for target in ["/customer/whoami", "/products", "/shopping/cart", "/shopping/cart"] {
        let answer = get(address, target);
        problem(&answer, 502, "unavailable");
        assert!(answer.text().contains("MicroService connection is down"));
    }
    problem(&request(address, "POST", "/shopping/order", &[], b"{}"), 502, "unavailable");
}

#[test]
#[ignore = "needs nginx"]
fn clients_do_not_notice_an_unreachable_instance() {
    let alive = Backend::start("alive", Behaviour::Echo);
    let mut half = settings(&[], &[&alive], &[&alive]);
    half.products.insert(0, unused_address());
    half.shopping.insert(0, unused_address());
    let (_nginx, address) = start(half);
    for (method, target) in
        [("GET", "/products"), ("POST", "/shopping/cart"), ("GET", "/products/x"), ("PUT", "/shopping/cart/1")]
    {
        assert_eq!(request(address, method, target, &[], b"").status(), 200, "{method} {target}");
    }
}

/// Returns the response and the number of requests to the second instance. Each case starts an
/// nginx, because nginx remembers failed servers.
fn send_with_first_instance(behaviour: Behaviour, method: &str, target: &str) -> (Message, usize) {
    let (bad, good) = (Backend::start("bad", behaviour), Backend::start("good", Behaviour::Echo));
    // Round robin begins with the first instance.
    let (_nginx, address) = start(settings(&[], &[], &[&bad, &good]));
    let answer = request(address, method, target, &[], b"");
    assert_eq!(bad.requests(), 1, "the bad instance should get the request once");
    (answer, good.requests())
}

#[test]
#[ignore = "needs nginx"]
fn only_repeatable_requests_are_retried() {
    for (method, target) in [("GET", "/shopping/cart"), ("PUT", "/shopping/cart/1"), ("DELETE", "/shopping/cart")] {
        let (answer, retries) = send_with_first_instance(Behaviour::Disconnect, method, target);
        assert_eq!((answer.status(), retries), (200, 1), "{method} {target}");
    }
    let (answer, retries) = send_with_first_instance(Behaviour::Disconnect, "POST", "/shopping/cart");
    problem(&answer, 502, "unavailable");
    assert_eq!(retries, 0, "the product may be in the cart already");
    // The request has an Idempotency-Key.
    let (answer, retries) = send_with_first_instance(Behaviour::Disconnect, "POST", "/shopping/order");
    assert_eq!((answer.status(), retries), (200, 1));
    let (answer, retries) = send_with_first_instance(Behaviour::Disconnect, "POST", "/shopping/order/1/cancel");
    assert_eq!((answer.status(), retries), (502, 0));
}

#[test]
#[ignore = "needs nginx"]
fn a_stopping_instance_gets_only_unrepeatable_requests() {
    let (answer, retries) = send_with_first_instance(Behaviour::Draining, "GET", "/shopping/cart");
    assert_eq!((answer.status(), answer.backend(), retries), (200, "good", 1));
    let (answer, _) = send_with_first_instance(Behaviour::Draining, "POST", "/shopping/cart");
    assert_eq!(
        (answer.status(), answer.backend()),
        (200, "bad"),
        "it should still serve requests that cannot be repeated"
    );

    let (bad, good) = (Backend::start("bad", Behaviour::Draining), Backend::start("good", Behaviour::Echo));
    let (_nginx, address) = start(settings(&[], &[&bad, &good], &[]));
    for _ in 0..6 {
        assert_eq!(get(address, "/products").backend(), "good");
    }
    assert_eq!(bad.requests(), 1, "after its first 502, the other instance should get the requests");
}

#[test]
#[ignore = "needs nginx"]
fn a_service_that_does_not_answer_is_a_problem_in_time() {
    // Accepts connections and never reads.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = settings(&[], &[], &[]);
    settings.products = vec![silent.local_addr().unwrap()];
    let (_nginx, address) = start(settings);
    let begun = Instant::now();
    problem(&get(address, "/products"), 504, "unavailable");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
#[ignore = "needs nginx"]
fn nginx_keeps_its_port() {
    let (nginx, address) = shop();
    let component = nginx.component();
    assert!(component.stop().unwrap().status.success());
    component.start().unwrap();
    assert_eq!(get(address, "/products").status(), 200);
    component.pause().unwrap();
    component.resume().unwrap();
    assert_eq!(get(address, "/products").status(), 200);
    component.kill().unwrap();
    assert!(TcpStream::connect(address).is_err(), "workers should not outlive their master");
    component.start().unwrap();
    assert_eq!(get(address, "/products").status(), 200);
}
