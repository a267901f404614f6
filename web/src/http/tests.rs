//! Pages while services are down: a page loses the parts of the service that does not answer.

use std::net::IpAddr;

use rocket::http::{Accept, Header, Status};
use rocket::local::asynchronous::Client;
use serde_json::{Value, json};
use souk_bus::Bus;
use souk_contract::api::{ApiCall, ApiResponse, CustomerApi, ProductsApi, ShoppingApi};
use souk_http::config::Environment;

use crate::{App, Defaults, Options};

const TEA: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const ORDER: &str = "01890a5d-ac96-774b-bcce-b302099a8058";
const OTHER_ORDER: &str = "01890a5d-ac96-774b-bcce-b302099a8059";

async fn client(bus: &Bus) -> Client {
    let mut environment = Environment::from_pairs([("PUBLIC_URL", "https://shop.example")]);
    let options = Options::read(&mut environment, &Defaults::default()).unwrap();
    let rocket = souk_http::rocket(IpAddr::from([127, 0, 0, 1]), 0);
    Client::untracked(crate::mount(rocket, App::start(bus, options))).await.unwrap()
}

/// Answers requests of a service's API with what `reply` returns for their targets: 404 without
/// any.
fn serve<C: ApiCall>(bus: &Bus, reply: fn(&str) -> Option<Value>) {
    bus.serve(move |call: C| async move {
        let reply = reply(&call.into_request().target);
        let status = if reply.is_some() { 200 } else { 404 };
        Ok(ApiResponse { status, headers: Vec::new(), body: reply.unwrap_or_default().to_string() })
    });
}

fn catalogue(target: &str) -> Option<Value> {
    let tea = json!({
        "id": TEA, "name": "Green tea", "description": "", "category": "tea", "unit": "piece", "supplier": null,
        "price": {"amount": 499, "currency": "EUR"}, "image": null, "digital": false, "available": 3,
    });
    match target {
        "/categories" => Some(json!({"items": [{"name": "tea", "products": 1}], "next": null})),
        _ if target.starts_with("/?") => Some(json!({"items": [tea], "next": null})),
        _ if target == format!("/{TEA}") => Some(tea),
        _ => None,
    }
}

fn cart(target: &str) -> Option<Value> {
    let (price, snapshot) = (json!({"amount": 499, "currency": "EUR"}), "unknown");
    let product = json!({"id": TEA, "name": "Green tea", "price": price, "image": null});
    let item = json!({"product": product, "quantity": 1, "total": price, "status": snapshot, "available": null});
    (target == "/cart").then(|| json!({"items": [item], "total": price, "stale": true}))
}

async fn get(client: &Client, path: &str) -> (Status, String) {
    let request = client.get(path.to_owned()).header(Accept::HTML).header(Header::new("Cookie", "guest=token"));
    let response = request.dispatch().await;
    (response.status(), response.into_string().await.unwrap_or_default())
}

#[rocket::async_test]
async fn every_page_answers_while_all_services_are_down() {
    let bus = Bus::local();
    let client = client(&bus).await;
    for (path, status) in [
        ("/en", Status::Ok),
        ("/de", Status::Ok),
        ("/en/legal/imprint", Status::Ok),
        ("/en/search?q=tea", Status::ServiceUnavailable),
        ("/en/c/tea", Status::ServiceUnavailable),
        ("/en/cart", Status::ServiceUnavailable),
        (&format!("/en/p/{TEA}/green-tea"), Status::ServiceUnavailable),
        ("/en/wishlist", Status::SeeOther),
        ("/en/nothing", Status::NotFound),
        ("/nothing", Status::NotFound),
    ] {
        let (found, html) = get(&client, path).await;
        assert_eq!(found, status, "{path}");
        assert!(status == Status::SeeOther || html.contains("<footer"), "{path}: {html}");
    }
}

#[rocket::async_test]
async fn the_catalogue_is_shown_while_shopping_is_down() {
    let bus = Bus::local();
    serve::<ProductsApi>(&bus, catalogue);
    let client = client(&bus).await;
    for path in ["/en", "/en/search", "/en/c/tea"] {
        let (status, html) = get(&client, path).await;
        assert!(status == Status::Ok && html.contains("Green tea"), "{path}: {html}");
        assert!(!html.contains("class=\"notice"), "{path}: {html}");
    }
    let (status, html) = get(&client, &format!("/en/p/{TEA}/green-tea")).await;
    assert!(status == Status::Ok && html.contains("Only 3 left"), "{html}");
}

#[rocket::async_test]
async fn the_cart_is_shown_while_products_is_down() {
    let bus = Bus::local();
    serve::<ShoppingApi>(&bus, cart);
    let client = client(&bus).await;
    let (status, html) = get(&client, "/en/cart").await;
    assert!(status == Status::Ok && html.contains("Green tea") && html.contains("cannot be checked"), "{html}");
    assert!(html.contains("value=\"remove\"") && !html.contains("/en/checkout"), "{html}");
}

fn cart_in_dollars(target: &str) -> Option<Value> {
    let price = json!({"amount": 499, "currency": "USD"});
    let product = json!({"id": TEA, "name": "Green tea", "price": price, "image": null});
    let item = json!({"product": product, "quantity": 1, "total": price, "status": "ok", "available": 3});
    match target {
        "/cart" => Some(json!({"items": [item], "total": price})),
        "/shop" => Some(json!({
            "name": "Souk", "legal_name": "Souk", "prices_include_tax": true, "currency": "EUR", "shipping": [],
        })),
        _ => None,
    }
}

#[rocket::async_test]
async fn the_cart_names_a_product_that_has_another_currency_than_the_shop() {
    let bus = Bus::local();
    serve::<ShoppingApi>(&bus, cart_in_dollars);
    let client = client(&bus).await;
    let (status, html) = get(&client, "/en/cart").await;
    assert!(status == Status::Ok && html.contains("Green tea is priced in USD, and this shop sells in EUR."), "{html}");
    assert!(!html.contains("right now") && !html.contains("/en/checkout"), "{html}");
}

fn cart_with_order(target: &str) -> Option<Value> {
    let mut cart = cart(target)?;
    cart["order_under_way"] = json!(ORDER);
    Some(cart)
}

#[rocket::async_test]
async fn the_cart_of_a_guest_links_only_to_its_own_order() {
    let bus = Bus::local();
    serve::<ShoppingApi>(&bus, cart_with_order);
    let client = client(&bus).await;
    // The cookie has the latest order of the browser. It can be one of an earlier cart.
    for (cookies, link) in [
        (format!("guest=token; order={ORDER}.key"), Some(format!("href=\"/en/order/{ORDER}?key"))),
        (format!("guest=token; order={OTHER_ORDER}.key"), None),
        ("guest=token".to_owned(), None),
    ] {
        let request = client.get("/en/cart").header(Accept::HTML).header(Header::new("Cookie", cookies.clone()));
        let html = request.dispatch().await.into_string().await.unwrap_or_default();
        assert!(html.contains("Green tea"), "{cookies}: {html}");
        match link {
            Some(link) => assert!(html.contains(&link), "{cookies}: {html}"),
            None => assert!(!html.contains("/en/order/"), "{cookies}: {html}"),
        }
    }
}

#[rocket::async_test]
async fn the_language_of_a_page_is_remembered_unless_the_browser_prefers_it() {
    let bus = Bus::local();
    let client = client(&bus).await;
    for (path, preferred, cookie, expected) in [
        ("/de", "en", "", Some("language=de")),
        ("/de", "de", "", None),
        ("/de", "en", "language=de", None),
        ("/en", "en", "language=de", Some("language=en")),
    ] {
        let page = client.get(path).header(Header::new("Accept-Language", preferred));
        let response = page.header(Header::new("Cookie", cookie)).dispatch().await;
        let set = response.headers().get("Set-Cookie").find(|set| set.starts_with("language="));
        assert_eq!(set.and_then(|set| set.split(';').next()), expected, "{path} {preferred} {cookie}");
    }
}

fn admin(target: &str) -> Option<Value> {
    let profile = json!({
        "id": TEA, "email": "admin@example.com", "email_verified": true, "phone": null, "role": "admin", "addresses": [],
    });
    (target == "/profile").then_some(profile)
}

#[rocket::async_test]
async fn the_list_of_an_admin_says_that_products_is_down() {
    let bus = Bus::local();
    serve::<CustomerApi>(&bus, admin);
    let client = client(&bus).await;
    let page = client.get("/en/admin/products").header(Accept::HTML).header(Header::new("Cookie", "access=token"));
    let response = page.dispatch().await;
    assert_eq!(response.status(), Status::ServiceUnavailable);
    let html = response.into_string().await.unwrap_or_default();
    assert!(html.contains("cannot be shown right now") && html.contains("/en/admin/products/new"), "{html}");
}

fn discount(target: &str) -> Option<Value> {
    let terms = json!({
        "id": TEA, "code": "TEA", "kind": "percent", "value": 1_000, "minimum": null, "limit": null,
        "per_customer": null, "from": null, "until": null, "products": [], "categories": ["tea", "old mugs"],
        "combines": false, "used": null,
    });
    (target == format!("/admin/discounts/{TEA}")).then_some(terms)
}

#[rocket::async_test]
async fn a_discount_keeps_its_categories_while_products_is_down() {
    let bus = Bus::local();
    serve::<CustomerApi>(&bus, admin);
    serve::<ShoppingApi>(&bus, discount);
    let client = client(&bus).await;
    let page = async || {
        let page = client.get(format!("/en/admin/discounts/{TEA}")).header(Accept::HTML);
        let response = page.header(Header::new("Cookie", "access=token")).dispatch().await;
        assert_eq!(response.status(), Status::Ok);
        response.into_string().await.unwrap_or_default()
    };
    let html = page().await;
    for name in ["tea", "old mugs"] {
        assert!(html.contains(&format!("value=\"{name}\" checked>{name}<")), "{html}");
    }
    assert!(html.contains("Other categories cannot be shown"), "{html}");
    serve::<ProductsApi>(&bus, catalogue);
    let html = page().await;
    assert!(html.contains("value=\"tea\" checked>tea<"), "{html}");
    assert!(html.contains("value=\"old mugs\" checked>old mugs (has no products)<"), "{html}");
    assert!(!html.contains("Other categories cannot be shown"), "{html}");
}

/// The overview of a shop whose other services do not answer.
fn one_to_pack(target: &str) -> Option<Value> {
    let count = |count: u32| json!({"count": count, "more": count == 1_000});
    let days: Vec<Value> = (16..30).map(|day| json!({"date": format!("2026-11-{day}"), "sales": []})).collect();
    match target {
        "/admin/summary" => {
            Some(json!({"days": days, "to_pack": count(1_000), "partially_shipped": count(0), "attention": count(2)}))
        }
        _ if target.starts_with("/admin/orders?") => Some(json!({"items": [], "next": null})),
        _ => None,
    }
}

#[rocket::async_test]
async fn the_overview_loses_the_parts_of_services_that_are_down() {
    let bus = Bus::local();
    serve::<CustomerApi>(&bus, admin);
    let client = client(&bus).await;
    let overview = async || {
        let page = client.get("/en/admin").header(Accept::HTML).header(Header::new("Cookie", "access=token"));
        let response = page.dispatch().await;
        assert_eq!(response.status(), Status::Ok);
        response.into_string().await.unwrap_or_default()
    };
    let html = overview().await;
    assert_eq!(html.matches("does not answer right now").count(), 5, "{html}");
    serve::<ShoppingApi>(&bus, one_to_pack);
    let html = overview().await;
    assert_eq!(html.matches("does not answer right now").count(), 2, "{html}");
    assert!(html.contains("1,000+") && html.contains("No order is sent in part") && !html.contains("style="), "{html}");
}

#[rocket::async_test]
async fn a_program_gets_problems_outside_of_the_pages() {
    let bus = Bus::local();
    let client = client(&bus).await;
    for (path, accept) in [("/nothing", Accept::JSON), ("/products/nothing", Accept::HTML)] {
        let response = client.get(path).header(accept).dispatch().await;
        assert_eq!(response.status(), Status::NotFound, "{path}");
        assert_eq!(response.headers().get_one("Content-Type"), Some("application/problem+json"), "{path}");
    }
    let posted = client.post("/nothing").header(Accept::HTML).dispatch().await;
    assert_eq!(posted.status(), Status::NotFound);
}
