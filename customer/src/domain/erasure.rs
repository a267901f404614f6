//! The receipt of an erasure: when each service has erased the customer's data, and when this
//! service reminds the others.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_contract::customer::CustomerId;
use souk_store::{Backoff, RetrySchedule};
use souk_types::{Id, Result, Timestamp};

/// The id of a receipt. It is unguessable, because it is the only credential for the receipt.
pub(crate) type ErasureId = Id<ErasureReceipt>;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ErasureReceipt {
    id: ErasureId,
    /// The erased account, until the receipt is complete. A complete receipt refers to no account.
    customer: Option<CustomerId>,
    requested_at: Timestamp,
    completed_at: Option<Timestamp>,
    services: ErasedBy,
    /// When to publish `customer.deleted` again.
    schedule: RetrySchedule,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ErasedBy {
    customer: Option<Timestamp>,
    mail: Option<Timestamp>,
    products: Option<Timestamp>,
    shopping: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Service {
    Customer,
    Mail,
    Products,
    Shopping,
}

const REMINDER_BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(10), factor: 2, longest: Duration::from_mins(10) };

impl ErasureReceipt {
    pub(crate) fn new(customer: CustomerId, now: Timestamp) -> Result<Self> {
        let mut schedule = RetrySchedule::default();
        schedule.back_off(now, &REMINDER_BACKOFF);
        Ok(Self {
            id: Id::random()?,
            customer: Some(customer),
            requested_at: now,
            completed_at: None,
            services: ErasedBy::default(),
            schedule,
        })
    }

    pub(crate) fn id(&self) -> ErasureId {
        self.id
    }

    pub(crate) fn requested_at(&self) -> Timestamp {
        self.requested_at
    }

    pub(crate) fn completed_at(&self) -> Option<Timestamp> {
        self.completed_at
    }

    pub(crate) fn services(&self) -> &ErasedBy {
        &self.services
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.completed_at.is_some()
    }

    pub(crate) fn is_erased_by(&self, service: Service) -> bool {
        match service {
            Service::Customer => self.services.customer,
            Service::Mail => self.services.mail,
            Service::Products => self.services.products,
            Service::Shopping => self.services.shopping,
        }
        .is_some()
    }

    /// Keeps the first time, because a reminder makes services report again.
    pub(crate) fn record(&mut self, service: Service, now: Timestamp) {
        let services = &mut self.services;
        let erased_at = match service {
            Service::Customer => &mut services.customer,
            Service::Mail => &mut services.mail,
            Service::Products => &mut services.products,
            Service::Shopping => &mut services.shopping,
        };
        erased_at.get_or_insert(now);
        let all = [services.customer, services.mail, services.products, services.shopping];
        if !self.is_complete() && all.iter().all(Option::is_some) {
            (self.customer, self.completed_at) = (None, Some(now));
            self.schedule.clear_due();
        }
    }

    /// Returns the customer whose deletion must be published again, if a reminder is due.
    pub(crate) fn remind(&mut self, now: Timestamp) -> Option<CustomerId> {
        let customer = self.customer.filter(|_| self.schedule.is_due(now))?;
        self.schedule.back_off(now, &REMINDER_BACKOFF);
        Some(customer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Service; 4] = [Service::Customer, Service::Mail, Service::Products, Service::Shopping];

    fn receipt(now: Timestamp) -> ErasureReceipt {
        ErasureReceipt::new(CustomerId::new(), now).unwrap()
    }

    #[test]
    fn a_receipt_is_complete_when_all_services_have_erased_in_any_order() {
        let now = Timestamp::now();
        let later = now.after(Duration::from_secs(1));
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1], [1, 0, 2, 3], [3, 2, 0, 1]] {
            let mut receipt = receipt(now);
            for (done, which) in order.into_iter().enumerate() {
                assert!(!receipt.is_complete() && receipt.customer.is_some(), "{order:?}");
                receipt.record(ALL[which], now);
                receipt.record(ALL[which], later);
                assert_eq!(receipt.is_complete(), done == 3, "{order:?}");
            }
            receipt.record(Service::Products, later);
            assert_eq!(
                (receipt.completed_at, receipt.services.products),
                (Some(now), Some(now)),
                "the first time is kept"
            );
            assert_eq!((receipt.customer, receipt.schedule.due()), (None, None), "the receipt refers to no account");
        }
    }

    #[test]
    fn reminders_start_after_10_seconds_and_back_off_to_10_minutes() {
        let mut now = Timestamp::now();
        let mut receipt = receipt(now);
        for seconds in [10, 20, 40, 80, 160, 320, 600, 600] {
            let due = now.after(Duration::from_secs(seconds));
            assert_eq!(receipt.remind(due.before(Duration::from_millis(1))), None, "{seconds}");
            assert_eq!(receipt.remind(due), receipt.customer, "{seconds}");
            assert_eq!(receipt.remind(due), None, "another instance checks at the same time");
            now = due;
        }
        for service in ALL {
            receipt.record(service, now);
        }
        assert_eq!(receipt.remind(now.after(Duration::from_hours(1))), None);
    }
}
