//! Attacks on accounts: finding out who has one, taking one over by mail, planting a session.

use std::time::{Duration, Instant};

use journeys::{Client, Customer, Method, PASSWORD, Response, Shop, new_email};
use serde_json::json;

const NEW_PASSWORD: &str = "battery staple";

/// Returns how long a sign-in with a wrong password takes.
async fn time_to_refuse(client: &Client, email: &str) -> Duration {
    let begun = Instant::now();
    client.sign_in(email, "a wrong password").retry_while_busy().await.expect_unauthenticated();
    begun.elapsed()
}

/// The check of a password takes most of the time of a sign-in. Without it, an answer would come
/// twenty times faster.
#[tokio::test]
async fn a_sign_in_takes_as_long_for_an_unknown_address() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
    // In turn, so that other tests slow both down.
    for _ in 0..8 {
        known = known.min(time_to_refuse(&ana, &ana.email).await);
        unknown = unknown.min(time_to_refuse(&ana, &new_email("unknown")).await);
    }
    assert!(unknown * 5 > known && known * 5 > unknown, "known {known:?}, unknown {unknown:?}");
}

async fn reset_token(shop: &Shop, customer: &Customer) -> String {
    let forgot = shop.client().request(Method::POST, "/customer/password/forgot");
    forgot.json(json!({"email": customer.email})).await.expect_status(204);
    shop.wait_for_mail(&customer.email, "password").await.word_after("enter ").to_owned()
}

async fn reset(shop: &Shop, token: &str) -> Response {
    let body = json!({"token": token, "new": NEW_PASSWORD});
    shop.client().request(Method::POST, "/customer/password/reset").json(body).retry_while_busy().await
}

#[tokio::test]
async fn a_reset_token_changes_its_own_account_only() {
    let shop = Shop::shared().await;
    let (ana, ben) = (shop.new_customer().await, shop.new_customer().await);
    let (of_ana, of_ben) = (reset_token(&shop, &ana).await, reset_token(&shop, &ben).await);
    let (mail_of_ana, secret_of_ana) = of_ana.split_once('.').unwrap();
    let (mail_of_ben, secret_of_ben) = of_ben.split_once('.').unwrap();
    for mixed in [format!("{mail_of_ben}.{secret_of_ana}"), format!("{mail_of_ana}.{secret_of_ben}")] {
        reset(&shop, &mixed).await.expect_bad_fields(&["token"]);
    }
    // No field of the request names an account.
    let body = json!({"token": of_ana, "new": NEW_PASSWORD, "email": ben.email});
    let request = shop.client().request(Method::POST, "/customer/password/reset").json(body);
    request.await.expect_bad_fields(&["email"]);
    reset(&shop, &of_ana).await.expect_status(204);
    ben.sign_in(&ben.email, PASSWORD).retry_while_busy().await.expect_status(200);
    ana.sign_in(&ana.email, NEW_PASSWORD).retry_while_busy().await.expect_status(200);
}

#[tokio::test]
async fn a_reset_token_ends_when_the_account_changes() {
    let shop = Shop::shared().await;
    for change in ["password", "e-mail address", "sign-out everywhere"] {
        let ana = shop.new_customer().await;
        let token = reset_token(&shop, &ana).await;
        let changed = match change {
            "password" => ana.change_password(PASSWORD, "correct battery").retry_while_busy().await,
            "e-mail address" => ana.change_email(&new_email("ana")).retry_while_busy().await,
            _ => ana.sign_out_everywhere().await,
        };
        assert!(matches!(changed.status, 200 | 204), "{changed}");
        reset(&shop, &token).await.expect_problem(409, "token-used");
    }
}

#[tokio::test]
async fn a_sign_in_replaces_what_an_attacker_has_planted() {
    let shop = Shop::shared().await;
    let (ana, mallory) = (shop.new_customer().await, shop.new_customer().await);
    let attacker = shop.visitor();
    attacker.open("/en/account/sign-in").await.expect_status(200);
    let planted = attacker.cookie("csrf").unwrap();
    let victim = shop.visitor();
    victim.set_cookie("csrf", &planted);
    victim.sign_in(&ana.email, PASSWORD).await;
    assert_ne!(victim.cookie("csrf"), Some(planted), "the secret of the forms is a new one");
    let account = victim.open("/en/account").await.expect_status(200).expect_text(&ana.email);
    // A form that knows the planted secret is refused.
    let known = attacker.open("/en/account/sign-in").await.form("/sign-in").value("csrf").to_owned();
    victim.send_form(&account.form("/sign-out").forge("csrf", &known)).await.expect_status(403);

    // The page shows whose session the attacker has planted, and nothing of it is left afterwards.
    let other = shop.visitor();
    other.set_cookie("refresh", &mallory.refresh_token);
    other.open("/en/account").await.expect_status(200).expect_text(&mallory.email);
    let page = other.open("/en/account").await;
    other.send_form(&page.form("/sign-out")).await;
    other.sign_in(&ana.email, PASSWORD).await;
    assert!(!other.open("/en/account").await.expect_text(&ana.email).has_text(&mallory.email));

    // The sign-out leaves nothing behind in the browser, and ends the session.
    let refresh = victim.cookie("refresh").unwrap();
    let account = victim.open("/en/account").await.expect_status(200);
    victim.send_form(&account.form("/sign-out")).await;
    assert_eq!((victim.cookie("access"), victim.cookie("refresh")), (None, None));
    shop.client().refresh_session(&refresh).await.expect_unauthenticated();
}

/// A customer who types a secret into the wrong field does not get it back in an error.
#[tokio::test]
async fn an_error_repeats_no_secret() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let (secret, card) = ("canary-secret-4711", "4000056655665556");
    let requests = [
        (Method::POST, "/customer/login", json!({"email": "x", "password": [secret]})),
        (Method::POST, "/customer/login", json!({"email": ana.email, "password": {secret: secret}})),
        (Method::POST, "/customer/signup", json!({"email": "x", "password": secret, "phone": 1})),
        (Method::PUT, "/customer/password", json!({"current": secret, "new": "short"})),
        (Method::POST, "/customer/token", json!({"refresh_token": [secret]})),
        (Method::POST, "/customer/token", json!({"refresh_token": secret})),
        (Method::POST, "/customer/verify", json!({"token": secret})),
        (Method::POST, "/customer/password/reset", json!({"token": secret, "new": "x"})),
        (Method::POST, "/customer/totp/confirm", json!({"code": [secret]})),
        (Method::POST, "/shopping/cart/merge", json!({"guest": secret})),
        (Method::POST, "/shopping/order", json!({"payment": {"method": "demo", "token": [card]}})),
        (Method::POST, "/shopping/order", json!({"payment": {"method": card, "token": card}})),
        (Method::POST, "/shopping/order", json!({"payment": {"method": "demo", "token": card}})),
    ];
    for (method, path, body) in requests {
        let request = ana.request(method, path).header("Idempotency-Key", "key").json(body.clone());
        let refused = request.retry_while_busy().await;
        assert!(matches!(refused.status, 400..500), "{refused}");
        let text = refused.body.to_string();
        assert!(!text.contains(card), "{body}: {refused}");
        // A name that the client has invented is repeated, so that it can be found; a value is not.
        let is_a_name = body["password"][secret].is_string();
        assert!(is_a_name || !text.contains(secret), "{body}: {refused}");
    }
    shop.client().with_token(secret).get("/customer/profile").await.expect_unauthenticated();
}
