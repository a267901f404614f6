//! The views of the list of orders that an admin has saved.

use serde::Deserialize;
use serde_json::Value;
use souk_contract::api::ApiMethod;
use souk_types::Timestamp;

use super::{Api, Result, Service, Token};
use crate::links::encode;

/// Filters under a name.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SavedView {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) status: Option<String>,
    pub(crate) payment: Option<String>,
    /// A filter that the pages do not have.
    pub(crate) fulfilment: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) q: Option<String>,
    /// The first moment.
    pub(crate) from: Option<Timestamp>,
    /// The moment after the last one.
    pub(crate) to: Option<Timestamp>,
    pub(crate) sort: String,
}

impl Api<'_> {
    /// Returns the views of the admin, in the order in which they were saved.
    pub(crate) async fn saved_views(self, token: &Token) -> Result<Vec<SavedView>> {
        #[derive(Deserialize)]
        struct Views {
            items: Vec<SavedView>,
        }
        let views: Views = self.get(Service::Shopping, "/admin/order-views").token(token).send().await?;
        Ok(views.items)
    }

    /// Saves a view; one of the same name is replaced. Errors: 409 `too-many-views`; 422.
    pub(crate) async fn save_view(self, token: &Token, view: &Value) -> Result<()> {
        let call = self.post(Service::Shopping, "/admin/order-views").token(token);
        call.json(view).send_without_reply().await
    }

    /// Removes a view. Errors: 404.
    pub(crate) async fn remove_view(self, token: &Token, id: &str) -> Result<()> {
        let target = format!("/admin/order-views/{}", encode(id));
        self.call(Service::Shopping, ApiMethod::Delete, target).token(token).send_without_reply().await
    }
}
