use souk_contract::products::ProductId;
use souk_types::Currency;
use souk_types::ErrorKind;
use souk_types::Price;

use super::*;
use crate::domain::payment::{Method, News, Notice, Status as Paid};
use crate::providers::demo::DemoToken;

const HELD_FOR: Duration = Duration::from_mins(15);

fn checkout(token: DemoToken) -> Checkout {
    Checkout { payment: Means::Demo { token } }
}

#[test]
fn an_order_in_several_currencies_has_no_total_and_is_not_charged() {
    let item = |code| {
        let price = Price::new(499, Currency::try_from(code).unwrap()).unwrap();
        ProductSnapshot { id: ProductId::new(), name: "Tea".to_owned(), price, image: None }
    };
    let (mut cart, one, tea, mug) = (Cart::default(), Quantity::try_from(1).unwrap(), item("EUR"), item("EUR"));
    cart.add(tea, one).unwrap();
    cart.add(mug.clone(), one).unwrap();
    cart.set(ProductSnapshot { price: item("USD").price, ..mug }, one).unwrap();
    let key = "k".parse().unwrap();
    let order = Order::of(&cart, CustomerId::new(), key, &checkout(DemoToken::Ok), HELD_FOR).unwrap();
    assert_eq!(order.view().total, None);
    assert!(order.its_charge().is_err());
}

fn pending() -> Order {
    let price = Price::new(499, Currency::EUR).unwrap();
    let item = ProductSnapshot { id: ProductId::new(), name: "Tea".to_owned(), price, image: None };
    let mut cart = Cart::default();
    cart.add(item, Quantity::try_from(2).unwrap()).unwrap();
    Order::of(&cart, CustomerId::new(), "k".parse().unwrap(), &checkout(DemoToken::Ok), HELD_FOR).unwrap()
}

fn reserve(order: &mut Order) {
    let items = order.items.clone();
    order.reserve(&items, &Payment::opened(Method::Demo, order.id.to_string(), None)).unwrap();
}

fn hear(order: &mut Order, status: Paid) {
    order.hear(&News { status, reason: None }).unwrap();
}

fn refusal() -> Error {
    Error::conflict("out-of-stock", "x").with_member("items", "left")
}

/// An order in that state, by the shortest way.
fn in_state(status: Status) -> Order {
    let mut order = pending();
    if !matches!(status, Status::Pending | Status::Rejected) {
        reserve(&mut order);
    }
    if matches!(status, Status::Paid | Status::Confirmed | Status::Shipped | Status::Refunded) {
        hear(&mut order, Paid::Captured);
    }
    match status {
        Status::Pending | Status::Reserved | Status::Paid => {}
        Status::Rejected => order.reject(refusal(), "out-of-stock", false).unwrap(),
        Status::Confirmed => assert!(order.confirm().unwrap()),
        Status::Shipped => assert!(order.confirm().unwrap() && order.ship().unwrap()),
        Status::Cancelled => assert!(!order.cancel(By::Customer).unwrap()),
        Status::Refunded => {
            order.cancel(By::Customer).unwrap();
            hear(&mut order, Paid::Refunded);
            order.settled().unwrap();
        }
    }
    assert_eq!(order.status(), status);
    order
}

/// Every move from every state: where it leads, or which error it is.
#[test]
fn only_legal_moves_change_an_order() {
    type Move = fn(&mut Order) -> Result<()>;
    let moves: [(&str, Move); 8] = [
        ("reserve", |order| {
            reserve(order);
            Ok(())
        }),
        ("captured", |order| {
            // Whatever was known of it before.
            order.payment = Some(Payment::opened(Method::Demo, order.id.to_string(), None));
            order.hear(&News { status: Paid::Captured, reason: None }).map(drop)
        }),
        ("confirm", |order| order.confirm().map(drop)),
        ("reject", |order| order.reject(refusal(), "out-of-stock", true)),
        ("end hold", Order::end_hold),
        ("cancel", |order| order.cancel(By::Shop).map(drop)),
        ("refunded", |order| {
            hear(order, Paid::Refunded);
            order.settled()
        }),
        ("ship", |order| order.ship().map(drop)),
    ];
    let table = [
        ("Pending", "Reserved Pending Internal Rejected Pending Conflict Pending Conflict"),
        ("Reserved", "Reserved Paid Internal Rejected Cancelled Cancelled Reserved Conflict"),
        ("Paid", "Paid Paid Confirmed Paid Cancelled Cancelled Paid Conflict"),
        ("Confirmed", "Confirmed Confirmed Confirmed Confirmed Confirmed Cancelled Confirmed Shipped"),
        ("Shipped", "Shipped Shipped Shipped Shipped Shipped Conflict Shipped Shipped"),
        ("Rejected", "Rejected Cancelled Internal Rejected Rejected Conflict Rejected Conflict"),
        ("Cancelled", "Cancelled Cancelled Cancelled Cancelled Cancelled Cancelled Refunded Conflict"),
        ("Refunded", "Refunded Refunded Refunded Refunded Refunded Refunded Refunded Conflict"),
    ];
    for (from, (name, outcomes)) in Status::ALL.into_iter().zip(table) {
        assert_eq!(format!("{from:?}"), name);
        for ((what, step), outcome) in moves.iter().zip(outcomes.split(' ')) {
            let mut order = in_state(from);
            let became = match step(&mut order) {
                Ok(()) => format!("{:?}", order.status()),
                Err(error) => format!("{:?}", error.kind()),
            };
            assert_eq!(became, outcome, "{what} when {from:?}");
            assert!(order.status() == from || from.next().contains(&order.status()), "{what} when {from:?}");
        }
    }
}

/// What is next, for somebody who waits and for the sweeper.
#[test]
fn an_order_says_what_is_next() {
    let now = Timestamp::now();
    let (soon, later) = (now.after(Duration::from_mins(1)), now.after(HELD_FOR * 2));
    let paying = |status: Paid| {
        let mut order = in_state(Status::Reserved);
        hear(&mut order, status);
        order
    };
    let by_itself = || {
        let mut order = in_state(Status::Reserved);
        order.means = Means::Stripe { token: None };
        order
    };
    for (what, order, now, request, sweeper) in [
        ("pending", in_state(Status::Pending), soon, Todo::Reserve, Todo::Undo),
        ("reserved", in_state(Status::Reserved), soon, Todo::Pay, Todo::LookUp),
        ("reserved too long ago", in_state(Status::Reserved), later, Todo::EndHold, Todo::EndHold),
        ("the client pays", by_itself(), soon, Todo::Nothing, Todo::LookUp),
        ("the client has not paid", by_itself(), later, Todo::EndHold, Todo::EndHold),
        ("on its way", paying(Paid::Processing), soon, Todo::Nothing, Todo::LookUp),
        ("on its way for long", paying(Paid::Processing), later, Todo::EndHold, Todo::EndHold),
        ("set aside", paying(Paid::Review), soon, Todo::Nothing, Todo::LookUp),
        ("declined", paying(Paid::Declined), soon, Todo::TurnDown, Todo::TurnDown),
        ("called off", paying(Paid::Cancelled), soon, Todo::CallOff, Todo::CallOff),
        ("paid", in_state(Status::Paid), soon, Todo::Sell, Todo::Sell),
        ("paid long ago", in_state(Status::Paid), later, Todo::Sell, Todo::Sell),
        ("confirmed", in_state(Status::Confirmed), soon, Todo::Nothing, Todo::Nothing),
        ("nothing was held", in_state(Status::Rejected), soon, Todo::Nothing, Todo::Nothing),
        ("cancelled", in_state(Status::Cancelled), soon, Todo::Settle, Todo::Settle),
        ("refunded", in_state(Status::Refunded), soon, Todo::Nothing, Todo::Nothing),
    ] {
        assert_eq!((order.todo(Turn::Request, now), order.todo(Turn::Sweeper, now)), (request, sweeper), "{what}");
        assert!(
            order.todo(Turn::Sweeper, now) == Todo::Nothing || order.schedule.due().is_some(),
            "nobody would look: {what}"
        );
    }
}

#[test]
fn an_order_is_deserted_until_somebody_was_asked_for_money() {
    let mut order = in_state(Status::Reserved);
    assert!(order.is_deserted());
    hear(&mut order, Paid::Processing);
    assert!(!order.is_deserted());
    let mut by_itself = in_state(Status::Reserved);
    by_itself.means = Means::Stripe { token: None };
    assert!(!by_itself.is_deserted());
}

#[test]
fn money_that_comes_late_revives_only_what_the_clock_ended() {
    let mut order = in_state(Status::Reserved);
    order.end_hold().unwrap();
    assert_eq!(order.outcome().unwrap_err().code(), "order-state");
    let before = order.reservation();
    hear(&mut order, Paid::Captured);
    assert_eq!(order.status(), Status::Paid);
    order.claim_anew(HELD_FOR);
    assert!(order.reservation() != before && order.confirm().unwrap() && order.outcome().is_ok());

    let mut order = in_state(Status::Cancelled);
    hear(&mut order, Paid::Captured);
    assert_eq!((order.status(), order.todo(Turn::Sweeper, Timestamp::now())), (Status::Cancelled, Todo::Settle));
}

#[test]
fn a_notice_counts_once_and_for_its_own_payment() {
    let mut order = in_state(Status::Reserved);
    let notice = |order: &Order, reference: &str| Notice {
        id: "evt_1".to_owned(),
        order: order.id,
        reference: reference.to_owned(),
        news: News { status: Paid::Captured, reason: None },
    };
    let strange = notice(&order, "another");
    assert!(!order.notice(&strange).unwrap());
    assert_eq!(order.status(), Status::Reserved);
    let ours = notice(&order, &order.id.to_string());
    assert!(order.notice(&ours).unwrap());
    let after = order.history.len();
    assert!(!order.notice(&ours).unwrap());
    assert_eq!((order.status(), order.history.len()), (Status::Paid, after));
}

#[test]
fn a_client_that_pays_by_itself_may_try_another_card() {
    let mut order = in_state(Status::Reserved);
    order.means = Means::Stripe { token: None };
    hear(&mut order, Paid::Declined);
    assert_eq!(order.todo(Turn::Sweeper, Timestamp::now()), Todo::LookUp);
}

#[test]
fn a_rejected_order_keeps_its_answer() {
    let again = in_state(Status::Rejected).outcome().unwrap_err();
    assert_eq!(
        (again.kind(), again.code(), &again.members()["items"]),
        (ErrorKind::Conflict, "out-of-stock", &"left".into())
    );
}

#[test]
fn the_same_key_takes_the_same_request_only() {
    let order = pending();
    assert!(order.require_same(&checkout(DemoToken::Ok)).is_ok());
    assert_eq!(order.require_same(&checkout(DemoToken::Declined)).unwrap_err().code(), "key-reused");
}

#[test]
fn history_has_every_state_with_its_reason() {
    let order = in_state(Status::Refunded);
    let steps: Vec<_> = order.history.iter().map(|step| (step.status, step.reason.as_deref())).collect();
    assert_eq!(
        steps,
        [
            (Status::Pending, None),
            (Status::Reserved, None),
            (Status::Paid, None),
            (Status::Cancelled, Some("by-customer")),
            (Status::Refunded, None),
        ]
    );
    assert!(order.history.is_sorted_by_key(|step| step.at));
}

#[test]
fn what_does_not_work_is_tried_later_and_later() {
    let mut order = in_state(Status::Cancelled);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let before = Timestamp::now();
        order.retry(Entry::new(souk_contract::shopping::TimelineKind::Retry, "x", "unavailable"));
        let due = order.schedule.due().unwrap();
        waits.push((1..=20).find(|seconds| due <= before.after(Duration::from_millis(seconds * 1000 + 500))).unwrap());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 16, 16, 16]);
}
