//! The second step of a sign-in, through the API and on the pages. The test has its own
//! authenticator app: RFC 6238 on the shop's secret.

use std::time::{SystemTime, UNIX_EPOCH};

use journeys::{Client, Customer, Method, Response, Shop};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

/// Returns the code that an app shows, or has shown, by steps of 30 s from now.
fn code(secret: &str, steps: i64) -> String {
    let secret = Secret::try_from_base32(secret.replace(' ', "")).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let app = Builder::new().with_secret(secret).build().unwrap();
    app.generate(now.checked_add_signed(30 * steps).unwrap()).to_string()
}

async fn sign_in(client: &Client, customer: &Customer, code: Option<&str>) -> Response {
    let body = json!({"email": customer.email, "password": customer.password, "code": code});
    client.request(Method::POST, "/customer/login").json(body).await
}

/// Turns the second step on with the code of the step before, and returns the secret and the
/// recovery codes.
async fn turn_on(customer: &Customer) -> (String, Vec<String>) {
    let begin = |current: &str| customer.request(Method::POST, "/customer/totp").json(json!({"current": current}));
    begin("wrong").await.expect_bad_fields(&["current"]);
    let secret = begin(&customer.password).await.expect_status(200);
    let text = secret["secret"].as_str().unwrap().to_owned();
    let uri = secret["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/localhost:") && uri.contains(&text), "{uri}");
    let confirm = |code: Value| customer.request(Method::POST, "/customer/totp/confirm").json(json!({"code": code}));
    confirm("000000x".into()).await.expect_bad_fields(&["code"]);
    confirm(123_456.into()).await.expect_bad_fields(&["code"]);
    let codes = confirm(code(&text, -1).into()).await.expect_status(200);
    let codes = codes["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned());
    (text, codes.collect())
}

#[tokio::test]
async fn a_sign_in_needs_a_code_and_takes_each_once() {
    let shop = Shop::shared().await;
    let (client, ana) = (shop.client(), shop.new_verified_customer().await);
    assert_eq!(ana.get_profile().await.expect_status(200)["totp"]["active"], false);
    ana.request(Method::POST, "/customer/totp/confirm")
        .json(json!({"code": "123456"}))
        .await
        .expect_problem(409, "totp-not-begun");
    let (secret, recovery) = turn_on(&ana).await;
    ana.get_profile().await.expect_unauthenticated();

    sign_in(&client, &ana, None).await.expect_problem(409, "code-required");
    let wrong = json!({"email": ana.email, "password": "wrong password", "code": code(&secret, 0)});
    client.request(Method::POST, "/customer/login").json(wrong).await.expect_unauthenticated();
    let now = code(&secret, 0);
    let signed_in = sign_in(&client, &ana, Some(&now)).await.expect_status(200);
    sign_in(&client, &ana, Some(&now)).await.expect_unauthenticated();
    sign_in(&client, &ana, Some(&recovery[0])).await.expect_status(200);
    sign_in(&client, &ana, Some(&recovery[0])).await.expect_unauthenticated();

    let ana = Customer::from_sign_in(&client, &ana.email, &ana.password, &signed_in);
    let profile = ana.get_profile().await.expect_status(200);
    assert_eq!(profile["totp"], json!({"active": true, "required": false, "recovery_codes_left": 9}));
    ana.request(Method::POST, "/customer/totp")
        .json(json!({"current": ana.password}))
        .await
        .expect_problem(409, "totp-active");
    let off =
        |code: &str| ana.request(Method::DELETE, "/customer/totp").json(json!({"current": ana.password, "code": code}));
    off(&recovery[0]).await.expect_bad_fields(&["code"]);
    off(&recovery[1]).await.expect_status(204);
    sign_in(&client, &ana, None).await.expect_status(200);
}

#[tokio::test]
async fn nobody_keeps_an_address_from_its_owner_by_a_second_step() {
    let shop = Shop::shared().await;
    let stranger = shop.new_customer().await;
    let begin = stranger.request(Method::POST, "/customer/totp").json(json!({"current": stranger.password}));
    begin.await.expect_problem(409, "email-not-verified");
    let visitor = shop.visitor();
    visitor.sign_in(&stranger.email, &stranger.password).await;
    let page = visitor.open("/en/account/totp").await.expect_status(200);
    let begin = page.form("/account/totp").set("current", &stranger.password);
    visitor.send_form(&begin).await.expect_status(409).expect_text("confirm your e-mail address first");
}

#[tokio::test]
async fn a_customer_turns_the_second_step_on_and_off_on_the_pages() {
    let shop = Shop::shared().await;
    let (visitor, ana) = (shop.visitor(), shop.new_verified_customer().await);
    visitor.sign_in(&ana.email, &ana.password).await;
    visitor.open("/en/account").await.expect_status(200).expect_text("Two-step sign-in");
    let page = visitor.open("/en/account/totp").await.expect_status(200);
    let begin = page.form("/account/totp").set("current", "wrong");
    visitor.send_form(&begin).await.expect_status(422).expect_text("current password");
    let begin = page.form("/account/totp").set("current", &ana.password);
    let shown = visitor.send_form(&begin).await.expect_status(200).expect_text("Scan this code");
    let (_, secret) = shown.body.as_str().unwrap().split_once("<code>").unwrap();
    let secret = secret.split_once("</code>").unwrap().0;
    let confirm = shown.form("/totp/confirm").set("code", "000000x");
    let refused = visitor.send_form(&confirm).await.expect_status(422).expect_text("still valid");
    let confirm = refused.form("/totp/confirm").set("code", &code(secret, -1));
    let codes = visitor.send_form(&confirm).await.expect_status(200).expect_text("signed out everywhere");
    assert!(codes.has_text("-"), "{codes}");

    let page = visitor.open("/en/account/sign-in").await.expect_status(200);
    let form = page.form("/sign-in").set("email", &ana.email).set("password", &ana.password);
    let asks = visitor.send_form(&form).await.expect_status(409).expect_text("Enter your password once more");
    let without_password = asks.form("/sign-in").set("code", "000000x");
    let asks = visitor.send_form(&without_password).await.expect_status(422).expect_text("Enter your password.");
    assert_eq!(asks.form("/sign-in").value("code"), "000000x", "the code stays");
    let form = asks.form("/sign-in").set("password", &ana.password);
    let asks = visitor.send_form(&form).await.expect_status(401).expect_text("or the code is wrong");
    let form = asks.form("/sign-in").set("password", &ana.password).set("code", &code(secret, 0));
    visitor.send_form(&form).await.expect_status(200).expect_text("Your account");

    let page = visitor.open("/de/account/totp").await.expect_status(200).expect_text("10 Wiederherstellungscodes");
    let off = page.form("/totp/off").set("current", &ana.password).set("code", &code(secret, 1));
    visitor.send_form(&off).await.expect_status(200).expect_text("ist aus");
}
