//! Passkeys of a customer, in an authenticator in software.

use authenticator::Authenticator;
use reqwest::Method;
use serde_json::json;

use crate::client::Client;
use crate::customer::Customer;
use crate::request::Request;
use crate::response::Response;
use crate::shop::Shop;

impl Shop {
    /// Returns a device whose browser shows the shop. Browsers make passkeys for names only, so a
    /// shop at a loopback address is at `localhost`.
    pub fn authenticator(&self) -> Authenticator {
        Authenticator::new(&self.url().replace("127.0.0.1", "localhost"))
    }
}

impl Customer {
    /// Adds a passkey of this device. The address of the customer must be verified.
    pub async fn add_passkey(&self, name: &str, device: &mut Authenticator) -> Response {
        let proof = json!({"current": self.password});
        let begun = self.request(Method::POST, "/customer/passkeys/options").json(proof).retry_while_busy().await;
        let credential = device.create(&begun.expect_status(200)["options"]);
        let body = json!({"name": name, "credential": credential});
        self.request(Method::POST, "/customer/passkeys").json(body).await
    }
}

impl Client {
    /// Signs in by a passkey of this device.
    pub async fn sign_in_by_passkey(&self, device: &mut Authenticator) -> Response {
        let options = self.request(Method::POST, "/customer/login/passkey/options").await.expect_status(200);
        let credential = device.get(&options["options"]);
        self.answer_by_passkey(credential).await
    }

    /// Sends the answer of a device.
    pub fn answer_by_passkey(&self, credential: serde_json::Value) -> Request {
        self.request(Method::POST, "/customer/login/passkey").json(json!({"credential": credential}))
    }
}
