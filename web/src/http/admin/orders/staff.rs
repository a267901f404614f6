//! The names of the staff who acted on an order.

use souk_contract::customer::CustomerId;

use super::Admin;
use crate::api::staff::StaffAccount;
use crate::locale::{Key, Language};
use crate::visit::Visit;

/// Characters of an account's id that tell two former members of staff apart.
const SHORT_ID: usize = 8;

/// The staff of the shop.
pub(super) struct Staff<'a> {
    language: Language,
    /// The admin who looks.
    admin: &'a Admin,
    all: Vec<StaffAccount>,
}

impl<'a> Staff<'a> {
    /// Reads the staff. Without an answer of `customer`, others are called by their ids.
    pub(super) async fn read(visit: &Visit<'_>, admin: &'a Admin) -> Self {
        let all = visit.api.staff(&admin.token).await.unwrap_or_else(|problem| {
            tracing::warn!(%problem, "the names of the staff cannot be read");
            Vec::new()
        });
        Self { language: visit.language, admin, all }
    }

    /// Returns how an admin is called: by the e-mail address, and one who is no admin any more by
    /// the end of the account's id.
    pub(super) fn name(&self, by: Option<CustomerId>) -> String {
        let Some(by) = by else { return self.language.text(Key("orders-by-deleted")).to_string() };
        if let Some(own) = self.admin.email.as_ref().filter(|_| by == self.admin.id) {
            return own.clone();
        }
        if let Some(known) = self.all.iter().find(|account| account.id == by) {
            return known.email.clone();
        }
        let id = by.to_string();
        let end = id.get(id.len().saturating_sub(SHORT_ID)..).unwrap_or_default().to_owned();
        self.language.text(Key("orders-by-other")).arg("id", end).to_string()
    }
}
