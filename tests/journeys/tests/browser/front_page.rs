//! The page that greets whoever opens a one-process shop.

use journeys::{Browser, OwnShop, euros};
use serde_json::{Value, json};

/// Names on the shelf, as they are read.
const NAMES: &str = "return [...document.querySelectorAll('.shelf li a span')].map(name => name.textContent)";
/// Pictures that are not shown.
const BROKEN: &str =
    "return [...document.images].filter(image => !image.complete || !image.naturalWidth).map(image => image.src)";
/// Links of the page itself and what they answer.
const LINKS: &str =
    "return Promise.all([...document.links].map(async link => [link.href, (await fetch(link.href)).status]))";

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn it_shows_goods_with_pictures_and_leads_on() {
    let shop = OwnShop::open_with(&[]).await;
    let browser = Browser::in_shop(&shop).await;
    browser.opens("/").await;
    assert_eq!(browser.sees("return document.title").await, "Souk is open");
    let names = browser.sees(NAMES).await;
    let newest = shop.visitor().looks_round(&[("sort", "newest"), ("limit", "8")]).await.expect_status(200);
    let newest: Vec<&Value> = newest["items"].as_array().unwrap().iter().map(|product| &product["name"]).collect();
    assert_eq!(names, json!(newest));
    assert_eq!(browser.sees("return document.images.length").await, 8);
    assert_eq!(browser.sees(BROKEN).await, json!([]));
    let links = browser.sees(LINKS).await;
    assert!(links.as_array().unwrap().len() > 12, "{links}");
    for link in links.as_array().unwrap() {
        assert_eq!(link[1], 200, "{link}");
    }
    assert_eq!(browser.complaints().await, Vec::<Value>::new());

    browser.clicks(".shelf li a").await;
    let product: Value =
        serde_json::from_str(browser.sees("return document.body.innerText").await.as_str().unwrap()).unwrap();
    assert_eq!(product["name"], names[0]);
}

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn it_fits_a_phone() {
    let shop = OwnShop::open_with(&[]).await;
    let browser = Browser::in_shop(&shop).await;
    browser.is_a_phone(360).await;
    browser.opens("/").await;
    assert_eq!(browser.sees("return innerWidth").await, 360);
    assert_eq!(browser.sees("return document.documentElement.scrollWidth").await, 360, "it has to be moved sideways");
}

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn what_a_product_is_called_is_text() {
    let shop = OwnShop::open().await;
    let name = "<img src=x onerror=\"document.title='stolen'\"> & <b>tea</b>";
    let product = shop.admin().await.sells(name, &euros(499), 3).await;
    let browser = Browser::in_shop(&shop).await;
    browser.opens("/").await;
    assert_eq!(browser.sees(NAMES).await, json!([product.name]));
    assert_eq!(browser.sees("return document.title").await, "Souk is open");
    assert_eq!(browser.complaints().await, Vec::<Value>::new());
}
