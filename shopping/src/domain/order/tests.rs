use souk_contract::shopping::{ShipmentId, TimelineKind};
use souk_types::{Currency, ErrorKind};

use super::fixtures::{LIMITS, cart_of_tea, hold_of, order_of, request};
use super::shipment::{NewShipment, Shipped, ShippedLine};
use super::*;
use crate::domain::payment::dispute::{Dispute, DisputeStatus};
use crate::domain::payment::report::{
    PaymentNotification, PaymentRefundId, PaymentReport, PaymentUpdate, ProviderPaymentStatus, RefundReport,
    RefundStatus,
};
use crate::domain::payment::state::PaymentStatus;
use crate::domain::payment::{DemoToken, PaymentMethod};

mod money;
mod parcels;

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

pub(super) fn report(status: ProviderPaymentStatus) -> PaymentReport {
    let captured = if status == ProviderPaymentStatus::Captured { TOTAL } else { 0 };
    PaymentReport::new(status, euros(captured))
}

/// Returns a report with a refund on the provider's dashboard of this amount, unless it is 0.
pub(super) fn refunded(captured: u64, refunded: u64) -> PaymentReport {
    let refund = RefundReport {
        reference: Some(format!("re_{refunded}")),
        ..refund_report(None, euros(refunded), RefundStatus::Succeeded)
    };
    let refunds = Some(refund).filter(|_| refunded > 0).into_iter().collect();
    PaymentReport { refunds, ..PaymentReport::new(ProviderPaymentStatus::Captured, euros(captured)) }
}

pub(super) fn apply(order: &mut Order, report: &PaymentReport) -> Change {
    order.apply_payment(report, Timestamp::now()).unwrap()
}

fn capture(order: &mut Order) -> Change {
    apply(order, &report(ProviderPaymentStatus::Captured))
}

/// Answers the refund that the order has requested.
pub(super) fn answer_refund(order: &mut Order, status: RefundStatus) -> Change {
    let refund = order.payment.as_ref().unwrap().requested_refunds().next().unwrap();
    let report = refund_report(Some(refund.id), refund.amount, status);
    order.apply_refund(&report, Timestamp::now()).unwrap()
}

fn refund_report(id: Option<PaymentRefundId>, amount: Money, status: RefundStatus) -> RefundReport {
    let reference = Some(id.map_or_else(|| "re_1".to_owned(), |id| id.to_string()));
    RefundReport { id, reference, amount, status, reason: None }
}

fn return_stock(order: &mut Order) {
    order.complete_stock_return(Timestamp::now()).unwrap();
}

fn next_action(order: &Order, trigger: Trigger) -> NextAction {
    order.next_action(trigger, AttemptedWork::default(), Timestamp::now())
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
        OrderStatus::Rejected => order.reject(out_of_stock(), StatusReason::OutOfStock, false, now).unwrap(),
        OrderStatus::Confirmed => assert!(confirm(&mut order)),
        OrderStatus::PartiallyShipped | OrderStatus::Shipped | OrderStatus::Delivered => {
            assert!(confirm(&mut order));
            let pieces = if status == OrderStatus::PartiallyShipped { 1 } else { 2 };
            ship(&mut order, Some(pieces)).unwrap();
            if status == OrderStatus::Delivered {
                assert!(order.deliver(None, now).unwrap());
            }
        }
        OrderStatus::Cancelled => assert!(order.cancel(customer_of(&order), now).unwrap()),
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
        ("reject", |order| order.reject(out_of_stock(), StatusReason::OutOfStock, true, Timestamp::now())),
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
        assert_eq!(has_work, order.has_open_work(), "{status:?}");
    }
}

#[test]
fn a_transition_decided_on_an_older_state_changes_nothing() {
    type Transition = fn(&mut Order) -> Result<()>;
    let mut declined = in_state(OrderStatus::Reserved);
    apply(&mut declined, &report(ProviderPaymentStatus::Declined));
    let mut cancelled = in_state(OrderStatus::Reserved);
    apply(&mut cancelled, &report(ProviderPaymentStatus::Cancelled));
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
    apply(&mut charged, &report(ProviderPaymentStatus::Processing));
    assert!(!charged.abandon_uncharged(now).unwrap());
    let mut client_pays = in_state(OrderStatus::Reserved);
    client_pays.payment_details = PaymentDetails::Stripe { token: None, return_url: None };
    assert!(!client_pays.abandon_uncharged(now).unwrap());
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
    assert_eq!((order.status(), order.has_open_work()), (OrderStatus::Cancelled, false));
}

#[test]
fn a_decline_tells_the_reason() {
    let mut order = in_state(OrderStatus::Reserved);
    let declined = PaymentReport { reason: Some("expired_card".to_owned()), ..report(ProviderPaymentStatus::Declined) };
    apply(&mut order, &declined);
    order.decline(Timestamp::now()).unwrap();
    let error = order.outcome().unwrap_err();
    assert!(error.code() == "payment-declined" && error.detail().contains("expired_card"), "{error}");
}

#[test]
fn a_client_that_pays_may_try_another_card() {
    let mut order = in_state(OrderStatus::Reserved);
    order.payment_details = PaymentDetails::Stripe { token: None, return_url: None };
    apply(&mut order, &report(ProviderPaymentStatus::Declined));
    assert_eq!(next_action(&order, Trigger::Job), NextAction::CheckPayment);
}

#[test]
fn the_actor_decides_the_reason_of_a_cancellation() {
    let customer = CustomerId::new();
    for (actor, outcome) in [
        (Actor::Customer(customer), Ok(StatusReason::ByCustomer)),
        (Actor::Admin(customer), Ok(StatusReason::ByCustomer)),
        (Actor::Admin(CustomerId::new()), Ok(StatusReason::ByShop)),
        (Actor::Customer(CustomerId::new()), Err(ErrorKind::NotFound)),
    ] {
        let mut order = in_state(OrderStatus::Confirmed);
        order.customer = Some(customer);
        let cancelled = order.cancel(actor, Timestamp::now()).map_err(|error| error.kind());
        let reason = cancelled.map(|is_new| {
            assert!(is_new, "{actor:?}");
            assert!(!order.cancel(actor, Timestamp::now()).unwrap(), "{actor:?}: again");
            order.history.last().unwrap().reason.unwrap()
        });
        assert_eq!(reason, outcome, "{actor:?}");
    }
}

#[test]
fn an_order_that_has_ended_has_nothing_left_to_send() {
    for (status, is_left) in [
        (OrderStatus::Reserved, true),
        (OrderStatus::Confirmed, true),
        (OrderStatus::Rejected, false),
        (OrderStatus::Cancelled, false),
        (OrderStatus::Refunded, false),
    ] {
        assert_eq!(in_state(status).fulfilment().is_anything_left(), is_left, "{status:?}");
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
    let ends: [(&str, OrderStatus, End, Option<OrderEvent>); 9] = [
        (
            "declined",
            OrderStatus::Reserved,
            |order| {
                apply(order, &report(ProviderPaymentStatus::Declined));
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
                order.reject(out_of_stock(), StatusReason::OutOfStock, false, Timestamp::now()).unwrap();
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
                order.cancel_because(out_of_stock(), StatusReason::OutOfStock, Timestamp::now()).unwrap();
            },
            Some(OrderEvent::Cancelled),
        ),
        (
            "waiting",
            OrderStatus::Reserved,
            |order| {
                apply(order, &report(ProviderPaymentStatus::Processing));
                order.report_waiting();
                order.report_waiting();
            },
            Some(OrderEvent::PaymentWaiting),
        ),
        ("not paid yet", OrderStatus::Reserved, Order::report_waiting, None),
        (
            "refused before it had a number",
            OrderStatus::Pending,
            |order| {
                order.reject(out_of_stock(), StatusReason::PaymentRefused, true, Timestamp::now()).unwrap();
            },
            None,
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
            (OrderStatus::Cancelled, Some(StatusReason::ByCustomer)),
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
        order.check_later(now);
        delay
    });
    assert_eq!((delays[..4].to_vec(), delays[12]), (vec![2, 4, 8, 16], 3_600));
}
