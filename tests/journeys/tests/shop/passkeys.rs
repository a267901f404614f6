//! Passkeys, through the API and on the pages. The device is software: an ES256 key that answers
//! as a browser does.

use authenticator::Authenticator;
use journeys::{Customer, Method, Shop};
use serde_json::{Value, json};

/// Returns a customer with a passkey, and its device.
async fn customer_with_passkey(shop: &Shop) -> (Customer, Authenticator) {
    let (ana, mut phone) = (shop.new_verified_customer().await, shop.authenticator());
    ana.add_passkey("Phone", &mut phone).await.expect_status(201);
    (ana, phone)
}

#[tokio::test]
async fn a_customer_adds_a_passkey_signs_in_and_removes_it() {
    let shop = Shop::shared().await;
    let (client, ana) = (shop.client(), shop.new_verified_customer().await);
    let begin = |body: Value| ana.request(Method::POST, "/customer/passkeys/options").json(body);
    begin(json!({"current": "wrong"})).await.expect_bad_fields(&["current"]);
    begin(json!({})).await.expect_bad_fields(&["current"]);
    let mut phone = shop.authenticator();
    let added = ana.add_passkey("Phone", &mut phone).await.expect_status(201);
    assert_eq!((&added["name"], &added["last_used_at"]), (&json!("Phone"), &Value::Null));
    shop.wait_for_mail(&ana.email, "passkey was added").await;
    ana.get_profile().await.expect_status(200);

    let signed_in = client.sign_in_by_passkey(&mut phone).await.expect_status(200);
    let ana = Customer::from_sign_in(&client, &ana.email, &ana.password, &signed_in);
    let listed = ana.get("/customer/passkeys").await.expect_status(200);
    assert_eq!(listed.items().len(), 1);
    assert!(listed.items()[0]["last_used_at"].is_string() && listed.items()[0]["id"] == added["id"], "{listed}");
    let export = ana.export_data().await.expect_status(200);
    assert_eq!(export["customer"]["passkeys"], listed["items"]);
    assert_eq!(ana.get("/customer/sessions").await.expect_status(200).items().len(), 2);
    client.refresh_session(&ana.refresh_token).await.expect_status(200);

    let path = format!("/customer/passkeys/{}", added.id());
    let remove = |current: &str| ana.request(Method::DELETE, &path).json(json!({"current": current}));
    remove("wrong").await.expect_bad_fields(&["current"]);
    remove(&ana.password).retry_while_busy().await.expect_status(204);
    shop.wait_for_mail(&ana.email, "passkey was removed").await;
    ana.get_profile().await.expect_unauthenticated();
    client.sign_in_by_passkey(&mut phone).await.expect_unauthenticated();
}

#[tokio::test]
async fn every_wrong_answer_of_a_device_is_refused_alike() {
    let shop = Shop::shared().await;
    let client = shop.client();
    let (ana, mut phone) = customer_with_passkey(&shop).await;
    let (_, mut eve) = customer_with_passkey(&shop).await;
    let mut refused = Vec::new();
    // The same answer again.
    let options = client.request(Method::POST, "/customer/login/passkey/options").await.expect_status(200);
    let answer = phone.get(&options["options"]);
    client.answer_by_passkey(answer.clone()).await.expect_status(200);
    refused.push(client.answer_by_passkey(answer).await);
    // A page of another site.
    let own = std::mem::replace(&mut phone.origin, "https://evil.example".to_owned());
    refused.push(client.sign_in_by_passkey(&mut phone).await);
    phone.origin = own;
    // A copy of the device, which has counted less.
    let counter = std::mem::replace(&mut phone.counter, 1);
    refused.push(client.sign_in_by_passkey(&mut phone).await);
    phone.counter = counter;
    // The challenge of a registration.
    let begin = ana.request(Method::POST, "/customer/passkeys/options").json(json!({"current": ana.password}));
    let options = begin.retry_while_busy().await.expect_status(200);
    refused.push(client.answer_by_passkey(phone.get(&options["options"])).await);
    // The device of another account, which names Ana's.
    let own = std::mem::replace(&mut eve.user_handle, phone.user_handle.clone());
    refused.push(client.sign_in_by_passkey(&mut eve).await);
    // An account that does not exist.
    eve.user_handle = vec![7; 16];
    refused.push(client.sign_in_by_passkey(&mut eve).await);
    eve.user_handle = own;
    // A passkey that the account does not have.
    eve.credential_id = vec![7; 16];
    refused.push(client.sign_in_by_passkey(&mut eve).await);
    for answer in &refused {
        assert_eq!((answer.status, &answer["detail"]), (401, &refused[0]["detail"]), "{answer}");
    }
    client.sign_in_by_passkey(&mut phone).await.expect_status(200);
}

#[tokio::test]
async fn malformed_answers_of_a_device_are_named() {
    let shop = Shop::shared().await;
    let (client, ana) = (shop.client(), shop.new_verified_customer().await);
    for credential in [json!(null), json!("x"), json!({}), json!({"id": "x", "response": {}})] {
        client.answer_by_passkey(credential.clone()).await.expect_bad_fields(&["credential"]);
        let body = json!({"name": "", "credential": credential});
        let add = ana.request(Method::POST, "/customer/passkeys").json(body);
        add.await.expect_bad_fields(&["credential", "name"]);
    }
    let mut phone = shop.authenticator();
    let options = json!({"rp": {"id": "localhost"}, "user": {"id": "AAAA"}, "challenge": "AAAAAAAAAAAAAAAAAAAAAA"});
    let body = json!({"name": "Phone", "credential": phone.create(&options)});
    let add = ana.request(Method::POST, "/customer/passkeys").json(body);
    add.await.expect_problem(409, "passkey-not-begun");
}

#[tokio::test]
async fn nobody_keeps_an_address_from_its_owner_by_a_passkey() {
    let shop = Shop::shared().await;
    let stranger = shop.new_customer().await;
    let body = json!({"current": stranger.password});
    let begin = stranger.request(Method::POST, "/customer/passkeys/options").json(body);
    begin.retry_while_busy().await.expect_problem(409, "email-not-verified");
}

#[tokio::test]
async fn a_customer_manages_passkeys_on_the_pages() {
    let shop = Shop::shared().await;
    let (visitor, ana) = (shop.visitor(), shop.new_verified_customer().await);
    let page = visitor.open("/en/account/sign-in").await.expect_status(200).expect_text("Sign in with a passkey");
    // The script shows the button to browsers that have passkeys, and sends the answer of the
    // device.
    assert!(page.html().contains("data-passkeys hidden"), "{page}");
    visitor.sign_in(&ana.email, &ana.password).await;
    visitor.open("/en/account").await.expect_status(200).expect_text("Passkeys");
    let page = visitor.open("/en/account/passkeys/new").await.expect_status(200);
    let begin = page.form("/passkeys/new").set("current", "wrong");
    visitor.send_form(&begin).await.expect_status(422).expect_text("current password");
    let begin = page.form("/passkeys/new").set("current", &ana.password);
    let page = visitor.send_form(&begin).await.expect_status(200).expect_text("Create passkey");
    let mut phone = shop.authenticator();
    let answer = phone.create(&options_of(page.html())).to_string();
    let unnamed = page.form("/account/passkeys").set("name", "").set("credential", &answer);
    let page = visitor.send_form(&unnamed).await.expect_status(422).expect_text("Create passkey");
    let named = page.form("/account/passkeys").set("name", "My phone");
    visitor.send_form(&named).await.expect_status(200).expect_text("My phone").expect_text("is added");
    // Once more: the options are used up.
    visitor.send_form(&named).await.expect_status(409).expect_text("start again");

    let visitor = shop.visitor();
    let page = visitor.open("/en/account/sign-in").await.expect_status(200);
    let page = visitor.send_form(&page.form("/sign-in/passkey")).await.expect_status(200);
    let answer = phone.get(&options_of(page.html())).to_string();
    let form = page.form("/sign-in/passkey/answer").set("credential", &answer);
    visitor.send_form(&form).await.expect_status(200).expect_text("Your account");
    let page = visitor.open("/de/account/passkeys").await.expect_status(200).expect_text("Zuletzt genutzt");
    let path = page.links().into_iter().find(|link| link.ends_with("/remove")).unwrap();
    let page = visitor.open(&path).await.expect_status(200).expect_text("My phone");
    let remove = page.form("/remove").set("current", &ana.password);
    visitor.send_form(&remove).await.expect_status(200).expect_text("Der Passkey ist entfernt");

    let visitor = shop.visitor();
    let page = visitor.open("/en/account/sign-in").await.expect_status(200);
    let page = visitor.send_form(&page.form("/sign-in/passkey")).await.expect_status(200);
    let answer = phone.get(&options_of(page.html())).to_string();
    let form = page.form("/sign-in/passkey/answer").set("credential", &answer);
    visitor.send_form(&form).await.expect_status(401).expect_text("The passkey was refused");
}

/// Returns the options for the browser, which the form has as an attribute.
fn options_of(html: &str) -> Value {
    let (_, rest) = html.split_once("data-options=\"").unwrap();
    let text = rest.split_once('"').unwrap().0;
    let text = text.replace("&#34;", "\"").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn admins_see_who_of_the_staff_has_a_passkey() {
    let shop = Shop::shared().await;
    let (ana, _phone) = customer_with_passkey(&shop).await;
    let role = json!({"email": ana.email, "role": "support"});
    let given = shop.admin().await.request(Method::POST, "/customer/staff").json(role).await.expect_status(200);
    assert_eq!((&given["passkeys"], &given["totp_active"]), (&json!(1), &json!(false)));
    let page = shop.admin_visitor().await.open("/en/admin/staff").await.expect_status(200);
    page.expect_text(&ana.email).expect_text("Password; 1 passkey");
}
