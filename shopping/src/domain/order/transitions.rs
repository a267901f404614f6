//! The transitions of an order. Each is guarded by the current state: a transition that was decided
//! on an older state changes nothing. Repeated, late and concurrent decisions are therefore safe.

use std::time::Duration;

use souk_contract::customer::CustomerId;
use souk_contract::products::ReservationId;
use souk_types::{Error, Result, Timestamp};

use super::history::{LogEntry, StatusChange};
use super::{Order, OrderItem, OrderStatus, RETRY_BACKOFF, Reason, STEP_LEASE};
use crate::domain::payment::{Payment, PaymentNotification, PaymentStatus};

/// Maximum number of notification ids that are remembered. A payment normally has a handful.
const MAX_NOTIFICATIONS: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    Customer(CustomerId),
    Admin(CustomerId),
}

impl Order {
    pub(crate) fn reserve(&mut self, items: &[OrderItem], payment: &Payment, now: Timestamp) -> Result<()> {
        if self.status == OrderStatus::Pending {
            self.enter(OrderStatus::Reserved, None, now)?;
            self.items = items.to_vec();
            self.payment = Some(payment.clone());
            self.lease(now);
        }
        Ok(())
    }

    /// Returns whether the status changed the payment.
    pub(crate) fn apply_payment(&mut self, status: PaymentStatus, now: Timestamp) -> Result<bool> {
        // A client that pays by itself may try another card.
        let may_try_again = self.payment_details.client_pays() && status == PaymentStatus::Declined;
        let changed = self.payment.as_mut().is_some_and(|payment| !may_try_again && payment.apply(status));
        if !changed {
            return Ok(false);
        }
        match (status, self.status) {
            (PaymentStatus::Captured, OrderStatus::Reserved) => {
                self.enter(OrderStatus::Paid, None, now)?;
                self.lease(now);
            }
            (PaymentStatus::Captured, OrderStatus::Cancelled) => {
                // Neither the customer nor an admin cancelled the order, so it continues if the
                // stock is still available.
                if self.history.last().is_some_and(|change| change.reason == Some(Reason::ReservationExpired)) {
                    self.enter(OrderStatus::Paid, Some(Reason::PaidLate), now)?;
                    self.refusal = None;
                }
                self.schedule.set_due(now);
            }
            (PaymentStatus::Captured, OrderStatus::Rejected) => {
                self.enter(OrderStatus::Cancelled, Some(Reason::PaidLate), now)?;
                self.schedule.set_due(now);
            }
            (_, OrderStatus::Reserved) => self.schedule.set_due(now.after(RETRY_BACKOFF.first)),
            _ => {}
        }
        Ok(true)
    }

    /// Applies a notification once, and only if it concerns the order's own payment.
    pub(crate) fn apply_notification(
        &mut self,
        notification: &PaymentNotification,
        entry: LogEntry,
        now: Timestamp,
    ) -> Result<bool> {
        let concerns_own_payment =
            self.payment.as_ref().is_some_and(|payment| payment.reference == notification.reference);
        if !concerns_own_payment || self.notifications.contains(&notification.id) {
            return Ok(false);
        }
        if self.notifications.len() == MAX_NOTIFICATIONS {
            self.notifications.remove(0);
        }
        self.notifications.push(notification.id.clone());
        self.log(entry);
        self.apply_payment(notification.status, now)
    }

    /// Records that the stock is sold, and returns whether that was new.
    pub(crate) fn confirm(&mut self, now: Timestamp) -> Result<bool> {
        match self.status {
            OrderStatus::Paid => {
                self.enter(OrderStatus::Confirmed, None, now)?;
                self.payment_details.erase_token();
                self.schedule.clear_due();
                Ok(true)
            }
            OrderStatus::Confirmed | OrderStatus::Shipped | OrderStatus::Cancelled | OrderStatus::Refunded => Ok(false),
            OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Rejected => {
                Err(Error::internal(format!("order {} is {:?} and its stock is sold", self.id, self.status)))
            }
        }
    }

    pub(crate) fn renew_reservation(&mut self, reservation_time: Duration, now: Timestamp) {
        if self.status == OrderStatus::Paid {
            self.reservation = ReservationId::new();
            self.reserved_until = now.after(reservation_time);
            self.lease(now);
        }
    }

    /// With `compensate`, compensation follows, because stock may be held or a payment open.
    pub(crate) fn reject(&mut self, refusal: Error, reason: Reason, compensate: bool, now: Timestamp) -> Result<()> {
        if matches!(self.status, OrderStatus::Pending | OrderStatus::Reserved) {
            self.enter(OrderStatus::Rejected, Some(reason), now)?;
            self.refusal = Some(refusal);
            self.payment_details.erase_token();
            if compensate {
                self.lease(now);
            } else {
                self.schedule.clear_due();
            }
        }
        Ok(())
    }

    /// Cancels a reserved or paid order that cannot be completed.
    pub(crate) fn fail(&mut self, refusal: Error, reason: Reason, now: Timestamp) -> Result<()> {
        if matches!(self.status, OrderStatus::Reserved | OrderStatus::Paid) {
            self.enter(OrderStatus::Cancelled, Some(reason), now)?;
            self.refusal = Some(refusal);
            self.lease(now);
        }
        Ok(())
    }

    pub(crate) fn abandon(&mut self, now: Timestamp) -> Result<()> {
        if self.status == OrderStatus::Pending {
            self.reject(interrupted(), Reason::Interrupted, true, now)
        } else {
            Ok(())
        }
    }

    /// Rejects a reserved order that was interrupted before the shop charged the open payment. Its
    /// stock need not be held until the reservation expires.
    pub(crate) fn abandon_uncharged(&mut self, now: Timestamp) -> Result<bool> {
        let is_uncharged = self.status == OrderStatus::Reserved
            && self.payment_status() == Some(PaymentStatus::Open)
            && !self.payment_details.client_pays();
        if is_uncharged {
            self.reject(interrupted(), Reason::Interrupted, true, now)?;
        }
        Ok(is_uncharged)
    }

    pub(crate) fn decline(&mut self, now: Timestamp) -> Result<()> {
        if self.payment_status() != Some(PaymentStatus::Declined) {
            return Ok(());
        }
        let refusal =
            Error::payment_declined("The payment was declined; nothing was ordered. Order again under a new key.");
        self.reject(refusal, Reason::PaymentDeclined, true, now)
    }

    pub(crate) fn cancel_unpaid(&mut self, now: Timestamp) -> Result<()> {
        if self.status != OrderStatus::Reserved || self.payment_status() != Some(PaymentStatus::Cancelled) {
            return Ok(());
        }
        let detail = "The payment was cancelled; nothing was ordered. Order again under a new key.";
        self.fail(Error::conflict("order-state", detail), Reason::PaymentCancelled, now)
    }

    pub(crate) fn expire_reservation(&mut self, now: Timestamp) -> Result<()> {
        let has_ended = matches!(self.payment_status(), Some(PaymentStatus::Declined | PaymentStatus::Cancelled));
        if self.status != OrderStatus::Reserved || has_ended {
            return Ok(());
        }
        let detail = "The order was not paid in time; nothing was ordered. Order again under a new key.";
        self.fail(Error::conflict("order-state", detail), Reason::ReservationExpired, now)
    }

    /// Returns whether it was confirmed. Errors: `order-state`; `not-found` for another's order.
    pub(crate) fn cancel(&mut self, actor: Actor, now: Timestamp) -> Result<bool> {
        let reason = match actor {
            Actor::Customer(id) | Actor::Admin(id) if self.customer == Some(id) => Reason::ByCustomer,
            Actor::Admin(_) => Reason::ByShop,
            Actor::Customer(_) => return Err(Error::not_found("order")),
        };
        let before = self.status;
        match before {
            OrderStatus::Reserved | OrderStatus::Paid | OrderStatus::Confirmed => {
                self.enter(OrderStatus::Cancelled, Some(reason), now)?;
                self.lease(now);
                Ok(before == OrderStatus::Confirmed)
            }
            OrderStatus::Cancelled | OrderStatus::Refunded => Ok(false),
            OrderStatus::Pending => {
                Err(Error::conflict("order-state", "The order is still being placed; try again in a moment."))
            }
            OrderStatus::Rejected => Err(Error::conflict("order-state", "A rejected order cannot be cancelled.")),
            OrderStatus::Shipped => Err(Error::conflict("order-state", "A shipped order cannot be cancelled.")),
        }
    }

    pub(crate) fn complete_compensation(&mut self, now: Timestamp) -> Result<()> {
        if !matches!(self.status, OrderStatus::Rejected | OrderStatus::Cancelled) {
            return Ok(());
        }
        match self.payment_status() {
            // The money arrived meanwhile: the order stays due, and the next compensation refunds
            // it.
            Some(PaymentStatus::Captured) => {}
            Some(PaymentStatus::Refunded) => {
                self.enter(OrderStatus::Refunded, None, now)?;
                self.schedule.clear_due();
            }
            Some(
                PaymentStatus::Open
                | PaymentStatus::Processing
                | PaymentStatus::Authorized
                | PaymentStatus::Declined
                | PaymentStatus::Cancelled,
            )
            | None => self.schedule.clear_due(),
        }
        Ok(())
    }

    pub(crate) fn ship(&mut self, now: Timestamp) -> Result<()> {
        match self.status {
            OrderStatus::Confirmed => self.enter(OrderStatus::Shipped, None, now),
            OrderStatus::Shipped => Ok(()),
            _ => Err(Error::conflict("order-state", "Only a confirmed order can be shipped.")),
        }
    }

    /// Returns the authorized payment; `None` when it is captured already. Errors: `order-state`.
    pub(crate) fn authorized_payment(&self) -> Result<Option<&Payment>> {
        match (self.status, &self.payment) {
            (OrderStatus::Reserved, Some(payment)) if payment.status == PaymentStatus::Authorized => Ok(Some(payment)),
            (OrderStatus::Paid | OrderStatus::Confirmed | OrderStatus::Shipped, _) => Ok(None),
            _ => Err(Error::conflict("order-state", "The order has no authorized payment to capture.")),
        }
    }

    /// Schedules the next attempt after a failure, or after a check without a change.
    pub(crate) fn retry_later(&mut self, now: Timestamp) {
        // The lease of a pending order decides when its checkout is presumed dead. Retries must not
        // extend it.
        if self.is_in_progress() && self.status != OrderStatus::Pending {
            self.schedule.back_off(now, &RETRY_BACKOFF);
        }
    }

    fn payment_status(&self) -> Option<PaymentStatus> {
        self.payment.as_ref().map(|payment| payment.status)
    }

    fn enter(&mut self, status: OrderStatus, reason: Option<Reason>, now: Timestamp) -> Result<()> {
        if !self.status.next().contains(&status) {
            return Err(Error::internal(format!("order {}: {status:?} cannot follow {:?}", self.id, self.status)));
        }
        self.status = status;
        self.schedule.reset_failures();
        self.history.push(StatusChange { status, at: now, reason });
        Ok(())
    }

    fn lease(&mut self, now: Timestamp) {
        self.schedule.set_due(now.after(STEP_LEASE));
    }
}

pub(crate) fn interrupted() -> Error {
    let detail = "The checkout was interrupted; nothing was ordered and nothing charged. Order again under a new key.";
    Error::conflict("order-state", detail)
}
