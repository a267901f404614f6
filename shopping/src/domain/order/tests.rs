use souk_contract::shopping::{ShipmentId, TimelineKind};
use souk_types::{Currency, ErrorKind};

use super::fixtures::{LIMITS, cart_of_tea, hold_of, order_of, request};
use super::shipment::{NewShipment, Shipped, ShippedLine};
use super::*;
use crate::domain::payment::dispute::{Dispute, DisputeStatus};
use crate::domain::payment::report::{
    PaymentNotification, PaymentReport, PaymentUpdate, ProviderStatus, RefundId, RefundReport, RefundStatus,
};
use crate::domain::payment::state::PaymentStatus;
use crate::domain::payment::{DemoToken, PaymentMethod};

const RESERVATION_TIME: Duration = LIMITS.reservation_time;

/// Returns a customer's order of two teas.
fn pending() -> Order {
    order_of(&cart_of_tea(2), Owner::Customer(CustomerId::new()), "k", Timestamp::now())
}

fn customer_of(order: &Order) -> Actor {
    Actor::Customer(order.customer.unwrap())
}

pub(super) fn euros(amount: u64) -> Money {
    Money::new(amount, Currency::EUR).unwrap()
}

/// The total of the orders in these tests.
pub(super) const TOTAL: u64 = 998;

fn open_payment(order: &Order) -> Payment {
    Payment::open(PaymentMethod::Demo, order.id.to_string(), euros(TOTAL), None)
}

fn reserve(order: &mut Order) {
    let hold = hold_of(order, Some(open_payment(order)));
    order.hold(&hold, Timestamp::now()).unwrap();
}

fn report(status: ProviderStatus) -> PaymentReport {
    let captured = if status == ProviderStatus::Captured { TOTAL } else { 0 };
    PaymentReport::new(status, euros(captured))
}

/// Returns a report with a refund on the provider's dashboard of this amount, unless it is 0.
pub(super) fn refunded(captured: u64, refunded: u64) -> PaymentReport {
    let refund = RefundReport {
        reference: Some(format!("re_{refunded}")),
        ..refund_report(None, euros(refunded), RefundStatus::Succeeded)
    };
    let refunds = Some(refund).filter(|_| refunded > 0).into_iter().collect();
    PaymentReport { refunds, ..PaymentReport::new(ProviderStatus::Captured, euros(captured)) }
}

pub(super) fn apply(order: &mut Order, report: &PaymentReport) -> Change {
    order.apply_payment(report, Timestamp::now()).unwrap()
}

fn capture(order: &mut Order) -> Change {
    apply(order, &report(ProviderStatus::Captured))
}

/// Answers the refund that the order has requested.
pub(super) fn answer_refund(order: &mut Order, status: RefundStatus) -> Change {
    let refund = order.payment.as_ref().unwrap().requested_refunds().next().unwrap();
    let report = refund_report(Some(refund.id), refund.amount, status);
    order.apply_refund(&report, Timestamp::now()).unwrap()
}

fn refund_report(id: Option<RefundId>, amount: Money, status: RefundStatus) -> RefundReport {
    let reference = Some(id.map_or_else(|| "re_1".to_owned(), |id| id.to_string()));
    RefundReport { id, reference, amount, status, reason: None }
}

fn return_stock(order: &mut Order) {
    order.complete_stock_return(Timestamp::now()).unwrap();
}

fn next_action(order: &Order, trigger: Trigger) -> NextAction {
    order.next_action(trigger, PutOff::default(), Timestamp::now())
}

fn confirm(order: &mut Order) -> bool {
    order.confirm(Timestamp::now()).unwrap()
}

fn out_of_stock() -> Error {
    Error::conflict("out-of-stock", "x").with_member("items", "left")
}

fn log_entry() -> LogEntry {
    LogEntry::new(Timestamp::now(), None, TimelineKind::Payment, "x", "ok")
}

pub(super) fn in_state(status: OrderStatus) -> Order {
    let mut order = pending();
    if !matches!(status, OrderStatus::Pending | OrderStatus::Rejected) {
        reserve(&mut order);
    }
    if status.is_sold() || matches!(status, OrderStatus::Paid | OrderStatus::Refunded) {
        capture(&mut order);
    }
    let now = Timestamp::now();
    match status {
        OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Paid => {}
        OrderStatus::Rejected => order.reject(out_of_stock(), Reason::OutOfStock, false, now).unwrap(),
        OrderStatus::Confirmed => assert!(confirm(&mut order)),
        OrderStatus::PartiallyShipped | OrderStatus::Shipped | OrderStatus::Delivered => {
            assert!(confirm(&mut order));
            let pieces = if status == OrderStatus::PartiallyShipped { 1 } else { 2 };
            ship(&mut order, Some(pieces)).unwrap();
            if status == OrderStatus::Delivered {
                assert!(order.deliver(None, now).unwrap());
            }
        }
        OrderStatus::Cancelled => assert!(!order.cancel(customer_of(&order), now).unwrap()),
        OrderStatus::Refunded => {
            order.cancel(customer_of(&order), now).unwrap();
            answer_refund(&mut order, RefundStatus::Succeeded);
            return_stock(&mut order);
        }
    }
    assert_eq!(order.status(), status);
    order
}

/// Ships this many pieces of the first item, and all that is left without a number.
fn ship(order: &mut Order, pieces: Option<u64>) -> Result<Shipped> {
    let line = |pieces| vec![ShippedLine { product_id: order.items[0].product.id, quantity: pieces_of(pieces) }];
    let new = NewShipment { lines: pieces.map(line), carrier: None, tracking: None };
    order.ship(&new, None, CustomerId::new(), Timestamp::now())
}

fn pieces_of(number: u64) -> Quantity {
    Quantity::try_from(number).unwrap()
}

/// Every transition from every state: the state that it leads to, or the kind of its error.
#[test]
fn only_legal_transitions_change_an_order() {
    type Transition = fn(&mut Order) -> Result<()>;
    let transitions: [(&str, Transition); 9] = [
        ("reserve", |order| {
            reserve(order);
            Ok(())
        }),
        ("captured", |order| {
            order.payment = Some(open_payment(order));
            capture(order);
            Ok(())
        }),
        ("confirm", |order| order.confirm(Timestamp::now()).map(drop)),
        ("reject", |order| order.reject(out_of_stock(), Reason::OutOfStock, true, Timestamp::now())),
        ("expire", |order| order.expire_reservation(Timestamp::now())),
        ("cancel", |order| order.cancel(Actor::Admin(CustomerId::new()), Timestamp::now()).map(drop)),
        ("refunded", |order| {
            apply(order, &refunded(TOTAL, TOTAL));
            return_stock(order);
            Ok(())
        }),
        ("ship", |order| ship(order, None).map(drop)),
        ("deliver", |order| order.deliver(None, Timestamp::now()).map(drop)),
    ];
    let table = [
        // reserve captured confirm reject expire cancel refunded ship deliver
        ("Pending", "Reserved Pending Internal Rejected Pending Conflict Pending Conflict Conflict"),
        ("Reserved", "Reserved Paid Internal Rejected Cancelled Cancelled Reserved Conflict Conflict"),
        ("Paid", "Paid Paid Confirmed Paid Paid Cancelled Refunded Conflict Conflict"),
        ("Confirmed", "Confirmed Confirmed Confirmed Confirmed Confirmed Cancelled Refunded Shipped Conflict"),
        (
            "PartiallyShipped",
            "PartiallyShipped PartiallyShipped PartiallyShipped PartiallyShipped PartiallyShipped Conflict PartiallyShipped Shipped PartiallyShipped",
        ),
        ("Shipped", "Shipped Shipped Shipped Shipped Shipped Conflict Shipped Conflict Delivered"),
        ("Delivered", "Delivered Delivered Delivered Delivered Delivered Conflict Delivered Conflict Delivered"),
        ("Rejected", "Rejected Cancelled Internal Rejected Rejected Conflict Rejected Conflict Conflict"),
        ("Cancelled", "Cancelled Cancelled Cancelled Cancelled Cancelled Cancelled Refunded Conflict Conflict"),
        ("Refunded", "Refunded Cancelled Refunded Refunded Refunded Refunded Refunded Conflict Conflict"),
    ];
    for (from, (name, outcomes)) in OrderStatus::ALL.into_iter().zip(table) {
        assert_eq!(format!("{from:?}"), name);
        for ((transition, apply), outcome) in transitions.iter().zip(outcomes.split(' ')) {
            let mut order = in_state(from);
            let result = match apply(&mut order) {
                Ok(()) => format!("{:?}", order.status()),
                Err(error) => format!("{:?}", error.kind()),
            };
            assert_eq!(result, outcome, "{transition} when {from:?}");
            let after = order.status();
            let is_legal =
                after == from || from.next().iter().any(|next| *next == after || next.next().contains(&after));
            assert!(is_legal, "{transition} when {from:?}");
        }
    }
}

/// A job takes an action only for an order with a due time.
#[test]
fn an_order_with_an_action_left_is_due_for_the_job() {
    for status in OrderStatus::ALL {
        let order = in_state(status);
        let has_work = next_action(&order, Trigger::Job) != NextAction::Wait;
        assert_eq!(has_work, order.is_in_progress(), "{status:?}");
    }
}

#[test]
fn a_transition_decided_on_an_older_state_changes_nothing() {
    type Transition = fn(&mut Order) -> Result<()>;
    let mut declined = in_state(OrderStatus::Reserved);
    apply(&mut declined, &report(ProviderStatus::Declined));
    let mut cancelled = in_state(OrderStatus::Reserved);
    apply(&mut cancelled, &report(ProviderStatus::Cancelled));
    let cases: [(&str, Order, Transition); 6] = [
        ("the request has reserved stock", in_state(OrderStatus::Reserved), |order| order.abandon(Timestamp::now())),
        ("the payment is not declined", in_state(OrderStatus::Reserved), |order| order.decline(Timestamp::now())),
        ("the payment is open", in_state(OrderStatus::Reserved), |order| order.cancel_unpaid(Timestamp::now())),
        ("the payment was declined", declined, |order| order.expire_reservation(Timestamp::now())),
        ("the payment was cancelled", cancelled, |order| order.expire_reservation(Timestamp::now())),
        ("the money has arrived", in_state(OrderStatus::Paid), |order| order.expire_reservation(Timestamp::now())),
    ];
    for (case, mut order, transition) in cases {
        let before = (order.status(), next_action(&order, Trigger::Job));
        transition(&mut order).unwrap();
        assert_eq!((order.status(), next_action(&order, Trigger::Job)), before, "{case}");
    }
}

#[test]
fn an_interrupted_checkout_is_abandoned_until_the_payment_is_charged() {
    let now = Timestamp::now();
    assert!(in_state(OrderStatus::Reserved).abandon_uncharged(now).unwrap());
    let mut charged = in_state(OrderStatus::Reserved);
    apply(&mut charged, &report(ProviderStatus::Processing));
    assert!(!charged.abandon_uncharged(now).unwrap());
    let mut client_pays = in_state(OrderStatus::Reserved);
    client_pays.payment_details = PaymentDetails::Stripe { token: None, return_url: None };
    assert!(!client_pays.abandon_uncharged(now).unwrap());
}

#[test]
fn late_money_revives_only_an_order_whose_reservation_expired() {
    let now = Timestamp::now();
    let mut order = in_state(OrderStatus::Reserved);
    order.expire_reservation(now).unwrap();
    assert_eq!(order.outcome().unwrap_err().code(), "order-state");
    let before = order.reservation();
    apply(&mut order, &report(ProviderStatus::Captured));
    assert_eq!(order.status(), OrderStatus::Paid);
    order.renew_reservation(before, RESERVATION_TIME, now);
    let renewed = order.reservation();
    // Another worker has found the same reservation expired.
    order.renew_reservation(before, RESERVATION_TIME, now);
    assert!(renewed != before && order.reservation() == renewed);
    assert!(confirm(&mut order) && order.outcome().is_ok());

    let mut order = in_state(OrderStatus::Cancelled);
    apply(&mut order, &report(ProviderStatus::Captured));
    assert_eq!((order.status(), next_action(&order, Trigger::Job)), (OrderStatus::Cancelled, NextAction::ReturnStock));
}

#[test]
fn a_notification_is_applied_once_and_to_its_own_payment_only() {
    let mut order = in_state(OrderStatus::Reserved);
    let notification = |order: &Order, reference: &str| PaymentNotification {
        id: "evt_1".to_owned(),
        order: order.id,
        reference: reference.to_owned(),
        update: PaymentUpdate::Payment(report(ProviderStatus::Captured)),
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
    let (no_money, no_stock) = (PutOff { money: true, stock: false }, PutOff { money: false, stock: true });
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
        assert_eq!((order.status(), order.is_in_progress()), (OrderStatus::Refunded, false));
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
    assert_eq!((order.is_in_progress(), next_action(&order, Trigger::Job)), (false, NextAction::Wait));
    for _ in 0..2 {
        order.retry_refunds(now).unwrap();
    }
    let again: Vec<RefundId> = order.payment.as_ref().unwrap().requested_refunds().map(|refund| refund.id).collect();
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
    assert_eq!((order.is_in_progress(), next_action(&order, Trigger::Job)), (false, NextAction::Wait));
    assert_eq!(order.retry_refunds(now).unwrap_err().code(), "order-state");
    notify(&mut order, "evt_2", DisputeStatus::Won);
    assert_eq!((order.is_in_progress(), next_action(&order, Trigger::Job)), (true, NextAction::RefundPayment));
}

#[test]
fn a_refund_that_fails_days_later_makes_the_order_owe_it_again() {
    let mut order = in_state(OrderStatus::Refunded);
    let view = serde_json::to_value(order.view()).unwrap();
    let reference = view["payment"]["refunds"][0]["reference"].as_str().map(str::to_owned);
    let failed = RefundReport { reference, ..refund_report(None, euros(TOTAL), RefundStatus::Failed) };
    order.apply_refunds(&[failed], Timestamp::now()).unwrap();
    assert_eq!((order.status(), order.payment_status()), (OrderStatus::Cancelled, Some(PaymentStatus::RefundFailed)));
    assert_eq!(order.history.last().unwrap().reason, Some(Reason::RefundFailed));
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

#[test]
fn an_order_of_nothing_is_paid_without_a_payment() {
    let (mut order, now) = (pending(), Timestamp::now());
    order.hold(&hold_of(&order, None), now).unwrap();
    assert_eq!((order.status(), next_action(&order, Trigger::Request)), (OrderStatus::Paid, NextAction::ConfirmStock));
    assert!(confirm(&mut order));
    assert_eq!(order.retry_refunds(now).unwrap_err().code(), "order-state");
    assert_eq!(order.authorized_payment().unwrap_err().code(), "order-state");
    let mut shipped = order.clone();
    ship(&mut shipped, None).unwrap();
    order.cancel(customer_of(&order), now).unwrap();
    return_stock(&mut order);
    assert_eq!((order.status(), order.is_in_progress()), (OrderStatus::Cancelled, false));
}

#[test]
fn a_decline_tells_the_reason() {
    let mut order = in_state(OrderStatus::Reserved);
    let declined = PaymentReport { reason: Some("expired_card".to_owned()), ..report(ProviderStatus::Declined) };
    apply(&mut order, &declined);
    order.decline(Timestamp::now()).unwrap();
    let error = order.outcome().unwrap_err();
    assert!(error.code() == "payment-declined" && error.detail().contains("expired_card"), "{error}");
}

#[test]
fn a_client_that_pays_may_try_another_card() {
    let mut order = in_state(OrderStatus::Reserved);
    order.payment_details = PaymentDetails::Stripe { token: None, return_url: None };
    apply(&mut order, &report(ProviderStatus::Declined));
    assert_eq!(next_action(&order, Trigger::Job), NextAction::CheckPayment);
}

#[test]
fn the_actor_decides_the_reason_of_a_cancellation() {
    let customer = CustomerId::new();
    for (actor, outcome) in [
        (Actor::Customer(customer), Ok(Reason::ByCustomer)),
        (Actor::Admin(customer), Ok(Reason::ByCustomer)),
        (Actor::Admin(CustomerId::new()), Ok(Reason::ByShop)),
        (Actor::Customer(CustomerId::new()), Err(ErrorKind::NotFound)),
    ] {
        let mut order = in_state(OrderStatus::Confirmed);
        order.customer = Some(customer);
        let cancelled = order.cancel(actor, Timestamp::now()).map_err(|error| error.kind());
        let reason = cancelled.map(|was_confirmed| {
            assert!(was_confirmed, "{actor:?}");
            order.history.last().unwrap().reason.unwrap()
        });
        assert_eq!(reason, outcome, "{actor:?}");
    }
}

#[test]
fn a_rejected_order_repeats_its_error() {
    let again = in_state(OrderStatus::Rejected).outcome().unwrap_err();
    assert_eq!(
        (again.kind(), again.code(), &again.members()["items"]),
        (ErrorKind::Conflict, "out-of-stock", &"left".into())
    );
}

#[test]
fn the_same_key_accepts_the_same_request_only() {
    let order = pending();
    assert!(order.require_same_request(&request(DemoToken::Ok)).is_ok());
    assert_eq!(order.require_same_request(&request(DemoToken::Declined)).unwrap_err().code(), "key-reused");
}

#[test]
fn the_buyer_learns_that_a_payment_failed_or_takes_longer_or_is_returned() {
    type End = fn(&mut Order);
    let ends: [(&str, OrderStatus, End, Option<OrderEvent>); 7] = [
        (
            "declined",
            OrderStatus::Reserved,
            |order| {
                apply(order, &report(ProviderStatus::Declined));
                order.decline(Timestamp::now()).unwrap();
            },
            Some(OrderEvent::PaymentFailed),
        ),
        (
            "too late",
            OrderStatus::Reserved,
            |order| order.expire_reservation(Timestamp::now()).unwrap(),
            Some(OrderEvent::PaymentFailed),
        ),
        (
            "out of stock",
            OrderStatus::Pending,
            |order| {
                order.reject(out_of_stock(), Reason::OutOfStock, false, Timestamp::now()).unwrap();
            },
            None,
        ),
        (
            "cancelled unpaid",
            OrderStatus::Reserved,
            |order| {
                order.cancel(customer_of(order), Timestamp::now()).unwrap();
            },
            None,
        ),
        (
            "cancelled",
            OrderStatus::Confirmed,
            |order| {
                order.cancel(customer_of(order), Timestamp::now()).unwrap();
            },
            Some(OrderEvent::Cancelled),
        ),
        (
            "sold out after the payment",
            OrderStatus::Paid,
            |order| {
                order.fail(out_of_stock(), Reason::OutOfStock, Timestamp::now()).unwrap();
            },
            Some(OrderEvent::Cancelled),
        ),
        (
            "waiting",
            OrderStatus::Reserved,
            |order| {
                order.report_waiting();
                order.report_waiting();
            },
            Some(OrderEvent::PaymentWaiting),
        ),
    ];
    for (case, status, end, event) in ends {
        let mut order = in_state(status);
        order.take_events();
        end(&mut order);
        assert_eq!(order.take_events(), event.into_iter().collect::<Vec<_>>(), "{case}");
        assert_eq!(order.take_events(), [], "{case}");
    }
}

#[test]
fn an_order_claims_its_cart_until_it_is_rejected_or_cancelled() {
    for status in OrderStatus::ALL {
        let has_ended = matches!(status, OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Refunded);
        assert_eq!(in_state(status).claim.is_none(), has_ended, "{status:?}");
    }
}

#[test]
fn an_order_is_moved_to_the_account_of_its_email_address_once() {
    let (email, other) = ("ana@example.com".parse().unwrap(), "ben@example.com".parse().unwrap());
    let (ana, ben) = (CustomerId::new(), CustomerId::new());
    let mut order = in_state(OrderStatus::Confirmed);
    (order.customer, order.guest_email) = (None, Some(email));
    let email = order.guest_email.clone().unwrap();
    order.move_to_account(ben, &other);
    assert_eq!(order.customer, None);
    order.move_to_account(ana, &email);
    order.move_to_account(ben, &email);
    assert_eq!(order.customer, Some(ana));
}

#[test]
fn an_erased_order_keeps_its_number_and_its_quote() {
    let order = in_state(OrderStatus::Confirmed);
    let customer = order.customer.unwrap().to_string();
    let mut erased = order.clone();
    erased.erase_personal_data();
    let stored = serde_json::to_string(&erased).unwrap();
    assert!(!stored.contains(&customer), "{stored}");
    assert_eq!((erased.number(), erased.quote()), (order.number(), order.quote()));
}

#[test]
fn an_item_in_the_view_has_its_total() {
    let view = serde_json::to_value(pending().view()).unwrap();
    let item = &view["items"][0];
    assert_eq!((&item["quantity"], &item["total"]), (&2.into(), &view["total"]));
    assert_eq!(item["total"], serde_json::json!({"amount": 998, "currency": "EUR"}));
}

#[test]
fn the_history_has_every_state_with_its_reason() {
    let order = in_state(OrderStatus::Refunded);
    let changes: Vec<_> = order.history.iter().map(|change| (change.status, change.reason)).collect();
    assert_eq!(
        changes,
        [
            (OrderStatus::Pending, None),
            (OrderStatus::Reserved, None),
            (OrderStatus::Paid, None),
            (OrderStatus::Cancelled, Some(Reason::ByCustomer)),
            (OrderStatus::Refunded, None),
        ]
    );
    assert!(order.history.is_sorted_by_key(|change| change.at));
}

#[test]
fn retry_delays_double_up_to_a_limit() {
    let (mut order, now) = (in_state(OrderStatus::Cancelled), Timestamp::now());
    let delays = [(); 7].map(|()| {
        order.retry_later(now);
        order.schedule.due().unwrap().since(now).as_secs()
    });
    assert_eq!(delays, [1, 2, 4, 8, 16, 16, 16]);
}

#[test]
fn a_pending_refund_is_looked_up_ever_more_rarely() {
    let (mut order, now) = (in_state(OrderStatus::Confirmed), Timestamp::now());
    order.cancel(customer_of(&order), now).unwrap();
    return_stock(&mut order);
    answer_refund(&mut order, RefundStatus::Pending);
    assert!(order.waits_for_provider());
    let delays = [(); 13].map(|()| {
        let delay = order.schedule.due().unwrap().since(now).as_secs();
        order.look_later(now);
        delay
    });
    assert_eq!((delays[..4].to_vec(), delays[12]), (vec![2, 4, 8, 16], 3_600));
}

fn view(order: &Order) -> serde_json::Value {
    serde_json::to_value(order.view_for_admin()).unwrap()
}

#[test]
fn an_order_follows_its_parcels() {
    let now = Timestamp::now();
    let mut order = in_state(OrderStatus::Confirmed);
    let Shipped::New(first) = ship(&mut order, Some(1)).unwrap() else { panic!("not sent") };
    assert_eq!(order.status(), OrderStatus::PartiallyShipped);
    assert_eq!(ship(&mut order, Some(2)).unwrap_err().code(), "not-left");
    assert!(order.deliver(Some(first), now).unwrap() && !order.deliver(Some(first), now).unwrap());
    assert_eq!(order.status(), OrderStatus::PartiallyShipped, "a piece is left");
    let Shipped::New(second) = ship(&mut order, None).unwrap() else { panic!("not sent") };
    assert_eq!(order.status(), OrderStatus::Shipped, "the second parcel is on its way");
    assert_eq!(order.deliver(Some(ShipmentId::new()), now).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(order.deliver(Some(second), now).unwrap());
    assert_eq!(order.status(), OrderStatus::Delivered);
    let fulfilment = &view(&order)["fulfilment"][0];
    assert_eq!(
        (&fulfilment["ordered"], &fulfilment["shipped"], &fulfilment["left"]),
        (&2.into(), &2.into(), &0.into())
    );
}

#[test]
fn digital_goods_need_no_parcel() {
    let mut order = in_state(OrderStatus::Confirmed);
    order.items[0].product.digital = true;
    assert_eq!(ship(&mut order, None).unwrap_err().code(), "order-state");
    assert_eq!(ship(&mut order, Some(1)).unwrap_err().code(), "not-left");
    assert!(order.deliver(None, Timestamp::now()).unwrap());
    assert_eq!(order.status(), OrderStatus::Delivered);
}

#[test]
fn the_same_key_ships_one_parcel() {
    let (mut order, now, admin) = (in_state(OrderStatus::Confirmed), Timestamp::now(), CustomerId::new());
    let key: IdempotencyKey = "parcel".parse().unwrap();
    let new = |carrier: &str| {
        let lines = Some(vec![ShippedLine { product_id: order.items[0].product.id, quantity: pieces_of(1) }]);
        NewShipment { lines, carrier: Some(carrier.to_owned().try_into().unwrap()), tracking: None }
    };
    let (dhl, ups) = (new("DHL"), new("UPS"));
    assert!(matches!(order.ship(&dhl, Some(&key), admin, now).unwrap(), Shipped::New(_)));
    assert_eq!(order.ship(&dhl, Some(&key), admin, now).unwrap(), Shipped::Before);
    assert_eq!(order.ship(&ups, Some(&key), admin, now).unwrap_err().code(), "key-reused");
    assert_eq!(order.shipments.len(), 1);
    assert!(matches!(order.ship(&dhl, None, admin, now).unwrap(), Shipped::New(_)), "another parcel");
}

#[test]
fn an_order_whose_money_is_refunded_is_not_shipped() {
    let mut order = in_state(OrderStatus::PartiallyShipped);
    apply(&mut order, &refunded(TOTAL, TOTAL));
    assert_eq!(order.status(), OrderStatus::PartiallyShipped);
    assert_eq!(ship(&mut order, None).unwrap_err().code(), "order-state");
}

#[test]
fn customers_see_parcels_and_no_notes() {
    let (mut order, now, admin) = (in_state(OrderStatus::Confirmed), Timestamp::now(), CustomerId::new());
    let new = NewShipment {
        lines: None,
        carrier: Some("DHL".to_owned().try_into().unwrap()),
        tracking: Some("00 1".to_owned().try_into().unwrap()),
    };
    order.ship(&new, None, admin, now).unwrap();
    order.add_note("fragile".to_owned().try_into().unwrap(), admin, now).unwrap();
    let customers = serde_json::to_value(order.view_for_customer()).unwrap();
    let parcel = &customers["shipments"][0];
    assert_eq!((&parcel["carrier"], &parcel["tracking"]), (&"DHL".into(), &"00 1".into()));
    assert_eq!(parcel["tracking_url"], "https://www.dhl.com/global-en/home/tracking.html?tracking-id=00+1");
    assert!(!customers.to_string().contains("fragile") && !customers.to_string().contains(&admin.to_string()));
    let admins = view(&order);
    assert_eq!(
        (&admins["notes"][0]["text"], &admins["notes"][0]["by"]),
        (&"fragile".into(), &admin.to_string().into())
    );
    assert_eq!(admins["shipments"][0]["by"], admin.to_string());
}

#[test]
fn an_erased_admin_is_on_no_order() {
    let (mut order, now, admin) = (in_state(OrderStatus::Confirmed), Timestamp::now(), CustomerId::new());
    order.ship(&NewShipment { lines: None, carrier: None, tracking: None }, None, admin, now).unwrap();
    order.add_note("x".to_owned().try_into().unwrap(), admin, now).unwrap();
    order.log(log_entry().by(admin));
    let stored = |order: &Order| serde_json::to_string(&(order, order.list_fields())).unwrap();
    assert!(stored(&order).contains(&admin.to_string()));
    order.erase_admin(CustomerId::new());
    assert!(stored(&order).contains(&admin.to_string()));
    order.erase_admin(admin);
    assert!(!stored(&order).contains(&admin.to_string()));
}
