use serde_json::{Value, json};
use souk_contract::shopping::OrderMailSubject;
use souk_types::ErrorKind;

use super::*;
use crate::domain::order::tests::{TOTAL, answer_refund, apply, euros, in_state, refunded};
use crate::domain::order::{AttemptedWork, NextAction, OrderStatus, Trigger};
use crate::domain::payment::dispute::{Dispute, DisputeStatus};
use crate::domain::payment::report::RefundStatus;

fn new(json: Value) -> NewRefund {
    souk_types::input::from_json(json).unwrap()
}

/// A request for pieces of the one product of the order.
fn pieces(order: &Order, quantity: u32) -> Value {
    json!({"lines": [{"product_id": order.lines()[0].product, "quantity": quantity}], "reason": "broken"})
}

fn refund(order: &mut Order, key: &str, json: Value) -> Result<RefundDecision> {
    order.refund(&key.parse().unwrap(), &new(json), CustomerId::new(), Timestamp::now())
}

fn view(order: &Order) -> Value {
    serde_json::to_value(order.view()).unwrap()
}

#[test]
fn pieces_are_refunded_until_none_is_left() {
    let mut order = in_state(OrderStatus::Confirmed);
    for (key, status) in [("1", "partially-refunded"), ("2", "refunded")] {
        let request = pieces(&order, 1);
        assert!(matches!(refund(&mut order, key, request).unwrap(), RefundDecision::New(_)));
        let shown = view(&order);
        let last = shown["refunds"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&last["status"], &last["amount"]["amount"]), (&"pending".into(), &499.into()));
        assert_eq!(
            order.next_action(Trigger::Job, AttemptedWork::default(), Timestamp::now()),
            NextAction::RefundPayment
        );
        answer_refund(&mut order, RefundStatus::Succeeded);
        let shown = view(&order);
        assert_eq!(shown["refunds"].as_array().unwrap().last().unwrap()["status"], "succeeded");
        // The shop's own refund does not cancel the order.
        assert_eq!((&shown["status"], &shown["payment"]["status"]), (&"confirmed".into(), &status.into()));
    }
    assert_eq!(view(&order)["refunded"], json!({"amount": TOTAL, "currency": "EUR"}));
    let request = pieces(&order, 1);
    assert_eq!(refund(&mut order, "3", request).unwrap_err().code(), "refund-limit");
    let succeeded = order.take_succeeded_refunds();
    assert_eq!(succeeded.len(), 2);
    assert_eq!(order.take_succeeded_refunds(), []);
    for refund in succeeded {
        let shown = order.refund_for_mail(OrderMailSubject::Refunded { refund });
        assert_eq!(shown, Some((euros(499), "broken".to_owned())));
    }
    order.erase_personal_data();
    assert!(!serde_json::to_string(&order).unwrap().contains("broken"));
}

#[test]
fn a_bad_refund_is_refused_and_changes_nothing() {
    type Request = Box<dyn Fn(&Order) -> Value>;
    let product = ProductId::new();
    let line = |order: &Order, quantity: u32| json!({"product_id": order.lines()[0].product, "quantity": quantity});
    let rows: [(&str, Request, &str, &str); 10] = [
        ("nothing", Box::new(|_| json!({"reason": "x"})), "validation", "lines"),
        (
            "not bought",
            Box::new(move |_| json!({"lines": [{"product_id": product, "quantity": 1}], "reason": "x"})),
            "validation",
            "lines.0.product_id",
        ),
        (
            "twice",
            Box::new(move |order| json!({"lines": [line(order, 1), line(order, 1)], "reason": "x"})),
            "validation",
            "lines.1.product_id",
        ),
        (
            "more pieces than are left",
            Box::new(move |order| json!({"lines": [line(order, 3)], "reason": "x"})),
            "refund-limit",
            "",
        ),
        ("no shipping", Box::new(|_| json!({"shipping": true, "reason": "x"})), "validation", "shipping"),
        (
            "another currency",
            Box::new(|_| json!({"amount": {"amount": 1, "currency": "USD"}, "reason": "x"})),
            "validation",
            "amount.currency",
        ),
        (
            "a contradiction",
            Box::new(
                move |order| json!({"lines": [line(order, 1)], "amount": {"amount": 500, "currency": "EUR"}, "reason": "x"}),
            ),
            "validation",
            "amount",
        ),
        (
            "more than captured",
            Box::new(|_| json!({"amount": {"amount": TOTAL + 1, "currency": "EUR"}, "reason": "x"})),
            "refund-limit",
            "",
        ),
        (
            "more than is left",
            Box::new(|_| json!({"amount": {"amount": 899, "currency": "EUR"}, "reason": "x"})),
            "refund-limit",
            "",
        ),
        (
            "another body",
            Box::new(|_| json!({"amount": {"amount": 99, "currency": "EUR"}, "reason": "x"})),
            "key-reused",
            "",
        ),
    ];
    let mut order = in_state(OrderStatus::Confirmed);
    refund(&mut order, "first", json!({"amount": {"amount": 100, "currency": "EUR"}, "reason": "late"})).unwrap();
    let before = view(&order);
    for (case, request, code, field) in rows {
        let request = request(&order);
        let key = if code == "key-reused" { "first" } else { "other" };
        let error = refund(&mut order, key, request).unwrap_err();
        let fields: Vec<&str> = error.fields().iter().map(|bad| bad.field.as_str()).collect();
        assert_eq!((error.code(), fields.concat()), (code, field.to_owned()), "{case}");
        assert_eq!(view(&order), before, "{case}");
    }
}

#[test]
fn a_request_names_its_bad_fields() {
    for (json, fields) in [
        (json!({}), &["reason"][..]),
        (json!({"reason": ""}), &["reason"]),
        (json!({"reason": "x", "amount": {"amount": 0, "currency": "EUR"}}), &["amount.amount"]),
        (json!({"reason": "x", "amount": {"amount": -1, "currency": "EUR"}}), &["amount.amount"]),
        (json!({"reason": "x", "amount": 5}), &["amount"]),
        (json!({"reason": "x", "shipping": 1}), &["shipping"]),
        (json!({"reason": "x", "lines": {}}), &["lines"]),
        (json!({"reason": "x", "lines": [{"quantity": 0}]}), &["lines.0.product_id", "lines.0.quantity"]),
        (json!({"reason": "x", "to": "me"}), &["to"]),
    ] {
        let error = souk_types::input::from_json::<NewRefund>(json.clone()).unwrap_err();
        let mut named: Vec<&str> = error.fields().iter().map(|bad| bad.field.as_str()).collect();
        named.sort_unstable();
        assert_eq!(named, fields, "{json}");
    }
}

#[test]
fn only_a_confirmed_order_with_a_payment_is_refunded() {
    for status in OrderStatus::ALL {
        let mut order = in_state(status);
        let request = json!({"amount": {"amount": 1, "currency": "EUR"}, "reason": "x"});
        let outcome = refund(&mut order, "key", request).map(drop).map_err(|error| error.kind());
        let is_sold = status.is_sold();
        assert_eq!(outcome, if is_sold { Ok(()) } else { Err(ErrorKind::Conflict) }, "{status:?}");
    }
}

#[test]
fn the_same_key_gets_the_same_refund() {
    let mut order = in_state(OrderStatus::Confirmed);
    let request = pieces(&order, 2);
    let RefundDecision::New(first) = refund(&mut order, "key", request.clone()).unwrap() else { panic!("not new") };
    assert_eq!(refund(&mut order, "key", request.clone()).unwrap(), RefundDecision::Existing(first));
    order.cancel(crate::domain::order::Actor::Admin(CustomerId::new()), Timestamp::now()).unwrap();
    assert_eq!(refund(&mut order, "key", request).unwrap(), RefundDecision::Existing(first));
}

#[test]
fn the_request_of_a_refund_is_stored_as_a_pair() {
    let mut order = in_state(OrderStatus::Confirmed);
    let request = json!({"amount": {"amount": 100, "currency": "EUR"}, "reason": "broken"});
    refund(&mut order, "key", request.clone()).unwrap();
    let mut stored = serde_json::to_value(&order).unwrap();
    let pair = json!(["key", "ew6sei+p8bwq3cbqtZzJsV1eyM5nTuvTOFE2DnDHfa8"]);
    assert_eq!(stored["refunds"][0]["request"], pair, "as in the previous release");

    let mut read: Order = serde_json::from_value(stored.clone()).unwrap();
    assert!(matches!(refund(&mut read, "key", request).unwrap(), RefundDecision::Existing(_)));
    // The refund of an order that has ended.
    stored["refunds"][0]["request"] = Value::Null;
    let read: Order = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap()["refunds"], stored["refunds"]);
}

#[test]
fn a_cancelled_order_records_the_refund_of_the_rest() {
    let mut order = in_state(OrderStatus::Confirmed);
    let request = pieces(&order, 1);
    refund(&mut order, "key", request).unwrap();
    order.cancel(crate::domain::order::Actor::Admin(CustomerId::new()), Timestamp::now()).unwrap();
    let shown = view(&order);
    let rest = &shown["refunds"][1];
    assert_eq!((&rest["amount"]["amount"], &rest["lines"][0]["quantity"]), (&499.into(), &1.into()));
    assert_eq!((&rest["reason"], &rest["status"]), (&"by-shop".into(), &"pending".into()));
    for _ in 0..2 {
        answer_refund(&mut order, RefundStatus::Succeeded);
    }
    assert_eq!(order.take_succeeded_refunds().len(), 2);
}

/// A surplus, refunds on the dashboard, failures and disputes.
#[test]
fn a_refund_takes_what_is_captured_and_not_refunded() {
    let mut order = in_state(OrderStatus::Reserved);
    apply(&mut order, &refunded(TOTAL + 200, 100));
    order.confirm(Timestamp::now()).unwrap();
    let amount = |amount: u64| json!({"amount": {"amount": amount, "currency": "EUR"}, "reason": "x"});
    assert_eq!(refund(&mut order, "1", amount(TOTAL + 101)).unwrap_err().members()["left"], json!(euros(TOTAL + 100)));
    refund(&mut order, "2", amount(TOTAL)).unwrap();
    answer_refund(&mut order, RefundStatus::Failed);
    assert_eq!(view(&order)["refunds"][0]["status"], "failed");
    // The failed refund waits for a retry, and no other refund takes its money.
    assert_eq!(refund(&mut order, "3", amount(101)).unwrap_err().code(), "refund-limit");
    order.retry_refunds(Timestamp::now()).unwrap();
    answer_refund(&mut order, RefundStatus::Succeeded);
    assert_eq!(view(&order)["refunds"][0]["status"], "succeeded");
    // A surplus belongs to no piece.
    let taken: Vec<u64> = order.refunds[0].shares.iter().map(|share| share.amount()).collect();
    assert_eq!(taken, [TOTAL - 100]);
    let dispute = Dispute { id: "dp_1".to_owned(), amount: euros(50), status: DisputeStatus::Open, reason: None };
    order.payment.as_mut().unwrap().apply_dispute(&dispute);
    let error = refund(&mut order, "4", amount(100)).unwrap_err();
    assert!(error.code() == "refund-limit" && error.detail().contains("dispute"), "{error}");
    refund(&mut order, "5", amount(50)).unwrap();
    // The dispute takes the money that is not to be refunded.
    let requested = order.payment.as_ref().unwrap().requested_refunds().map(|refund| refund.amount);
    assert_eq!(requested.collect::<Vec<_>>(), [euros(50)]);
}

#[test]
fn pieces_without_money_can_go_back_on_sale() {
    let mut order = in_state(OrderStatus::Shipped);
    let all = json!({"amount": {"amount": TOTAL, "currency": "EUR"}, "reason": "late"});
    refund(&mut order, "1", all).unwrap();
    answer_refund(&mut order, RefundStatus::Succeeded);
    order.take_succeeded_refunds();
    let mut request = pieces(&order, 2);
    request["lines"][0]["restock"] = true.into();
    refund(&mut order, "2", request).unwrap();
    assert!(order.owes_any_stock() && order.has_open_work());
    let shown = view(&order);
    let last = &shown["refunds"][1];
    assert_eq!((&last["status"], &last["amount"]["amount"]), (&"succeeded".into(), &0.into()));
    assert_eq!(order.take_succeeded_refunds(), [], "no mail about no money");
    // Without pieces, there is nothing to refund.
    let nothing = json!({"lines": [], "reason": "x"});
    assert_eq!(refund(&mut order, "3", nothing).unwrap_err().code(), "validation");
}

#[test]
fn a_refund_of_pieces_without_money_and_stock_leaves_no_work() {
    let mut order = in_state(OrderStatus::Confirmed);
    order.payment = None;
    for line in &mut order.quote.lines {
        (line.net, line.gross) = (euros(0), euros(0));
    }
    let request = pieces(&order, 1);
    refund(&mut order, "1", request).unwrap();
    assert!(!order.has_open_work());
    assert_eq!(view(&order)["refunds"][0]["status"], "succeeded");
    let amount = json!({"amount": {"amount": 1, "currency": "EUR"}, "reason": "x"});
    assert_eq!(refund(&mut order, "2", amount).unwrap_err().code(), "order-state");
}

/// What the rest of a partly shipped order returns: the case, the change before, and the amount of
/// the refund, its status and the money that is requested.
#[test]
fn the_rest_of_a_partly_shipped_order_can_always_be_cancelled() {
    type Change = Box<dyn Fn(&mut Order)>;
    let dispute = |order: &mut Order, amount, status| {
        let dispute = Dispute { id: "dp_1".to_owned(), amount: euros(amount), status, reason: None };
        order.payment.as_mut().unwrap().apply_dispute(&dispute);
    };
    let amount = |order: &mut Order, amount: u64| {
        refund(order, "early", json!({"amount": {"amount": amount, "currency": "EUR"}, "reason": "late"})).unwrap();
        answer_refund(order, RefundStatus::Succeeded);
    };
    let rows: [(&str, Change, u64, &str, u64); 6] = [
        ("nothing before", Box::new(|_| {}), 499, "pending", 499),
        ("all money is refunded", Box::new(move |order| amount(order, TOTAL)), 0, "succeeded", 0),
        (
            "refunded on the dashboard",
            Box::new(|order| {
                apply(order, &refunded(TOTAL, TOTAL - 100));
            }),
            100,
            "pending",
            100,
        ),
        ("all money is disputed", Box::new(move |order| dispute(order, TOTAL, DisputeStatus::Open)), 499, "failed", 0),
        ("a part is disputed", Box::new(move |order| dispute(order, 300, DisputeStatus::Lost)), 499, "pending", 499),
        (
            "the order costs nothing",
            Box::new(|order| {
                order.payment = None;
                for line in &mut order.quote.lines {
                    (line.net, line.gross) = (euros(0), euros(0));
                }
            }),
            0,
            "succeeded",
            0,
        ),
    ];
    for (case, change, refunded, status, requested) in rows {
        let mut order = in_state(OrderStatus::PartiallyShipped);
        change(&mut order);
        assert!(order.cancel_rest(CustomerId::new(), Timestamp::now()).unwrap(), "{case}");
        assert_eq!((order.status(), order.owes_any_stock()), (OrderStatus::Shipped, true), "{case}");
        let shown = view(&order);
        let last = shown["refunds"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["amount"]["amount"], &last["status"]), (&refunded.into(), &status.into()), "{case}");
        assert_eq!(last["lines"][0]["amount"], last["amount"], "{case}");
        let open = order.payment.iter().flat_map(Payment::requested_refunds).map(|refund| refund.amount.amount());
        assert_eq!(open.sum::<u64>(), requested, "{case}");
        assert!(!order.cancel_rest(CustomerId::new(), Timestamp::now()).unwrap(), "{case}: repeated");
        if case == "all money is disputed" {
            dispute(&mut order, TOTAL, DisputeStatus::Won);
            let open = order.payment.iter().flat_map(Payment::requested_refunds).map(|refund| refund.amount.amount());
            assert_eq!(open.sum::<u64>(), 499, "{case}: the shop has won");
        }
    }
}

#[test]
fn an_order_has_few_refunds_and_its_rest_can_still_be_cancelled() {
    let mut order = in_state(OrderStatus::PartiallyShipped);
    let one = json!({"amount": {"amount": 1, "currency": "EUR"}, "reason": "x"});
    for number in 0..MAX_REFUNDS {
        refund(&mut order, &number.to_string(), one.clone()).unwrap();
        answer_refund(&mut order, RefundStatus::Succeeded);
    }
    assert_eq!(refund(&mut order, "more", one).unwrap_err().code(), "refund-limit");
    assert!(order.cancel_rest(CustomerId::new(), Timestamp::now()).unwrap());
    assert_eq!(order.status(), OrderStatus::Shipped);
}
