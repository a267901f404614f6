//! The transitions of an order. Each is guarded by the current state: a transition that was decided
//! on an older state changes nothing. Repeated, late and concurrent decisions are therefore safe.

use std::time::Duration;

use souk_contract::customer::CustomerId;
use souk_contract::products::{ProductSnapshot, ReservationId};
use souk_types::{Error, Result, Timestamp};

use super::history::StatusChange;
use super::number::OrderNumber;
use super::{Order, OrderEvent, OrderStatus, STEP_LEASE, StatusReason};
use crate::domain::payment::state::{Payment, PaymentStatus};
use crate::domain::quote::Quote;

/// Time after which a refused order is deleted. Until then its key gets the same error.
const REFUSED_RETENTION: Duration = Duration::from_hours(30 * 24);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    Customer(CustomerId),
    Admin(CustomerId),
    /// The holder of the link to a guest's order.
    Guest,
}

/// What is decided when stock is held for an order.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    /// The products as they were at that moment, in the order of the items.
    pub(crate) products: Vec<ProductSnapshot>,
    /// Their price.
    pub(crate) quote: Quote,
    pub(crate) number: OrderNumber,
    /// `None` for an order of 0.00.
    pub(crate) payment: Option<Payment>,
    /// When the reservation expires.
    pub(crate) until: Timestamp,
}

impl Order {
    /// Records that the stock is held. An order of 0.00 has no payment and is paid.
    pub(crate) fn hold(&mut self, hold: &Hold, now: Timestamp) -> Result<()> {
        if self.status == OrderStatus::Pending {
            self.enter(OrderStatus::Reserved, None, now)?;
            for (item, product) in self.items.iter_mut().zip(&hold.products) {
                item.product = product.clone();
            }
            self.number = Some(hold.number.clone());
            (self.quote, self.expected_total) = (hold.quote.clone(), None);
            self.payment.clone_from(&hold.payment);
            self.reserved_until = hold.until;
            if hold.payment.is_none() {
                self.enter(OrderStatus::Paid, None, now)?;
            }
            self.lease(now);
        }
        Ok(())
    }

    /// Gives a pending order the payment that an interrupted checkout may have charged, so that it
    /// is cancelled or refunded.
    pub(crate) fn attach_payment(&mut self, payment: &Payment) {
        if self.status == OrderStatus::Pending && self.payment.is_none() {
            self.payment = Some(payment.clone());
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
            OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Rejected => {
                Err(Error::internal(format!("order {} is {:?} and its stock is sold", self.id, self.status)))
            }
            _ => Ok(false),
        }
    }

    /// Whether the order ended before it was paid, and continues because the money has arrived.
    pub(crate) fn is_paid_late(&self) -> bool {
        self.status == OrderStatus::Paid
            && self.history.iter().any(|change| change.reason == Some(StatusReason::PaidLate))
    }

    /// Replaces an expired reservation, once: workers that find it expired at the same time must
    /// not compete for the stock with a reservation each.
    pub(crate) fn renew_reservation(&mut self, expired: ReservationId, reservation_time: Duration, now: Timestamp) {
        if self.status == OrderStatus::Paid && self.reservation == expired {
            self.reservation = ReservationId::new();
            self.reserved_until = now.after(reservation_time);
            self.lease(now);
        }
    }

    /// Rejects the order. With `owes_stock`, it may hold stock, which is then returned.
    pub(crate) fn reject(
        &mut self,
        refusal: Error,
        reason: StatusReason,
        owes_stock: bool,
        now: Timestamp,
    ) -> Result<()> {
        if matches!(self.status, OrderStatus::Pending | OrderStatus::Reserved) {
            self.end(OrderStatus::Rejected, reason, owes_stock, now)?;
            self.refusal = Some(refusal);
            self.delete_at = self.is_refused().then(|| now.after(REFUSED_RETENTION));
            self.payment_details.erase_token();
        }
        Ok(())
    }

    /// Cancels a reserved or paid order that cannot be completed.
    pub(crate) fn cancel_because(&mut self, refusal: Error, reason: StatusReason, now: Timestamp) -> Result<()> {
        if matches!(self.status, OrderStatus::Reserved | OrderStatus::Paid) {
            self.end(OrderStatus::Cancelled, reason, true, now)?;
            self.refusal = Some(refusal);
        }
        Ok(())
    }

    pub(crate) fn abandon(&mut self, now: Timestamp) -> Result<()> {
        if self.status == OrderStatus::Pending {
            self.reject(interrupted(), StatusReason::Interrupted, true, now)
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
            self.reject(interrupted(), StatusReason::Interrupted, true, now)?;
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
        self.reject(Error::payment_declined(detail), StatusReason::PaymentDeclined, true, now)
    }

    /// Cancels a reserved order whose payment was cancelled, or refunded, at the provider.
    pub(crate) fn cancel_unpaid(&mut self, now: Timestamp) -> Result<()> {
        let reason = match self.payment_status() {
            Some(PaymentStatus::Cancelled) => StatusReason::PaymentCancelled,
            Some(PaymentStatus::Refunded) => StatusReason::RefundedAtProvider,
            _ => return Ok(()),
        };
        if self.status != OrderStatus::Reserved {
            return Ok(());
        }
        let detail = "The payment was cancelled; nothing was ordered. Order again under a new key.";
        self.cancel_because(Error::conflict("order-state", detail), reason, now)
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
        self.cancel_because(Error::conflict("order-state", detail), StatusReason::ReservationExpired, now)
    }

    /// Returns whether this call cancelled it. Errors: `order-state`; `not-found` for another's
    /// order.
    pub(crate) fn cancel(&mut self, actor: Actor, now: Timestamp) -> Result<bool> {
        let reason = match actor {
            Actor::Customer(id) | Actor::Admin(id) if self.customer == Some(id) => StatusReason::ByCustomer,
            Actor::Guest => StatusReason::ByCustomer,
            Actor::Admin(_) => StatusReason::ByShop,
            Actor::Customer(_) => return Err(Error::not_found("order")),
        };
        let before = self.status;
        match before {
            OrderStatus::Reserved | OrderStatus::Paid | OrderStatus::Confirmed => {
                let admin = match actor {
                    Actor::Admin(id) => Some(id),
                    Actor::Customer(_) | Actor::Guest => None,
                };
                self.end_by(OrderStatus::Cancelled, reason, admin, true, now)?;
                Ok(true)
            }
            OrderStatus::Cancelled | OrderStatus::Refunded => Ok(false),
            OrderStatus::Pending => {
                Err(Error::conflict("order-state", "The order is still being placed; try again in a moment."))
            }
            OrderStatus::Rejected => Err(Error::conflict("order-state", "A rejected order cannot be cancelled.")),
            OrderStatus::PartiallyShipped | OrderStatus::Shipped | OrderStatus::Delivered => {
                Err(Error::conflict("order-state", "A shipped order cannot be cancelled."))
            }
        }
    }

    /// Returns the authorized payment; `None` when it is captured already. Errors: `order-state`.
    pub(crate) fn authorized_payment(&self) -> Result<Option<&Payment>> {
        match (self.status, &self.payment) {
            (OrderStatus::Reserved, Some(payment)) if payment.status() == PaymentStatus::Authorized => {
                Ok(Some(payment))
            }
            (status, Some(payment)) if (status == OrderStatus::Paid || status.is_sold()) && payment.keeps_money() => {
                Ok(None)
            }
            _ => Err(Error::conflict("order-state", "The order has no authorized payment to capture.")),
        }
    }

    pub(super) fn payment_status(&self) -> Option<PaymentStatus> {
        self.payment.as_ref().map(Payment::status)
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status, OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Refunded)
    }

    pub(super) fn enter(&mut self, status: OrderStatus, reason: Option<StatusReason>, now: Timestamp) -> Result<()> {
        if !self.status.next().contains(&status) {
            return Err(Error::internal(format!("order {}: {status:?} cannot follow {:?}", self.id, self.status)));
        }
        self.events.extend(OrderEvent::of(self.status, status, reason));
        self.status = status;
        if !matches!(status, OrderStatus::Pending | OrderStatus::Reserved) {
            self.unverified_network = None;
        }
        self.schedule.reset_failures();
        self.history.push(StatusChange { status, at: now, reason });
        Ok(())
    }

    /// Records, once, that the buyer learns that the payment takes longer. Not while the buyer has
    /// not paid yet.
    pub(crate) fn report_waiting(&mut self) {
        let is_processing = self.payment_status() == Some(PaymentStatus::Processing);
        if self.status == OrderStatus::Reserved && is_processing && !self.is_waiting_reported {
            self.is_waiting_reported = true;
            self.events.push(OrderEvent::PaymentWaiting);
        }
    }

    /// Returns the events of this change, once.
    pub(crate) fn take_events(&mut self) -> Vec<OrderEvent> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn lease(&mut self, now: Timestamp) {
        self.schedule.set_due(now.after(STEP_LEASE));
    }
}

pub(crate) fn interrupted() -> Error {
    let detail = "The checkout was interrupted; nothing was ordered and nothing charged. Order again under a new key.";
    Error::conflict("order-state", detail)
}
