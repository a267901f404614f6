//! The storefront in a browser.

use journeys::{Browser, Method, Product, TestShop, euros, new_email, order_with, wait_for};
use serde_json::{Value, json};

const NAMES: &str = "return [...document.querySelectorAll('.card-name')].map(name => name.textContent)";
const BROKEN_IMAGES: &str = "return Promise.all([...document.images].map(image => { image.loading = 'eager'; \
     return image.decode().then(() => null, () => image.src); })).then(found => found.filter(Boolean))";
const LINKS: &str = "return [...document.links].filter(link => link.origin === location.origin)\
     .map(link => link.pathname + link.search)";

const QUANTITY: &str = "return document.querySelector('.line-form input[type=number]').getAttribute('value')";

/// Pages that need an account, or a cart.
const ELSEWHERE: [&str; 3] = ["/account", "/checkout", "/wishlist"];

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn the_home_page_shows_products_with_images_and_working_links() {
    let shop = TestShop::start_with(&[]).await;
    let browser = Browser::start(&shop).await;
    browser.open("/en").await;
    assert_eq!(browser.evaluate("return document.title").await, "Souk");
    let names = browser.evaluate(NAMES).await;
    let newest = shop.client().list_products(&[("sort", "newest"), ("limit", "12")]).await.expect_status(200);
    let newest: Vec<&Value> = newest["items"].as_array().unwrap().iter().map(|product| &product["name"]).collect();
    assert_eq!(names, json!(newest));
    assert_eq!(browser.evaluate("return document.images.length").await, 12);
    assert_eq!(browser.evaluate(BROKEN_IMAGES).await, json!([]));
    for link in browser.evaluate(LINKS).await.as_array().unwrap() {
        let link = link.as_str().unwrap();
        if !ELSEWHERE.iter().any(|path| link.contains(path)) {
            let response = shop.client().get(link).await;
            assert!([200, 301].contains(&response.status), "{link}: {response}");
        }
    }
    browser.follow(".card-link").await;
    assert_eq!(browser.evaluate("return document.querySelector('h1').textContent").await, names[0]);
    assert_eq!(browser.console_messages().await, Vec::<Value>::new(), "the policy blocks nothing that pages need");
}

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn pages_fit_a_phone_screen() {
    let shop = TestShop::start_with(&[]).await;
    let products = shop.client().list_products(&[("limit", "1")]).await.expect_status(200);
    let product = Product::from_json(&products.items()[0]);
    // An order with a long e-mail address.
    let guest = shop.client().create_guest_cart().await;
    guest.add_to_cart(&product, 1).await.expect_status(200);
    let order = guest.request(Method::POST, "/shopping/order").header("Idempotency-Key", "key");
    let order = order.json(order_with(&new_email("guest"), json!({}))).await.expect_status(201);
    let order = order["link"].as_str().unwrap().replace("/shopping/", "/de/");
    let product = format!("/de/p/{}", product.id);
    let browser = Browser::start(&shop).await;
    browser.emulate_phone(360).await;
    for path in [
        "/de",
        "/de/search",
        "/de/search?q=xyzzy",
        "/de/c/tea",
        &product,
        "/de/cart",
        &order,
        "/de/legal/imprint",
        "/de/no",
    ] {
        browser.open(path).await;
        assert_eq!(browser.evaluate("return innerWidth").await, 360);
        let width = browser.evaluate("return document.documentElement.scrollWidth").await;
        assert_eq!(width, 360, "{path} scrolls sideways");
    }
}

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn a_changed_quantity_is_sent_at_once() {
    let shop = TestShop::start().await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let browser = Browser::start(&shop).await;
    browser.open(&format!("/en/p/{}", tea.id)).await;
    browser.follow(".add-to-cart button").await;
    browser
        .evaluate(
            "const field = document.querySelector('.line-form input[type=number]'); field.value = 3; \
             field.dispatchEvent(new Event('change'))",
        )
        .await;
    wait_for("the new quantity from the shop", async || {
        let value = browser.evaluate(QUANTITY).await;
        if value == "3" { Ok(()) } else { Err(value) }
    })
    .await;
    assert_eq!(browser.console_messages().await, Vec::<Value>::new());
}

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn a_product_name_is_escaped() {
    let shop = TestShop::start().await;
    let name = "<img src=x onerror=\"document.title='stolen'\"> & <b>tea</b>";
    let product = shop.new_product(name, &euros(499), 3).await;
    let browser = Browser::start(&shop).await;
    browser.open("/en").await;
    assert_eq!(browser.evaluate(NAMES).await, json!([product.name]));
    assert_eq!(browser.evaluate("return document.title").await, "Souk");
    browser.follow(".card-link").await;
    assert_eq!(browser.evaluate("return document.querySelector('h1').textContent").await, product.name);
    assert_eq!(browser.console_messages().await, Vec::<Value>::new());
}
