//! How an order follows its payment, and how it returns money and stock after it has ended.

use souk_contract::customer::CustomerId;
use souk_types::{Error, Result, Timestamp};

use super::history::{LogEntry, wire_name};
use super::{CHECK_BACKOFF, Order, OrderStatus, RETRY_BACKOFF, StatusReason};
use crate::domain::payment::dispute::Dispute;
use crate::domain::payment::report::{PaymentNotification, PaymentReport, PaymentUpdate, RefundReport};
use crate::domain::payment::state::{Payment, PaymentStatus, PaymentWork};

/// Maximum number of notification ids that are remembered. A payment normally has a handful.
const MAX_NOTIFICATIONS: usize = 32;

/// The effect of a provider's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// The payment, and perhaps the state of the order.
    Payment,
}

impl Order {
    pub(crate) fn apply_payment(&mut self, report: &PaymentReport, now: Timestamp) -> Result<Change> {
        let client_pays = self.payment_details.client_pays();
        self.change_payment(|payment| payment.apply_attempt(report, client_pays), now)
    }

    /// Whether a report would change the payment.
    pub(crate) fn would_change(&self, report: &PaymentReport) -> bool {
        let client_pays = self.payment_details.client_pays();
        self.payment.as_ref().is_some_and(|payment| payment.clone().apply_attempt(report, client_pays))
    }

    /// Applies the provider's whole list of refunds.
    pub(crate) fn apply_refunds(&mut self, list: &[RefundReport], now: Timestamp) -> Result<Change> {
        self.change_payment(|payment| payment.apply_refunds(list), now)
    }

    /// Whether a list of refunds would change the payment.
    pub(crate) fn would_change_refunds(&self, list: &[RefundReport]) -> bool {
        self.payment.as_ref().is_some_and(|payment| payment.clone().apply_refunds(list))
    }

    /// Applies the provider's reply to the request for a refund.
    pub(crate) fn apply_refund(&mut self, reply: &RefundReport, now: Timestamp) -> Result<Change> {
        self.change_payment(|payment| payment.apply_refund(reply), now)
    }

    fn apply_dispute(&mut self, dispute: &Dispute, now: Timestamp) -> Result<Change> {
        let change = self.change_payment(|payment| payment.apply_dispute(dispute), now)?;
        // The shop has won, and owes a refund again.
        if self.payment_work() == PaymentWork::Refund && !self.has_open_work() {
            self.schedule.set_due(now);
        }
        Ok(change)
    }

    fn change_payment(&mut self, change: impl FnOnce(&mut Payment) -> bool, now: Timestamp) -> Result<Change> {
        if self.payment.as_mut().is_some_and(change) { self.follow_payment(now) } else { Ok(Change::Nothing) }
    }

    /// Moves the order to the state that its changed payment requires.
    fn follow_payment(&mut self, now: Timestamp) -> Result<Change> {
        let Some(payment) = &self.payment else { return Ok(Change::Nothing) };
        let (is_paid, is_refunded) = (payment.is_paid(), payment.is_refunded());
        let is_refunded_at_provider = payment.is_refunded_at_provider();
        match self.status {
            OrderStatus::Reserved if is_paid && !is_refunded => {
                self.enter(OrderStatus::Paid, None, now)?;
                self.lease(now);
            }
            OrderStatus::Reserved => self.schedule.set_due(now.after(RETRY_BACKOFF.first)),
            // A shipped order stays shipped: only its payment says that it is refunded.
            OrderStatus::Paid | OrderStatus::Confirmed if is_refunded_at_provider => {
                self.end(OrderStatus::Cancelled, StatusReason::RefundedAtProvider, true, now)?;
                return Ok(Change::Payment);
            }
            // Neither the customer nor an admin cancelled the order, so it continues if the stock
            // is still available.
            OrderStatus::Cancelled if is_paid && !payment.has_refunds() && self.has_expired() => {
                self.enter(OrderStatus::Paid, Some(StatusReason::PaidLate), now)?;
                (self.refusal, self.owes_stock) = (None, false);
                self.payment.iter_mut().for_each(Payment::keep_all);
                self.lease(now);
            }
            OrderStatus::Rejected if !payment.captured().is_zero() => {
                self.enter(OrderStatus::Cancelled, Some(StatusReason::PaidLate), now)?;
            }
            OrderStatus::Refunded if payment.keeps_money() => {
                self.enter(OrderStatus::Cancelled, Some(StatusReason::RefundFailed), now)?;
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
            PaymentUpdate::Refunds(list) => self.apply_refunds(list, now),
            PaymentUpdate::Dispute(dispute) => self.apply_dispute(dispute, now),
        }
    }

    /// Ends the order. It then owes the captured money and, with `owes_stock`, the stock that it
    /// may hold.
    pub(super) fn end(
        &mut self,
        status: OrderStatus,
        reason: StatusReason,
        owes_stock: bool,
        now: Timestamp,
    ) -> Result<()> {
        self.end_by(status, reason, None, owes_stock, now)
    }

    /// Ends the order, by a decision of this admin.
    pub(super) fn end_by(
        &mut self,
        status: OrderStatus,
        reason: StatusReason,
        admin: Option<CustomerId>,
        owes_stock: bool,
        now: Timestamp,
    ) -> Result<()> {
        self.enter(status, Some(reason), now)?;
        self.claim = None;
        // Refunded pieces are back on sale, or do not come back.
        let in_pieces = owes_stock && self.has_refunded_pieces();
        self.owes_stock = owes_stock && !in_pieces;
        if in_pieces {
            self.return_unrefunded_pieces();
        }
        self.record_final_refund(&wire_name(&reason), admin, now);
        self.payment.iter_mut().for_each(Payment::request_owed);
        self.lease(now);
        self.settle(now)
    }

    /// Requests the refund of money that has arrived for an ended order, and schedules the work
    /// that is left. A failed refund waits for an admin.
    pub(super) fn settle(&mut self, now: Timestamp) -> Result<()> {
        if matches!(self.status, OrderStatus::Rejected | OrderStatus::Cancelled) {
            self.record_final_refund(&wire_name(&StatusReason::PaidLate), None, now);
        }
        let is_refunded = self.payment_status() == Some(PaymentStatus::Refunded);
        if self.status == OrderStatus::Cancelled && !self.owes_any_stock() && is_refunded {
            self.enter(OrderStatus::Refunded, None, now)?;
        }
        match (self.status, self.payment_work()) {
            (OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Paid, _) => {}
            _ if self.owes_any_stock() => self.schedule.set_due(self.schedule.due().unwrap_or(now)),
            (_, PaymentWork::None) => self.schedule.clear_due(),
            (status, PaymentWork::Cancel) if status.is_sold() || status == OrderStatus::Refunded => {
                self.schedule.clear_due();
            }
            (_, PaymentWork::AwaitRefund) => {
                self.schedule.reset_failures();
                self.schedule.back_off(now, &CHECK_BACKOFF);
            }
            (_, PaymentWork::Cancel | PaymentWork::Refund) => {
                self.schedule.set_due(self.schedule.due().unwrap_or(now));
            }
        }
        Ok(())
    }

    /// Records that the stock of an ended order is returned.
    pub(crate) fn complete_stock_return(&mut self, now: Timestamp) -> Result<()> {
        if self.has_ended() {
            self.owes_stock = false;
            self.settle(now)?;
        }
        Ok(())
    }

    /// Requests again what failed refunds should have returned. Errors: `order-state` when nothing
    /// is owed.
    pub(crate) fn retry_refunds(&mut self, now: Timestamp) -> Result<()> {
        let nothing_owed = || Error::conflict("order-state", "The order owes no refund.");
        let may_refund = self.may_refund();
        let payment = self.payment.as_mut().filter(|_| may_refund).ok_or_else(nothing_owed)?;
        match payment.status() {
            PaymentStatus::RefundPending | PaymentStatus::Refunded => return Ok(()),
            _ => {}
        }
        payment.request_owed();
        if payment.work() != PaymentWork::Refund {
            return Err(nothing_owed());
        }
        self.lease(now);
        Ok(())
    }

    /// Whether an admin can refund money of the order: it has ended, or its stock is sold.
    pub(crate) fn may_refund(&self) -> bool {
        self.payment.is_some() && (self.has_ended() || self.status.is_sold())
    }

    /// Schedules the next attempt after a failure, or after a check without a change.
    pub(crate) fn retry_later(&mut self, now: Timestamp) {
        // The lease of a pending order decides when its checkout is presumed dead. Retries must not
        // extend it.
        if self.has_open_work() && self.status != OrderStatus::Pending {
            let backoff = if self.waits_for_provider() { &CHECK_BACKOFF } else { &RETRY_BACKOFF };
            self.schedule.back_off(now, backoff);
        }
    }

    /// Schedules the next check of a payment or refund that the provider processes.
    pub(crate) fn check_later(&mut self, now: Timestamp) {
        if self.has_open_work() {
            self.schedule.back_off(now, &CHECK_BACKOFF);
        }
    }

    /// Whether the order ended because its payment did not arrive in time. A payment that arrives
    /// nevertheless makes it paid.
    pub(super) fn has_expired(&self) -> bool {
        self.history.last().is_some_and(|change| change.reason == Some(StatusReason::ReservationExpired))
    }
}
