//! The checkout saga: the table of next actions, and the compensation of each action.
//!
//! | action | does | compensation |
//! |---|---|---|
//! | `ReserveStock` | `products.reserve`, then opens or charges the payment; a captured payment also sells the stock: reserved, paid, confirmed or rejected | `ReturnStock`; `CancelPayment` or `RefundPayment` |
//! | `ChargePayment` | charges the payment: paid, underpaid, declined, or unknown | `RefundPayment` or `CancelPayment` |
//! | `CheckPayment` | asks the provider for the state of the payment | none: it changes nothing at the provider |
//! | `ConfirmStock` | `products.confirm`, or reserves again first: confirmed, or cancelled | `ReturnStock` |
//! | `Abandon` | rejects the order, or continues its checkout if the payment was charged | none: the compensations follow |
//! | `Decline` | rejects the order | none: the compensations follow |
//! | `Cancel`, `ExpireReservation` | cancels the order | none: the compensations follow |
//! | `CancelPayment` | cancels the payment at the provider | none: it is repeated until nothing more can be captured |
//! | `ReturnStock` | `products.release` or `products.restock` | none: it is repeated until it succeeds |
//! | `RefundPayment` | reads the provider's list of refunds, then requests those that are owed | none: it is repeated until the provider answers |
//! | `CheckRefund` | reads the provider's list of refunds | none: it changes nothing at the provider |
//!
//! An order that has ended returns its stock to `products` and its money to the customer. Neither
//! return waits for the other.
//!
//! Every action can be repeated. After a crash, the next trigger takes the action that the stored
//! order needs. The triggers are a request with the same key, a payment notification and the
//! background job.

use super::OrderStatus;
use crate::domain::payment::state::{PaymentStatus, PaymentWork};

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
    /// Rejects an order whose checkout was interrupted, or continues it if the payment was charged.
    Abandon,
    Decline,
    /// Cancels an order whose payment was cancelled or refunded at the provider.
    Cancel,
    ExpireReservation,
    CancelPayment,
    ReturnStock,
    RefundPayment,
    CheckRefund,
    Wait,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation {
    pub(crate) status: OrderStatus,
    pub(crate) payment: Option<PaymentStatus>,
    /// Whether the reservation has expired.
    pub(crate) expired: bool,
    pub(crate) client_pays: bool,
    /// Whether an order that has ended still holds stock, or refunded pieces go back on sale.
    pub(crate) owes_stock: bool,
    /// The next action at the provider when the shop must not keep the money.
    pub(crate) money: PaymentWork,
}

#[rustfmt::skip]
#[expect(clippy::match_same_arms, reason = "a table has one line for each case")]
pub(crate) fn next_action(situation: Situation, trigger: Trigger) -> NextAction {
    use NextAction::{
        Abandon, Cancel, CancelPayment, ChargePayment, CheckPayment, CheckRefund, ConfirmStock, Decline,
        ExpireReservation, RefundPayment, ReserveStock, ReturnStock, Wait,
    };
    use OrderStatus::{
        Cancelled, Confirmed, Delivered, Paid, PartiallyShipped, Pending, Refunded, Rejected, Reserved, Shipped,
    };
    use PaymentStatus as P;
    use Trigger::{Job, Request};
    let Situation { status, payment, expired, client_pays, owes_stock, money } = situation;
    let refund = match (money, trigger) {
        (PaymentWork::Refund,      _)       => RefundPayment,
        (PaymentWork::AwaitRefund, Request) => Wait,
        (PaymentWork::AwaitRefund, Job)     => CheckRefund,
        (PaymentWork::None | PaymentWork::Cancel, _) => Wait,
    };
    let settlement = if owes_stock { ReturnStock } else { refund };
    let compensation = match money {
        // Cancelled first, so that the client cannot pay for stock that is on sale again.
        PaymentWork::Cancel => CancelPayment,
        _ => settlement,
    };
    match (status, payment, expired, trigger) {
        // status    payment                                 expired  trigger
        (Pending,    _,                                      _,       Request) => ReserveStock,
        (Pending,    _,                                      _,       Job)     => Abandon,
        (Reserved,   Some(P::Declined),                      _,       _)       => Decline,
        (Reserved,   Some(P::Cancelled | P::Refunded),       _,       _)       => Cancel,
        (Reserved,   Some(P::Open),                          false,   Request) => if client_pays { Wait } else { ChargePayment },
        (Reserved,   Some(P::Open),                          false,   Job)     => CheckPayment,
        (Reserved,   Some(P::Open),                          true,    _)       => ExpireReservation,
        (Reserved,   Some(P::Processing | P::Authorized),    false,   Request) => Wait,
        (Reserved,   Some(P::Processing | P::Authorized),    false,   Job)     => CheckPayment,
        (Reserved,   Some(P::Processing | P::Authorized),    true,    _)       => ExpireReservation,
        // A part of the money has arrived; the rest may follow until the reservation expires.
        (Reserved,   Some(P::Underpaid | P::PartiallyRefunded | P::RefundPending | P::RefundFailed | P::Disputed), false, Request) => Wait,
        (Reserved,   Some(P::Underpaid | P::PartiallyRefunded | P::RefundPending | P::RefundFailed | P::Disputed), false, Job) => CheckPayment,
        (Reserved,   Some(P::Underpaid | P::PartiallyRefunded | P::RefundPending | P::RefundFailed | P::Disputed), true, _) => ExpireReservation,
        // These do not occur: a reserved order has a payment, and the write that records its whole
        // amount makes the order paid.
        (Reserved,   None | Some(P::Captured | P::Overpaid), false,   Request) => Wait,
        (Reserved,   None | Some(P::Captured | P::Overpaid), false,   Job)     => CheckPayment,
        (Reserved,   None | Some(P::Captured | P::Overpaid), true,    _)       => ExpireReservation,
        (Paid,       _,                                      _,       _)       => ConfirmStock,
        (Confirmed,  _,                                      _,       _)       => settlement,
        (PartiallyShipped | Shipped | Delivered, _,          _,       _)       => settlement,
        (Rejected,   _,                                      _,       _)       => compensation,
        (Cancelled,  _,                                      _,       _)       => compensation,
        (Refunded,   _,                                      _,       _)       => Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYMENTS: [Option<PaymentStatus>; 14] = [
        None,
        Some(PaymentStatus::Open),
        Some(PaymentStatus::Processing),
        Some(PaymentStatus::Authorized),
        Some(PaymentStatus::Underpaid),
        Some(PaymentStatus::Captured),
        Some(PaymentStatus::Overpaid),
        Some(PaymentStatus::Declined),
        Some(PaymentStatus::Cancelled),
        Some(PaymentStatus::PartiallyRefunded),
        Some(PaymentStatus::RefundPending),
        Some(PaymentStatus::RefundFailed),
        Some(PaymentStatus::Disputed),
        Some(PaymentStatus::Refunded),
    ];
    const WORK: [PaymentWork; 4] =
        [PaymentWork::None, PaymentWork::Cancel, PaymentWork::Refund, PaymentWork::AwaitRefund];

    /// The expected actions of an order that has not ended: for a request and for the job, before
    /// and after the reservation expires. `A/B` is A when the shop charges the payment, and B when
    /// the client pays. `*` is every payment.
    const TABLE: &str = "
        status    | payment   | request            | job          | request, expired  | job, expired
        Pending   | *         | ReserveStock       | Abandon      | ReserveStock      | Abandon
        Reserved  | None Processing Authorized Underpaid Captured Overpaid PartiallyRefunded RefundPending RefundFailed Disputed | Wait | CheckPayment | ExpireReservation | ExpireReservation
        Reserved  | Open      | ChargePayment/Wait | CheckPayment | ExpireReservation | ExpireReservation
        Reserved  | Declined  | Decline            | Decline      | Decline           | Decline
        Reserved  | Cancelled Refunded | Cancel    | Cancel       | Cancel            | Cancel
        Paid      | *         | ConfirmStock       | ConfirmStock | ConfirmStock      | ConfirmStock
        Refunded  | *         | Wait               | Wait         | Wait              | Wait";

    /// The expected actions of a finished order for each work at the provider, for a request and
    /// for the job. `A/B` is A while the order owes stock, else B.
    const FINISHED: &str = "
        status              | money       | request                   | job
        Confirmed PartiallyShipped Shipped Delivered | None Cancel | ReturnStock/Wait          | ReturnStock/Wait
        Confirmed PartiallyShipped Shipped Delivered | Refund      | ReturnStock/RefundPayment | ReturnStock/RefundPayment
        Confirmed PartiallyShipped Shipped Delivered | AwaitRefund | ReturnStock/Wait          | ReturnStock/CheckRefund
        Rejected Cancelled  | None        | ReturnStock/Wait          | ReturnStock/Wait
        Rejected Cancelled  | Cancel      | CancelPayment             | CancelPayment
        Rejected Cancelled  | Refund      | ReturnStock/RefundPayment | ReturnStock/RefundPayment
        Rejected Cancelled  | AwaitRefund | ReturnStock/Wait          | ReturnStock/CheckRefund";

    fn expected(situation: Situation, trigger: Trigger) -> &'static str {
        use OrderStatus::{Cancelled, Rejected};
        let payment = situation.payment.map_or("None".to_owned(), |status| format!("{status:?}"));
        let is_finished = situation.status.is_sold() || matches!(situation.status, Rejected | Cancelled);
        let (table, key, expired) = if is_finished {
            (FINISHED, format!("{:?}", situation.money), false)
        } else {
            (TABLE, payment, situation.expired)
        };
        let status = format!("{:?}", situation.status);
        let lists = |cell: &str, name: &str| cell == "*" || cell.split(' ').any(|listed| listed == name);
        let rows = table.trim().lines().skip(1).map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
        let mut matching = rows.filter(|row| lists(row[0], &status) && lists(row[1], &key));
        let (Some(row), None) = (matching.next(), matching.next()) else {
            panic!("{status} with {key} is not on exactly one line")
        };
        let cell = row[2 + usize::from(trigger == Trigger::Job) + 2 * usize::from(expired)];
        let (one, other) = cell.split_once('/').unwrap_or((cell, cell));
        let is_first = if is_finished { situation.owes_stock } else { !situation.client_pays };
        if is_first { one } else { other }
    }

    #[test]
    fn every_situation_has_the_action_of_the_table() {
        let bools = [false, true];
        let mut situations = 0;
        for status in OrderStatus::ALL {
            for payment in PAYMENTS {
                for money in WORK {
                    for (expired, client_pays, owes_stock) in
                        bools.into_iter().flat_map(|a| bools.into_iter().flat_map(move |b| bools.map(|c| (a, b, c))))
                    {
                        for trigger in [Trigger::Request, Trigger::Job] {
                            let situation = Situation { status, payment, expired, client_pays, owes_stock, money };
                            let action = format!("{:?}", next_action(situation, trigger));
                            assert_eq!(action, expected(situation, trigger), "{situation:?} {trigger:?}");
                            situations += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(situations, 10 * 14 * 4 * 8 * 2);
    }
}
