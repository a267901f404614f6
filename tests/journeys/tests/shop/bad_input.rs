//! Bad requests get the documented problem, which names every bad field. They change nothing, and
//! the shop keeps serving.

use journeys::{
    Admin, Customer, Method, PASSWORD, Product, Request, Shop, UNKNOWN_ID, euros, forgery, new_email, product_json,
};
use serde_json::{Map, Value, json};

struct Scene {
    shop: Shop,
    admin: Admin,
    ana: Customer,
    tea: Product,
    order: String,
}

impl Scene {
    async fn new() -> Self {
        let shop = Shop::shared().await;
        let admin = shop.admin().await;
        let tea = admin.new_product("tea", &euros(499), 10).await;
        let ana = shop.customer_with_cart(&tea, 1).await;
        let order = ana.place_order("key").await.expect_status(201).id().to_owned();
        ana.add_to_cart(&tea, 2).await.expect_status(200);
        ana.add_to_wishlist(&tea).await.expect_status(200);
        Self { shop, admin, ana, tea, order }
    }

    async fn state(&self) -> Vec<Value> {
        let ana = &self.ana;
        let stock = format!("{}/stock", self.tea.path());
        let mut state = Vec::new();
        for request in [
            ana.get_profile(),
            ana.get_cart(),
            ana.get_wishlist(),
            ana.list_orders(),
            self.admin.get_product(&self.tea),
        ] {
            state.push(request.await.expect_status(200).body);
        }
        state.push(self.admin.get(&stock).await.expect_status(200).body);
        state
    }

    async fn unchanged_by(test: impl AsyncFnOnce(&Self)) {
        let scene = Self::new().await;
        let before = scene.state().await;
        test(&scene).await;
        assert_eq!(scene.state().await, before);
    }

    fn request(&self, sender: Sender, method: &str, path: &str) -> Request {
        let method = method.parse().unwrap();
        let path = path.replace("TEA", &self.tea.id).replace("ORDER", &self.order);
        match sender {
            Sender::Anonymous => self.shop.client().request(method, &path),
            Sender::Ana => self.ana.request(method, &path),
            Sender::Admin => self.admin.request(method, &path),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Sender {
    Anonymous,
    Ana,
    Admin,
}

use Sender::{Admin as ByAdmin, Ana as ByAna, Anonymous as ByAnonymous};

async fn expect_bad_bodies(scene: &Scene, sender: Sender, route: &str, table: &[(Value, &[&str])]) {
    let (method, path) = route.split_once(' ').unwrap();
    for (body, fields) in table {
        scene.request(sender, method, path).json(body.clone()).await.expect_bad_fields(fields);
    }
}

#[tokio::test]
async fn every_bad_field_of_a_sign_up_is_named() {
    Scene::unchanged_by(async |scene| {
        let email = new_email("customer");
        let long = format!("{}@example.com", "e".repeat(250));
        let table: [(Value, &[&str]); 12] = [
            (json!({}), &["email", "password"]),
            (json!({"email": 7, "password": true}), &["email", "password"]),
            (json!({"email": null, "password": null}), &["email", "password"]),
            (json!({"email": "no-address", "password": "short"}), &["email", "password"]),
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
        expect_bad_bodies(scene, ByAnonymous, "POST /customer/signup", &table).await;
        scene.ana.sign_in(&email, PASSWORD).await.expect_unauthenticated();
    })
    .await;
}

#[tokio::test]
async fn every_bad_field_of_a_session_is_named() {
    Scene::unchanged_by(async |scene| {
        let table: [(Value, &[&str]); 3] = [
            (json!({}), &["email", "password"]),
            (json!({"email": {"$ne": null}, "password": {"$ne": null}}), &["email", "password"]),
            (json!({"email": scene.ana.email, "password": PASSWORD, "remember": true}), &["remember"]),
        ];
        expect_bad_bodies(scene, ByAnonymous, "POST /customer/login", &table).await;
        for route in ["POST /customer/token", "POST /customer/logout"] {
            let table: [(Value, &[&str]); 4] = [
                (json!({}), &["refresh_token"]),
                (json!({"refresh_token": 7}), &["refresh_token"]),
                (json!({"refresh_token": {"$gt": ""}}), &["refresh_token"]),
                (json!({"token": "x"}), &["refresh_token", "token"]),
            ];
            expect_bad_bodies(scene, ByAnonymous, route, &table).await;
        }
        let table: [(Value, &[&str]); 3] = [
            (json!({}), &["current", "new"]),
            (json!({"current": PASSWORD, "new": "short"}), &["new"]),
            (json!({"current": 1, "new": ["a", "b"], "repeat": "x"}), &["current", "new", "repeat"]),
        ];
        expect_bad_bodies(scene, ByAna, "PUT /customer/password", &table).await;
        let no_token = format!("{UNKNOWN_ID}.{}", "A".repeat(43));
        let table: [(Value, &[&str]); 5] = [
            (json!({}), &["token"]),
            (json!({"token": 7}), &["token"]),
            (json!({"token": ""}), &["token"]),
            (json!({"token": no_token}), &["token"]),
            (json!({"token": {"$gt": ""}, "email": "x"}), &["token", "email"]),
        ];
        expect_bad_bodies(scene, ByAnonymous, "POST /customer/verify", &table).await;
        let table: [(Value, &[&str]); 4] = [
            (json!({}), &["token", "new"]),
            (json!({"token": no_token, "new": "short"}), &["new"]),
            (json!({"token": no_token, "new": "battery staple"}), &["token"]),
            (json!({"token": ["x"], "new": 5, "current": "x"}), &["token", "new", "current"]),
        ];
        expect_bad_bodies(scene, ByAnonymous, "POST /customer/password/reset", &table).await;
        let table: [(Value, &[&str]); 3] = [
            (json!({}), &["email"]),
            (json!({"email": "x"}), &["email"]),
            (json!({"email": {"$ne": ""}, "token": "x"}), &["email", "token"]),
        ];
        expect_bad_bodies(scene, ByAnonymous, "POST /customer/password/forgot", &table).await;
        scene.ana.sign_in_again().await;
    })
    .await;
}

/// The response is not longer than the request.
#[tokio::test]
async fn an_error_lists_a_bounded_number_of_fields() {
    Scene::unchanged_by(async |scene| {
        let many: Value = (0..5_000).map(|number| (format!("x{number}"), json!(1))).collect::<Map<_, _>>().into();
        let query = (0..500).map(|number| format!("x{number}=1")).collect::<Vec<_>>().join("&");
        for (request, more) in [
            (scene.shop.client().request(Method::POST, "/customer/login").json(many.clone()), 4_982),
            (scene.ana.request(Method::POST, "/shopping/cart").json(many), 4_982),
            (scene.shop.client().get(&format!("/products?{query}")), 480),
        ] {
            let problem = request.await.expect_problem(422, "validation");
            assert_eq!((problem["errors"].as_array().map(Vec::len), &problem["more_errors"]), (Some(20), &json!(more)));
            assert!(problem.body.to_string().len() < 4_096, "{problem}");
        }
        let long = json!({"ä".repeat(20_000): 1, "email": "a@example.com", "password": PASSWORD});
        let problem = scene.shop.client().request(Method::POST, "/customer/login").json(long).await;
        assert_eq!(problem.expect_problem(422, "validation")["errors"][0]["field"], "ä".repeat(100) + "…");
    })
    .await;
}

#[tokio::test]
async fn passwords_that_attackers_try_first_are_refused() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    for password in ["12345678", "        ", "aaaaaaaa", "Password1!", "qwertyuiop", "\t\t\t\t\t\t\t\t"] {
        shop.client().sign_up(&new_email("customer"), password).await.expect_bad_fields(&["password"]);
        ana.change_password(PASSWORD, password).await.expect_bad_fields(&["new"]);
    }
    ana.change_password(PASSWORD, &ana.email).await.expect_bad_fields(&["new"]);
    let email = new_email("customer");
    shop.client().sign_up(&email, &email.to_uppercase()).await.expect_bad_fields(&["password"]);
    ana.sign_in(&ana.email, PASSWORD).await.expect_status(200);
}

#[tokio::test]
async fn every_bad_field_of_a_profile_is_named() {
    Scene::unchanged_by(async |scene| {
        let table: [(Value, &[&str]); 3] = [
            (json!({"email": null}), &["email"]),
            (json!({"email": "x", "phone": "none"}), &["email", "phone"]),
            (json!({"role": "admin", "id": UNKNOWN_ID, "addresses": []}), &["role", "id", "addresses"]),
        ];
        expect_bad_bodies(scene, ByAna, "PATCH /customer/profile", &table).await;
        let table: [(Value, &[&str]); 5] = [
            (json!({}), &["name", "line1", "city", "country"]),
            (
                json!({"name": "", "line1": "", "city": "c".repeat(101), "postal_code": 7, "country": "Germany"}),
                &["name", "line1", "city", "postal_code", "country"],
            ),
            (json!({"name": "n", "line1": "s", "city": "c", "postal_code": "10115", "country": "DE", "planet": "Mars"}), &["planet"]),
            (
                json!({"name": "n", "line1": "s", "city": "c", "region": "Ontario", "postal_code": "K1A 0B1", "country": "US", "default": 1}),
                &["region", "postal_code", "default"],
            ),
            (json!({"name": "n", "line1": "s", "city": "c", "country": "US"}), &["region", "postal_code"]),
        ];
        expect_bad_bodies(scene, ByAna, "POST /customer/address", &table).await;
    })
    .await;
}

#[tokio::test]
async fn every_bad_field_of_a_product_is_named() {
    Scene::unchanged_by(async |scene| {
        let mut otherwise_good = product_json("coffee", &euros(1), 1);
        otherwise_good["colour"] = "black".into();
        otherwise_good["unit"] = "u".repeat(21).into();
        otherwise_good["supplier"] = json!({});
        otherwise_good["image"] = "javascript:alert(1)".into();
        otherwise_good["tax_class"] = "luxury".into();
        otherwise_good["weight_grams"] = json!(1_000_001);
        otherwise_good["digital"] = "yes".into();
        otherwise_good["available"] = json!(-1);
        let table: [(Value, &[&str]); 8] = [
            (json!({}), &["name", "description", "category", "price"]),
            (
                json!({"name": "", "description": 5, "category": "c".repeat(51), "price": "4.99"}),
                &["name", "description", "category", "price"],
            ),
            (
                product_json("coffee", &json!({"amount": 4.99, "currency": "euro"}), 1),
                &["price.amount", "price.currency"],
            ),
            (product_json("coffee", &json!({"amount": 5124, "currency": "KWD"}), 1), &["price.amount"]),
            (product_json("coffee", &json!({"amount": 550, "currency": "MGA"}), 1), &["price.amount"]),
            (
                product_json("coffee", &json!({"amount": -1, "currency": "EUR", "tax": 1}), 1),
                &["price.amount", "price.tax"],
            ),
            (product_json("coffee", &euros(10_000_000_000), 1_000_000_001), &["price.amount", "available"]),
            (
                otherwise_good,
                &["colour", "unit", "supplier", "image", "tax_class", "weight_grams", "digital", "available"],
            ),
        ];
        expect_bad_bodies(scene, ByAdmin, "POST /products", &table).await;
        let table: [(Value, &[&str]); 7] = [
            (json!({"name": null}), &["name"]),
            (
                json!({"tax_class": null, "weight_grams": null, "digital": null}),
                &["tax_class", "weight_grams", "digital"],
            ),
            (json!({"tax_class": 19, "weight_grams": 0.5, "digital": 1}), &["tax_class", "weight_grams", "digital"]),
            (json!({"price": {"amount": 1}}), &["price.currency"]),
            (json!({"price": {"amount": 5124, "currency": "KWD"}}), &["price.amount"]),
            (json!({"available": 5}), &["available"]),
            (json!({"version": "1", "id": UNKNOWN_ID}), &["version", "id"]),
        ];
        expect_bad_bodies(scene, ByAdmin, "PATCH /products/TEA", &table).await;
        let ids = |number: usize| json!({"ids": vec![UNKNOWN_ID; number]});
        let table: [(Value, &[&str]); 5] = [
            (json!({}), &["ids"]),
            (ids(0), &["ids"]),
            (ids(101), &["ids"]),
            (json!({"ids": UNKNOWN_ID}), &["ids"]),
            (json!({"ids": [UNKNOWN_ID, "x"]}), &["ids"]),
        ];
        expect_bad_bodies(scene, ByAnonymous, "POST /products/ids", &table).await;
    })
    .await;
}

#[tokio::test]
async fn a_quantity_is_a_whole_number_in_range() {
    Scene::unchanged_by(async |scene| {
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
            expect_bad_bodies(scene, ByAna, "POST /shopping/cart", &[(line, &["quantity"])]).await;
            expect_bad_bodies(scene, ByAna, "PUT /shopping/cart/TEA", &[(json!({"quantity": bad}), &["quantity"])])
                .await;
        }
        for bad in
            [json!(-1_000_000_001), json!(1_000_000_001), json!(2.5), json!("5"), json!(null), json!({"$inc": 1})]
        {
            let body = json!({"add": bad});
            expect_bad_bodies(scene, ByAdmin, "PATCH /products/TEA/stock", &[(body, &["add"])]).await;
            expect_bad_bodies(
                scene,
                ByAdmin,
                "PUT /products/TEA/stock",
                &[(json!({"available": bad}), &["available"])],
            )
            .await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_number_is_judged_by_its_value() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let raw = |request: Request, body: &str| request.header("Content-Type", "application/json").body(body.to_owned());
    let product = json!({"name": "Tea", "description": "", "category": "tea"}).to_string();
    let create = |rest: &str| {
        let body = product.replacen('}', &format!(", {rest}}}"), 1);
        raw(admin.request(Method::POST, "/products"), &body)
    };
    let amount = r#""price": {"amount": 499.0, "currency": "EUR"}"#;
    let tea = create(&format!(r#"{amount}, "available": 1e2"#)).await.expect_status(201);
    assert_eq!((&tea["price"], &tea["available"]), (&euros(499), &json!(100)));
    create(r#""price": {"amount": 499.5, "currency": "EUR"}"#).await.expect_bad_fields(&["price.amount"]);
    let tea = Product::from_json(&tea.body);
    let ana = shop.new_customer().await;
    let path = format!("/shopping/cart/{}", tea.id);
    for (number, quantity) in [("2.0", 2), ("1e2", 100), ("0.1e1", 1), ("20e-1", 2), ("3", 3)] {
        let cart =
            raw(ana.request(Method::PUT, &path), &format!(r#"{{"quantity": {number}}}"#)).await.expect_status(200);
        assert_eq!(cart.line(&tea)["quantity"], quantity, "{number}");
    }
    for number in ["2.5", "-0", "0.0", "-2.0", "1e3", "1e-1", "1e300", "9007199254740993"] {
        let set = raw(ana.request(Method::PUT, &path), &format!(r#"{{"quantity": {number}}}"#));
        set.await.expect_bad_fields(&["quantity"]);
    }
    let inexact = raw(ana.request(Method::PUT, &path), r#"{"quantity": 2.00000000000000000001}"#);
    inexact.await.expect_bad_fields(&["body"]);
    raw(ana.request(Method::PUT, &path), r#"{"quantity": 1e400}"#).await.expect_problem(400, "malformed");
    assert_eq!(ana.get_cart().await.line(&tea)["quantity"], 3);
    // A query is text.
    for limit in ["20.0", "2e1", "+5", "0x10"] {
        ana.get("/products").query(&[("limit", limit)]).await.expect_bad_fields(&["limit"]);
    }
    let stock = raw(admin.request(Method::PATCH, &tea.stock_path()), r#"{"add": -1.0e1}"#).await.expect_status(200);
    assert_eq!(stock["available"], 90);
}

#[tokio::test]
async fn every_bad_field_of_a_cart_or_an_order_is_named() {
    Scene::unchanged_by(async |scene| {
        let table: [(Value, &[&str]); 4] = [
            (json!({}), &["product_id", "quantity"]),
            (json!({"product_id": {"$ne": null}, "quantity": "many"}), &["product_id", "quantity"]),
            (json!({"product_id": "tea", "quantity": 0, "price": 1}), &["product_id", "quantity", "price"]),
            (json!({"product_id": 7, "quantity": 1}), &["product_id"]),
        ];
        expect_bad_bodies(scene, ByAna, "POST /shopping/cart", &table).await;
        let both = json!({"product_id": UNKNOWN_ID, "quantity": 1});
        expect_bad_bodies(
            scene,
            ByAna,
            "PUT /shopping/cart/TEA",
            &[(json!({}), &["quantity"]), (both, &["product_id"])],
        )
        .await;
        let table: [(Value, &[&str]); 3] = [
            (json!({}), &["product_id"]),
            (json!({"product_id": ""}), &["product_id"]),
            (json!({"product_id": UNKNOWN_ID, "note": "soon"}), &["note"]),
        ];
        expect_bad_bodies(scene, ByAna, "POST /shopping/wishlist", &table).await;
        expect_bad_bodies(
            scene,
            ByAna,
            "POST /shopping/order/ORDER/cancel",
            &[(json!({"reason": "why"}), &["reason"])],
        )
        .await;
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
            scene.ana.place_order_with("bad", body).await.expect_bad_fields(fields);
        }
    })
    .await;
}

#[tokio::test]
async fn every_bad_query_parameter_is_named() {
    Scene::unchanged_by(async |scene| {
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
            ("/products?q=%FF&limit=0", &["q"]),
            ("/shopping/orders?limit=0&after=%00&status=open", &["limit", "after", "status"]),
        ] {
            scene.ana.get(path).await.expect_bad_fields(fields);
        }
    })
    .await;
}

#[tokio::test]
async fn malformed_ids_are_named() {
    Scene::unchanged_by(async |scene| {
        let ids =
            ["x", "7", "01890a5d-ac96-774b-bcce-b302099a805", "64b0c0ffee64b0c0ffee64b0", "%7B%24ne%3A1%7D", "'--"];
        for id in ids {
            for (sender, route, field) in [
                (ByAnonymous, "GET /products/ID", "id"),
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
                scene.request(sender, method, &path.replace("ID", id)).await.expect_bad_fields(&[field]);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn unknown_ids_are_not_found() {
    Scene::unchanged_by(async |scene| {
        for (sender, route) in [
            (ByAnonymous, "GET /products/ID"),
            (ByAdmin, "DELETE /products/ID"),
            (ByAdmin, "GET /products/ID/stock"),
            (ByAnonymous, "GET /products/images/ID.svg"),
            (ByAna, "DELETE /customer/address/ID"),
            (ByAna, "GET /shopping/order/ID"),
            (ByAna, "POST /shopping/order/ID/cancel"),
            (ByAna, "DELETE /shopping/cart/ID"),
            (ByAna, "DELETE /shopping/wishlist/ID"),
        ] {
            let (method, path) = route.split_once(' ').unwrap();
            for id in [UNKNOWN_ID, "6fa459ea-ee8a-4ca4-894e-db77e160355e"] {
                scene.request(sender, method, &path.replace("ID", id)).await.expect_not_found();
            }
        }
    })
    .await;
}

fn changing_requests(scene: &Scene) -> [(Sender, &'static str, &'static str, Value); 4] {
    [
        (ByAna, "PATCH", "/customer/profile", json!({"phone": "+351210000000"})),
        (ByAdmin, "PATCH", "/products/TEA", json!({"price": euros(1)})),
        (ByAna, "POST", "/shopping/cart", json!({"product_id": scene.tea.id, "quantity": 1})),
        (ByAna, "PUT", "/shopping/cart/TEA", json!({"quantity": 7})),
    ]
}

#[tokio::test]
async fn too_large_bodies_are_rejected() {
    Scene::unchanged_by(async |scene| {
        for (sender, method, path, body) in changing_requests(scene) {
            for size in [64 * 1024 + 1, 2 * 1024 * 1024] {
                // JSON may end in spaces, so that only the size is wrong.
                let mut body = body.to_string();
                body.push_str(&" ".repeat(size - body.len()));
                let request = scene.request(sender, method, path).header("Content-Type", "application/json").body(body);
                request.await.expect_problem(413, "too-large");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_without_a_json_content_type_are_rejected() {
    Scene::unchanged_by(async |scene| {
        for (sender, method, path, body) in changing_requests(scene) {
            for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/csv"] {
                let request =
                    scene.request(sender, method, path).header("Content-Type", content_type).body(body.to_string());
                request.await.expect_problem(415, "unsupported-media-type");
            }
            let untyped = scene.request(sender, method, path).body(body.to_string());
            untyped.await.expect_problem(415, "unsupported-media-type");
        }
    })
    .await;
}

#[tokio::test]
async fn a_form_cannot_override_the_method() {
    Scene::unchanged_by(async |scene| {
        for path in ["/shopping/cart", "/customer/profile"] {
            let form =
                scene.ana.request(Method::POST, path).header("Content-Type", "application/x-www-form-urlencoded");
            let response = form.body("_method=DELETE").await;
            assert!(matches!(response.status, 405 | 415), "{response}");
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_not_json_are_rejected() {
    Scene::unchanged_by(async |scene| {
        for (sender, method, path, body) in changing_requests(scene) {
            let deep = "[".repeat(20_000).into_bytes();
            let cut = body.to_string().into_bytes()[..10].to_vec();
            let twice = format!("{body}{body}").into_bytes();
            for body in [b"{".to_vec(), b"{\"a\":}".to_vec(), b"NaN".to_vec(), b"\xff\xfe{}".to_vec(), deep, cut, twice]
            {
                let request = scene.request(sender, method, path).header("Content-Type", "application/json").body(body);
                request.await.expect_problem(400, "malformed");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_given_twice_is_named() {
    Scene::unchanged_by(async |scene| {
        let twice = |value: &str| format!("\"quantity\": 1, \"quantity\": {value}");
        let price = r#"{"price": {"amount": 100000, "currency": "EUR", "amount": 1}}"#;
        for (sender, method, path, body, field) in [
            (ByAdmin, "PATCH", "/products/TEA", price.to_owned(), "price.amount"),
            (
                ByAna,
                "PATCH",
                "/customer/profile",
                r#"{"phone": null, "\u0070hone": "+351210000000"}"#.to_owned(),
                "phone",
            ),
            (ByAna, "PUT", "/shopping/cart/TEA", format!("{{{}}}", twice("1")), "quantity"),
            (ByAna, "PUT", "/shopping/cart/TEA", format!("{{{}}}", twice("999")), "quantity"),
            (ByAna, "POST", "/shopping/cart/merge", r#"{"guest": "", "guest": ""}"#.to_owned(), "guest"),
            (ByAna, "POST", "/customer/logout", r#"{"x": [{"y": 1, "y": 2}]}"#.to_owned(), "x[0].y"),
        ] {
            let request = scene.request(sender, method, path).header("Content-Type", "application/json").body(body);
            request.await.expect_bad_fields(&[field]);
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_not_objects_are_rejected() {
    Scene::unchanged_by(async |scene| {
        for (sender, method, path, _) in changing_requests(scene) {
            for body in [json!([]), json!("{}"), json!(7), json!(null)] {
                scene.request(sender, method, path).json(body).await.expect_problem(422, "validation");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn unknown_routes_are_not_found() {
    Scene::unchanged_by(async |scene| {
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
            "/admin/nothing",
            "/administrator",
        ] {
            for sender in [ByAnonymous, ByAna, ByAdmin] {
                for method in ["GET", "POST", "DELETE"] {
                    scene.request(sender, method, path).await.expect_not_found();
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn other_methods_are_rejected_with_the_allowed_ones() {
    Scene::unchanged_by(async |scene| {
        for (method, path, allowed) in [
            ("GET", "/customer/signup", &["POST"][..]),
            ("PUT", "/customer/login", &["POST"]),
            ("PUT", "/customer/profile", &["DELETE", "GET", "PATCH"]),
            ("GET", "/customer/password", &["PUT"]),
            ("POST", "/customer/whoami", &["GET"]),
            ("DELETE", "/products", &["GET", "POST"]),
            ("POST", "/products/TEA", &["DELETE", "GET", "PATCH", "PUT"]),
            ("DELETE", "/products/TEA/stock", &["GET", "PATCH", "PUT"]),
            ("PATCH", "/shopping/cart", &["DELETE", "GET", "POST"]),
            ("GET", "/shopping/cart/TEA", &["DELETE", "PUT"]),
            ("GET", "/shopping/order", &["POST"]),
            ("DELETE", "/shopping/order/ORDER", &["GET"]),
            ("GET", "/shopping/order/ORDER/cancel", &["POST"]),
        ] {
            let response = scene.request(ByAna, method, path).await.expect_problem(405, "method-not-allowed");
            let mut allow: Vec<&str> = response.header("Allow").split(',').map(str::trim).collect();
            allow.retain(|method| !matches!(*method, "HEAD" | "OPTIONS"));
            allow.sort_unstable();
            assert_eq!(allow, allowed, "{response}");
        }
    })
    .await;
}

const PROTECTED_ROUTES: [(&str, &str); 4] = [
    ("GET", "/customer/profile"),
    ("DELETE", "/customer/profile"),
    ("PUT", "/products/TEA/stock"),
    ("DELETE", "/shopping/cart"),
];

#[tokio::test]
async fn forged_tokens_are_rejected() {
    Scene::unchanged_by(async |scene| {
        let (customer_token, admin_token) = (scene.ana.token(), scene.admin.token());
        for (forgery, token) in [
            ("promoted", forgery::promoted(customer_token)),
            ("signed with a shared secret", forgery::signed_with_a_shared_secret(admin_token)),
            ("signed with another key", forgery::signed_with_another_key(admin_token)),
            ("unsigned", forgery::unsigned(admin_token)),
            ("expired", forgery::expired(admin_token)),
            ("with another signature", forgery::with_a_wrong_signature(customer_token)),
            ("without a signature", forgery::without_a_signature(customer_token)),
            ("without the third part", forgery::without_the_third_part(customer_token).to_owned()),
            ("a refresh token", scene.ana.refresh_token.clone()),
            ("no JWT", "x".to_owned()),
        ] {
            for (method, path) in PROTECTED_ROUTES {
                let path = path.replace("TEA", &scene.tea.id);
                let client = scene.ana.with_token(&token);
                let response = client.request(method.parse().unwrap(), &path).await;
                assert_eq!(response.status, 401, "{forgery}: {response}");
                response.expect_unauthenticated();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn only_bearer_tokens_authenticate() {
    Scene::unchanged_by(async |scene| {
        let token = scene.admin.token();
        for (method, path) in PROTECTED_ROUTES {
            scene.request(ByAnonymous, method, path).await.expect_unauthenticated();
            for value in ["", "Bearer", "Bearer ", token, &format!("Basic {token}"), &format!("Token {token}")] {
                let request = scene.request(ByAnonymous, method, path).header("Authorization", value);
                request.await.expect_unauthenticated();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_response_repeats_the_request_id_of_the_client() {
    let shop = Shop::shared().await;
    let (client, id) = (shop.client(), "order-42_retry.1");
    let success = client.get("/products/whoami").header("X-Request-Id", id).await.expect_status(200);
    let problem = client.get("/nothing").header("X-Request-Id", id).await.expect_not_found();
    for response in [success, problem] {
        assert_eq!(response.header("X-Request-Id"), id);
    }
}

#[tokio::test]
async fn a_request_id_that_could_forge_log_lines_is_replaced() {
    let shop = Shop::shared().await;
    let send = |id: &str| shop.client().get("/nothing").header("X-Request-Id", id);
    for id in ["", "two words", "a=\"b\"", &"x".repeat(65)] {
        let response = send(id).await.expect_not_found();
        assert_ne!(response.header("X-Request-Id"), id);
    }
}
