//! Whatever is thrown at the shop, it answers with the documented problem, names every bad field, changes nothing and
//! goes on. Each test throws one kind of thing at a scene that it then finds as it was.

use journeys::{
    Admin, Answer, Ask, Customer, Method, PASSWORD, Product, Shop, euros, eventually, forgery, goods, new_email,
};
use serde_json::{Value, json};

const UNKNOWN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A shop with a product, and a customer who has one in the cart, one on the wishlist and one ordered.
struct Scene {
    shop: Shop,
    admin: Admin,
    ana: Customer,
    tea: Product,
    order: String,
}

impl Scene {
    async fn set() -> Self {
        let shop = Shop::shared().await;
        let admin = shop.admin().await;
        let tea = admin.sells("tea", &euros(499), 10).await;
        let ana = shop.new_customer("Ana").await;
        ana.adds(&tea, 1).await.expect_status(200);
        let order = ana.orders("key").await.expect_status(201).id().to_owned();
        ana.adds(&tea, 2).await.expect_status(200);
        ana.wishes_for(&tea).await.expect_status(200);
        // The profile's count of orders follows by an event: here it would look as if a later request had changed it.
        eventually("the order to be counted", async || {
            let profile = ana.profile().await;
            if profile["orders_confirmed"] == 1 { Ok(()) } else { Err(profile) }
        })
        .await;
        Self { shop, admin, ana, tea, order }
    }

    /// All that could have been changed.
    async fn look(&self) -> Vec<Value> {
        let ana = &self.ana;
        let stock = format!("{}/stock", self.tea.path());
        let mut seen = Vec::new();
        for look in [ana.profile(), ana.cart(), ana.wishlist(), ana.past_orders(), self.admin.looks_at(&self.tea)] {
            seen.push(look.await.expect_status(200).body);
        }
        seen.push(self.admin.gets(&stock).await.expect_status(200).body);
        seen
    }

    /// Plays the scene: nothing may be changed by it.
    async fn unharmed_by(play: impl AsyncFnOnce(&Self)) {
        let scene = Self::set().await;
        let before = scene.look().await;
        play(&scene).await;
        assert_eq!(scene.look().await, before);
    }

    fn asks(&self, who: Who, method: &str, path: &str) -> Ask {
        let method = method.parse().unwrap();
        let path = path.replace("TEA", &self.tea.id).replace("ORDER", &self.order);
        match who {
            Who::Visitor => self.shop.visitor().asks(method, &path),
            Who::Ana => self.ana.asks(method, &path),
            Who::Admin => self.admin.asks(method, &path),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Who {
    Visitor,
    Ana,
    Admin,
}

use Who::{Admin as ByAdmin, Ana as ByAna, Visitor as ByVisitor};

/// Throws bodies at one route; each is refused with these fields.
async fn throws(scene: &Scene, who: Who, route: &str, table: &[(Value, &[&str])]) {
    let (method, path) = route.split_once(' ').unwrap();
    for (body, fields) in table {
        scene.asks(who, method, path).json(body.clone()).await.expect_bad_fields(fields);
    }
}

#[tokio::test]
async fn every_bad_field_of_an_account_is_named() {
    Scene::unharmed_by(async |scene| {
        let email = new_email("Eve");
        let long = format!("{}@example.com", "e".repeat(250));
        let table: [(Value, &[&str]); 12] = [
            (json!({}), &["email", "password"]),
            (json!({"email": 7, "password": true}), &["email", "password"]),
            (json!({"email": null, "password": null}), &["email", "password"]),
            (json!({"email": "nobody", "password": "short"}), &["email", "password"]),
            (json!({"email": "", "password": ""}), &["email", "password"]),
            (json!({"email": long, "password": PASSWORD}), &["email"]),
            (json!({"email": "zoë@example.com", "password": PASSWORD}), &["email"]),
            (json!({"email": "a b@example.com", "password": PASSWORD}), &["email"]),
            (json!({"email": email, "password": "p".repeat(129)}), &["password"]),
            (json!({"email": email, "password": PASSWORD, "phone": "12345"}), &["phone"]),
            (json!({"email": email, "password": PASSWORD, "phone": {"$ne": 1}, "id": 1}), &["id", "phone"]),
            (
                json!({"email": "x", "password": 1, "phone": [], "role": "admin"}),
                &["email", "password", "phone", "role"],
            ),
        ];
        throws(scene, ByVisitor, "POST /customer/signup", &table).await;
        scene.ana.signs_in(&email, PASSWORD).await.expect_problem(401, "unauthenticated");
    })
    .await;
}

#[tokio::test]
async fn every_bad_field_of_a_session_is_named() {
    Scene::unharmed_by(async |scene| {
        let table: [(Value, &[&str]); 3] = [
            (json!({}), &["email", "password"]),
            (json!({"email": {"$ne": null}, "password": {"$ne": null}}), &["email", "password"]),
            (json!({"email": scene.ana.email, "password": PASSWORD, "remember": true}), &["remember"]),
        ];
        throws(scene, ByVisitor, "POST /customer/login", &table).await;
        for route in ["POST /customer/token", "POST /customer/logout"] {
            let table: [(Value, &[&str]); 4] = [
                (json!({}), &["refresh_token"]),
                (json!({"refresh_token": 7}), &["refresh_token"]),
                (json!({"refresh_token": {"$gt": ""}}), &["refresh_token"]),
                (json!({"token": "x"}), &["refresh_token", "token"]),
            ];
            throws(scene, ByVisitor, route, &table).await;
        }
        let table: [(Value, &[&str]); 3] = [
            (json!({}), &["current", "new"]),
            (json!({"current": PASSWORD, "new": "short"}), &["new"]),
            (json!({"current": 1, "new": ["a", "b"], "repeat": "x"}), &["current", "new", "repeat"]),
        ];
        throws(scene, ByAna, "PUT /customer/password", &table).await;
        scene.ana.elsewhere().await;
    })
    .await;
}

#[tokio::test]
async fn every_bad_field_of_a_profile_is_named() {
    Scene::unharmed_by(async |scene| {
        let table: [(Value, &[&str]); 3] = [
            (json!({"email": null}), &["email"]),
            (json!({"email": "x", "phone": "none"}), &["email", "phone"]),
            (json!({"role": "admin", "id": UNKNOWN, "addresses": []}), &["role", "id", "addresses"]),
        ];
        throws(scene, ByAna, "PATCH /customer/profile", &table).await;
        let table: [(Value, &[&str]); 3] = [
            (json!({}), &["street", "city", "postal_code", "country"]),
            (
                json!({"street": "", "city": "c".repeat(101), "postal_code": 7, "country": "Germany"}),
                &["street", "city", "postal_code", "country"],
            ),
            (json!({"street": "s", "city": "c", "postal_code": "p", "country": "DE", "planet": "Mars"}), &["planet"]),
        ];
        throws(scene, ByAna, "POST /customer/address", &table).await;
    })
    .await;
}

#[tokio::test]
async fn every_bad_field_of_a_product_is_named() {
    Scene::unharmed_by(async |scene| {
        let mut otherwise_good = goods("coffee", &euros(1), 1);
        otherwise_good["colour"] = "black".into();
        otherwise_good["unit"] = "u".repeat(21).into();
        otherwise_good["supplier"] = json!({});
        otherwise_good["image"] = "javascript:alert(1)".into();
        otherwise_good["available"] = json!(-1);
        let table: [(Value, &[&str]); 6] = [
            (json!({}), &["name", "description", "category", "price"]),
            (
                json!({"name": "", "description": 5, "category": "c".repeat(51), "price": "4.99"}),
                &["name", "description", "category", "price"],
            ),
            (goods("coffee", &json!({"amount": 4.99, "currency": "euro"}), 1), &["price.amount", "price.currency"]),
            (goods("coffee", &json!({"amount": -1, "currency": "EUR", "tax": 1}), 1), &["price.amount", "price.tax"]),
            (goods("coffee", &euros(10_000_000_000), 1_000_000_001), &["price.amount", "available"]),
            (otherwise_good, &["colour", "unit", "supplier", "image", "available"]),
        ];
        throws(scene, ByAdmin, "POST /products", &table).await;
        let table: [(Value, &[&str]); 4] = [
            (json!({"name": null}), &["name"]),
            (json!({"price": {"amount": 1}}), &["price.currency"]),
            (json!({"available": 5}), &["available"]),
            (json!({"version": "1", "id": UNKNOWN}), &["version", "id"]),
        ];
        throws(scene, ByAdmin, "PATCH /products/TEA", &table).await;
        let ids = |number: usize| json!({"ids": vec![UNKNOWN; number]});
        let table: [(Value, &[&str]); 5] = [
            (json!({}), &["ids"]),
            (ids(0), &["ids"]),
            (ids(101), &["ids"]),
            (json!({"ids": UNKNOWN}), &["ids"]),
            (json!({"ids": [UNKNOWN, "x"]}), &["ids"]),
        ];
        throws(scene, ByVisitor, "POST /products/ids", &table).await;
    })
    .await;
}

#[tokio::test]
async fn only_whole_numbers_in_range_are_quantities() {
    Scene::unharmed_by(async |scene| {
        for bad in [
            json!(0),
            json!(-1),
            json!(1_000),
            json!(1.5),
            json!(1e30),
            json!(u64::MAX),
            json!("2"),
            json!(true),
            json!(null),
            json!([1]),
            json!({"$gt": 0}),
        ] {
            let line = json!({"product_id": scene.tea.id, "quantity": bad});
            throws(scene, ByAna, "POST /shopping/cart", &[(line, &["quantity"])]).await;
            throws(scene, ByAna, "PUT /shopping/cart/TEA", &[(json!({"quantity": bad}), &["quantity"])]).await;
        }
        for bad in [json!(-1), json!(1_000_000_001), json!(2.5), json!("5"), json!(null), json!({"$inc": 1})] {
            throws(scene, ByAdmin, "PUT /products/TEA/stock", &[(json!({"available": bad}), &["available"])]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn every_bad_field_of_a_cart_or_an_order_is_named() {
    Scene::unharmed_by(async |scene| {
        let table: [(Value, &[&str]); 4] = [
            (json!({}), &["product_id", "quantity"]),
            (json!({"product_id": {"$ne": null}, "quantity": "many"}), &["product_id", "quantity"]),
            (json!({"product_id": "tea", "quantity": 0, "price": 1}), &["product_id", "quantity", "price"]),
            (json!({"product_id": 7, "quantity": 1}), &["product_id"]),
        ];
        throws(scene, ByAna, "POST /shopping/cart", &table).await;
        let both = json!({"product_id": UNKNOWN, "quantity": 1});
        throws(scene, ByAna, "PUT /shopping/cart/TEA", &[(json!({}), &["quantity"]), (both, &["product_id"])]).await;
        let table: [(Value, &[&str]); 3] = [
            (json!({}), &["product_id"]),
            (json!({"product_id": ""}), &["product_id"]),
            (json!({"product_id": UNKNOWN, "note": "soon"}), &["note"]),
        ];
        throws(scene, ByAna, "POST /shopping/wishlist", &table).await;
        throws(scene, ByAna, "POST /shopping/order/ORDER/cancel", &[(json!({"reason": "why"}), &["reason"])]).await;
        let table: [(Value, &[&str]); 4] = [
            (json!({"total": 1, "status": "confirmed"}), &["total", "status"]),
            (json!({"payment": "demo"}), &["payment"]),
            (json!({"payment": {}}), &["payment.method", "payment.token"]),
            (
                json!({"payment": {"method": {"$ne": 1}, "token": 7, "cvc": 1}}),
                &["payment.method", "payment.token", "payment.cvc"],
            ),
        ];
        for (body, fields) in table {
            scene.ana.orders("bad").json(body).await.expect_bad_fields(fields);
        }
    })
    .await;
}

#[tokio::test]
async fn queries_are_held_to_the_same_rules() {
    Scene::unharmed_by(async |scene| {
        for (path, fields) in [
            ("/products?limit=0", &["limit"][..]),
            ("/products?limit=101", &["limit"]),
            ("/products?limit=many", &["limit"]),
            ("/products?limit=-1&sort=best", &["limit", "sort"]),
            ("/products?after=nowhere", &["after"]),
            ("/products?page=2", &["page"]),
            ("/products?limit=5&limit=6", &["limit"]),
            ("/products?sort[$ne]=name", &["sort[$ne]"]),
            ("/products?q=tea&colour=green&size=1", &["colour", "size"]),
            ("/products/category/any?q=tea", &["q"]),
            ("/shopping/orders?limit=0&after=%00&status=open", &["limit", "after", "status"]),
        ] {
            scene.ana.gets(path).await.expect_bad_fields(fields);
        }
    })
    .await;
}

#[tokio::test]
async fn malformed_ids_are_named() {
    Scene::unharmed_by(async |scene| {
        let ids =
            ["x", "7", "01890a5d-ac96-774b-bcce-b302099a805", "64b0c0ffee64b0c0ffee64b0", "%7B%24ne%3A1%7D", "'--"];
        for id in ids {
            for (who, route, field) in [
                (ByVisitor, "GET /products/ID", "id"),
                (ByAdmin, "PATCH /products/ID", "id"),
                (ByAdmin, "DELETE /products/ID", "id"),
                (ByAdmin, "GET /products/ID/stock", "id"),
                (ByAna, "PUT /customer/address/ID", "id"),
                (ByAna, "DELETE /customer/address/ID", "id"),
                (ByAna, "GET /shopping/order/ID", "id"),
                (ByAna, "POST /shopping/order/ID/cancel", "id"),
                (ByAna, "PUT /shopping/cart/ID", "product_id"),
                (ByAna, "DELETE /shopping/cart/ID", "product_id"),
                (ByAna, "DELETE /shopping/wishlist/ID", "product_id"),
            ] {
                let (method, path) = route.split_once(' ').unwrap();
                scene.asks(who, method, &path.replace("ID", id)).await.expect_bad_fields(&[field]);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn ids_of_nothing_are_not_found() {
    Scene::unharmed_by(async |scene| {
        for (who, route) in [
            (ByVisitor, "GET /products/ID"),
            (ByAdmin, "DELETE /products/ID"),
            (ByAdmin, "GET /products/ID/stock"),
            (ByVisitor, "GET /products/images/ID.svg"),
            (ByAna, "DELETE /customer/address/ID"),
            (ByAna, "GET /shopping/order/ID"),
            (ByAna, "POST /shopping/order/ID/cancel"),
            (ByAna, "DELETE /shopping/cart/ID"),
            (ByAna, "DELETE /shopping/wishlist/ID"),
        ] {
            let (method, path) = route.split_once(' ').unwrap();
            for id in [UNKNOWN, "6fa459ea-ee8a-4ca4-894e-db77e160355e"] {
                scene.asks(who, method, &path.replace("ID", id)).await.expect_problem(404, "not-found");
            }
        }
    })
    .await;
}

/// The routes that read JSON, one of each service, with a body that would change something.
fn changes(scene: &Scene) -> [(Who, &'static str, &'static str, Value); 4] {
    [
        (ByAna, "PATCH", "/customer/profile", json!({"phone": "+351210000000"})),
        (ByAdmin, "PATCH", "/products/TEA", json!({"price": euros(1)})),
        (ByAna, "POST", "/shopping/cart", json!({"product_id": scene.tea.id, "quantity": 1})),
        (ByAna, "PUT", "/shopping/cart/TEA", json!({"quantity": 7})),
    ]
}

#[tokio::test]
async fn large_bodies_are_refused() {
    Scene::unharmed_by(async |scene| {
        for (who, method, path, body) in changes(scene) {
            for size in [64 * 1024 + 1, 2 * 1024 * 1024] {
                // JSON may end in any number of spaces: only the size is wrong with it.
                let mut body = body.to_string();
                body.push_str(&" ".repeat(size - body.len()));
                let ask = scene.asks(who, method, path).header("Content-Type", "application/json").body(body);
                ask.await.expect_problem(413, "too-large");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_must_say_that_they_are_json() {
    Scene::unharmed_by(async |scene| {
        for (who, method, path, body) in changes(scene) {
            for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/csv"] {
                let ask = scene.asks(who, method, path).header("Content-Type", content_type).body(body.to_string());
                ask.await.expect_problem(415, "unsupported-media-type");
            }
            let unnamed = scene.asks(who, method, path).body(body.to_string());
            unnamed.await.expect_problem(415, "unsupported-media-type");
        }
    })
    .await;
}

#[tokio::test]
async fn a_form_cannot_pretend_to_be_another_method() {
    Scene::unharmed_by(async |scene| {
        for path in ["/shopping/cart", "/customer/profile"] {
            let form = scene.ana.asks(Method::POST, path).header("Content-Type", "application/x-www-form-urlencoded");
            let answer = form.body("_method=DELETE").await;
            assert!(matches!(answer.status, 405 | 415), "{answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_must_be_json() {
    Scene::unharmed_by(async |scene| {
        for (who, method, path, body) in changes(scene) {
            let deep = "[".repeat(20_000).into_bytes();
            let cut = body.to_string().into_bytes()[..10].to_vec();
            let twice = format!("{body}{body}").into_bytes();
            for body in [b"{".to_vec(), b"{\"a\":}".to_vec(), b"NaN".to_vec(), b"\xff\xfe{}".to_vec(), deep, cut, twice]
            {
                let ask = scene.asks(who, method, path).header("Content-Type", "application/json").body(body);
                ask.await.expect_problem(400, "malformed");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_must_be_objects() {
    Scene::unharmed_by(async |scene| {
        for (who, method, path, _) in changes(scene) {
            for body in [json!([]), json!("{}"), json!(7), json!(null)] {
                scene.asks(who, method, path).json(body).await.expect_problem(422, "validation");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn unknown_routes_are_not_found() {
    Scene::unharmed_by(async |scene| {
        for path in [
            "/nothing",
            "/customer",
            "/customer/nothing",
            "/customer/profile/x/y",
            "/products/images/x/y",
            "/products/TEA/stock/x",
            "/shopping",
            "/shopping/orders/ORDER/items",
            "/shopping/order/ORDER/pay",
            "/SHOPPING/CART",
            "/.env",
            "/admin",
        ] {
            for who in [ByVisitor, ByAna, ByAdmin] {
                for method in ["GET", "POST", "DELETE"] {
                    scene.asks(who, method, path).await.expect_problem(404, "not-found");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn other_methods_are_told_the_right_ones() {
    Scene::unharmed_by(async |scene| {
        for (method, path, allowed) in [
            ("GET", "/customer/signup", &["POST"][..]),
            ("PUT", "/customer/login", &["POST"]),
            ("PUT", "/customer/profile", &["DELETE", "GET", "PATCH"]),
            ("GET", "/customer/password", &["PUT"]),
            ("POST", "/customer/whoami", &["GET"]),
            ("DELETE", "/products", &["GET", "POST"]),
            ("POST", "/products/TEA", &["DELETE", "GET", "PATCH", "PUT"]),
            ("DELETE", "/products/TEA/stock", &["GET", "PUT"]),
            ("PATCH", "/shopping/cart", &["DELETE", "GET", "POST"]),
            ("GET", "/shopping/cart/TEA", &["DELETE", "PUT"]),
            ("GET", "/shopping/order", &["POST"]),
            ("DELETE", "/shopping/order/ORDER", &["GET"]),
            ("GET", "/shopping/order/ORDER/cancel", &["POST"]),
        ] {
            let answer = scene.asks(ByAna, method, path).await.expect_problem(405, "method-not-allowed");
            let mut allow: Vec<&str> = answer.header("Allow").split(',').map(str::trim).collect();
            allow.retain(|method| !matches!(*method, "HEAD" | "OPTIONS"));
            allow.sort_unstable();
            assert_eq!(allow, allowed, "{answer}");
        }
    })
    .await;
}

/// A door of each service that needs a token, and one that needs an admin's.
const DOORS: [(&str, &str); 4] = [
    ("GET", "/customer/profile"),
    ("DELETE", "/customer/profile"),
    ("PUT", "/products/TEA/stock"),
    ("DELETE", "/shopping/cart"),
];

#[tokio::test]
async fn forged_tokens_open_nothing() {
    Scene::unharmed_by(async |scene| {
        let (genuine, admins) = (scene.ana.token(), scene.admin.token());
        let (rest, signature) = genuine.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        for (how, token) in [
            ("promoted", forgery::promoted(genuine)),
            ("signed with a shared secret", forgery::signed_with_a_shared_secret(admins)),
            ("signed by a stranger", forgery::signed_by_a_stranger(admins)),
            ("unsigned", forgery::unsigned(admins)),
            ("expired", forgery::expired(admins)),
            ("with another signature", format!("{rest}.{first}{}", &signature[1..])),
            ("without a signature", format!("{rest}.")),
            ("cut off", rest.to_owned()),
            ("a refresh token", scene.ana.refresh_token.clone()),
            ("no token", "x".to_owned()),
        ] {
            for (method, path) in DOORS {
                let path = path.replace("TEA", &scene.tea.id);
                let forger = scene.ana.presenting(&token);
                let answer = forger.asks(method.parse().unwrap(), &path).await;
                assert_eq!(answer.status, 401, "{how}: {answer}");
                answer.expect_problem(401, "unauthenticated");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn only_bearer_tokens_are_tokens() {
    Scene::unharmed_by(async |scene| {
        let token = scene.admin.token();
        for (method, path) in DOORS {
            scene.asks(ByVisitor, method, path).await.expect_problem(401, "unauthenticated");
            for value in ["", "Bearer", "Bearer ", token, &format!("Basic {token}"), &format!("Token {token}")] {
                let ask = scene.asks(ByVisitor, method, path).header("Authorization", value);
                ask.await.expect_problem(401, "unauthenticated");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_keeps_the_id_that_it_came_with() {
    let shop = Shop::shared().await;
    let (visitor, ours) = (shop.visitor(), "order-42_retry.1");
    let fine = visitor.gets("/products/whoami").header("X-Request-Id", ours).await.expect_status(200);
    let problem = visitor.gets("/nothing").header("X-Request-Id", ours).await.expect_problem(404, "not-found");
    for answer in [fine, problem] {
        assert_eq!(answer.header("X-Request-Id"), ours);
    }
}

#[tokio::test]
async fn an_id_that_could_do_harm_in_a_log_is_replaced() {
    let shop = Shop::shared().await;
    let asks = |id: &str| shop.visitor().gets("/nothing").header("X-Request-Id", id);
    for id in ["", "two words", "a=\"b\"", &"x".repeat(65)] {
        let answer: Answer = asks(id).await.expect_problem(404, "not-found");
        assert_ne!(answer.header("X-Request-Id"), id);
    }
}
