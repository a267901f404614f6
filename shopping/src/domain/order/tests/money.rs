//! Money that comes late, too little, twice or back.

use super::*;

#[test]
fn late_money_revives_only_an_order_whose_reservation_expired() {
    let now = Timestamp::now();
    let mut order = in_state(OrderStatus::Reserved);
    order.expire_reservation(now).unwrap();
    assert_eq!(order.outcome().unwrap_err().code(), "order-state");
    let before = order.reservation();
    apply(&mut order, &report(ProviderPaymentStatus::Captured));
    assert_eq!(order.status(), OrderStatus::Paid);
    order.renew_reservation(before, RESERVATION_TIME, now);
    let renewed = order.reservation();
    // Another worker has found the same reservation expired.
    order.renew_reservation(before, RESERVATION_TIME, now);
    assert!(renewed != before && order.reservation() == renewed);
    assert!(confirm(&mut order) && order.outcome().is_ok());

    let mut order = in_state(OrderStatus::Cancelled);
    apply(&mut order, &report(ProviderPaymentStatus::Captured));
    assert_eq!((order.status(), next_action(&order, Trigger::Job)), (OrderStatus::Cancelled, NextAction::ReturnStock));
}

#[test]
fn a_notification_is_applied_once_and_to_its_own_payment_only() {
    let mut order = in_state(OrderStatus::Reserved);
    let notification = |order: &Order, reference: &str| PaymentNotification {
        id: "evt_1".to_owned(),
        order: order.id,
        reference: reference.to_owned(),
        update: PaymentUpdate::Payment(report(ProviderPaymentStatus::Captured)),
    };
    let now = Timestamp::now();
    let foreign = notification(&order, "another");
    assert_eq!(order.apply_notification(&foreign, log_entry(), now).unwrap(), Change::Nothing);
    assert_eq!(order.status(), OrderStatus::Reserved);
    let own = notification(&order, &order.id.to_string());
    assert_eq!(order.apply_notification(&own, log_entry(), now).unwrap(), Change::Payment);
    let after = order.history.len();
    assert_eq!(order.apply_notification(&own, log_entry(), now).unwrap(), Change::Nothing);
    assert_eq!((order.status(), order.history.len()), (OrderStatus::Paid, after));
}

/// Reports of a payment in each state of the order, one after the other: the order and its payment.
#[test]
fn the_order_follows_the_money() {
    use OrderStatus::{Cancelled, Confirmed, Paid, Refunded, Reserved, Shipped};
    use PaymentStatus as P;
    let rows: &[(&str, OrderStatus, &[PaymentReport], OrderStatus, P)] = &[
        ("less than the total", Reserved, &[refunded(100, 0)], Reserved, P::Underpaid),
        ("the rest follows", Reserved, &[refunded(100, 0), refunded(TOTAL, 0)], Paid, P::Captured),
        ("more than the total", Reserved, &[refunded(2 * TOTAL, 0)], Paid, P::Overpaid),
        ("paid and refunded in part", Reserved, &[refunded(TOTAL, 100)], Paid, P::PartiallyRefunded),
        ("paid and refunded at once", Reserved, &[refunded(TOTAL, TOTAL)], Refunded, P::Refunded),
        ("a part, refunded", Reserved, &[refunded(100, 0), refunded(100, 100)], Refunded, P::Refunded),
        ("refunded in part", Confirmed, &[refunded(TOTAL, 100)], Confirmed, P::PartiallyRefunded),
        ("refunded", Confirmed, &[refunded(TOTAL, 100), refunded(TOTAL, TOTAL - 100)], Refunded, P::Refunded),
        ("refunded before the stock is sold", Paid, &[refunded(TOTAL, TOTAL)], Refunded, P::Refunded),
        ("refunded after shipping", Shipped, &[refunded(TOTAL, TOTAL)], Shipped, P::Refunded),
        ("money for a cancelled order", Cancelled, &[refunded(TOTAL, 0)], Cancelled, P::RefundPending),
        ("a part for a cancelled order", Cancelled, &[refunded(100, 0)], Cancelled, P::RefundPending),
        ("refunded by hand", Cancelled, &[refunded(TOTAL, TOTAL)], Refunded, P::Refunded),
        ("money for a rejected order", OrderStatus::Rejected, &[refunded(100, 0)], Cancelled, P::RefundPending),
    ];
    for (case, status, reports, after, payment) in rows {
        let mut order = in_state(*status);
        if order.payment.is_none() {
            order.payment = Some(open_payment(&order));
        }
        order.take_events();
        for report in *reports {
            apply(&mut order, report);
        }
        let is_published = order.take_events().contains(&OrderEvent::Cancelled);
        assert_eq!(is_published, matches!(status, Paid | Confirmed) && *after == Refunded, "{case}");
        if next_action(&order, Trigger::Request) == NextAction::Cancel {
            order.cancel_unpaid(Timestamp::now()).unwrap();
        }
        if next_action(&order, Trigger::Job) == NextAction::ReturnStock {
            return_stock(&mut order);
        }
        assert_eq!((order.status(), order.payment_status()), (*after, Some(*payment)), "{case}");
    }
}

#[test]
fn an_expired_order_without_its_whole_money_is_refunded() {
    let mut order = in_state(OrderStatus::Reserved);
    apply(&mut order, &refunded(100, 0));
    order.expire_reservation(Timestamp::now()).unwrap();
    let requested: Vec<u64> =
        order.payment.as_ref().unwrap().requested_refunds().map(|refund| refund.amount.amount()).collect();
    assert_eq!((order.status(), requested), (OrderStatus::Cancelled, vec![100]));
    // The rest arrives too late: the money is on its way back already.
    apply(&mut order, &refunded(TOTAL, 0));
    assert_eq!((order.status(), order.payment.as_ref().unwrap().refundable()), (OrderStatus::Cancelled, euros(0)));
}

#[test]
fn stock_and_money_are_returned_independently() {
    let (job, now) = (Trigger::Job, Timestamp::now());
    let (no_money, no_stock) =
        (AttemptedWork { money: true, stock: false }, AttemptedWork { money: false, stock: true });
    let mut order = in_state(OrderStatus::Confirmed);
    order.cancel(customer_of(&order), now).unwrap();
    assert_eq!(order.next_action(job, no_money, now), NextAction::ReturnStock);
    assert_eq!(order.next_action(job, no_stock, now), NextAction::RefundPayment);
    let mut stock_first = order.clone();
    return_stock(&mut stock_first);
    assert_eq!(next_action(&stock_first, job), NextAction::RefundPayment);
    answer_refund(&mut stock_first, RefundStatus::Succeeded);
    let mut money_first = order;
    answer_refund(&mut money_first, RefundStatus::Succeeded);
    assert_eq!(
        (money_first.status(), next_action(&money_first, job)),
        (OrderStatus::Cancelled, NextAction::ReturnStock)
    );
    return_stock(&mut money_first);
    for order in [stock_first, money_first] {
        assert_eq!((order.status(), order.has_open_work()), (OrderStatus::Refunded, false));
    }
}

#[test]
fn an_admin_repeats_a_failed_refund() {
    let mut order = in_state(OrderStatus::Confirmed);
    let now = Timestamp::now();
    assert_eq!(order.retry_refunds(now).unwrap_err().code(), "order-state", "a live order owes nothing");
    order.cancel(customer_of(&order), now).unwrap();
    return_stock(&mut order);
    let first = order.payment.as_ref().unwrap().requested_refunds().next().unwrap().id;
    answer_refund(&mut order, RefundStatus::Failed);
    // The job does not repeat it.
    assert_eq!((order.has_open_work(), next_action(&order, Trigger::Job)), (false, NextAction::Wait));
    for _ in 0..2 {
        order.retry_refunds(now).unwrap();
    }
    let again: Vec<PaymentRefundId> =
        order.payment.as_ref().unwrap().requested_refunds().map(|refund| refund.id).collect();
    assert!(again.len() == 1 && again[0] != first, "{again:?}");
    assert_eq!(next_action(&order, Trigger::Job), NextAction::RefundPayment);
    answer_refund(&mut order, RefundStatus::Pending);
    assert_eq!(
        [Trigger::Request, Trigger::Job].map(|trigger| next_action(&order, trigger)),
        [NextAction::Wait, NextAction::CheckRefund]
    );
    order.apply_refund(&refund_report(Some(again[0]), euros(TOTAL), RefundStatus::Succeeded), now).unwrap();
    assert_eq!(order.status(), OrderStatus::Refunded);
    order.retry_refunds(now).unwrap();
    assert_eq!(next_action(&order, Trigger::Job), NextAction::Wait);
}

#[test]
fn a_cancelled_order_is_refunded_although_an_earlier_refund_failed() {
    let mut order = in_state(OrderStatus::Reserved);
    let now = Timestamp::now();
    apply(&mut order, &refunded(TOTAL + 2, 0));
    assert!(confirm(&mut order));
    order.payment.as_mut().unwrap().refund_more(euros(2));
    answer_refund(&mut order, RefundStatus::Failed);
    assert_eq!(order.payment_status(), Some(PaymentStatus::RefundFailed));
    order.cancel(customer_of(&order), now).unwrap();
    let requested: u64 = order.payment.as_ref().unwrap().requested_refunds().map(|it| it.amount.amount()).sum();
    assert_eq!(requested, TOTAL + 2);
}

#[test]
fn a_disputed_order_is_refunded_when_the_shop_has_won() {
    let now = Timestamp::now();
    let dispute = |status| Dispute { id: "dp_1".to_owned(), amount: euros(TOTAL), status, reason: None };
    let mut order = in_state(OrderStatus::Confirmed);
    let notify = |order: &mut Order, id: &str, status| {
        let notification = PaymentNotification {
            id: id.to_owned(),
            order: order.id,
            reference: order.id.to_string(),
            update: PaymentUpdate::Dispute(dispute(status)),
        };
        order.apply_notification(&notification, log_entry(), now).unwrap()
    };
    assert_eq!(notify(&mut order, "evt_1", DisputeStatus::Open), Change::Payment);
    assert_eq!((order.status(), order.payment_status()), (OrderStatus::Confirmed, Some(PaymentStatus::Disputed)));
    order.cancel(customer_of(&order), now).unwrap();
    return_stock(&mut order);
    assert_eq!((order.has_open_work(), next_action(&order, Trigger::Job)), (false, NextAction::Wait));
    assert_eq!(order.retry_refunds(now).unwrap_err().code(), "order-state");
    notify(&mut order, "evt_2", DisputeStatus::Won);
    assert_eq!((order.has_open_work(), next_action(&order, Trigger::Job)), (true, NextAction::RefundPayment));
}

#[test]
fn a_refund_that_fails_days_later_makes_the_order_owe_it_again() {
    let mut order = in_state(OrderStatus::Refunded);
    let view = serde_json::to_value(order.view()).unwrap();
    let reference = view["payment"]["refunds"][0]["reference"].as_str().map(str::to_owned);
    let failed = RefundReport { reference, ..refund_report(None, euros(TOTAL), RefundStatus::Failed) };
    order.apply_refunds(&[failed], Timestamp::now()).unwrap();
    assert_eq!((order.status(), order.payment_status()), (OrderStatus::Cancelled, Some(PaymentStatus::RefundFailed)));
    assert_eq!(order.history.last().unwrap().reason, Some(StatusReason::RefundFailed));
    assert_eq!(next_action(&order, Trigger::Job), NextAction::Wait);
    order.retry_refunds(Timestamp::now()).unwrap();
    assert_eq!(next_action(&order, Trigger::Job), NextAction::RefundPayment);
}

/// The refund of a confirmed order and its status, and whether the order ships.
#[test]
fn an_order_ships_while_the_shop_keeps_a_part_of_its_money() {
    let now = Timestamp::now();
    for (amount, status, ships) in [
        (100, RefundStatus::Succeeded, true),
        (TOTAL - 1, RefundStatus::Pending, true),
        (TOTAL, RefundStatus::Pending, false),
        (TOTAL, RefundStatus::Failed, true),
        (TOTAL, RefundStatus::Succeeded, false),
    ] {
        let mut order = in_state(OrderStatus::Confirmed);
        order.apply_refund(&refund_report(None, euros(amount), status), now).unwrap();
        let shipped = ship(&mut order, None).map(drop).map_err(|error| error.kind());
        assert_eq!(shipped, if ships { Ok(()) } else { Err(ErrorKind::Conflict) }, "{amount} {status:?}");
        assert_eq!(order.authorized_payment().is_ok(), ships, "{amount} {status:?}");
    }
}
