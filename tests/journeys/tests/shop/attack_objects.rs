//! Attacks on objects of others, and on fields that the server decides (API1 and API3 of the OWASP
//! API Security Top 10).

use journeys::{
    Admin, Client, Customer, Method, PASSWORD, Response, Shop, UNKNOWN_ID, address, euros, product_json, unique,
};
use serde_json::{Value, json};

const API: &str = include_str!("../../../../docs/api.md");

/// Returns the routes of docs/api.md that name an object of one customer in their path.
fn routes_with_an_object() -> Vec<(&'static str, String)> {
    let mut routes = Vec::new();
    for line in API.lines() {
        let Some((route, rest)) = line.strip_prefix("| `").and_then(|line| line.split_once('`')) else { continue };
        let Some((methods, path)) = route.split_once(" /") else { continue };
        let path = path.split('?').next().unwrap_or_default();
        // Staff have a journey of their own. The catalogue belongs to all, a receipt of an erasure
        // to everyone who knows its random id. A product in a path names a line of the own cart.
        let is_personal = path.contains("{id}") && !path.starts_with("products/") && !path.contains("erasure");
        if is_personal && !rest.starts_with(" (") {
            routes.extend(methods.split(", ").map(|method| (method, format!("/{path}"))));
        }
    }
    routes
}

/// Ana, who has one of everything.
struct Scene {
    shop: Shop,
    ana: Customer,
    address: String,
    order: String,
    session: String,
    passkey: String,
}

impl Scene {
    async fn new() -> Self {
        let shop = Shop::shared().await;
        let tea = shop.new_product("tea", &euros(499), 10).await;
        let ana = shop.new_verified_customer().await;
        let order = ana.buy(&tea, 1).await;
        let passkey = ana.add_passkey("Phone", &mut shop.authenticator()).await.expect_status(201).id().to_owned();
        let address = ana.add_address(address("Rua Augusta 1")).await.expect_status(201).id().to_owned();
        let session = ana.refresh_token.split_once('.').unwrap().0.to_owned();
        Self { order: order.id().to_owned(), shop, ana, address, session, passkey }
    }

    async fn state(&self) -> [Value; 4] {
        let profile = self.ana.get_profile().await.expect_status(200).body;
        let orders = self.ana.list_orders().await.expect_status(200).body;
        let sessions = self.ana.get("/customer/sessions").await.expect_status(200).body;
        let passkeys = self.ana.get("/customer/passkeys").await.expect_status(200).body;
        [profile, orders, sessions, passkeys]
    }

    /// Returns the path with the id of Ana's object.
    fn path(&self, template: &str) -> String {
        let id = match template {
            template if template.contains("/address/") => &self.address,
            template if template.contains("/sessions/") => &self.session,
            template if template.contains("/passkeys/") => &self.passkey,
            template if template.contains("/order/") => &self.order,
            other => panic!("{other} is new: say here which object of Ana it names"),
        };
        template.replace("{id}", id)
    }
}

#[tokio::test]
async fn an_object_of_another_is_out_of_reach_on_every_route() {
    let scene = Scene::new().await;
    let before = scene.state().await;
    let routes = routes_with_an_object();
    assert!(routes.len() >= 5, "{routes:?}");
    let anyone = scene.shop.client();
    let (ben, guest) = (scene.shop.new_customer().await, anyone.create_guest_cart().await);
    for (method, template) in routes {
        let path = scene.path(&template);
        let send = |client: &Client, path: &str| {
            let body = if template.contains("/address/") { address("Mallory Street 1") } else { json!({}) };
            let request = client.request(method.parse().unwrap(), path);
            match method {
                "DELETE" if template.contains("/passkeys/") => request.json(json!({"current": PASSWORD})),
                "GET" | "DELETE" => request,
                _ => request.json(body),
            }
        };
        let denied = send(&ben, &path).await.expect_not_found();
        let unknown = send(&ben, &path.replace(&scene.address, UNKNOWN_ID).replace(&scene.order, UNKNOWN_ID)).await;
        assert_eq!(denied["detail"], unknown["detail"], "{template}: whether the object exists does not show");
        send(&guest, &path).await.expect_unauthenticated();
        send(&anyone, &path).await.expect_unauthenticated();
        if template.contains("/order/") {
            send(&anyone, &format!("{path}?key={}", "A".repeat(43))).await.expect_not_found();
            send(&ben, &format!("{path}?key={}", "A".repeat(43))).await.expect_not_found();
        }
    }
    assert_eq!(scene.state().await, before);
}

#[tokio::test]
async fn an_id_in_a_body_reaches_no_object_of_another() {
    let scene = Scene::new().await;
    let tea = scene.shop.new_product("tea", &euros(499), 10).await;
    let ben = scene.shop.customer_with_cart(&tea, 1).await;
    let order = json!({"shipping_address_id": scene.address, "shipping_method": "pickup"});
    let order = ben.request(Method::POST, "/shopping/order").header("Idempotency-Key", "key").json(order).await;
    assert!(matches!(order.status, 404 | 422), "{order}");
    assert!(!order.body.to_string().contains("Augusta"), "{order}");
    for (path, field) in [("/shopping/order", "customer"), ("/shopping/order", "cart"), ("/shopping/quote", "customer")]
    {
        let body = json!({field: scene.ana.id});
        let refused = ben.request(Method::POST, path).header("Idempotency-Key", "key").json(body).await;
        let refused = refused.expect_problem(422, "validation");
        assert!(refused["errors"].to_string().contains(field), "{refused}");
    }
    // An access token is no guest token: the cart of its account cannot be taken.
    ben.merge_cart(&scene.ana).await.expect_bad_fields(&["guest"]);
    assert!(ben.list_orders().await.expect_status(200).items().is_empty());
}

#[tokio::test]
async fn a_cursor_of_another_shows_own_items_only() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (ana, first) = shop.customer_with_order(&tea, 1).await;
    let (ben, own) = shop.customer_with_order(&tea, 1).await;
    ana.buy(&tea, 1).await;
    let page = ana.get("/shopping/orders?limit=1").await.expect_status(200);
    let cursor = page["next"].as_str().unwrap();
    let seen = ben.get("/shopping/orders").query(&[("after", cursor)]).await.expect_status(200);
    assert!(seen.items().iter().all(|order| order["id"] == *own.id()), "{seen}");
    assert!(!seen.body.to_string().contains(first.id()), "{seen}");
    // A cursor names the index that it continues: not that of another list.
    for path in ["/products", "/products?sort=price", "/shopping/admin/orders"] {
        let refused = shop.admin().await.get(path).query(&[("after", cursor)]).await;
        refused.expect_bad_fields(&["after"]);
    }
}

/// Returns another admin.
async fn another_admin(shop: &Shop, admin: &Admin) -> Customer {
    let customer = shop.new_verified_customer().await;
    let role = json!({"email": customer.email, "role": "admin"});
    admin.request(Method::POST, "/customer/staff").json(role).await.expect_status(200);
    customer.sign_in_again().await
}

#[tokio::test]
async fn a_saved_view_belongs_to_one_admin() {
    let shop = Shop::shared().await;
    let owner = another_admin(&shop, &shop.admin().await).await;
    let other = another_admin(&shop, &shop.admin().await).await;
    let views = "/shopping/admin/order-views";
    owner.request(Method::POST, views).json(json!({"name": "Mine", "status": "paid"})).await.expect_status(200);
    let own = owner.get(views).await.expect_status(200);
    assert!(other.get(views).await.expect_status(200).items().is_empty());
    let path = format!("{views}/{}", own.items()[0]["id"].as_str().unwrap());
    other.request(Method::DELETE, &path).await.expect_not_found();
    assert_eq!(owner.get(views).await.expect_status(200).items().len(), 1);
}

#[tokio::test]
async fn no_field_that_the_server_decides_can_be_sent() {
    let scene = Scene::new().await;
    let before = scene.state().await;
    let admin = scene.shop.admin().await;
    let tea = admin.new_product("tea", &euros(499), 10).await;
    let product = product_json("tea", &euros(499), 1);
    let discount = json!({"code": unique("code"), "kind": "free_shipping"});
    let order = json!({"shipping_method": "pickup"});
    let [ana, admin]: [&Client; 2] = [&scene.ana, &admin];
    let table: [(&Client, &str, &str, Value, &[&str]); 10] = [
        (ana, "PATCH", "/customer/profile", json!({}), &["role", "id", "email_verified", "totp"]),
        (ana, "POST", "/customer/address", address("Rua Augusta 1"), &["id", "customer", "account"]),
        (ana, "PUT", "/customer/password", json!({"current": "x", "new": "battery staple"}), &["id", "email"]),
        (ana, "POST", "/shopping/cart", json!({"product_id": tea.id, "quantity": 1}), &["price", "total", "name"]),
        (ana, "POST", "/shopping/quote", json!({}), &["total", "discounts", "taxes", "lines", "home_country"]),
        (ana, "POST", "/shopping/order", order, &["id", "number", "status", "total", "quote", "items", "created_at"]),
        (ana, "POST", "/shopping/wishlist", json!({"product_id": tea.id}), &["available", "status"]),
        (admin, "POST", "/products", product, &["id", "version", "reserved", "sold"]),
        (admin, "POST", "/shopping/admin/discounts", discount, &["id", "used", "version"]),
        (
            admin,
            "POST",
            "/customer/staff",
            json!({"email": scene.ana.email, "role": "support"}),
            &["id", "totp_active", "passkeys"],
        ),
    ];
    for (client, method, path, body, fields) in table {
        for field in fields {
            let mut body = body.clone();
            body[field] = json!("forged");
            let request = client.request(method.parse().unwrap(), path).header("Idempotency-Key", unique("key"));
            let refused: Response = request.json(body).await.expect_problem(422, "validation");
            let names_it = refused["errors"].as_array().unwrap().iter().any(|error| error["field"] == *field);
            assert!(names_it, "{field}: {refused}");
        }
    }
    assert_eq!(scene.state().await, before);
}
