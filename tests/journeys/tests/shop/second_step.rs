//! The second step of a sign-in, through the API and on the pages. The test has its own
//! authenticator app: RFC 6238 on the shop's secret.

use std::time::{SystemTime, UNIX_EPOCH};

use journeys::{Client, Customer, Method, Response, Shop, Visitor, euros, unique};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use super::page_checkout::fill_cart;

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

/// Returns the challenge that the right password gets.
async fn challenge(client: &Client, customer: &Customer) -> String {
    let asks = sign_in(client, customer, None).await.expect_problem(409, "code-required");
    asks["challenge"].as_str().unwrap_or_else(|| panic!("{asks} has no challenge")).to_owned()
}

async fn answer(client: &Client, challenge: &str, code: &str) -> Response {
    client.request(Method::POST, "/customer/login").json(json!({"challenge": challenge, "code": code})).await
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

/// A thief of an access token who also knows the password must not take the account, for example by
/// a new address and a reset of the password by it.
#[tokio::test]
async fn an_account_with_a_second_step_is_changed_with_a_code_only() {
    let shop = Shop::shared().await;
    let (client, ana) = (shop.client(), shop.new_verified_customer().await);
    let (_, recovery) = turn_on(&ana).await;
    let mut codes = recovery.into_iter();
    let (email, mut password) = (format!("{}@example.com", unique("new")), ana.password.clone());
    let mut address = ana.email.clone();
    for (method, path, changes) in [
        (Method::PATCH, "/customer/profile", json!({"email": email})),
        (Method::PUT, "/customer/password", json!({"new": "battery staple 7"})),
        (Method::DELETE, "/customer/profile", json!({})),
    ] {
        let by_code = json!({"email": address, "password": password, "code": codes.next().unwrap()});
        let signed_in = client.request(Method::POST, "/customer/login").json(by_code).await.expect_status(200);
        let ana = Customer::from_sign_in(&client, &address, &password, &signed_in);
        let change = |code: Option<&str>| {
            let mut body = changes.clone();
            body["current"] = password.clone().into();
            if let Some(code) = code {
                body["code"] = code.into();
            }
            ana.request(method.clone(), path).json(body)
        };
        change(None).await.expect_problem(409, "code-required");
        change(Some("000000x")).await.expect_bad_fields(&["code"]);
        ana.get_profile().await.expect_status(200);
        let changed = change(codes.next().as_deref()).await;
        assert!((200..300).contains(&changed.status), "{changed}");
        ana.get_profile().await.expect_unauthenticated();
        if let Some(new) = changes["email"].as_str() {
            new.clone_into(&mut address);
        }
        if let Some(new) = changes["new"].as_str() {
            new.clone_into(&mut password);
        }
    }
}

#[tokio::test]
async fn a_challenge_stands_for_the_password_and_needs_a_code() {
    let shop = Shop::shared().await;
    let (client, ana) = (shop.client(), shop.new_verified_customer().await);
    let (secret, recovery) = turn_on(&ana).await;
    let given = challenge(&client, &ana).await;
    let post = |body: Value| client.request(Method::POST, "/customer/login").json(body);
    for without_code in [json!({"challenge": given}), json!({"challenge": given, "code": null})] {
        post(without_code).await.expect_bad_fields(&["code"]);
    }
    let mut both = json!({"challenge": given, "code": recovery[0], "email": ana.email, "password": ana.password});
    post(both.clone()).await.expect_bad_fields(&["email", "password"]);
    both["challenge"] = json!([given]);
    post(both).await.expect_bad_fields(&["challenge", "email", "password"]);
    for forged in ["", "x", &given[1..], &given.replace('.', "_"), ana.token(), &ana.refresh_token] {
        answer(&client, forged, &recovery[0]).await.expect_bad_fields(&["challenge"]);
    }
    for path in ["/customer/profile", "/shopping/cart"] {
        client.with_token(&given).get(path).await.expect_unauthenticated();
    }
    client.refresh_session(&given).await.expect_unauthenticated();

    answer(&client, &given, "000000x").await.expect_unauthenticated();
    let now = code(&secret, 0);
    let signed_in = answer(&client, &given, &now).await.expect_status(200);
    assert_eq!(signed_in.id(), ana.id);
    answer(&client, &given, &now).await.expect_unauthenticated();
    let ana = Customer::from_sign_in(&client, &ana.email, &ana.password, &signed_in);
    ana.get_profile().await.expect_status(200);
    let change = json!({"current": ana.password, "new": "battery staple", "code": recovery[1]});
    ana.request(Method::PUT, "/customer/password").json(change).await.expect_status(204);
    answer(&client, &given, &recovery[0]).await.expect_problem(409, "challenge-expired");
}

#[tokio::test]
async fn wrong_codes_with_a_challenge_make_the_next_one_wait() {
    let shop = Shop::shared().await;
    let (client, ana) = (shop.client(), shop.new_verified_customer().await);
    let (_, recovery) = turn_on(&ana).await;
    let given = challenge(&client, &ana).await;
    // As many as from any network where the account has signed in.
    for _ in 0..20 {
        answer(&client, &given, "000000x").await.expect_unauthenticated();
    }
    answer(&client, &given, &recovery[0]).await.expect_problem(429, "too-many-attempts");
    let another = challenge(&client, &ana).await;
    answer(&client, &another, &recovery[0]).await.expect_problem(429, "too-many-attempts");
    sign_in(&client, &ana, Some(&recovery[0])).await.expect_problem(429, "too-many-attempts");
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
    let asks = visitor.send_form(&form).await.expect_status(200).expect_text(&format!("You sign in as {}", ana.email));
    let form = asks.form("/sign-in").set("code", &code(secret, 0));
    visitor.send_form(&form).await.expect_status(200).expect_text("Your account");

    for path in ["/account/email", "/account/password", "/account/delete"] {
        let page = visitor.open(&format!("/en{path}")).await.expect_status(200);
        let form = page.form(path).set("current", &ana.password).set("code", "000000x");
        let form = if path == "/account/email" { form.set("email", &ana.email.replace('@', "+2@")) } else { form };
        let form = if path == "/account/password" { form.set("new", "battery staple 7") } else { form };
        visitor.send_form(&form).await.expect_status(422).expect_text("Each code works once");
    }

    let page = visitor.open("/de/account/totp").await.expect_status(200).expect_text("10 Wiederherstellungscodes");
    let off = page.form("/totp/off").set("current", &ana.password).set("code", &code(secret, 1));
    visitor.send_form(&off).await.expect_status(200).expect_text("ist aus");
}

/// Sends the password on the page, and returns the page that asks for the code.
async fn send_password(visitor: &Visitor, customer: &Customer, path: &str) -> Response {
    let page = visitor.open(path).await.expect_status(200);
    let form = page.form("/sign-in").set("email", &customer.email).set("password", &customer.password);
    let asks = visitor.send_form(&form).await.expect_status(200).expect_text(&customer.email);
    assert!(!asks.html().contains("name=\"password\"") && !asks.html().contains(&customer.password), "{asks}");
    // Addresses are in logs, and in the history of the browser.
    let challenge = asks.form("/sign-in").value("challenge").to_owned();
    assert!(!challenge.is_empty() && asks.address() == path.split('?').next().unwrap(), "{asks}");
    assert!(asks.links().iter().all(|link| !link.contains(&challenge)), "{asks}");
    asks
}

#[tokio::test]
async fn a_customer_types_the_password_once_and_then_the_code() {
    let shop = Shop::shared().await;
    let (visitor, ana) = (shop.visitor(), shop.new_verified_customer().await);
    let tea = shop.new_product("tea", &euros(499), 100).await;
    let (secret, recovery) = turn_on(&ana).await;
    fill_cart(&visitor, &tea, "2").await;
    let asks = send_password(&visitor, &ana, "/en/account/sign-in?next=/en/cart").await;
    let field = asks.html().split("<input id=\"code\"").nth(1).and_then(|rest| rest.split('>').next()).unwrap();
    assert!(field.contains("autocomplete=\"one-time-code\"") && field.contains("inputmode=\"numeric\""), "{field}");
    assert!(field.contains("autofocus"), "{field}");
    assert!(asks.links().iter().any(|link| link == "/en/account/sign-in?next=%2Fen%2Fcart"), "{:?}", asks.links());

    let empty = visitor.send_form(&asks.form("/sign-in")).await.expect_status(422);
    let wrong = visitor.send_form(&empty.expect_text("Enter the code").form("/sign-in").set("code", "000 000")).await;
    let wrong = wrong.expect_status(401).expect_text("This code is wrong").expect_text(&ana.email);
    assert_eq!(wrong.invalid_fields(), ["code"]);
    // A recovery code has letters, for which the field of the app's code has no keys on a phone.
    let other = visitor.send_form(&wrong.form("/sign-in").press("switch", "recovery-code")).await.expect_status(200);
    assert_eq!(other.form("/sign-in").value("code"), "");
    assert!(!other.html().contains("inputmode=\"numeric\""), "{other}");
    let other = visitor.send_form(&other.form("/sign-in").set("code", "wrong")).await.expect_status(401);
    assert!(!other.html().contains("inputmode=\"numeric\""), "{other}");
    let empty = visitor.send_form(&other.form("/sign-in").set("code", "")).await.expect_status(422);
    let form = empty.expect_text("Enter one of your recovery codes.").form("/sign-in").set("code", &recovery[0]);
    let cart = visitor.send_form(&form).await.expect_status(200).expect_text("€9.98");
    assert_eq!((cart.address(), visitor.cookie("guest")), ("/en/cart", None), "the cart was merged");
    visitor.open("/en/account").await.expect_status(200).expect_text("Your account");

    // Either field takes either code.
    let other = shop.visitor();
    let asks = send_password(&other, &ana, "/de/account/sign-in").await;
    let form = asks.form("/sign-in").press("switch", "recovery-code");
    let asks = other.send_form(&form).await.expect_status(200).expect_text("Code der App benutzen");
    let form = asks.form("/sign-in").set("code", &code(&secret, 0));
    other.send_form(&form).await.expect_status(200).expect_text("Ihr Konto");
}

#[tokio::test]
async fn a_challenge_that_has_ended_leads_back_to_the_password() {
    let shop = Shop::shared().await;
    let (visitor, ana) = (shop.visitor(), shop.new_verified_customer().await);
    let (_, recovery) = turn_on(&ana).await;
    let asks = send_password(&visitor, &ana, "/en/account/sign-in?next=/en/wishlist").await;
    let tampered = asks.form("/sign-in").set("challenge", "x").set("code", &recovery[0]);
    visitor.send_form(&tampered).await.expect_status(409).expect_text("Please sign in again.");
    let signed_in = sign_in(&ana, &ana, Some(&recovery[0])).await.expect_status(200);
    let there = Customer::from_sign_in(&ana, &ana.email, &ana.password, &signed_in);
    there.sign_out_everywhere().await.expect_status(204);
    let again = visitor.send_form(&asks.form("/sign-in").set("code", &recovery[1])).await;
    let form = again.expect_status(409).expect_text("Please sign in again.").form("/sign-in");
    assert_eq!((form.value("email"), form.value("password"), form.value("next")), (&*ana.email, "", "/en/wishlist"));
    let asks = visitor.send_form(&form.set("password", &ana.password)).await.expect_status(200);
    let wishlist = visitor.send_form(&asks.form("/sign-in").set("code", &recovery[1])).await.expect_status(200);
    assert_eq!(wishlist.address(), "/en/wishlist");
}
