//! Passkeys.

use serde::Deserialize;
use serde_json::{Value, json};
use souk_contract::api::ApiMethod;
use souk_types::Timestamp;

use super::account::{Device, FreshProof};
use super::session::SignIn;
use super::{Api, Result, Service, Token};
use crate::links::encode;

/// A passkey of a customer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Passkey {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
}

/// What a browser needs to make a passkey.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Creation {
    pub(crate) options: Value,
    /// The device that asks.
    pub(crate) device: Device,
}

impl Api<'_> {
    /// Returns the passkeys of a customer, the oldest first.
    pub(crate) async fn passkeys(self, token: &Token) -> Result<Vec<Passkey>> {
        #[derive(Deserialize)]
        struct Passkeys {
            items: Vec<Passkey>,
        }
        let passkeys: Passkeys = self.get(Service::Customer, "/passkeys").token(token).send().await?;
        Ok(passkeys.items)
    }

    /// Begins to add a passkey. Errors: 409 `email-not-verified`, `too-many-passkeys`,
    /// `code-required`, `passkeys-unavailable`; 422 for `current` or `code`; 429.
    pub(crate) async fn begin_passkey(self, token: &Token, proof: FreshProof<'_>) -> Result<Creation> {
        let call = self.post(Service::Customer, "/passkeys/options").token(token).browser();
        call.json(&proof).send().await
    }

    /// Adds a passkey. Errors: 409 `passkey-not-begun`, `passkey-refused`, `too-many-passkeys`; 422
    /// for `name` or `credential`; 429.
    pub(crate) async fn add_passkey(self, token: &Token, name: &str, credential: &Value) -> Result<()> {
        let call = self.post(Service::Customer, "/passkeys").token(token);
        call.json(&json!({"name": name, "credential": credential})).send_without_reply().await
    }

    /// Removes a passkey. Ends all sessions. Errors: 404; 422 for `current`; 429.
    pub(crate) async fn remove_passkey(self, token: &Token, id: &str, current: &str) -> Result<()> {
        let target = format!("/passkeys/{}", encode(id));
        let call = self.call(Service::Customer, ApiMethod::Delete, target).token(token);
        call.json(&json!({"current": current})).send_without_reply().await
    }

    /// Begins a sign-in with a passkey, and returns what the browser needs. Errors: 409
    /// `passkeys-unavailable`; 429.
    pub(crate) async fn begin_passkey_sign_in(self) -> Result<Value> {
        #[derive(Deserialize)]
        struct Request {
            options: Value,
        }
        let request: Request = self.post(Service::Customer, "/login/passkey/options").send().await?;
        Ok(request.options)
    }

    /// Opens a session. Errors: 401 when the passkey is refused; 409 `account-locked`; 422 for
    /// `credential`; 429.
    pub(crate) async fn sign_in_with_passkey(self, credential: &Value) -> Result<SignIn> {
        let call = self.post(Service::Customer, "/login/passkey").browser();
        call.json(&json!({"credential": credential})).send().await
    }
}
