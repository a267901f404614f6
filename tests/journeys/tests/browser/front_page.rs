//! The front page of a one-process shop.

use journeys::{Browser, TestShop, euros};
use serde_json::{Value, json};

const NAMES: &str = "return [...document.querySelectorAll('.products li a span')].map(name => name.textContent)";
const BROKEN_IMAGES: &str =
    "return [...document.images].filter(image => !image.complete || !image.naturalWidth).map(image => image.src)";
const LINKS: &str = "return [...document.links].map(link => link.pathname + link.search)";

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn it_shows_products_with_images_and_working_links() {
    let shop = TestShop::start_with(&[]).await;
    let browser = Browser::start(&shop).await;
    browser.open("/").await;
    assert_eq!(browser.evaluate("return document.title").await, "Souk is open");
    let names = browser.evaluate(NAMES).await;
    let newest = shop.client().list_products(&[("sort", "newest"), ("limit", "8")]).await.expect_status(200);
    let newest: Vec<&Value> = newest["items"].as_array().unwrap().iter().map(|product| &product["name"]).collect();
    assert_eq!(names, json!(newest));
    assert_eq!(browser.evaluate("return document.images.length").await, 8);
    assert_eq!(browser.evaluate(BROKEN_IMAGES).await, json!([]));
    let links = browser.evaluate(LINKS).await;
    assert!(links.as_array().unwrap().len() > 12, "{links}");
    for link in links.as_array().unwrap() {
        shop.client().get(link.as_str().unwrap()).await.expect_status(200);
    }
    assert_eq!(browser.console_messages().await, Vec::<Value>::new());

    browser.click(".products li a").await;
    let product: Value =
        serde_json::from_str(browser.evaluate("return document.body.innerText").await.as_str().unwrap()).unwrap();
    assert_eq!(product["name"], names[0]);
}

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn it_fits_a_phone_screen() {
    let shop = TestShop::start_with(&[]).await;
    let browser = Browser::start(&shop).await;
    browser.emulate_phone(360).await;
    browser.open("/").await;
    assert_eq!(browser.evaluate("return innerWidth").await, 360);
    assert_eq!(browser.evaluate("return document.documentElement.scrollWidth").await, 360, "the page scrolls sideways");
}

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn a_product_name_is_escaped() {
    let shop = TestShop::start().await;
    let name = "<img src=x onerror=\"document.title='stolen'\"> & <b>tea</b>";
    let product = shop.new_product(name, &euros(499), 3).await;
    let browser = Browser::start(&shop).await;
    browser.open("/").await;
    assert_eq!(browser.evaluate(NAMES).await, json!([product.name]));
    assert_eq!(browser.evaluate("return document.title").await, "Souk is open");
    assert_eq!(browser.console_messages().await, Vec::<Value>::new());
}
