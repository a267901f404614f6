//! A customer signs up, pays by a card that needs the bank's page, at the second attempt, and
//! cancels.
//!
//! Tested: the shop's page of the payment with its script, the way to a bank of another site and
//! back with a `POST` and a redirect, the page of the order before and after Stripe's webhook, the
//! refund. Not tested: Stripe's library and its Payment Element, which come from Stripe's host. A
//! stand-in of the library takes its place before the page's scripts run; it checks what the page
//! hands over. `process/stripe.rs` tests the content security policy of this page.

use std::time::SystemTime;

use journeys::stripe::FakeStripe;
use journeys::{Browser, Method, PASSWORD, Stock, euros, new_email, wait_for};

use crate::any_shop::AnyShop;
use crate::buying::fill_address;

const PUBLISHABLE_KEY: &str = "pk_test_TYooMQauvdEDq54NiTphI7jx";

/// The part of Stripe's library that the page uses. Its bank is at `BANK`.
const LIBRARY: &str = "window.Stripe = (key, options) => {
    if (key !== 'KEY' || options.locale !== 'en') throw new Error('a wrong key or language');
    return {
        elements: ({ clientSecret, appearance }) => ({
            create: (kind) => ({
                mount: (selector) => {
                    document.querySelector(selector).textContent = `${kind} element, ${appearance.theme}`;
                },
            }),
            intent: clientSecret.split('_secret_')[0],
        }),
        confirmPayment: ({ elements, confirmParams }) => {
            location.href = `BANK/bank/${elements.intent}?return_url=${encodeURIComponent(confirmParams.return_url)}`;
            return new Promise(() => {});
        },
    };
};";

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn a_customer_pays_at_the_page_of_a_bank_and_cancels() {
    let stripe = FakeStripe::start().await;
    let settings = [("STRIPE_PUBLISHABLE_KEY", PUBLISHABLE_KEY), ("PAYMENT_METHODS", "stripe")];
    let shop = AnyShop::start_in(&[&stripe.environment()[..], &settings].concat()).await;
    let admin = shop.admin().await;
    let tea = admin.new_product("green tea", &euros(499), 10).await;
    let browser = Browser::start(&shop).await;
    // Another site for the browser, as a bank is: cookies with `SameSite` notice the difference.
    let bank = stripe.url.replace("127.0.0.1", "localhost");
    browser.run_before_pages(&LIBRARY.replace("KEY", PUBLISHABLE_KEY).replace("BANK", &bank)).await;

    browser.open("/en/account/sign-up").await;
    let email = new_email("customer");
    browser.fill("#email", &email).await;
    browser.fill("#password", PASSWORD).await;
    browser.follow("main form button").await;
    assert_eq!(browser.text("h1").await, "Your account");

    browser.open(&format!("/en/p/{}", tea.id)).await;
    browser.fill("#quantity", "2").await;
    browser.follow(".add-to-cart button").await;
    browser.follow(".cart-summary a.button").await;
    assert!(browser.text("#step-contact + p").await.contains(&email));
    fill_address(&browser).await;
    browser.follow("#order").await;

    // The order is reserved, and the page of the payment shows Stripe's form.
    assert_eq!(browser.text("#payment-element").await, "payment element, stripe");
    let address = browser.address().await;
    let (_, id) = address.split_once("/en/order/").unwrap();
    let (id, _) = id.split_once("/pay").unwrap();
    assert_eq!(admin.stock(&tea).await, Stock { available: 8, reserved: 2, sold: 0 });
    let (number, intent) = stripe.intent(id);
    browser.follow("#pay button").await;
    browser.wait_for_text("h1", &format!("Pay {}?", intent.amount)).await;
    browser.follow("#refuse").await;
    browser.wait_for_text(".lead", "Please pay").await;
    let page = browser.text("main").await;
    assert!(page.contains("The payment did not succeed") && !page.contains("Thank you"), "{page}");

    // A background job of the shop would notice the payment before the page is looked at.
    stripe.fail_lookups(true);
    browser.follow(".order-actions a.button").await;
    browser.follow("#pay button").await;
    browser.follow("#confirm").await;

    // Back in the session of the customer. Stripe's webhook has not arrived yet.
    browser.wait_for_text(".lead", "We are waiting for the payment.").await;
    let address = browser.address().await;
    assert!(address.starts_with(&shop.url()) && address.contains("redirect_status=succeeded"), "{address}");
    assert!(browser.text("main").await.contains("Thank you for your order"));
    let actions = browser.text(".order-actions").await;
    assert!(!actions.contains("Pay now"), "who has paid is not asked again: {actions}");

    stripe.fail_lookups(false);
    let event = stripe.event("evt_1", "payment_intent.succeeded", id).to_string();
    let webhook = shop.client().request(Method::POST, "/shopping/payment/webhook");
    let webhook = webhook.header("Stripe-Signature", FakeStripe::sign(&event, SystemTime::now())).body(event);
    webhook.await.expect_status(204);
    // The page's script notices it.
    browser.wait_for_text(".order-status", "Confirmed").await;
    assert_eq!(stripe.intent(id).1.captures, 1);
    assert_eq!(admin.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });

    browser.click(".cancel summary").await;
    browser.follow(".cancel form button").await;
    // Nothing on the page waits for the refund.
    wait_for("the refund", async || {
        browser.open(&format!("/en/order/{id}")).await;
        let status = browser.text(".order-status").await;
        if status == "Cancelled and refunded" { Ok(()) } else { Err(status) }
    })
    .await;
    let refunds: Vec<_> = stripe.intent(id).1.refunds.iter().map(|refund| (refund.amount, refund.status)).collect();
    assert_eq!(refunds, [(intent.amount, "succeeded")], "of payment {number}");
    assert_eq!(admin.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
}
