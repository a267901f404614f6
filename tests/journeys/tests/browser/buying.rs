//! A guest buys on a phone, in a browser that runs no JavaScript; and what a script adds to it.

use journeys::{Browser, euros, new_email};

use crate::any_shop::AnyShop;

/// Fills in contact and address of the checkout page, for the shop's home country.
pub(crate) async fn fill_checkout(browser: &Browser, email: &str) {
    browser.fill("#email", email).await;
    fill_address(browser).await;
}

/// Fills in the address of the checkout page.
pub(crate) async fn fill_address(browser: &Browser) {
    for (field, text) in [
        ("#shipping-name", "Ana Silva"),
        ("#shipping-line1", "Hauptstraße 1"),
        ("#shipping-postal_code", "10115"),
        ("#shipping-city", "Berlin"),
    ] {
        browser.fill(field, text).await;
    }
}

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn a_guest_buys_on_a_phone_without_javascript() {
    let shop = AnyShop::start().await;
    let tea = shop.new_product("green tea", &euros(499), 10).await;
    let browser = Browser::start_without_scripts(&shop).await;
    browser.emulate_phone(360).await;
    browser.open("/en/search?q=green").await;
    browser.follow(".card-link").await;
    assert_eq!(browser.text("h1").await, tea.name);
    browser.fill("#quantity", "2").await;
    browser.follow(".add-to-cart button").await;
    assert!(browser.text(".cart-line").await.contains("€9.98"), "the page shows two pieces");
    browser.follow(".cart-summary a.button").await;

    // A forgotten address: the page comes back with the e-mail address and one message per field.
    let email = new_email("guest");
    browser.fill("#email", &email).await;
    browser.follow("#order").await;
    assert!(browser.text("#shipping-city-error").await.contains("city"));
    fill_checkout(&browser, &email).await;
    browser.follow("#order").await;
    assert!(browser.text("main").await.contains("Thank you for your order"), "{}", browser.text("main").await);
    let order = browser.address().await;
    assert!(order.contains("/en/order/") && order.contains("key="), "{order}");
    assert_eq!(shop.admin().await.stock(&tea).await.sold, 2);

    // The guest cancels on the same page.
    browser.click(".cancel summary").await;
    browser.follow(".cancel form button").await;
    assert!(browser.text("main").await.contains("Cancelled and refunded"));
    assert_eq!(shop.admin().await.stock(&tea).await.sold, 0);
}

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn another_way_of_shipping_changes_the_total_at_once() {
    let shop = AnyShop::start().await;
    let tea = shop.new_product("green tea", &euros(499), 10).await;
    let browser = Browser::start(&shop).await;
    browser.open(&format!("/en/p/{}", tea.id)).await;
    browser.follow(".add-to-cart button").await;
    browser.follow(".cart-summary a.button").await;
    browser.wait_for_text(".checkout-review .sum-total", "€9.89").await;
    // The guest does not press "Update".
    browser.click("[name=shipping_method][value=express]").await;
    browser.wait_for_text(".checkout-review .sum-total", "€17.89").await;
    fill_checkout(&browser, &new_email("guest")).await;
    browser.follow("#order").await;
    let page = browser.text("main").await;
    assert!(page.contains("Thank you for your order") && page.contains("€17.89"), "{page}");
    assert_eq!(browser.console_messages().await, Vec::<serde_json::Value>::new());
}
