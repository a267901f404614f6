//! A customer adds a passkey and signs in with it, in a browser with a virtual authenticator.

use journeys::{Browser, TestShop};
use serde_json::Value;

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn a_customer_signs_in_with_a_passkey() {
    let shop = TestShop::start().await;
    let ana = shop.new_verified_customer().await;
    let browser = Browser::start_at_localhost(&shop).await;
    browser.add_authenticator().await;
    browser.open("/en/account/sign-in?next=/en/account/passkeys").await;
    browser.fill("#email", &ana.email).await;
    browser.fill("#password", &ana.password).await;
    browser.follow("main form button").await;
    browser.follow("[data-passkeys] a").await;
    browser.fill("#current", &ana.password).await;
    browser.follow("main form button").await;
    let suggested = browser.evaluate("return document.querySelector('#name').value").await;
    assert!(suggested.as_str().unwrap().starts_with("Chrome"), "{suggested}");
    browser.follow("main form button").await;
    browser.wait_for_text("main", "The passkey is added").await;

    // The device does not make a second one of the same account.
    browser.open("/en/account/passkeys/new").await;
    browser.fill("#current", &ana.password).await;
    browser.follow("main form button").await;
    browser.click("main form button").await;
    browser.wait_for_text("main", "has a passkey of your account already").await;

    browser.open("/en/account").await;
    browser.follow("form[action$='/sign-out'] button").await;
    browser.open("/en/account/sign-in?next=/en/account/passkeys").await;
    browser.click("[data-passkeys] button").await;
    browser.wait_for_text("h1", "Passkeys").await;
    browser.wait_for_text("main", "Last used on").await;
    browser.follow("main li a").await;
    browser.fill("#current", &ana.password).await;
    browser.follow("main form button").await;
    browser.wait_for_text("main", "The passkey is removed").await;
    browser.click("[data-passkeys] button").await;
    browser.wait_for_text("main", "The passkey was refused").await;
    let messages = browser.console_messages().await;
    let is_error = |message: &&Value| message["level"] == "SEVERE" && !message.to_string().contains("401");
    let errors: Vec<_> = messages.iter().filter(is_error).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn without_scripts_the_sign_in_page_has_the_password_only() {
    let shop = TestShop::start().await;
    let browser = Browser::start_without_scripts(&shop).await;
    browser.open("/en/account/sign-in").await;
    let page = browser.text("main").await;
    assert!(page.contains("Password") && !page.contains("passkey"), "{page}");
}
