//! The admins of the shop.

use serde::Deserialize;
use serde_json::json;
use souk_contract::api::ApiMethod;
use souk_contract::customer::CustomerId;
use souk_types::Timestamp;

use super::{Api, Result, Service, Token};

/// The account of an admin.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AdminAccount {
    pub(crate) id: CustomerId,
    pub(crate) email: String,
    pub(crate) created_at: Timestamp,
}

impl Api<'_> {
    /// Returns the admins, in the order in which they signed up.
    pub(crate) async fn admins(self, token: &Token) -> Result<Vec<AdminAccount>> {
        #[derive(Deserialize)]
        struct Admins {
            items: Vec<AdminAccount>,
        }
        let admins: Admins = self.get(Service::Customer, "/admins").token(token).send().await?;
        Ok(admins.items)
    }

    /// Makes the account with this address an admin. Errors: 404 without an account; 409
    /// `email-not-verified`; 422 for `email`.
    pub(crate) async fn add_admin(self, token: &Token, email: &str) -> Result<()> {
        let call = self.post(Service::Customer, "/admins").token(token);
        call.json(&json!({"email": email})).send_without_reply().await
    }

    /// Makes an admin a customer. Errors: 404 when the account is no admin's; 409 `own-role`.
    pub(crate) async fn remove_admin(self, token: &Token, id: CustomerId) -> Result<()> {
        let target = format!("/admins/{id}");
        self.call(Service::Customer, ApiMethod::Delete, target).token(token).send_without_reply().await
    }
}
