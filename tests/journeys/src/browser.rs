//! Somebody who looks at the shop's pages in a browser of their own (W3C `WebDriver`, <https://www.w3.org/TR/webdriver2/>). It takes five of
//! its commands; a library for all of them would bring more than it saves.

use std::time::Duration;

use fleet::ChromeDriver;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::Shop;

/// A page of ours is there in milliseconds; a browser on a busy machine needs seconds to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// A browser, with one window, in a shop.
pub struct Browser {
    client: Client,
    session: String,
    shop: String,
    _driver: ChromeDriver,
}

impl Browser {
    /// Starts one.
    pub async fn in_shop(shop: &Shop) -> Self {
        let driver = spawn_blocking(ChromeDriver::start).await.unwrap().unwrap_or_else(|error| panic!("{error}"));
        let options = json!({"binary": driver.chromium(), "args": driver.arguments()});
        let wanted = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let sessions = format!("{}/session", driver.url());
        let session = command(&client, &sessions, json!({"capabilities": {"alwaysMatch": wanted}})).await;
        let session = format!("{sessions}/{}", session["sessionId"].as_str().unwrap());
        Self { client, session, shop: shop.url(), _driver: driver }
    }

    /// Opens a page of the shop and waits until it is loaded, with its pictures.
    pub async fn opens(&self, path: &str) {
        self.tells("url", json!({"url": format!("{}{path}", self.shop)})).await;
    }

    /// Clicks on the first element that this CSS selector finds, and waits until what that opens is loaded.
    pub async fn clicks(&self, selector: &str) {
        let found = self.tells("element", json!({"using": "css selector", "value": selector})).await;
        let element = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str).unwrap();
        self.tells(&format!("element/{element}/click"), json!({})).await;
    }

    /// What this JavaScript `return`s in the page.
    pub async fn sees(&self, script: &str) -> Value {
        self.tells("execute/sync", json!({"script": script, "args": []})).await
    }

    /// Holds it in the hand from now on: so many pixels wide.
    pub async fn is_a_phone(&self, width: u64) {
        let screen = json!({"width": width, "height": width * 2, "deviceScaleFactor": 2, "mobile": true});
        self.tells("goog/cdp/execute", json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": screen})).await;
    }

    /// What the browser complained about since this was last asked: scripts that failed, files that are not there.
    pub async fn complaints(&self) -> Vec<Value> {
        self.tells("se/log", json!({"type": "browser"})).await.as_array().cloned().unwrap()
    }

    async fn tells(&self, what: &str, body: Value) -> Value {
        command(&self.client, &format!("{}/{what}", self.session), body).await
    }
}

/// Its answer; what the driver refuses is a failure.
async fn command(client: &Client, url: &str, body: Value) -> Value {
    let answer = client.post(url).json(&body).send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
    let status = answer.status();
    let mut answer: Value = answer.json().await.unwrap();
    assert!(status.is_success(), "{url} {body}: {answer}");
    answer["value"].take()
}
