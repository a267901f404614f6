//! A browser under remote control (W3C `WebDriver`, <https://www.w3.org/TR/webdriver2/>), with the
//! five commands that the journeys need.

use std::time::Duration;

use fleet::ChromeDriver;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::Shop;

/// Timeout of one command. A browser on a busy machine starts within seconds.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);

/// A browser window in a shop.
pub struct Browser {
    client: reqwest::Client,
    session: String,
    shop: String,
    _driver: ChromeDriver,
}

impl Browser {
    /// Starts a browser.
    pub async fn start(shop: &Shop) -> Self {
        let driver = spawn_blocking(ChromeDriver::start).await.unwrap().unwrap_or_else(|error| panic!("{error}"));
        let options = json!({"binary": driver.chromium(), "args": driver.arguments()});
        let capabilities = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let client = reqwest::Client::builder().no_proxy().timeout(COMMAND_TIMEOUT).build().unwrap();
        let sessions = format!("{}/session", driver.url());
        let session = post(&client, &sessions, json!({"capabilities": {"alwaysMatch": capabilities}})).await;
        let session = format!("{sessions}/{}", session["sessionId"].as_str().unwrap());
        Self { client, session, shop: shop.url(), _driver: driver }
    }

    /// Opens a page of the shop and waits until it is loaded, with its images.
    pub async fn open(&self, path: &str) {
        self.command("url", json!({"url": format!("{}{path}", self.shop)})).await;
    }

    /// Clicks the first element that matches a CSS selector and waits for the next page.
    pub async fn click(&self, selector: &str) {
        let found = self.command("element", json!({"using": "css selector", "value": selector})).await;
        let element = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str).unwrap();
        self.command(&format!("element/{element}/click"), json!({})).await;
    }

    /// Runs JavaScript in the page and returns its `return` value.
    pub async fn evaluate(&self, script: &str) -> Value {
        self.command("execute/sync", json!({"script": script, "args": []})).await
    }

    /// Emulates a phone with a screen of this width in pixels.
    pub async fn emulate_phone(&self, width: u64) {
        let screen = json!({"width": width, "height": width * 2, "deviceScaleFactor": 2, "mobile": true});
        self.command("goog/cdp/execute", json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": screen})).await;
    }

    /// Returns the console messages since the last call: script errors and missing files.
    pub async fn console_messages(&self) -> Vec<Value> {
        self.command("se/log", json!({"type": "browser"})).await.as_array().cloned().unwrap()
    }

    async fn command(&self, name: &str, parameters: Value) -> Value {
        post(&self.client, &format!("{}/{name}", self.session), parameters).await
    }
}

async fn post(client: &reqwest::Client, url: &str, parameters: Value) -> Value {
    let response = client.post(url).json(&parameters).send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
    let status = response.status();
    let mut body: Value = response.json().await.unwrap();
    assert!(status.is_success(), "{url} {parameters}: {body}");
    body["value"].take()
}
