//! A browser under remote control (W3C `WebDriver`, <https://www.w3.org/TR/webdriver2/>), with the
//! commands that the journeys need.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fleet::ChromeDriver;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{Shop, wait_for};

/// Timeout of one command. A browser on a busy machine starts within seconds.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(1);

/// Time for which a command waits for an element that the page does not have yet.
const ELEMENT_TIMEOUT: Duration = Duration::from_secs(10);

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
        Self::start_with(shop, json!({})).await
    }

    /// Starts a browser that runs no JavaScript of pages.
    pub async fn start_without_scripts(shop: &Shop) -> Self {
        Self::start_with(shop, json!({"profile.managed_default_content_settings.javascript": 2})).await
    }

    /// Starts a browser that opens the shop at `localhost`, where it has passkeys.
    pub async fn start_at_localhost(shop: &Shop) -> Self {
        let browser = Self::start(shop).await;
        Self { shop: browser.shop.replace("127.0.0.1", "localhost"), ..browser }
    }

    async fn start_with(shop: &Shop, preferences: Value) -> Self {
        let driver = spawn_blocking(ChromeDriver::start).await.unwrap().unwrap_or_else(|error| panic!("{error}"));
        let options = json!({"binary": driver.chromium(), "args": driver.arguments(), "prefs": preferences});
        let capabilities = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let client = reqwest::Client::builder().no_proxy().timeout(COMMAND_TIMEOUT).build().unwrap();
        let sessions = format!("{}/session", driver.url());
        let session = post(&client, &sessions, json!({"capabilities": {"alwaysMatch": capabilities}})).await;
        let session = format!("{sessions}/{}", session["sessionId"].as_str().unwrap());
        // After a click, the next page may need a moment on a busy machine.
        let wait = json!({"implicit": ELEMENT_TIMEOUT.as_millis()});
        post(&client, &format!("{session}/timeouts"), wait).await;
        Self { client, session, shop: shop.url(), _driver: driver }
    }

    /// Adds a virtual authenticator whose user confirms everything at once (Web Authentication
    /// Level 3, section 11).
    pub async fn add_authenticator(&self) {
        let authenticator = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        self.command("webauthn/authenticator", authenticator).await;
    }

    /// Runs this JavaScript in each page that is opened from now on, before the page's own scripts.
    pub async fn run_before_pages(&self, script: &str) {
        let script = json!({"source": script});
        self.execute_cdp("Page.addScriptToEvaluateOnNewDocument", script).await;
    }

    /// Opens a page of the shop and waits until it is loaded, with its images.
    pub async fn open(&self, path: &str) {
        self.command("url", json!({"url": format!("{}{path}", self.shop)})).await;
    }

    /// Clicks the first element that matches a CSS selector. Repeats it if a script replaces the
    /// element before it is clicked.
    pub async fn click(&self, selector: &str) {
        wait_for("an element to click", async || {
            let url = format!("{}/element/{}/click", self.session, self.find(selector).await);
            match try_value(self.client.post(&url).json(&json!({}))).await {
                Err(error) if error.contains("stale element reference") => Err(error),
                outcome => Ok(outcome.unwrap_or_else(|error| panic!("{url}: {error}"))),
            }
        })
        .await;
    }

    /// Clicks a link or the button of a form, and waits until the browser has left the page.
    pub async fn follow(&self, selector: &str) {
        let page = format!("{}/element/{}/name", self.session, self.find("html").await);
        self.click(selector).await;
        // The driver may respond before the browser asks for the next page.
        wait_for("another page", async || match try_value(self.client.get(&page)).await {
            Err(error) if error.contains("stale element reference") => Ok(()),
            outcome => Err(format!("{outcome:?}")),
        })
        .await;
    }

    /// Types a text into a field, in place of its content.
    pub async fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.command(&format!("element/{element}/clear"), json!({})).await;
        self.command(&format!("element/{element}/value"), json!({"text": text})).await;
    }

    /// Returns the text of an element, as it is shown.
    pub async fn text(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        let text = self.get(&format!("element/{element}/text")).await;
        text.as_str().unwrap().to_owned()
    }

    /// Waits until an element has this text, while scripts or banks lead to other pages.
    pub async fn wait_for_text(&self, selector: &str, expected: &str) {
        wait_for(expected, async || {
            // The element may belong to a page that is left.
            let text = self.try_text(selector).await?;
            if text.contains(expected) { Ok(()) } else { Err(text) }
        })
        .await;
    }

    async fn try_text(&self, selector: &str) -> Result<String, String> {
        let parameters = json!({"using": "css selector", "value": selector});
        let element = try_value(self.client.post(format!("{}/element", self.session)).json(&parameters)).await?;
        let url = format!("{}/element/{}/text", self.session, element_id(&element));
        Ok(try_value(self.client.get(&url)).await?.as_str().unwrap().to_owned())
    }

    /// Returns the address of the page.
    pub async fn address(&self) -> String {
        self.get("url").await.as_str().unwrap().to_owned()
    }

    /// Sets which colours the user of the browser prefers. Colours change at once, without a
    /// transition.
    pub async fn emulate_dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let feature = |name: &str, value: &str| json!({"name": name, "value": value});
        let features = [feature("prefers-color-scheme", value), feature("prefers-reduced-motion", "reduce")];
        let media = json!({"features": features});
        self.execute_cdp("Emulation.setEmulatedMedia", media).await;
    }

    async fn find(&self, selector: &str) -> String {
        let found = self.command("element", json!({"using": "css selector", "value": selector})).await;
        element_id(&found).to_owned()
    }

    async fn get(&self, name: &str) -> Value {
        let url = format!("{}/{name}", self.session);
        value(&url, self.client.get(&url)).await
    }

    /// Runs JavaScript in the page and returns its `return` value.
    pub async fn evaluate(&self, script: &str) -> Value {
        self.command("execute/sync", json!({"script": script, "args": []})).await
    }

    /// Emulates a phone with a screen of this width in pixels.
    pub async fn emulate_phone(&self, width: u64) {
        let screen = json!({"width": width, "height": width * 2, "deviceScaleFactor": 2, "mobile": true});
        self.execute_cdp("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// Emulates a screen of this width in CSS pixels, with one pixel of the screen for each.
    pub async fn emulate_screen(&self, width: u64, height: u64) {
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.execute_cdp("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// Returns a PNG of the whole page, however high.
    pub async fn screenshot(&self) -> Vec<u8> {
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.execute_cdp("Page.captureScreenshot", whole).await;
        BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// Returns the console messages since the last call: script errors and missing files.
    pub async fn console_messages(&self) -> Vec<Value> {
        self.command("se/log", json!({"type": "browser"})).await.as_array().cloned().unwrap()
    }

    /// Sends a command of the Chrome `DevTools` protocol.
    async fn execute_cdp(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    async fn command(&self, name: &str, parameters: Value) -> Value {
        post(&self.client, &format!("{}/{name}", self.session), parameters).await
    }
}

async fn post(client: &reqwest::Client, url: &str, parameters: Value) -> Value {
    value(&format!("{url} {parameters:.300}"), client.post(url).json(&parameters)).await
}

/// Sends a command and returns its value.
async fn value(what: &str, command: reqwest::RequestBuilder) -> Value {
    try_value(command).await.unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Sends a command and returns its value, or the error that the driver reports.
async fn try_value(command: reqwest::RequestBuilder) -> Result<Value, String> {
    let response = command.send().await.map_err(|error| error.to_string())?;
    let status = response.status();
    let mut body: Value = response.json().await.unwrap();
    if status.is_success() { Ok(body["value"].take()) } else { Err(body.to_string()) }
}

fn element_id(found: &Value) -> &str {
    found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str).unwrap()
}
