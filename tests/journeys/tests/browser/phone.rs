//! The lists of the admin pages on a phone.

use journeys::{Browser, TestShop, euros};

/// Pages with lists.
const LISTS: [&str; 9] = [
    "/en/admin",
    "/de/admin/orders",
    "/en/admin/products",
    "/de/admin/mails",
    "/en/admin/discounts",
    "/de/admin/staff",
    "/de/admin/system",
    "/de/admin/taxes",
    "/en/admin/shipping",
];

/// The number of lists that scroll sideways.
const SCROLLING: &str = "return [...document.querySelectorAll('.table-scroll:has(.row-cards)')]\
     .filter(list => list.scrollWidth > list.clientWidth).length";

/// Whether the fields of the filters are visible.
const FILTERS: &str = "return document.querySelector('#status').checkVisibility({contentVisibilityAuto: true})";

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn an_admin_reads_the_lists_on_a_phone() {
    let shop = TestShop::start().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let order = shop.customer_with_cart(&tea, 3).await.place_order("key").await.expect_status(201);
    let (email, password) = shop.admin_account().await;
    let browser = Browser::start(&shop).await;
    browser.open("/en/account/sign-in").await;
    browser.fill("#email", email).await;
    browser.fill("#password", password).await;
    browser.follow("main form button").await;
    browser.emulate_phone(360).await;
    for path in LISTS {
        browser.open(path).await;
        assert_eq!(browser.evaluate(SCROLLING).await, 0, "a list of {path} scrolls sideways");
    }

    browser.open("/en/admin/orders?status=confirmed").await;
    assert_eq!(browser.text(".fold > summary").await, "Filter: Confirmed");
    assert_eq!(browser.evaluate(FILTERS).await, false, "the filters are folded");
    let top = "return document.querySelector('.row-cards tbody tr').getBoundingClientRect().top";
    assert!(browser.evaluate(top).await.as_f64().unwrap() < 740.0, "the first screen has an order");
    browser.click(".fold > summary").await;
    assert_eq!(browser.evaluate(FILTERS).await, true);
    browser.follow(&format!(".row-cards a[href*='{}']", order.id())).await;
    assert_eq!(browser.evaluate(SCROLLING).await, 0, "the items of an order scroll sideways");
    let menu = "const menu = document.querySelector('.categories ul'); return menu.scrollWidth > menu.clientWidth";
    assert_eq!(browser.evaluate(menu).await, false, "the menu scrolls sideways");
    browser.emulate_screen(1600, 1000).await;
    browser.open("/en/admin/orders").await;
    assert_eq!(browser.evaluate(FILTERS).await, true, "a wide screen has room for the filters");
}
