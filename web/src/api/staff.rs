//! The staff of the shop.

use serde::Deserialize;
use serde_json::json;
use souk_contract::api::ApiMethod;
use souk_contract::customer::CustomerId;
use souk_contract::role::Role;
use souk_types::Timestamp;

use super::{Api, Result, Service, Token};

/// An account with a role.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StaffAccount {
    pub(crate) id: CustomerId,
    pub(crate) email: String,
    pub(crate) role: Role,
    /// Whether a sign-in with the password needs a code.
    pub(crate) totp_active: bool,
    /// The number of passkeys. An earlier `customer` in a rolling update does not say it.
    #[serde(default)]
    pub(crate) passkeys: u64,
    pub(crate) created_at: Timestamp,
}

impl Api<'_> {
    /// Returns the staff, in the order in which they signed up.
    pub(crate) async fn staff(self, token: &Token) -> Result<Vec<StaffAccount>> {
        #[derive(Deserialize)]
        struct List {
            items: Vec<StaffAccount>,
        }
        let list: List = self.get(Service::Customer, "/staff").token(token).send().await?;
        Ok(list.items)
    }

    /// Gives the account with this address a role instead of the one that it has. Errors: 404
    /// without an account; 409 `email-not-verified`, `own-role`; 422 for `email` or `role`.
    pub(crate) async fn give_role(self, token: &Token, email: &str, role: &str) -> Result<()> {
        let call = self.post(Service::Customer, "/staff").token(token);
        call.json(&json!({"email": email, "role": role})).send_without_reply().await
    }

    /// Makes a member of staff a customer. Errors: 404 when the account has no role; 409
    /// `own-role`.
    pub(crate) async fn remove_role(self, token: &Token, id: CustomerId) -> Result<()> {
        let target = format!("/staff/{id}");
        self.call(Service::Customer, ApiMethod::Delete, target).token(token).send_without_reply().await
    }
}
