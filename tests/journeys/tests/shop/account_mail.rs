//! Mails to account holders: a customer verifies the e-mail address, and sets a new password.

use journeys::{Client, Customer, Mail, Method, PASSWORD, Request, Shop, euros, new_email, statuses, wait_for};
use serde_json::json;

const NEW_PASSWORD: &str = "battery staple";

/// Waits for a mail to this address and returns its token.
async fn token_in_mail(shop: &Shop, email: &str, subject: &str) -> String {
    shop.wait_for_mail(email, subject).await.word_after("enter ").to_owned()
}

fn post(client: &Client, path: &str) -> Request {
    client.request(Method::POST, path)
}

fn verify(client: &Client, token: &str) -> Request {
    post(client, "/customer/verify").json(json!({"token": token}))
}

fn reset_password(client: &Client, token: &str, new: &str) -> Request {
    post(client, "/customer/password/reset").json(json!({"token": token, "new": new}))
}

async fn forget_password(client: &Client, email: &str) {
    post(client, "/customer/password/forgot").json(json!({"email": email})).await.expect_status(204);
}

#[tokio::test]
async fn a_customer_verifies_the_address() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    assert_eq!(ana.get_profile().await["email_verified"], false);
    let token = token_in_mail(&shop, &ana.email, "Verify").await;
    verify(&shop.client(), &token).await.expect_status(204);
    assert_eq!(ana.get_profile().await["email_verified"], true);
    verify(&shop.client(), &token).await.expect_problem(409, "token-used");
    post(&ana, "/customer/verify/resend").await.expect_problem(409, "email-verified");
}

#[tokio::test]
async fn a_customer_asks_for_another_mail() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    post(&shop.client(), "/customer/verify/resend").await.expect_unauthenticated();
    // The sign-up has sent the first of five.
    for _ in 2..=5 {
        post(&ana, "/customer/verify/resend").await.expect_status(204);
    }
    post(&ana, "/customer/verify/resend").await.expect_problem(429, "too-many-mails");
    let tokens = wait_for("five mails", async || {
        let mails = shop.mails_to(&ana.email);
        let tokens: Vec<String> = mails.iter().map(|mail| mail.word_after("enter ").to_owned()).collect();
        if tokens.len() == 5 { Ok(tokens) } else { Err(tokens.len()) }
    })
    .await;
    verify(&shop.client(), &tokens[0]).await.expect_status(204);
    verify(&shop.client(), &tokens[4]).await.expect_problem(409, "token-used");
}

#[tokio::test]
async fn a_customer_who_has_forgotten_the_password_sets_a_new_one() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let second_session = ana.sign_in_again().await;
    forget_password(&shop.client(), &ana.email.to_uppercase()).await;
    let token = token_in_mail(&shop, &ana.email, "password").await;

    reset_password(&shop.client(), &token, "password").await.expect_bad_fields(&["new"]);
    reset_password(&shop.client(), &token, NEW_PASSWORD).await.expect_status(204);
    reset_password(&shop.client(), &token, "another staple").await.expect_problem(409, "token-used");

    for session in [&ana, &second_session] {
        session.wait_until_rejected().await;
        session.refresh_session(&session.refresh_token).await.expect_unauthenticated();
    }
    ana.sign_in(&ana.email, &ana.password).retry_while_busy().await.expect_unauthenticated();
    let sign_in = ana.sign_in(&ana.email, NEW_PASSWORD).retry_while_busy().await.expect_status(200);
    let ana = Customer::from_sign_in(&shop.client(), &ana.email, NEW_PASSWORD, &sign_in);
    assert_eq!(ana.get_profile().await["email_verified"], true, "the token came from the mailbox");
    shop.wait_for_mail(&ana.email, "Your password was changed").await;
}

#[tokio::test]
async fn a_password_is_reset_once() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    forget_password(&shop.client(), &ana.email).await;
    let token = token_in_mail(&shop, &ana.email, "password").await;
    let reset = || async { reset_password(&shop.client(), &token, NEW_PASSWORD).retry_while_busy().await };
    let (one, other) = tokio::join!(reset(), reset());
    assert_eq!(statuses(&[one, other]), [204, 409]);
}

#[tokio::test]
async fn an_unknown_address_gets_the_same_answer_and_no_mail() {
    let shop = Shop::shared().await;
    let (ana, unknown) = (shop.new_customer().await, new_email("nobody"));
    for email in [&unknown, &ana.email] {
        forget_password(&shop.client(), email).await;
    }
    // The mail to the known address was asked for later.
    shop.wait_for_mail(&ana.email, "password").await;
    assert!(shop.mails_to(&unknown).is_empty());
}

#[tokio::test]
async fn a_changed_address_is_verified_again_and_the_former_one_is_told() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let former = token_in_mail(&shop, &ana.email, "Verify").await;
    verify(&shop.client(), &former).await.expect_status(204);

    let email = new_email("ana");
    let changed = ana.change_email(&email).await.expect_status(200);
    assert_eq!((&changed["email"], &changed["email_verified"]), (&json!(email), &json!(false)));
    let notice = shop.wait_for_mail(&ana.email, "changed").await;
    assert!(!notice.text.contains(&email), "the former address does not learn the new one: {}", notice.text);
    let token = token_in_mail(&shop, &email, "Verify").await;
    verify(&shop.client(), &former).await.expect_problem(409, "token-used");
    verify(&shop.client(), &token).await.expect_status(204);
}

#[tokio::test]
async fn an_erased_customer_gets_one_last_mail() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    let token = token_in_mail(&shop, &ana.email, "Verify").await;
    ana.delete_account().await.expect_status(202);
    shop.wait_for_mail(&ana.email, "erased").await;
    verify(&shop.client(), &token).await.expect_problem(409, "token-expired");
    forget_password(&shop.client(), &ana.email).await;
}

#[tokio::test]
async fn a_token_is_for_one_purpose() {
    let shop = Shop::shared().await;
    let ana = shop.new_customer().await;
    forget_password(&shop.client(), &ana.email).await;
    let to_verify = token_in_mail(&shop, &ana.email, "Verify").await;
    let to_reset = token_in_mail(&shop, &ana.email, "password").await;
    verify(&shop.client(), &to_reset).await.expect_bad_fields(&["token"]);
    reset_password(&shop.client(), &to_verify, NEW_PASSWORD).await.expect_bad_fields(&["token"]);
}

#[tokio::test]
async fn mails_are_in_the_language_of_the_client() {
    let shop = Shop::shared().await;
    let tea = shop.admin().await.new_product("tea", &euros(499), 10).await;
    let (client, email) = (shop.client(), new_email("anna"));
    let account = json!({"email": email, "password": PASSWORD});
    let signed_up = post(&client, "/customer/signup").header("Accept-Language", "de-DE,de;q=0.9,en;q=0.8");
    let signed_up = signed_up.json(account.clone()).retry_while_busy().await.expect_status(201);
    let mail = shop.wait_for_mail(&email, "Bestätigen Sie Ihre E-Mail-Adresse").await;
    assert!(mail.html.contains("lang=\"de\"") && mail.text.contains("Der Link gilt einmal"), "{mail}");

    let anna = Customer::from_sign_in(&client, &email, PASSWORD, &signed_up);
    anna.add_to_cart(&tea, 1).await.expect_status(200);
    let order = anna.place_order("key").header("Accept-Language", "de").await.expect_status(201);
    let mail = shop.wait_for_mail(&email, "ist eingegangen").await;
    assert!(mail.text.contains("Summe: 4,99 EUR"), "{mail}");
    // A customer signs in to open the order.
    let link = format!("/de/order/{}", order.id());
    let has_link = mail.text.lines().any(|line| line.ends_with(&link));
    assert!(has_link && mail.html.contains(order.id()), "{}\n{}", mail.text, mail.html);
    anna.add_to_cart(&tea, 1).await.expect_status(200);
    anna.place_order("in-english").header("Accept-Language", "en").await.expect_status(201);
    shop.wait_for_mail(&email, "received").await;

    // The latest sign-in counts for mails about the account.
    forget_password(&client, &email).await;
    shop.wait_for_mail(&email, "Legen Sie ein neues Passwort fest").await;
    let sign_in = || post(&client, "/customer/login").json(account.clone());
    sign_in().retry_while_busy().await.expect_status(200);
    forget_password(&client, &email).await;
    wait_for("another German mail", async || {
        let count = shop.mails_to(&email).iter().filter(|mail| mail.subject.starts_with("Legen Sie")).count();
        if count == 2 { Ok(()) } else { Err(count) }
    })
    .await;
    sign_in().header("Accept-Language", "en").retry_while_busy().await.expect_status(200);
    forget_password(&client, &email).await;
    shop.wait_for_mail(&email, "Set a new password").await;
}

#[tokio::test]
async fn an_order_without_a_language_has_that_of_the_account() {
    let shop = Shop::shared().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let (client, email) = (shop.client(), new_email("anna"));
    let account = json!({"email": email, "password": PASSWORD});
    let signed_up = post(&client, "/customer/signup").header("Accept-Language", "de").json(account);
    let signed_up = signed_up.retry_while_busy().await.expect_status(201);
    let anna = Customer::from_sign_in(&client, &email, PASSWORD, &signed_up);
    // The first order takes its e-mail address from the account, the others name it.
    for request in [
        anna.place_order_with("no-email", json!({"email": null})),
        anna.place_order("email"),
        anna.place_order("unknown-language").header("Accept-Language", "fr"),
    ] {
        anna.add_to_cart(&tea, 1).await.expect_status(200);
        request.await.expect_status(201);
    }
    wait_for("three German mails", async || {
        let mails = shop.mails_to(&email);
        let received = |mail: &&Mail| mail.subject.contains("ist eingegangen") && mail.text.contains("Summe: 4,99 EUR");
        let count = mails.iter().filter(received).count();
        if count == 3 { Ok(()) } else { Err(count) }
    })
    .await;
}

#[tokio::test]
async fn mails_are_in_the_language_of_the_page() {
    let shop = Shop::shared().await;
    let (visitor, email) = (shop.visitor(), new_email("anna"));
    let page = visitor.open("/de/account/sign-up").await.expect_status(200);
    let form = page.form("/sign-up").set("email", &email).set("password", PASSWORD);
    visitor.send_form(&form).await.expect_status(200);
    shop.wait_for_mail(&email, "Bestätigen Sie Ihre E-Mail-Adresse").await;
}
