//! What a page makes a phone with a bad line load.

use journeys::{Browser, TestShop};
use serde_json::Value;

/// Most bytes of a page without its pictures, as they are sent.
const MAX_BYTES: u64 = 60_000;
const BYTES: &str = "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]\
     .filter(entry => entry.initiatorType !== 'img').reduce((sum, entry) => sum + entry.encodedBodySize, 0)";
/// Scripts that the first paint waits for, and what comes from other hosts.
const BLOCKING: &str = "return [...document.scripts].filter(script => script.src && !script.defer).map(script => script.src)\
     .concat(performance.getEntriesByType('resource').map(entry => entry.name)\
     .filter(name => !name.startsWith(location.origin) && !name.startsWith('data:')))";

#[tokio::test]
#[ignore = "needs a browser: cargo xtask test"]
async fn pages_are_light_and_wait_for_no_script() {
    let shop = TestShop::start_with(&[]).await;
    let products = shop.client().list_products(&[("limit", "1")]).await.expect_status(200);
    let product = format!("/en/p/{}", products.items()[0]["id"].as_str().unwrap());
    let browser = Browser::start(&shop).await;
    for path in ["/en", "/en/search", "/en/c/tea", &product, "/en/cart", "/en/account/sign-in"] {
        browser.open(path).await;
        let bytes = browser.evaluate(BYTES).await.as_u64().unwrap();
        assert!((1_000..=MAX_BYTES).contains(&bytes), "{path} has {bytes} bytes");
        assert_eq!(browser.evaluate(BLOCKING).await, Value::Array(Vec::new()), "{path}");
    }
}
