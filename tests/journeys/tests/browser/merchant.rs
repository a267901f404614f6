//! A merchant sends an order in two parcels and refunds one line; the customer sees both.

use journeys::{Browser, euros};

use crate::any_shop::AnyShop;

async fn sign_in(browser: &Browser, email: &str, password: &str) {
    browser.open("/en/account/sign-in").await;
    browser.fill("#email", email).await;
    browser.fill("#password", password).await;
    browser.follow("main form button").await;
    assert_eq!(browser.text("h1").await, "Your account");
}

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn a_merchant_ships_two_parcels_and_refunds_one_line() {
    let shop = AnyShop::start().await;
    let admin = shop.admin().await;
    let [tea, cup] = admin.new_products([("tea", 499, 10), ("cup", 1_299, 10)]).await;
    let ana = shop.customer_with_cart(&tea, 3).await;
    ana.add_to_cart(&cup, 1).await.expect_status(200);
    let order = ana.place_order("key").await.expect_status(201);
    let number = order["number"].as_str().unwrap();

    let browser = Browser::start(&shop).await;
    let (email, password) = shop.admin_account().await;
    sign_in(&browser, email, password).await;
    browser.follow(".order-head a.button").await;
    assert!(browser.text("main").await.contains(number), "the overview has the order");
    browser.follow("a[href$='/admin/orders']").await;
    browser.follow(&format!("a[href*='{}']", order.id())).await;

    // Two packets and the cup first, the third packet later.
    browser.fill(&format!("[name='ship-{}']", tea.id), "2").await;
    browser.fill("[name=carrier]", "DHL").await;
    browser.fill("[name=tracking]", "00340434161094042557").await;
    browser.follow("form[action$='/ship'] .button.large").await;
    assert!(browser.text(".notice").await.contains("The parcel is recorded."));
    assert_eq!(browser.text(".order-status").await, "Partly sent");
    browser.follow("form[action$='/ship'] .button.large").await;
    assert_eq!(browser.text(".order-status").await, "Sent");

    browser.click("details:has(form[action$='/refund']) > summary").await;
    browser.fill(&format!("[name='refund-{}']", cup.id), "1").await;
    browser.fill("form[action$='/refund'] [name=reason]", "Chipped").await;
    browser.follow("form[action$='/refund'] button").await;
    let page = browser.text("main").await;
    assert!(page.contains("Refunded: Chipped"), "{page}");

    browser.follow("form[action$='/sign-out'] button").await;
    sign_in(&browser, &ana.email, &ana.password).await;
    browser.follow(".order-row-link").await;
    assert!(browser.text("h1").await.contains(number));
    let parcels = browser.text("[aria-labelledby=parcels]").await;
    for part in [&format!("2 × {}", tea.name), &format!("1 × {}", cup.name), "DHL", "00340434161094042557"] {
        assert!(parcels.contains(part), "{part} is missing: {parcels}");
    }
    assert_eq!(parcels.matches(&tea.name).count(), 2, "in two parcels: {parcels}");
    let refunds = browser.text("[aria-labelledby=refunds]").await;
    assert!(refunds.contains("€12.99"), "{refunds}");
    let seen = ana.get_order(order.id()).await.expect_status(200);
    assert_eq!((seen["shipments"].as_array().unwrap().len(), &seen["refunded"]), (2, &euros(1_299)));
}
