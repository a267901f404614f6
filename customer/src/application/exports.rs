//! The export of all personal data (GDPR, articles 15 and 20). It is refused while `shopping` is
//! unavailable, because an incomplete export would look complete. Password hashes and token digests
//! are left out.
//!
//! An export is built page by page while the client reads it, so its size does not decide how much
//! memory it needs. Each customer has one export at a time, and the process has few.

use serde_json::value::RawValue;
use souk_bus::request_context;
use souk_contract::customer::CustomerId;
use souk_contract::products::ProductSnapshot;
use souk_contract::shopping::{CartLine, CustomerExport, ExportCustomer};
use souk_types::{Error, Page, RequestId, Result};
use tokio::time::Instant;

use super::{accounts, sessions};
use crate::app::App;
use crate::domain::account::Profile;
use crate::domain::mail::Mail;
use crate::domain::session::Session;
use crate::providers::export_slots::ExportSlot;

/// The data that the services store about a customer. `products` stores none.
pub(crate) struct Export {
    pub(crate) profile: Profile,
    pub(crate) sessions: Vec<Session>,
    /// The mails that were not sent, or whose tokens may be valid.
    pub(crate) mails: Vec<Mail>,
    pub(crate) cart: Vec<CartLine>,
    pub(crate) wishlist: Vec<ProductSnapshot>,
    pub(crate) orders: OrderPages,
}

/// Begins an export with the first page of orders.
///
/// Errors: `export-running` for a second export of the customer; `Busy` for too many exports;
/// `Unavailable` without a reply of `shopping`.
pub(crate) async fn begin(app: &App, customer: CustomerId) -> Result<Export> {
    let slot = app.exports.begin(customer, Instant::now())?;
    let CustomerExport { cart, wishlist, orders } = app.bus.call(ExportCustomer { customer, after: None }).await?;
    let missing = || Error::internal("the first page of an export has no cart or no wishlist");
    let (cart, wishlist) = (cart.ok_or_else(missing)?, wishlist.ok_or_else(missing)?);
    let sessions = sessions::active(app, customer).await?;
    let mails = app.mails.by_account(customer).await?;
    let profile = accounts::get(app, customer).await?;
    let orders = OrderPages { app: app.clone(), slot, request: request_context::current(), page: Some(orders) };
    Ok(Export { profile, sessions, mails, cart, wishlist, orders })
}

/// The orders of an export, each in the JSON of the API.
pub(crate) struct OrderPages {
    app: App,
    slot: ExportSlot,
    request: Option<RequestId>,
    page: Option<Page<Box<RawValue>>>,
}

impl OrderPages {
    /// Returns the next page; `None` after the last. Errors: the export is incomplete, because
    /// `shopping` does not reply, the account was deleted meanwhile, or the client reads too
    /// slowly.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Box<RawValue>>>> {
        let Some(Page { items, next }) = self.page.take() else {
            // An erasure that ran meanwhile has left gaps in the export.
            accounts::get(&self.app, self.slot.customer()).await?;
            return Ok(None);
        };
        if self.slot.is_over(Instant::now()) {
            return Err(Error::busy("The export took too long."));
        }
        if next.is_some() {
            let call = self.app.bus.call(ExportCustomer { customer: self.slot.customer(), after: next });
            self.page = Some(request_context::scope(self.request.clone(), call).await?.orders);
        }
        Ok(Some(items))
    }
}
