//! The headers of every documented route: methods, caches, encodings, origins, and what protects a
//! browser.

use std::collections::{BTreeMap, BTreeSet};

use journeys::{Admin, Client, Customer, Method, Response, Shop, UNKNOWN_ID, address, euros, product_json, unique};
use serde_json::json;

const API: &str = include_str!("../../../../docs/api.md");

/// Returns the paths of the tables in docs/api.md, with their methods.
fn documented_routes() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut routes: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for line in API.lines() {
        let Some((route, _)) = line.strip_prefix("| `").and_then(|line| line.split_once('`')) else { continue };
        let Some((methods, path)) = route.split_once(" /") else { continue };
        let path = path.split('?').next().unwrap_or_default();
        routes.entry(format!("/{path}")).or_default().extend(methods.split(", "));
    }
    assert!(routes.len() > 20, "{routes:?}");
    for methods in routes.values_mut() {
        methods.insert("OPTIONS");
        if methods.contains("GET") {
            methods.insert("HEAD");
        }
    }
    routes
}

struct Scene {
    shop: Shop,
    admin: Admin,
    ana: Customer,
    names: Vec<(&'static str, String)>,
}

impl Scene {
    async fn new() -> Self {
        let shop = Shop::shared().await;
        let admin = shop.admin().await;
        let tea = admin.new_product("tea", &euros(499), 10).await;
        let (ana, order) = shop.customer_with_order(&tea, 1).await;
        let address = ana.add_address(address("Rua Augusta 1")).await.expect_status(201);
        let receipt = shop.new_customer().await.delete_account().await.expect_status(202);
        let category = admin.get_product(&tea).await["category"].as_str().unwrap().to_owned();
        let discount = json!({"code": unique("code"), "kind": "free_shipping"});
        let discount = admin.request(Method::POST, "/shopping/admin/discounts").json(discount).await;
        let discount = discount.expect_status(201);
        let names = vec![
            ("/products/category/{name}", category),
            ("/products/images/{name}", "lamp-wall-sconce.svg".to_owned()),
            ("/customer/address/{id}", address.id().to_owned()),
            ("/customer/erasure/{id}", receipt.id().to_owned()),
            ("/shopping/order/{id}", order.id().to_owned()),
            ("/shopping/admin/orders/{id}", order.id().to_owned()),
            ("/shopping/admin/discounts/{id}", discount.id().to_owned()),
            ("/shopping/admin/order-views/{id}", UNKNOWN_ID.to_owned()),
            ("{product_id}", tea.id.clone()),
            ("/products/{id}", tea.id.clone()),
        ];
        Self { shop, admin, ana, names }
    }

    fn path(&self, template: &str) -> String {
        let (start, name) =
            self.names.iter().find(|(start, _)| template.contains(start)).unwrap_or(&("{}", String::new())).clone();
        let parameter = &start[start.find('{').unwrap_or(start.len())..];
        template.replace(parameter, &name)
    }

    /// Sends a request as the client that may send it.
    async fn send(&self, method: &str, path: &str) -> Response {
        let clients: [&Client; 2] = [&self.ana, &self.admin];
        let response = clients[0].request(method.parse().unwrap(), path).await;
        if response.status == 403 { clients[1].request(method.parse().unwrap(), path).await } else { response }
    }
}

fn list(header: &str) -> BTreeSet<&str> {
    header.split(',').map(str::trim).filter(|element| !element.is_empty()).collect()
}

/// The routes whose responses caches may store.
fn is_public(template: &str) -> bool {
    let is_private =
        ["/stock", "/low-stock", "/summary", "/documents", "/whoami"].iter().any(|end| template.ends_with(end));
    let is_catalogue = template.starts_with("/products") && !is_private;
    is_catalogue || ["/customer/.well-known/jwks.json", "/shopping/countries", "/shopping/shop"].contains(&template)
}

#[track_caller]
fn expect_protection(response: &Response) {
    assert_eq!(response.header("X-Content-Type-Options"), "nosniff", "{response}");
    assert_eq!(response.header("X-Frame-Options"), "DENY", "{response}");
    assert_eq!(response.header("Referrer-Policy"), "no-referrer", "{response}");
    assert!(response.header("Content-Security-Policy").starts_with("default-src 'none'; "), "{response}");
    assert!(!response.header("X-Request-Id").is_empty(), "{response}");
}

#[tokio::test]
async fn every_documented_route_names_its_methods_and_has_no_others() {
    let scene = Scene::new().await;
    for (template, methods) in documented_routes() {
        let path = scene.path(&template);
        let options = scene.shop.client().request(Method::OPTIONS, &path).await.expect_status(204);
        assert_eq!(list(options.header("Allow")), methods, "{template}: {options}");
        assert_eq!(options.header("Accept-Patch").contains("merge-patch"), methods.contains("PATCH"), "{options}");
        expect_protection(&options);
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            if !methods.contains(method) {
                let refused = scene.send(method, &path).await.expect_status(405);
                assert_eq!(list(refused.header("Allow")), methods, "{template}: {refused}");
                assert_eq!(refused.header("Cache-Control"), "no-store", "{refused}");
                expect_protection(&refused);
            }
        }
    }
    let unknown = scene.shop.client().request(Method::OPTIONS, "/customer/nothing").await;
    unknown.expect_not_found();
}

#[tokio::test]
async fn every_readable_route_has_a_head_and_says_what_caches_may_do() {
    let scene = Scene::new().await;
    for (template, methods) in documented_routes() {
        if !methods.contains("GET") {
            continue;
        }
        let path = scene.path(&template);
        let get = scene.send("GET", &path).await.expect_status(200);
        let head = scene.send("HEAD", &path).await.expect_status(200);
        for name in ["Content-Type", "Cache-Control", "Vary"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {template}: {get}");
        }
        if !shows_what_other_tests_do(&template) {
            for name in ["Content-Length", "ETag"] {
                assert_eq!(head.header(name), get.header(name), "{name} of {template}: {get}");
            }
        }
        assert_eq!(head.header("ETag").is_empty(), get.header("ETag").is_empty(), "{template}: {get}");
        assert!(head.body.is_null(), "{head}");
        let cache = get.header("Cache-Control");
        if is_public(&template) {
            assert!(cache.starts_with("public, "), "{template}: {get}");
        } else {
            assert_eq!(cache, "no-store", "{template}: {get}");
        }
        assert!(!get.header("Content-Type").is_empty(), "{get}");
        expect_protection(&get);
        let anonymous = scene.shop.client().get(&path).await;
        if anonymous.status != 200 {
            anonymous.clone().expect_unauthenticated();
            assert_eq!(anonymous.header("Cache-Control"), "no-store", "{template}: {anonymous}");
        }
    }
}

/// Whether the lists and counts of a route change while other tests use the same shop.
fn shows_what_other_tests_do(template: &str) -> bool {
    let lists =
        ["/products", "/products/categories", "/products/low-stock", "/products/summary", "/customer/staff", "/mail"];
    lists.contains(&template) || template.starts_with("/shopping/admin/")
}

#[tokio::test]
async fn responses_with_tokens_and_errors_are_not_stored() {
    let scene = Scene::new().await;
    let (ana, client) = (&scene.ana, scene.shop.client());
    for response in [
        client.sign_in(&ana.email, journeys::PASSWORD).retry_while_busy().await.expect_status(200),
        client.refresh_session(&ana.refresh_token).await.expect_status(200),
        client.request(Method::POST, "/shopping/guest").json(json!({})).await.expect_status(201),
        ana.place_order("empty").await.expect_status(409),
        client.get("/products?limit=0").await.expect_status(422),
        client.get("/products/0190b5d2-6c1e-7a53-8b8e-2f0a3c7d9e11").await.expect_not_found(),
        client.get("/nothing").await.expect_not_found(),
    ] {
        assert_eq!(response.header("Cache-Control"), "no-store", "{response}");
        assert_eq!(response.header("ETag"), "", "{response}");
        expect_protection(&response);
    }
}

#[tokio::test]
async fn large_responses_are_compressed_for_clients_that_take_it() {
    let scene = Scene::new().await;
    let category = unique("category");
    for _ in 0..5 {
        let mut product = product_json("tea", &euros(499), 1);
        product["category"] = category.as_str().into();
        product["description"] = "A long description of tea. ".repeat(20).into();
        scene.admin.create_product(product).await.expect_status(201);
    }
    let list = || scene.shop.client().get("/products").query(&[("category", &category)]);
    let plain = list().await.expect_status(200);
    assert_eq!((plain.header("Content-Encoding"), plain.header("Vary")), ("", "Accept-Encoding"));
    for accept in ["gzip", "GZIP", "br;q=1, gzip;q=0.8", "*"] {
        let zipped = list().header("Accept-Encoding", accept).await.expect_status(200);
        assert_eq!(zipped.header("Content-Encoding"), "gzip", "{accept}");
        assert_eq!(zipped.header("Vary"), "Accept-Encoding");
        assert_eq!(zipped.body, plain.body);
    }
    for accept in ["", "br", "gzip;q=0", "identity, gzip;q=0.5"] {
        let response = list().header("Accept-Encoding", accept).await.expect_status(200);
        assert_eq!(response.header("Content-Encoding"), "", "{accept}");
    }
    let small = scene.shop.client().get("/products/whoami").header("Accept-Encoding", "gzip").await;
    assert_eq!((small.header("Content-Encoding"), small.header("Vary")), ("", ""));
    let sign_in = scene.shop.client().sign_in(&scene.ana.email, journeys::PASSWORD);
    let sign_in = sign_in.header("Accept-Encoding", "gzip").retry_while_busy().await.expect_status(200);
    assert_eq!(sign_in.header("Content-Encoding"), "", "a response with tokens");
}

#[tokio::test]
async fn no_page_of_another_origin_may_read_a_response_by_default() {
    let shop = Shop::shared().await;
    let preflight = shop.client().request(Method::OPTIONS, "/shopping/cart").header("Origin", "https://shop.example");
    let preflight = preflight.header("Access-Control-Request-Method", "POST").await.expect_status(204);
    let get = shop.client().get("/products").header("Origin", "https://shop.example").await.expect_status(200);
    for response in [preflight, get] {
        assert_eq!(response.header("Access-Control-Allow-Origin"), "", "{response}");
    }
}

#[tokio::test]
async fn a_client_that_has_the_current_content_is_answered_without_it() {
    let scene = Scene::new().await;
    let client = scene.shop.client();
    let tea = scene.admin.new_product("tea", &euros(499), 10).await;
    let listed = format!("/products/category/{}", scene.admin.get_product(&tea).await["category"].as_str().unwrap());
    for path in [&tea.path(), &listed, "/products/images/lamp-wall-sconce.svg", "/customer/.well-known/jwks.json"] {
        let first = client.get(path).await.expect_status(200);
        let tag = first.header("ETag");
        assert!(tag.ends_with('"'), "{first}");
        for known in [tag, "*", &format!("\"other\", {tag}"), &format!("W/{}", tag.trim_start_matches("W/"))] {
            for method in [Method::GET, Method::HEAD] {
                let request = client.request(method, path).header("If-None-Match", known);
                let unchanged = request.header("Accept-Encoding", "gzip").await.expect_status(304);
                for name in ["ETag", "Cache-Control", "Vary"] {
                    assert_eq!(unchanged.header(name), first.header(name), "{name} of {unchanged}");
                }
                assert!(unchanged.body.is_null(), "{unchanged}");
            }
        }
        client.get(path).header("If-None-Match", "\"other\"").await.expect_status(200);
    }
    for (path, change) in [(tea.path(), json!({"price": euros(599)})), (listed, json!({"name": "green tea"}))] {
        let before = client.get(&path).await.header("ETag").to_owned();
        scene.admin.update_product(&tea, change).await.expect_status(200);
        let after = client.get(&path).header("If-None-Match", &before).await.expect_status(200);
        assert_ne!(after.header("ETag"), before);
    }
    let refused = client.get("/products?limit=0").header("If-None-Match", "*").await;
    refused.expect_bad_fields(&["limit"]);
}
