//! Attacks on tokens (RFC 8725, RFC 9700) at the routes. The unit tests at the verifiers' feet have
//! every single claim.

use journeys::{Method, PASSWORD, Shop, euros, forgery, product_json};
use serde_json::json;

#[tokio::test]
async fn a_token_cannot_bring_its_own_key() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let own = forgery::another_public_key();
    for members in [
        json!({"jwk": own}),
        json!({"jku": "https://evil.example/jwks.json"}),
        json!({"x5u": "https://evil.example/cert.pem"}),
        json!({"x5c": ["MIIB"]}),
        json!({"kid": "../../../../dev/null"}),
        json!({"kid": "' OR '1'='1"}),
        json!({"kid": "https://evil.example/key"}),
        json!({"kid": "0\u{0}"}),
        json!({"kid": {"$ne": null}}),
        json!({"kid": null}),
        json!({"kid": own["kid"], "jwk": own, "crit": ["jwk"]}),
    ] {
        let forged = ana.with_token(&forgery::signed_with_a_key_of_its_own(ana.token(), &members));
        let product = product_json("tea", &euros(499), 1);
        for request in [
            forged.get("/customer/profile"),
            forged.get("/shopping/cart"),
            forged.request(Method::POST, "/products").json(product),
        ] {
            let response = request.await;
            assert_eq!(response.status, 401, "{members}: {response}");
        }
    }
}

#[tokio::test]
async fn a_token_elsewhere_than_in_its_header_authenticates_no_client() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let (anyone, token) = (shop.client(), ana.token());
    for path in ["/customer/profile", "/shopping/cart"] {
        for name in ["access_token", "token", "authorization", "key"] {
            let in_query = anyone.get(path).query(&[(name, token)]).await;
            assert_eq!(in_query.status, 401, "{in_query}");
        }
        for (name, value) in [
            ("Cookie", format!("access={token}")),
            ("Cookie", format!("__Host-access={token}")),
            ("X-Access-Token", token.to_owned()),
            ("Proxy-Authorization", format!("Bearer {token}")),
            ("X-Authenticated-User", ana.id.clone()),
            ("X-Customer-Id", ana.id.clone()),
        ] {
            anyone.get(path).header(name, value).await.expect_unauthenticated();
        }
    }
    let in_body = json!({"access_token": token, "product_id": "x", "quantity": 1});
    anyone.request(Method::POST, "/shopping/cart").json(in_body).await.expect_unauthenticated();
}

#[tokio::test]
async fn a_token_of_one_kind_is_none_of_another() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.new_customer().await;
    let guest = shop.client().create_guest_cart().await;
    let link = shop.wait_for_mail(&ana.email, "Verify").await.word_after("enter ").to_owned();
    let order = ana.buy(&tea, 1).await;
    let session = ana.refresh_token.split_once('.').unwrap().0;
    for token in [&link, &ana.refresh_token, session, guest.token(), order.id(), &ana.id] {
        shop.client().with_token(token).get("/customer/profile").await.expect_unauthenticated();
    }
    for token in [ana.token(), guest.token(), &link, session] {
        shop.client().refresh_session(token).await.expect_unauthenticated();
    }
    for token in [ana.token(), &ana.refresh_token, guest.token()] {
        let verify = shop.client().request(Method::POST, "/customer/verify").json(json!({"token": token}));
        verify.await.expect_bad_fields(&["token"]);
        let reset = json!({"token": token, "new": "battery staple"});
        let reset = shop.client().request(Method::POST, "/customer/password/reset").json(reset);
        reset.await.expect_bad_fields(&["token"]);
        let order = format!("/shopping/order/{}?key={token}", order.id());
        shop.client().get(&order).await.expect_not_found();
    }
    ana.sign_in(&ana.email, PASSWORD).retry_while_busy().await.expect_status(200);
}

#[tokio::test]
async fn a_forged_cookie_signs_no_visitor_in() {
    let shop = Shop::shared().await;
    let (ana, admin) = (shop.new_customer().await, shop.admin().await);
    for forged in [
        forgery::promoted(ana.token()),
        forgery::unsigned(admin.token()),
        forgery::signed_with_another_key(admin.token()),
        forgery::signed_with_a_shared_secret(admin.token()),
        "x".to_owned(),
    ] {
        let visitor = shop.visitor();
        for path in ["/en/account", "/en/cart", "/en/admin", "/en/admin/orders", "/en/account/export"] {
            visitor.set_cookie("access", &forged);
            let page = visitor.open(path).await;
            assert!(page.address().contains("/account/sign-in"), "{path} with {forged}: {page}");
            page.expect_status(200);
            assert_eq!(visitor.cookie("access"), None, "the refused token is dropped");
        }
    }
    // A customer's own token gives no way to the pages of staff.
    let visitor = shop.visitor();
    visitor.set_cookie("access", ana.token());
    for path in ["/en/admin", "/en/admin/orders", "/en/admin/products", "/en/admin/staff"] {
        visitor.open(path).await.expect_status(403);
    }
}
