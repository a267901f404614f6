//! The checkout saga: the table of next actions, and the compensation of each action.
//!
//! | action | does | compensation |
//! |---|---|---|
//! | `ReserveStock` | `products.reserve`, then opens the payment: the order is reserved, or rejected | `products.release`; cancel the payment |
//! | `ChargePayment` | charges the payment: paid, declined, or unknown | refund, or cancel the payment |
//! | `CheckPayment` | asks the provider for the status of the payment | none: it changes nothing |
//! | `ConfirmStock` | `products.confirm`, or reserves again first: confirmed, or cancelled | `products.restock` |
//! | `Abandon`, `Decline` | rejects the order | none: `Compensate` follows |
//! | `Cancel`, `ExpireReservation` | cancels the order | none: `Compensate` follows |
//! | `Compensate` | cancels or refunds the payment, then releases or restocks the stock | none: it is repeated until it succeeds |
//!
//! Every action can be repeated. After a crash, the next trigger takes the action that the stored
//! order needs. The triggers are a request with the same key, a payment notification and the
//! background job.

use super::OrderStatus;
use crate::domain::payment::PaymentStatus;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// A client's request, or a payment notification.
    Request,
    /// The background job, after the lease of the last step has expired.
    Job,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextAction {
    ReserveStock,
    ChargePayment,
    CheckPayment,
    ConfirmStock,
    /// Rejects an order whose checkout was interrupted.
    Abandon,
    Decline,
    /// Cancels an order whose payment was cancelled at the provider.
    Cancel,
    ExpireReservation,
    Compensate,
    Wait,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation {
    pub(crate) status: OrderStatus,
    pub(crate) payment: Option<PaymentStatus>,
    /// Whether the reservation has expired.
    pub(crate) expired: bool,
    pub(crate) client_pays: bool,
    /// Whether an order that has ended still has money or stock to return.
    pub(crate) unsettled: bool,
}

#[rustfmt::skip]
#[expect(clippy::match_same_arms, reason = "a table has one line for each case")]
pub(crate) fn next_action(situation: Situation, trigger: Trigger) -> NextAction {
    use NextAction::{
        Abandon, Cancel, ChargePayment, CheckPayment, Compensate, ConfirmStock, Decline, ExpireReservation, ReserveStock, Wait,
    };
    use OrderStatus::{Cancelled, Confirmed, Paid, Pending, Refunded, Rejected, Reserved, Shipped};
    use PaymentStatus as P;
    use Trigger::{Job, Request};
    let Situation { status, payment, expired, client_pays, unsettled } = situation;
    match (status, payment, expired, trigger) {
        // status    payment                                  expired  trigger
        (Pending,    _,                                       _,       Request) => ReserveStock,
        (Pending,    _,                                       _,       Job)     => Abandon,
        (Reserved,   Some(P::Declined),                       _,       _)       => Decline,
        (Reserved,   Some(P::Cancelled),                      _,       _)       => Cancel,
        (Reserved,   Some(P::Open),                           false,   Request) => if client_pays { Wait } else { ChargePayment },
        (Reserved,   Some(P::Open),                           false,   Job)     => CheckPayment,
        (Reserved,   Some(P::Open),                           true,    _)       => ExpireReservation,
        (Reserved,   Some(P::Processing | P::Authorized),     false,   Request) => Wait,
        (Reserved,   Some(P::Processing | P::Authorized),     false,   Job)     => CheckPayment,
        (Reserved,   Some(P::Processing | P::Authorized),     true,    _)       => ExpireReservation,
        // These do not occur: a reserved order has a payment, the write that records a capture
        // makes the order paid, and only orders that have ended are refunded.
        (Reserved,   None | Some(P::Captured | P::Refunded),  false,   Request) => Wait,
        (Reserved,   None | Some(P::Captured | P::Refunded),  false,   Job)     => CheckPayment,
        (Reserved,   None | Some(P::Captured | P::Refunded),  true,    _)       => ExpireReservation,
        (Paid,       _,                                       _,       _)       => ConfirmStock,
        (Confirmed,  _,                                       _,       _)       => Wait,
        (Shipped,    _,                                       _,       _)       => Wait,
        (Rejected,   _,                                       _,       _)       => if unsettled { Compensate } else { Wait },
        (Cancelled,  _,                                       _,       _)       => if unsettled { Compensate } else { Wait },
        (Refunded,   _,                                       _,       _)       => Wait,
    }
}

/// The compensation of a payment; [`NextAction::Compensate`] takes it before it returns the stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentCompensation {
    Cancel,
    Refund,
    /// Leaves it: no money was captured, or the money is returned already.
    None,
}

pub(crate) fn payment_compensation(payment: Option<PaymentStatus>) -> PaymentCompensation {
    match payment {
        Some(PaymentStatus::Open | PaymentStatus::Processing | PaymentStatus::Authorized) => {
            PaymentCompensation::Cancel
        }
        Some(PaymentStatus::Captured) => PaymentCompensation::Refund,
        Some(PaymentStatus::Declined | PaymentStatus::Cancelled | PaymentStatus::Refunded) | None => {
            PaymentCompensation::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYMENTS: [Option<PaymentStatus>; 8] = [
        None,
        Some(PaymentStatus::Open),
        Some(PaymentStatus::Processing),
        Some(PaymentStatus::Authorized),
        Some(PaymentStatus::Captured),
        Some(PaymentStatus::Declined),
        Some(PaymentStatus::Cancelled),
        Some(PaymentStatus::Refunded),
    ];

    /// The expected actions: for a request and for the job, before and after the reservation
    /// expires. `A/B` of a reserved order is A when the shop charges the payment, and B when the
    /// client pays. `A/B` of an ended order is A when it is unsettled, else B.
    const TABLE: &str = "
        status    | payment                                        | request            | job          | request, expired  | job, expired
        Pending   | None Open Processing Authorized Captured Declined Cancelled Refunded | ReserveStock | Abandon | ReserveStock | Abandon
        Reserved  | None Processing Authorized Captured Refunded   | Wait               | CheckPayment | ExpireReservation | ExpireReservation
        Reserved  | Open                                           | ChargePayment/Wait | CheckPayment | ExpireReservation | ExpireReservation
        Reserved  | Declined                                       | Decline            | Decline      | Decline           | Decline
        Reserved  | Cancelled                                      | Cancel             | Cancel       | Cancel            | Cancel
        Paid      | None Open Processing Authorized Captured Declined Cancelled Refunded | ConfirmStock | ConfirmStock | ConfirmStock | ConfirmStock
        Confirmed | None Open Processing Authorized Captured Declined Cancelled Refunded | Wait | Wait | Wait | Wait
        Shipped   | None Open Processing Authorized Captured Declined Cancelled Refunded | Wait | Wait | Wait | Wait
        Rejected  | None Open Processing Authorized Captured Declined Cancelled Refunded | Compensate/Wait | Compensate/Wait | Compensate/Wait | Compensate/Wait
        Cancelled | None Open Processing Authorized Captured Declined Cancelled Refunded | Compensate/Wait | Compensate/Wait | Compensate/Wait | Compensate/Wait
        Refunded  | None Open Processing Authorized Captured Declined Cancelled Refunded | Wait | Wait | Wait | Wait";

    fn expected(situation: Situation, trigger: Trigger) -> &'static str {
        let (status, payment) =
            (format!("{:?}", situation.status), situation.payment.map(|status| format!("{status:?}")));
        let payment = payment.as_deref().unwrap_or("None");
        let rows = TABLE.trim().lines().skip(1).map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
        let mut matching = rows.filter(|row| row[0] == status && row[1].split(' ').any(|listed| listed == payment));
        let (Some(row), None) = (matching.next(), matching.next()) else {
            panic!("{status} with payment {payment} is not on exactly one line")
        };
        let cell = row[2 + usize::from(trigger == Trigger::Job) + 2 * usize::from(situation.expired)];
        let (one, other) = cell.split_once('/').unwrap_or((cell, cell));
        let is_first =
            if situation.status == OrderStatus::Reserved { !situation.client_pays } else { situation.unsettled };
        if is_first { one } else { other }
    }

    #[test]
    fn every_situation_has_the_action_of_the_table() {
        let bools = [false, true];
        let mut situations = 0;
        for status in OrderStatus::ALL {
            for payment in PAYMENTS {
                for (expired, client_pays, unsettled) in
                    bools.into_iter().flat_map(|a| bools.into_iter().flat_map(move |b| bools.map(|c| (a, b, c))))
                {
                    for trigger in [Trigger::Request, Trigger::Job] {
                        let situation = Situation { status, payment, expired, client_pays, unsettled };
                        let action = format!("{:?}", next_action(situation, trigger));
                        assert_eq!(action, expected(situation, trigger), "{situation:?} {trigger:?}");
                        situations += 1;
                    }
                }
            }
        }
        assert_eq!(situations, 8 * 8 * 8 * 2);
    }

    #[test]
    fn captured_money_is_refunded_and_other_payments_are_cancelled() {
        use PaymentCompensation::{Cancel, None, Refund};
        let compensations = PAYMENTS.map(payment_compensation);
        assert_eq!(compensations, [None, Cancel, Cancel, Cancel, Refund, None, None, None]);
    }
}
