//! axe-core looks for barriers (WCAG 2.2 A and AA) on every page, in light and dark colours.

use fleet::Axe;
use journeys::{Browser, PASSWORD, TestShop, euros, new_email};
use serde_json::{Value, json};

use super::buying::fill_checkout;

const RUN: &str = "return axe.run(document, {resultTypes: ['violations'], runOnly: \
     ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(found => found.violations\
     .map(rule => rule.id + ': ' + rule.nodes.map(node => node.html + ' ' + node.failureSummary).join(' | ')))";

/// What is wider than the screen, besides what scrolls by itself.
const WIDE: &str = "return [...document.querySelectorAll('main *, footer *, .header-row *')].filter(element => \
     element.getBoundingClientRect().right > 360 && !element.closest('.table-scroll'))\
     .map(element => element.outerHTML.slice(0, 150))";

/// Pages that everyone may open.
const PUBLIC: [&str; 13] = [
    "/en",
    "/de/categories",
    "/en/c/tea",
    "/de/search",
    "/en/search?q=xyzzy",
    "/en/cart",
    "/en/account/sign-in",
    "/de/account/sign-up",
    "/en/account/forgot-password",
    "/en/legal/terms",
    "/de/legal/imprint",
    "/en/legal/returns",
    "/en/nothing",
];

/// Pages of an account.
const PERSONAL: [&str; 11] = [
    "/en/account",
    "/de/account/orders",
    "/en/account/addresses",
    "/de/account/addresses/new",
    "/en/account/email",
    "/de/account/password",
    "/en/account/sessions",
    "/en/account/passkeys",
    "/de/account/passkeys/new",
    "/en/account/delete",
    "/en/wishlist",
];

/// Pages of admins, besides those of one order and one product.
const STAFF: [&str; 21] = [
    "/en/admin",
    "/de/admin/orders",
    "/en/admin/orders?country=none",
    "/en/admin/products",
    "/de/admin/products/new",
    "/en/admin/products/import",
    "/en/admin/discounts/new",
    "/en/admin/settings",
    "/de/admin/taxes",
    "/de/admin/taxes/rates/0",
    "/en/admin/taxes/json",
    "/en/admin/shipping",
    "/en/admin/shipping/zones/new",
    "/de/admin/shipping/zones/1/methods/0",
    "/en/admin/shipping/zones/0/methods/new",
    "/en/admin/products?stock=low",
    "/en/admin/system",
    "/en/admin/staff",
    "/en/admin/system/documents?service=customer&collection=accounts",
    "/de/admin/mails",
    "/en/admin/dead-letters",
];

struct Examiner {
    browser: Browser,
    axe: String,
    found: Vec<String>,
}

impl Examiner {
    async fn start(shop: &TestShop) -> Self {
        Self { browser: Browser::start(shop).await, axe: Axe::script().unwrap(), found: Vec::new() }
    }

    async fn examine(&mut self, path: &str) {
        self.browser.open(path).await;
        self.examine_open_page().await;
    }

    async fn examine_open_page(&mut self) {
        let address = self.browser.address().await;
        self.browser.evaluate(&self.axe).await;
        for dark in [false, true] {
            self.browser.emulate_dark(dark).await;
            let found = self.browser.evaluate(RUN).await;
            let colours = if dark { "dark" } else { "light" };
            let found = found.as_array().unwrap().iter().filter_map(Value::as_str);
            self.found.extend(found.map(|what| format!("{address} ({colours}): {what}")));
        }
    }

    fn expect_nothing(self) {
        assert!(self.found.is_empty(), "{}", self.found.join("\n"));
    }
}

#[tokio::test]
#[ignore = "needs a browser and axe-core: cargo xtask test"]
async fn a_visitor_meets_no_barrier() {
    let shop = TestShop::start_with(&[]).await;
    let products = shop.client().list_products(&[("q", "tea")]).await.expect_status(200);
    let on_sale = products.items().iter().find(|product| product["available"].as_u64() > Some(1)).unwrap();
    let product = format!("/en/p/{}", on_sale["id"].as_str().unwrap());
    let mut examiner = Examiner::start(&shop).await;
    for path in PUBLIC.into_iter().chain([product.as_str()]) {
        examiner.examine(path).await;
    }
    // The cart, the checkout with errors, and the order of a guest, on a phone.
    examiner.browser.emulate_phone(360).await;
    examiner.browser.open(&product).await;
    examiner.browser.follow(".add-to-cart button").await;
    examiner.examine_open_page().await;
    examiner.examine("/en/checkout").await;
    examiner.browser.follow("#order").await;
    examiner.examine_open_page().await;
    fill_checkout(&examiner.browser, &new_email("guest")).await;
    examiner.browser.follow("#order").await;
    assert!(examiner.browser.text("main").await.contains("Thank you for your order"));
    examiner.examine_open_page().await;
    examiner.expect_nothing();
}

#[tokio::test]
#[ignore = "needs a browser and axe-core: cargo xtask test"]
async fn a_customer_meets_no_barrier() {
    let shop = TestShop::start().await;
    shop.new_product("tea", &euros(499), 10).await;
    let mut examiner = Examiner::start(&shop).await;
    examiner.browser.open("/en/account/sign-up").await;
    examiner.browser.fill("#email", &new_email("customer")).await;
    examiner.browser.fill("#password", PASSWORD).await;
    examiner.browser.follow("main form button").await;
    for path in PERSONAL {
        examiner.examine(path).await;
    }
    examiner.expect_nothing();
}

#[tokio::test]
#[ignore = "needs a browser and axe-core: cargo xtask test"]
async fn an_admin_meets_no_barrier() {
    let shop = TestShop::start().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let order = shop.customer_with_cart(&tea, 3).await.place_order("key").await.expect_status(201);
    // A parcel and a note have the e-mail address of the admin.
    let admin = shop.admin().await;
    let parcel = json!({"lines": [{"product_id": tea.id, "quantity": 1}], "carrier": "DHL", "tracking": "00 34"});
    admin.ship_parcel(order.id(), parcel).await.expect_status(201);
    admin.add_note(order.id(), "Called the customer.").await.expect_status(201);
    let (email, password) = shop.admin_account().await;
    let mut examiner = Examiner::start(&shop).await;
    examiner.browser.open("/en/account/sign-in").await;
    examiner.browser.fill("#email", email).await;
    examiner.browser.fill("#password", password).await;
    examiner.browser.follow("main form button").await;
    let order = format!("/en/admin/orders/{}", order.id());
    let of_one = [format!("/en/admin/products/{}", tea.id), format!("{order}/slip"), format!("{order}/print"), order];
    for phone in [false, true] {
        if phone {
            examiner.browser.emulate_phone(360).await;
        }
        for path in STAFF.into_iter().chain(of_one.iter().map(String::as_str)) {
            examiner.examine(path).await;
            let width = examiner.browser.evaluate("return document.documentElement.scrollWidth").await;
            if phone && width != 360 {
                let wide = examiner.browser.evaluate(WIDE).await;
                examiner.found.push(format!("{path} scrolls sideways: {wide:#}"));
            }
        }
    }
    examiner.expect_nothing();
}
