//! The export of all personal data (GDPR, articles 15 and 20). It is refused while `shopping` is
//! unavailable, because an incomplete export would look complete. Password hashes and token digests
//! are left out.
//!
//! An export is built page by page while the client reads it, so its size does not decide how much
//! memory it needs. Each customer has one export at a time, and the process has few.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
use crate::domain::session::Session;

/// Exports in this process at the same time.
const MAX_EXPORTS: usize = 4;
/// Time that a client has to read an export. Then it ends, and another one may begin.
const EXPORT_TIMEOUT: Duration = Duration::from_mins(1);
/// When to try again while an export of the same customer is in progress. Most take less.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The data that the services store about a customer. `products` stores none.
pub(crate) struct Export {
    pub(crate) profile: Profile,
    pub(crate) sessions: Vec<Session>,
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
    let profile = accounts::get(app, customer).await?;
    let orders = OrderPages { app: app.clone(), slot, request: request_context::current(), page: Some(orders) };
    Ok(Export { profile, sessions, cart, wishlist, orders })
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
    /// `shopping` does not reply, the account was deleted meanwhile, or the client reads too slowly.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Box<RawValue>>>> {
        let Some(Page { items, next }) = self.page.take() else {
            // An erasure that ran meanwhile has left gaps in the export.
            accounts::get(&self.app, self.slot.customer).await?;
            return Ok(None);
        };
        if Instant::now() >= self.slot.deadline {
            return Err(Error::busy("The export took too long."));
        }
        if next.is_some() {
            let call = self.app.bus.call(ExportCustomer { customer: self.slot.customer, after: next });
            self.page = Some(request_context::scope(self.request.clone(), call).await?.orders);
        }
        Ok(Some(items))
    }
}

/// The exports in progress in this process, with the time at which each ends.
#[derive(Clone, Default)]
pub(crate) struct RunningExports(Arc<Mutex<HashMap<CustomerId, Instant>>>);

/// The right to export the data of a customer. Dropping it ends the export.
struct ExportSlot {
    running: RunningExports,
    customer: CustomerId,
    deadline: Instant,
}

impl RunningExports {
    /// A client that does not read keeps its response, but not its slot.
    fn begin(&self, customer: CustomerId, now: Instant) -> Result<ExportSlot> {
        let mut running = self.lock();
        running.retain(|_, deadline| *deadline > now);
        if running.contains_key(&customer) {
            let detail = "An export of this account is in progress; wait until it has ended.";
            return Err(Error::too_many_requests("export-running", detail, RETRY_AFTER));
        }
        if running.len() >= MAX_EXPORTS {
            return Err(Error::busy("Too many exports are in progress; try again."));
        }
        let deadline = now + EXPORT_TIMEOUT;
        running.insert(customer, deadline);
        Ok(ExportSlot { running: self.clone(), customer, deadline })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CustomerId, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ExportSlot {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        // After the deadline, the slot may belong to a later export.
        if running.get(&self.customer) == Some(&self.deadline) {
            running.remove(&self.customer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_has_one_export_at_a_time_and_the_process_has_few() {
        let (running, now) = (RunningExports::default(), Instant::now());
        let code = |customer, now| running.begin(customer, now).err().map(|error| error.code().to_owned());
        let customers: Vec<CustomerId> = (0..=MAX_EXPORTS).map(|_| CustomerId::new()).collect();
        let mut slots: Vec<ExportSlot> = Vec::new();
        for customer in &customers[..MAX_EXPORTS] {
            slots.push(running.begin(*customer, now).unwrap());
            assert_eq!(code(*customer, now).as_deref(), Some("export-running"));
        }
        assert_eq!(code(customers[MAX_EXPORTS], now).as_deref(), Some("busy"));
        drop(slots.pop());
        assert_eq!(code(customers[MAX_EXPORTS], now), None, "a slot is free again");
        assert_eq!(running.lock().len(), MAX_EXPORTS - 1);

        // A client that does not read for a minute loses its slot, and does not end a later export.
        let later = now + EXPORT_TIMEOUT;
        let second = running.begin(customers[0], later).unwrap();
        drop(slots);
        assert_eq!(code(customers[0], later).as_deref(), Some("export-running"));
        drop(second);
        assert_eq!(running.lock().len(), 0);
    }
}
