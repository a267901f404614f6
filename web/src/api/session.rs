//! Sign-ins.

use serde::Deserialize;
use serde_json::json;

use super::{Api, Result, Service};

/// The tokens of a session. It has no `Debug`, so that no log line can show them.
#[derive(Clone, Deserialize)]
pub(crate) struct SignIn {
    /// The access token.
    pub(crate) token: String,
    pub(crate) refresh_token: String,
    /// Seconds for which the access token is valid.
    pub(crate) expires_in: u64,
}

impl Api<'_> {
    /// Returns new tokens for a refresh token. Errors: 401 when the session has ended.
    pub(crate) async fn refresh(self, refresh_token: &str) -> Result<SignIn> {
        self.post(Service::Customer, "/token").json(&json!({"refresh_token": refresh_token})).send().await
    }
}
