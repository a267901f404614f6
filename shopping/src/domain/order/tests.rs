use souk_contract::products::ProductId;
use souk_contract::shopping::TimelineKind;
use souk_types::Currency;
use souk_types::ErrorKind;
use souk_types::Price;

use super::*;
use crate::domain::payment::{DemoToken, PaymentMethod, PaymentNotification, PaymentStatus};

const RESERVATION_TIME: Duration = Duration::from_mins(15);

fn request(token: DemoToken) -> CheckoutRequest {
    CheckoutRequest { payment: PaymentDetails::Demo { token } }
}

fn pending() -> Order {
    let price = Price::new(499, Currency::EUR).unwrap();
    let product = ProductSnapshot { id: ProductId::new(), name: "Tea".to_owned(), price, image: None };
    let mut cart = Cart::default();
    cart.add(product, Quantity::try_from(2).unwrap()).unwrap();
    let (key, request) = ("k".parse().unwrap(), request(DemoToken::Ok));
    Order::place(&cart, CustomerId::new(), key, &request, RESERVATION_TIME, Timestamp::now()).unwrap()
}

fn customer_of(order: &Order) -> Actor {
    Actor::Customer(order.customer.unwrap())
}

fn open_payment(order: &Order) -> Payment {
    Payment::open(PaymentMethod::Demo, order.id.to_string(), None)
}

fn reserve(order: &mut Order) {
    let (items, payment) = (order.items.clone(), open_payment(order));
    order.reserve(&items, &payment, Timestamp::now()).unwrap();
}

fn apply(order: &mut Order, status: PaymentStatus) {
    order.apply_payment(status, Timestamp::now()).unwrap();
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

fn in_state(status: OrderStatus) -> Order {
    let now = Timestamp::now();
    let mut order = pending();
    if !matches!(status, OrderStatus::Pending | OrderStatus::Rejected) {
        reserve(&mut order);
    }
    if matches!(status, OrderStatus::Paid | OrderStatus::Confirmed | OrderStatus::Shipped | OrderStatus::Refunded) {
        apply(&mut order, PaymentStatus::Captured);
    }
    match status {
        OrderStatus::Pending | OrderStatus::Reserved | OrderStatus::Paid => {}
        OrderStatus::Rejected => order.reject(out_of_stock(), Reason::OutOfStock, false, now).unwrap(),
        OrderStatus::Confirmed => assert!(confirm(&mut order)),
        OrderStatus::Shipped => {
            assert!(confirm(&mut order));
            order.ship(now).unwrap();
        }
        OrderStatus::Cancelled => assert!(!order.cancel(customer_of(&order), now).unwrap()),
        OrderStatus::Refunded => {
            order.cancel(customer_of(&order), now).unwrap();
            apply(&mut order, PaymentStatus::Refunded);
            order.complete_compensation(now).unwrap();
        }
    }
    assert_eq!(order.status(), status);
    order
}

/// Every transition from every state: the state that it leads to, or the kind of its error.
#[test]
fn only_legal_transitions_change_an_order() {
    type Transition = fn(&mut Order) -> Result<()>;
    let transitions: [(&str, Transition); 8] = [
        ("reserve", |order| {
            reserve(order);
            Ok(())
        }),
        ("captured", |order| {
            order.payment = Some(open_payment(order));
            order.apply_payment(PaymentStatus::Captured, Timestamp::now()).map(drop)
        }),
        ("confirm", |order| order.confirm(Timestamp::now()).map(drop)),
        ("reject", |order| order.reject(out_of_stock(), Reason::OutOfStock, true, Timestamp::now())),
        ("expire", |order| order.expire_reservation(Timestamp::now())),
        ("cancel", |order| order.cancel(Actor::Admin(CustomerId::new()), Timestamp::now()).map(drop)),
        ("refunded", |order| {
            apply(order, PaymentStatus::Refunded);
            order.complete_compensation(Timestamp::now())
        }),
        ("ship", |order| order.ship(Timestamp::now())),
    ];
    let table = [
        // reserve captured confirm reject expire cancel refunded ship
        ("Pending", "Reserved Pending Internal Rejected Pending Conflict Pending Conflict"),
        ("Reserved", "Reserved Paid Internal Rejected Cancelled Cancelled Reserved Conflict"),
        ("Paid", "Paid Paid Confirmed Paid Paid Cancelled Paid Conflict"),
        ("Confirmed", "Confirmed Confirmed Confirmed Confirmed Confirmed Cancelled Confirmed Shipped"),
        ("Shipped", "Shipped Shipped Shipped Shipped Shipped Conflict Shipped Shipped"),
        ("Rejected", "Rejected Cancelled Internal Rejected Rejected Conflict Rejected Conflict"),
        ("Cancelled", "Cancelled Cancelled Cancelled Cancelled Cancelled Cancelled Refunded Conflict"),
        ("Refunded", "Refunded Refunded Refunded Refunded Refunded Refunded Refunded Conflict"),
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
            assert!(order.status() == from || from.next().contains(&order.status()), "{transition} when {from:?}");
        }
    }
}

/// A job takes an action only for an order with a due time.
#[test]
fn an_order_with_an_action_left_is_due_for_the_job() {
    let now = Timestamp::now();
    for status in OrderStatus::ALL {
        let order = in_state(status);
        let has_work = order.next_action(Trigger::Job, now) != NextAction::Wait;
        assert_eq!(has_work, order.is_in_progress(), "{status:?}");
    }
}

#[test]
fn a_transition_decided_on_an_older_state_changes_nothing() {
    type Transition = fn(&mut Order) -> Result<()>;
    let now = Timestamp::now();
    let mut declined = in_state(OrderStatus::Reserved);
    apply(&mut declined, PaymentStatus::Declined);
    let mut cancelled = in_state(OrderStatus::Reserved);
    apply(&mut cancelled, PaymentStatus::Cancelled);
    let cases: [(&str, Order, Transition); 6] = [
        ("the request has reserved stock", in_state(OrderStatus::Reserved), |order| order.abandon(Timestamp::now())),
        ("the payment is not declined", in_state(OrderStatus::Reserved), |order| order.decline(Timestamp::now())),
        ("the payment is open", in_state(OrderStatus::Reserved), |order| order.cancel_unpaid(Timestamp::now())),
        ("the payment was declined", declined, |order| order.expire_reservation(Timestamp::now())),
        ("the payment was cancelled", cancelled, |order| order.expire_reservation(Timestamp::now())),
        ("the money has arrived", in_state(OrderStatus::Paid), |order| order.expire_reservation(Timestamp::now())),
    ];
    for (case, mut order, transition) in cases {
        let before = (order.status(), order.next_action(Trigger::Job, now));
        transition(&mut order).unwrap();
        assert_eq!((order.status(), order.next_action(Trigger::Job, now)), before, "{case}");
    }
}

#[test]
fn an_interrupted_checkout_is_abandoned_until_the_payment_is_charged() {
    let now = Timestamp::now();
    assert!(in_state(OrderStatus::Reserved).abandon_uncharged(now).unwrap());
    let mut charged = in_state(OrderStatus::Reserved);
    apply(&mut charged, PaymentStatus::Processing);
    assert!(!charged.abandon_uncharged(now).unwrap());
    let mut client_pays = in_state(OrderStatus::Reserved);
    client_pays.payment_details = PaymentDetails::Stripe { token: None };
    assert!(!client_pays.abandon_uncharged(now).unwrap());
}

#[test]
fn late_money_revives_only_an_order_whose_reservation_expired() {
    let now = Timestamp::now();
    let mut order = in_state(OrderStatus::Reserved);
    order.expire_reservation(now).unwrap();
    assert_eq!(order.outcome().unwrap_err().code(), "order-state");
    let before = order.reservation();
    apply(&mut order, PaymentStatus::Captured);
    assert_eq!(order.status(), OrderStatus::Paid);
    order.renew_reservation(RESERVATION_TIME, now);
    assert!(order.reservation() != before && confirm(&mut order) && order.outcome().is_ok());

    let mut order = in_state(OrderStatus::Cancelled);
    apply(&mut order, PaymentStatus::Captured);
    assert_eq!(
        (order.status(), order.next_action(Trigger::Job, now)),
        (OrderStatus::Cancelled, NextAction::Compensate)
    );
}

#[test]
fn a_notification_is_applied_once_and_to_its_own_payment_only() {
    let mut order = in_state(OrderStatus::Reserved);
    let notification = |order: &Order, reference: &str| PaymentNotification {
        id: "evt_1".to_owned(),
        order: order.id,
        reference: reference.to_owned(),
        status: PaymentStatus::Captured,
    };
    let now = Timestamp::now();
    let foreign = notification(&order, "another");
    assert!(!order.apply_notification(&foreign, log_entry(), now).unwrap());
    assert_eq!(order.status(), OrderStatus::Reserved);
    let own = notification(&order, &order.id.to_string());
    assert!(order.apply_notification(&own, log_entry(), now).unwrap());
    let after = order.history.len();
    assert!(!order.apply_notification(&own, log_entry(), now).unwrap());
    assert_eq!((order.status(), order.history.len()), (OrderStatus::Paid, after));
}

#[test]
fn a_client_that_pays_may_try_another_card() {
    let mut order = in_state(OrderStatus::Reserved);
    order.payment_details = PaymentDetails::Stripe { token: None };
    apply(&mut order, PaymentStatus::Declined);
    assert_eq!(order.next_action(Trigger::Job, Timestamp::now()), NextAction::CheckPayment);
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
fn items_in_several_currencies_have_no_total_and_no_charge() {
    let mut order = pending();
    let mut dollars = order.items[0].product.clone();
    dollars.price = Price::new(499, Currency::try_from("USD").unwrap()).unwrap();
    order.items.push(OrderItem { product: dollars, quantity: Quantity::try_from(1).unwrap() });
    assert_eq!(order.total(), None);
    assert_eq!(order.charge().unwrap_err().code(), "currency-mixed");
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
