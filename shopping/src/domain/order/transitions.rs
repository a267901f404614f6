//! The transitions of an order. Each is guarded by the current state: a transition that was decided
//! on an older state changes nothing. Repeated, late and concurrent decisions are therefore safe.

use std::time::Duration;

use souk_contract::customer::CustomerId;
use souk_contract::products::ReservationId;
use souk_types::{Error, Result, Timestamp};

use super::history::{LogEntry, StatusChange};
use super::{LOOKUP_BACKOFF, Order, OrderItem, OrderStatus, RETRY_BACKOFF, Reason, STEP_LEASE};
use crate::domain::payment::report::{PaymentNotification, PaymentReport, PaymentUpdate, ProviderStatus, RefundReport};
use crate::domain::payment::state::{Payment, PaymentStatus, PaymentWork};

/// Maximum number of notification ids that are remembered. A payment normally has a handful.
const MAX_NOTIFICATIONS: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    Customer(CustomerId),
    Admin(CustomerId),
}

/// What a provider's report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// The payment, and perhaps the state of the order.
    Payment,
    /// A confirmed order was cancelled, because its payment was refunded at the provider.
    ConfirmedOrderCancelled,
}

impl Order {
    /// Records that the stock is held. An order of 0.00 has no payment and is paid.
    pub(crate) fn reserve(&mut self, items: &[OrderItem], payment: Option<&Payment>, now: Timestamp) -> Result<()> {
        if self.status == OrderStatus::Pending {
            self.enter(OrderStatus::Reserved, None, now)?;
            self.items = items.to_vec();
            self.payment = payment.cloned();
            if payment.is_none() {
                self.enter(OrderStatus::Paid, None, now)?;
            }
            self.lease(now);
        }
        Ok(())
    }

    pub(crate) fn apply_payment(&mut self, report: &PaymentReport, now: Timestamp) -> Result<Change> {
        // A client that pays by itself may try another card.
        let may_try_again = self.payment_details.client_pays() && report.status == ProviderStatus::Declined;
        self.change_payment(|payment| !may_try_again && payment.apply(report), now)
    }

    pub(crate) fn apply_refund(&mut self, report: &RefundReport, now: Timestamp) -> Result<Change> {
        self.change_payment(|payment| payment.apply_refund(report), now)
    }

    fn change_payment(&mut self, change: impl FnOnce(&mut Payment) -> bool, now: Timestamp) -> Result<Change> {
        if self.payment.as_mut().is_some_and(change) { self.follow_payment(now) } else { Ok(Change::Nothing) }
    }

    /// Moves the order to the state that its changed payment requires.
    fn follow_payment(&mut self, now: Timestamp) -> Result<Change> {
        let Some(payment) = &self.payment else { return Ok(Change::Nothing) };
        let (is_paid, is_refunded) = (payment.is_paid(), payment.is_refunded());
        match self.status {
            OrderStatus::Reserved if is_paid && !is_refunded => {
                self.enter(OrderStatus::Paid, None, now)?;
                self.lease(now);
            }
            OrderStatus::Reserved => self.schedule.set_due(now.after(RETRY_BACKOFF.first)),
            // A shipped order stays shipped: only its payment says that it is refunded.
            OrderStatus::Paid | OrderStatus::Confirmed if is_refunded => {
                let was_confirmed = self.status == OrderStatus::Confirmed;
                self.end(OrderStatus::Cancelled, Reason::RefundedAtProvider, true, now)?;
                return Ok(if was_confirmed { Change::ConfirmedOrderCancelled } else { Change::Payment });
            }
            // Neither the customer nor an admin cancelled the order, so it continues if the stock
            // is still available.
            OrderStatus::Cancelled if is_paid && !payment.has_refunds() && self.has_expired() => {
                self.enter(OrderStatus::Paid, Some(Reason::PaidLate), now)?;
                (self.refusal, self.owes_stock) = (None, false);
                self.schedule.set_due(now);
            }
            OrderStatus::Rejected if !payment.captured().is_zero() => {
                self.enter(OrderStatus::Cancelled, Some(Reason::PaidLate), now)?;
            }
            OrderStatus::Refunded if payment.keeps_money() => {
                self.enter(OrderStatus::Cancelled, Some(Reason::RefundFailed), now)?;
            }
            _ => {}
        }
        self.settle(now)?;
        Ok(Change::Payment)
    }

    /// Applies a notification once, and only if it concerns the order's own payment.
    pub(crate) fn apply_notification(
        &mut self,
        notification: &PaymentNotification,
        entry: LogEntry,
        now: Timestamp,
    ) -> Result<Change> {
        let concerns_own_payment =
            self.payment.as_ref().is_some_and(|payment| payment.reference == notification.reference);
        if !concerns_own_payment || self.notifications.contains(&notification.id) {
            return Ok(Change::Nothing);
        }
        if self.notifications.len() == MAX_NOTIFICATIONS {
            self.notifications.remove(0);
        }
        self.notifications.push(notification.id.clone());
        self.log(entry);
        match &notification.update {
            PaymentUpdate::Payment(report) => self.apply_payment(report, now),
            PaymentUpdate::Refund(report) => self.apply_refund(report, now),
        }
    }

    /// Records that the stock is sold, and returns whether that was new.
    pub(crate) fn confirm(&mut self, now: Timestamp) -> Result<bool> {
        match self.status {
            OrderStatus::Paid => {
                self.enter(OrderStatus::Confirmed, None, now)?;
                self.payment_details.erase_token();
                self.schedule.clear_due();
                self.settle(now)?;
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

    /// With `owes_stock`, the stock is returned, because it may be held.
    pub(crate) fn reject(&mut self, refusal: Error, reason: Reason, owes_stock: bool, now: Timestamp) -> Result<()> {
        if matches!(self.status, OrderStatus::Pending | OrderStatus::Reserved) {
            self.end(OrderStatus::Rejected, reason, owes_stock, now)?;
            self.refusal = Some(refusal);
            self.payment_details.erase_token();
        }
        Ok(())
    }

    /// Cancels a reserved or paid order that cannot be completed.
    pub(crate) fn fail(&mut self, refusal: Error, reason: Reason, now: Timestamp) -> Result<()> {
        if matches!(self.status, OrderStatus::Reserved | OrderStatus::Paid) {
            self.end(OrderStatus::Cancelled, reason, true, now)?;
            self.refusal = Some(refusal);
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
        let reason = self.payment.as_ref().and_then(Payment::reason).map(|reason| format!(" ({reason})"));
        let reason = reason.unwrap_or_default();
        let detail = format!("The payment was declined{reason}; nothing was ordered. Order again under a new key.");
        self.reject(Error::payment_declined(detail), Reason::PaymentDeclined, true, now)
    }

    /// Cancels a reserved order whose payment was cancelled, or refunded, at the provider.
    pub(crate) fn cancel_unpaid(&mut self, now: Timestamp) -> Result<()> {
        let reason = match self.payment_status() {
            Some(PaymentStatus::Cancelled) => Reason::PaymentCancelled,
            Some(PaymentStatus::Refunded) => Reason::RefundedAtProvider,
            _ => return Ok(()),
        };
        if self.status != OrderStatus::Reserved {
            return Ok(());
        }
        let detail = "The payment was cancelled; nothing was ordered. Order again under a new key.";
        self.fail(Error::conflict("order-state", detail), reason, now)
    }

    pub(crate) fn expire_reservation(&mut self, now: Timestamp) -> Result<()> {
        let has_ended = matches!(
            self.payment_status(),
            Some(PaymentStatus::Declined | PaymentStatus::Cancelled | PaymentStatus::Refunded)
        );
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
                self.end(OrderStatus::Cancelled, reason, true, now)?;
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

    /// Records that the stock of an ended order is returned.
    pub(crate) fn complete_stock_return(&mut self, now: Timestamp) -> Result<()> {
        if self.has_ended() {
            self.owes_stock = false;
            self.settle(now)?;
        }
        Ok(())
    }

    /// Requests the refund that the order owes: all that is left of the payment of an ended order;
    /// of another order what failed refunds should have returned, or what was paid beyond the
    /// total. Errors: `order-state` when it owes none.
    pub(crate) fn request_refund(&mut self, now: Timestamp) -> Result<()> {
        let nothing_owed = || Error::conflict("order-state", "The order owes no refund.");
        let has_ended = self.has_ended();
        let is_finished = has_ended || matches!(self.status, OrderStatus::Confirmed | OrderStatus::Shipped);
        let payment = self.payment.as_mut().filter(|_| is_finished).ok_or_else(nothing_owed)?;
        match payment.status() {
            PaymentStatus::RefundPending | PaymentStatus::Refunded => return Ok(()),
            _ => {}
        }
        let owed = if has_ended { payment.refundable() } else { payment.owed_by_live_order() };
        if owed.is_zero() {
            return Err(nothing_owed());
        }
        payment.request_refund(owed);
        self.lease(now);
        Ok(())
    }

    /// Ships an order that is paid: a part of its money may be refunded, but not all of it.
    pub(crate) fn ship(&mut self, now: Timestamp) -> Result<()> {
        match (self.status, &self.payment) {
            (OrderStatus::Shipped, _) => Ok(()),
            (OrderStatus::Confirmed, Some(payment)) if !payment.keeps_money() => {
                let detail = "All the money is refunded or being refunded; the order cannot be shipped.";
                Err(Error::conflict("order-state", detail))
            }
            (OrderStatus::Confirmed, _) => self.enter(OrderStatus::Shipped, None, now),
            _ => Err(Error::conflict("order-state", "Only a confirmed order can be shipped.")),
        }
    }

    /// Returns the authorized payment; `None` when it is captured already. Errors: `order-state`.
    pub(crate) fn authorized_payment(&self) -> Result<Option<&Payment>> {
        match (self.status, &self.payment) {
            (OrderStatus::Reserved, Some(payment)) if payment.status() == PaymentStatus::Authorized => {
                Ok(Some(payment))
            }
            (OrderStatus::Paid | OrderStatus::Confirmed | OrderStatus::Shipped, Some(payment))
                if payment.keeps_money() =>
            {
                Ok(None)
            }
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

    /// Schedules the next look at what the provider processes.
    pub(crate) fn look_later(&mut self, now: Timestamp) {
        if self.is_in_progress() {
            self.schedule.back_off(now, &LOOKUP_BACKOFF);
        }
    }

    pub(super) fn payment_status(&self) -> Option<PaymentStatus> {
        self.payment.as_ref().map(Payment::status)
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status, OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Refunded)
    }

    fn has_expired(&self) -> bool {
        self.history.last().is_some_and(|change| change.reason == Some(Reason::ReservationExpired))
    }

    /// Ends the order. It owes the captured money, and its stock if that may be held.
    fn end(&mut self, status: OrderStatus, reason: Reason, owes_stock: bool, now: Timestamp) -> Result<()> {
        self.enter(status, Some(reason), now)?;
        self.owes_stock = owes_stock;
        self.lease(now);
        self.settle(now)
    }

    /// Requests the refund that an ended order owes, and schedules the work that is left. An admin
    /// repeats a failed refund.
    fn settle(&mut self, now: Timestamp) -> Result<()> {
        if let Some(payment) = self.payment.as_mut()
            && matches!(self.status, OrderStatus::Rejected | OrderStatus::Cancelled)
            && !payment.has_failed_refund()
        {
            payment.request_refund(payment.refundable());
        }
        let is_refunded = self.payment_status() == Some(PaymentStatus::Refunded);
        if self.status == OrderStatus::Cancelled && !self.owes_stock && is_refunded {
            self.enter(OrderStatus::Refunded, None, now)?;
        }
        match (self.status, self.payment_work()) {
            (OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Paid, _) => {}
            _ if self.owes_stock => self.schedule.set_due(self.schedule.due().unwrap_or(now)),
            (OrderStatus::Confirmed | OrderStatus::Shipped | OrderStatus::Refunded, PaymentWork::Cancel)
            | (_, PaymentWork::None) => self.schedule.clear_due(),
            (_, PaymentWork::AwaitRefund) => {
                self.schedule.reset_failures();
                self.schedule.back_off(now, &LOOKUP_BACKOFF);
            }
            (_, PaymentWork::Cancel | PaymentWork::Refund) => {
                self.schedule.set_due(self.schedule.due().unwrap_or(now));
            }
        }
        Ok(())
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
