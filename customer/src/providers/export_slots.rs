//! Limits the exports in progress, because each occupies memory and `shopping`: one for each
//! customer, and few in the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use souk_contract::customer::CustomerId;
use souk_types::{Error, Result};
use tokio::time::Instant;

/// Exports in this process at the same time.
const MAX_EXPORTS: usize = 4;
/// Time that a client has to read an export. Then it ends, and another one may begin.
const EXPORT_TIMEOUT: Duration = Duration::from_mins(1);
/// When to try again while an export of the same customer is in progress. Most take less.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The exports in progress in this process, with the time at which each ends.
#[derive(Clone, Default)]
pub(crate) struct ExportSlots(Arc<Mutex<HashMap<CustomerId, Instant>>>);

/// The right to export the data of a customer. Dropping it ends the export.
pub(crate) struct ExportSlot {
    running: ExportSlots,
    customer: CustomerId,
    deadline: Instant,
}

impl ExportSlots {
    /// A client that does not read keeps its response, but not its slot. Errors: `export-running`
    /// for a second export of the customer; `Busy` for too many exports.
    pub(crate) fn begin(&self, customer: CustomerId, now: Instant) -> Result<ExportSlot> {
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

impl ExportSlot {
    pub(crate) fn customer(&self) -> CustomerId {
        self.customer
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.deadline
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
        let (running, now) = (ExportSlots::default(), Instant::now());
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
