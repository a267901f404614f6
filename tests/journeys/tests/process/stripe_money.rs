//! Payment by Stripe, in money: payments of less than the total, refunds by hand, refunds that are
//! pending or fail, and refusals. The shop refunds the rest, once, and returns the stock in any
//! case.

use std::time::SystemTime;

use journeys::{Customer, Method, Product, Response, Stock, euros, wait_for};
use serde_json::{Value, json};

use crate::stripe::{StripeShop, pay_by_card};

const UNSOLD: Stock = Stock { available: 10, reserved: 0, sold: 0 };

impl StripeShop {
    async fn paid_order(&self) -> (Customer, Product, String) {
        let (ana, tea) = self.customer_with_tea().await;
        let order = pay_by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
        (ana, tea, order.id().to_owned())
    }

    /// Delivers this webhook three times.
    async fn deliver(&self, event: &Value) {
        for _ in 0..3 {
            self.signed(&event.to_string(), SystemTime::now()).await.expect_status(204);
        }
    }

    /// Returns the amounts and states of an order's refunds at Stripe.
    fn refunds(&self, order: &str) -> Vec<(u64, &'static str)> {
        self.stripe.intent(order).1.refunds.iter().map(|refund| (refund.amount, refund.status)).collect()
    }
}

/// Expects the state of an order, and the state and the amounts of its payment in cents.
#[track_caller]
fn expect_money(order: &Value, status: &str, payment: &str, captured: u64, refunded: u64) {
    let shown = &order["payment"];
    assert_eq!((order["status"].as_str(), shown["status"].as_str()), (Some(status), Some(payment)), "{order}");
    assert_eq!((&shown["captured"], &shown["refunded"]), (&euros(captured), &euros(refunded)), "{order}");
}

async fn wait_for_payment(customer: &Customer, order: &str, status: &str) -> Response {
    wait_for(status, async || {
        let order = customer.get_order(order).await.expect_status(200);
        if order["payment"]["status"] == status { Ok(order) } else { Err(order.body) }
    })
    .await
}

#[tokio::test]
async fn a_partial_refund_by_hand_leaves_the_rest_to_be_refunded() {
    let payments = StripeShop::start().await;
    let (ana, tea, order) = payments.paid_order().await;
    payments.deliver(&payments.stripe.refund_by_hand(&order, 100)).await;
    expect_money(&ana.get_order(&order).await.body, "confirmed", "partially-refunded", 998, 100);
    payments.deliver(&payments.stripe.refund_by_hand(&order, 50)).await;
    let cancelled = ana.cancel_order(&order).await.expect_status(200);
    expect_money(&cancelled.body, "refunded", "refunded", 998, 998);
    assert_eq!(payments.refunds(&order), [(100, "succeeded"), (50, "succeeded"), (848, "succeeded")]);
    assert_eq!(payments.stock(&tea).await, UNSOLD);
}

#[tokio::test]
async fn a_full_refund_by_hand_cancels_the_order_before_it_is_shipped() {
    let payments = StripeShop::start().await;
    let admin = payments.shop.admin().await;
    let (ana, tea, order) = payments.paid_order().await;
    payments.deliver(&payments.stripe.refund_by_hand(&order, 998)).await;
    let refunded = ana.wait_for_order(&order, "refunded").await;
    assert_eq!(refunded.states(), ["pending", "reserved", "paid", "confirmed", "cancelled", "refunded"]);
    assert!(refunded.to_string().contains("refunded-at-provider"));
    assert_eq!(payments.stock(&tea).await, UNSOLD);
    admin.ship_order(&order).await.expect_problem(409, "order-state");
    admin.capture_payment(&order).await.expect_problem(409, "order-state");

    let (ben, tea, order) = payments.paid_order().await;
    admin.ship_order(&order).await.expect_status(201);
    payments.deliver(&payments.stripe.refund_by_hand(&order, 998)).await;
    expect_money(&ben.get_order(&order).await.body, "shipped", "refunded", 998, 998);
    assert_eq!(payments.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn a_payment_of_less_than_the_total_confirms_nothing() {
    let payments = StripeShop::start().await;
    let admin = payments.shop.admin().await;
    // The notification says that a part was received.
    let (ana, tea) = payments.customer_with_tea().await;
    let order = ana.place_order("key").await.expect_status(202);
    let mut event = payments.stripe.event("evt_1", "payment_intent.succeeded", order.id());
    event["data"]["object"]["amount_received"] = 100.into();
    payments.deliver(&event).await;
    expect_money(&ana.get_order(order.id()).await.body, "reserved", "underpaid", 100, 0);
    assert_eq!(payments.stock(&tea).await, Stock { available: 8, reserved: 2, sold: 0 });
    event["id"] = "evt_2".into();
    event["data"]["object"]["amount_received"] = 998.into();
    payments.deliver(&event).await;
    expect_money(&ana.get_order(order.id()).await.body, "confirmed", "captured", 998, 0);

    // The reply to the charge says so.
    let (ben, tea) = payments.customer_with_tea().await;
    payments.stripe.capture_only(100);
    let order = pay_by_card(&ben, "key", "pm_card_visa").await.expect_status(202);
    expect_money(&order.body, "reserved", "underpaid", 100, 0);
    let cancelled = admin.cancel_order(order.id()).await.expect_status(200);
    expect_money(&cancelled.body, "refunded", "refunded", 100, 100);
    assert_eq!(payments.refunds(order.id()), [(100, "succeeded")]);
    assert_eq!(payments.stock(&tea).await, UNSOLD);

    // The reply to a capture says so.
    let (cem, tea) = payments.customer_with_tea().await;
    let order = pay_by_card(&cem, "key", "pm_card_review").await.expect_status(202);
    payments.stripe.capture_only(400);
    let captured = admin.capture_payment(order.id()).await.expect_status(200);
    expect_money(&captured.body, "reserved", "underpaid", 400, 0);
    cem.cancel_order(order.id()).await.expect_status(200);
    assert_eq!(payments.refunds(order.id()), [(400, "succeeded")]);
    assert_eq!(payments.stock(&tea).await, UNSOLD);
}

#[tokio::test]
async fn money_of_another_currency_or_payment_confirms_nothing() {
    let payments = StripeShop::start().await;
    let (ana, _) = payments.customer_with_tea().await;
    let order = ana.place_order("key").await.expect_status(202);
    let (ben, _) = payments.customer_with_tea().await;
    let other = ben.place_order("key").await.expect_status(202);
    let mut event = payments.stripe.event("evt_1", "payment_intent.succeeded", order.id());
    event["data"]["object"]["amount_received"] = 998.into();
    event["data"]["object"]["currency"] = "usd".into();
    payments.deliver(&event).await;
    let shown = ana.get_order(order.id()).await;
    assert_eq!((&shown["status"], &shown["payment"]["status"]), (&"reserved".into(), &"underpaid".into()));
    assert_eq!(shown["payment"]["captured"]["currency"], "USD");
    // An event about one intent that names another order in its metadata concerns the intent only.
    let mut event = payments.stripe.event("evt_2", "payment_intent.succeeded", other.id());
    event["data"]["object"]["id"] = "pi_999".into();
    payments.deliver(&event).await;
    assert_eq!(ben.get_order(other.id()).await["status"], "reserved");
}

#[tokio::test]
async fn a_refund_counts_when_stripe_says_that_it_succeeded() {
    let payments = StripeShop::start().await;
    for (status, kind) in [("pending", "refund.updated"), ("requires_action", "charge.refund.updated")] {
        payments.stripe.answer_refunds(Ok(status));
        let (ana, tea, order) = payments.paid_order().await;
        let cancelled = ana.cancel_order(&order).await.expect_status(200);
        expect_money(&cancelled.body, "cancelled", "refund-pending", 998, 0);
        assert_eq!(payments.stock(&tea).await, UNSOLD);
        payments.deliver(&payments.stripe.complete_refund(&order, "succeeded", kind)).await;
        expect_money(&ana.get_order(&order).await.body, "refunded", "refunded", 998, 998);
    }
    // Without a notification, the background job looks the refund up.
    let (ana, _, order) = payments.paid_order().await;
    ana.cancel_order(&order).await.expect_status(200);
    payments.stripe.complete_refund(&order, "succeeded", "");
    expect_money(&ana.wait_for_order(&order, "refunded").await.body, "refunded", "refunded", 998, 998);
    assert_eq!(payments.refunds(&order).len(), 1);
}

#[tokio::test]
async fn a_failed_refund_waits_for_an_admin() {
    let payments = StripeShop::start().await;
    let admin = payments.shop.admin().await;
    for (answer, reason, attempts) in [
        (Ok("failed"), "expired_or_canceled_card", 2),
        (Ok("canceled"), "canceled", 2),
        (Err("charge_disputed"), "charge_disputed", 1),
    ] {
        payments.stripe.answer_refunds(answer);
        let (ana, tea, order) = payments.paid_order().await;
        let cancelled = ana.cancel_order(&order).await.expect_status(200);
        expect_money(&cancelled.body, "cancelled", "refund-failed", 998, 0);
        assert_eq!(cancelled["payment"]["refunds"][0]["reason"], reason);
        assert_eq!(payments.stock(&tea).await, UNSOLD);
        let timeline = admin.get_timeline(&order).await.expect_status(200).to_string();
        assert!(timeline.contains("failed 9.98 EUR") && timeline.contains(reason), "{timeline}");
        ana.request(Method::POST, &format!("/shopping/admin/orders/{order}/refunds/retry"))
            .await
            .expect_problem(403, "forbidden");

        payments.stripe.answer_refunds(Ok("succeeded"));
        for _ in 0..2 {
            let refunded = admin.retry_refunds(&order).await.expect_status(200);
            expect_money(&refunded.body, "refunded", "refunded", 998, 998);
        }
        assert_eq!(payments.refunds(&order).len(), attempts);
    }
    let (_, _, order) = payments.paid_order().await;
    admin.retry_refunds(&order).await.expect_problem(409, "order-state");
}

#[tokio::test]
async fn a_failed_refund_that_was_made_by_hand_is_not_repeated() {
    let payments = StripeShop::start().await;
    let admin = payments.shop.admin().await;
    // A surplus of 2.00, whose refund fails before or after it is made by hand.
    for fails_first in [true, false] {
        let (ana, _) = payments.customer_with_tea().await;
        payments.stripe.capture_only(1_198);
        let order = pay_by_card(&ana, "key", "pm_card_visa").await.expect_status(201).id().to_owned();
        payments.stripe.answer_refunds(Ok(if fails_first { "failed" } else { "pending" }));
        let surplus = json!({"amount": euros(200), "reason": "paid too much"});
        let refund = admin.refund(&order, "surplus", surplus).await.expect_status(201);
        assert_eq!(refund["status"], if fails_first { "failed" } else { "pending" });
        let status = if fails_first { "refund-failed" } else { "refund-pending" };
        expect_money(&ana.get_order(&order).await.body, "confirmed", status, 1_198, 0);
        payments.stripe.answer_refunds(Ok("succeeded"));
        let charge = payments.stripe.refund_by_hand(&order, 200);
        payments.deliver(&charge).await;
        if !fails_first {
            payments.deliver(&payments.stripe.fail_refund(&order, 0)).await;
        }
        expect_money(&ana.get_order(&order).await.body, "confirmed", "partially-refunded", 1_198, 200);
        admin.retry_refunds(&order).await.expect_problem(409, "order-state");
        assert_eq!(payments.refunds(&order), [(200, "failed"), (200, "succeeded")]);
        assert_eq!(ana.get_order(&order).await["refunds"][0]["status"], "succeeded");
    }
}

#[tokio::test]
async fn every_page_of_the_list_of_refunds_counts() {
    let payments = StripeShop::start().await;
    let (ana, _, order) = payments.paid_order().await;
    for _ in 0..249 {
        payments.stripe.refund_by_hand(&order, 1);
    }
    payments.deliver(&payments.stripe.refund_by_hand(&order, 1)).await;
    expect_money(&ana.get_order(&order).await.body, "confirmed", "partially-refunded", 998, 250);
    let cancelled = ana.cancel_order(&order).await.expect_status(200);
    expect_money(&cancelled.body, "refunded", "refunded", 998, 998);
    assert_eq!(payments.refunds(&order).last(), Some(&(748, "succeeded")));
}

#[tokio::test]
async fn disputed_money_is_not_refunded() {
    let payments = StripeShop::start().await;
    let admin = payments.shop.admin().await;
    for (decision, status) in [("won", "refunded"), ("lost", "cancelled")] {
        let (ana, tea, order) = payments.paid_order().await;
        payments.deliver(&payments.stripe.dispute(&order, "needs_response", "charge.dispute.created")).await;
        let disputed = ana.get_order(&order).await.expect_status(200);
        expect_money(&disputed.body, "confirmed", "disputed", 998, 0);
        let shown = &disputed["payment"]["disputes"][0];
        assert_eq!(
            (&shown["amount"], &shown["status"], &shown["reason"]),
            (&euros(998), &"open".into(), &"fraudulent".into())
        );
        let timeline = admin.get_timeline(&order).await.expect_status(200).to_string();
        assert!(timeline.contains("dispute open 9.98 EUR: fraudulent"), "{timeline}");

        let cancelled = admin.cancel_order(&order).await.expect_status(200);
        expect_money(&cancelled.body, "cancelled", "disputed", 998, 0);
        admin.retry_refunds(&order).await.expect_problem(409, "order-state");
        assert_eq!((payments.refunds(&order), payments.stock(&tea).await), (vec![], UNSOLD));

        payments.deliver(&payments.stripe.dispute(&order, decision, "charge.dispute.closed")).await;
        // A late event changes nothing.
        payments.deliver(&payments.stripe.dispute(&order, "under_review", "charge.dispute.updated")).await;
        let decided = ana.wait_for_order(&order, status).await;
        assert_eq!(decided["payment"]["disputes"][0]["status"], decision);
        assert_eq!(payments.refunds(&order).len(), usize::from(decision == "won"));
    }
}

#[tokio::test]
async fn a_refund_that_the_shop_does_not_know_is_found_before_it_refunds() {
    let payments = StripeShop::start().await;
    let admin = payments.shop.admin().await;
    // The webhook about the refund by hand is lost.
    let (ana, _, order) = payments.paid_order().await;
    payments.stripe.refund_by_hand(&order, 100);
    ana.cancel_order(&order).await.expect_status(200);
    expect_money(&ana.wait_for_order(&order, "refunded").await.body, "refunded", "refunded", 998, 998);
    assert_eq!(payments.refunds(&order), [(100, "succeeded"), (898, "succeeded")]);

    let (ben, _, order) = payments.paid_order().await;
    payments.stripe.refund_by_hand(&order, 998);
    ben.cancel_order(&order).await.expect_status(200);
    expect_money(&ben.wait_for_order(&order, "refunded").await.body, "refunded", "refunded", 998, 998);

    // The surplus and all the rest are refunded: the order cannot be shipped.
    let (cem, tea) = payments.customer_with_tea().await;
    payments.stripe.capture_only(1_198);
    let order = pay_by_card(&cem, "key", "pm_card_visa").await.expect_status(201).id().to_owned();
    payments.stripe.refund_by_hand(&order, 1_198);
    let refunded = admin.retry_refunds(&order).await.expect_status(200);
    expect_money(&refunded.body, "refunded", "refunded", 1_198, 1_198);
    admin.ship_order(&order).await.expect_problem(409, "order-state");
    assert_eq!((payments.refunds(&order).len(), payments.stock(&tea).await), (1, UNSOLD));
}

#[tokio::test]
async fn a_refund_may_fail_days_later() {
    let payments = StripeShop::start().await;
    let admin = payments.shop.admin().await;
    for kind in ["refund.failed", "refund.updated", "charge.refund.updated"] {
        let (ana, tea, order) = payments.paid_order().await;
        ana.cancel_order(&order).await.expect_status(200);
        payments.deliver(&payments.stripe.complete_refund(&order, "failed", kind)).await;
        expect_money(&ana.get_order(&order).await.body, "cancelled", "refund-failed", 998, 0);
        // An old notification changes nothing.
        let mut late = payments.stripe.complete_refund(&order, "failed", "refund.created");
        late["data"]["object"]["status"] = "succeeded".into();
        payments.deliver(&late).await;
        expect_money(&ana.get_order(&order).await.body, "cancelled", "refund-failed", 998, 0);
        admin.retry_refunds(&order).await.expect_status(200);
        expect_money(&ana.get_order(&order).await.body, "refunded", "refunded", 998, 998);
        assert_eq!(payments.refunds(&order), [(998, "failed"), (998, "succeeded")]);
        assert_eq!(payments.stock(&tea).await, UNSOLD);
    }
}

#[tokio::test]
async fn stock_is_returned_while_the_refund_cannot_be_requested() {
    let payments = StripeShop::start().await;
    let (ana, tea, order) = payments.paid_order().await;
    payments.stripe.set_down(true);
    let cancelled = ana.cancel_order(&order).await.expect_status(200);
    expect_money(&cancelled.body, "cancelled", "refund-pending", 998, 0);
    assert_eq!(payments.stock(&tea).await, UNSOLD);
    payments.stripe.set_down(false);
    ana.wait_for_order(&order, "refunded").await;

    // The refund is made, and the reply is lost: the repetition has the same key.
    let (ben, _, order) = payments.paid_order().await;
    payments.stripe.lose_response_to("refund");
    ben.cancel_order(&order).await.expect_status(200);
    wait_for_payment(&ben, &order, "refunded").await;
    assert_eq!(payments.refunds(&order), [(998, "succeeded")]);
}

#[tokio::test]
async fn a_refusal_of_stripe_releases_the_stock_at_once() {
    let payments = StripeShop::start().await;
    let admin = payments.shop.admin().await;
    // The minimum depends on the currency that Stripe pays out, which only Stripe knows.
    for (code, param, words) in [
        ("amount_too_small", "amount", "below the minimum"),
        ("amount_too_large", "amount", "above the maximum"),
        ("parameter_invalid_string", "currency", "currency"),
        ("account_closed", "", "refuses this payment"),
    ] {
        let tea = admin.new_product("tea", &euros(499), 10).await;
        let ana = payments.shop.customer_with_cart(&tea, 1).await;
        payments.stripe.refuse_next_intent(code, param);
        for _ in 0..2 {
            let refused = pay_by_card(&ana, "key", "pm_card_visa").await.expect_problem(422, "payment-refused");
            assert!(refused["detail"].as_str().unwrap().contains(words), "{}", refused.body);
        }
        assert_eq!(payments.stock(&tea).await, UNSOLD);
        let orders = ana.list_orders().await.expect_status(200);
        assert_eq!((&orders["items"][0]["status"], &orders["items"][0]["payment"]), (&"rejected".into(), &Value::Null));
        assert_eq!(ana.get_cart().await.items().len(), 1);
    }
    // A wrong key of the shop is no refusal of the payment.
    let (ana, tea) = payments.customer_with_tea().await;
    payments.stripe.reject_key(true);
    pay_by_card(&ana, "key", "pm_card_visa").await.expect_problem(503, "unavailable");
    payments.stripe.reject_key(false);
    pay_by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
    assert_eq!(payments.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn a_client_can_pay_again_after_a_failed_attempt() {
    let payments = StripeShop::start().await;
    let (ana, _) = payments.customer_with_tea().await;
    let order = ana.place_order("key").await.expect_status(202).id().to_owned();
    for (id, kind, status, error, shown) in [
        ("evt_1", "payment_intent.processing", "processing", Value::Null, "processing"),
        ("evt_2", "payment_intent.payment_failed", "requires_payment_method", json!({"code": "card_declined"}), "open"),
    ] {
        let mut event = payments.stripe.event(id, kind, &order);
        event["data"]["object"]["status"] = status.into();
        event["data"]["object"]["last_payment_error"] = error;
        payments.deliver(&event).await;
        let payment = ana.get_order(&order).await.expect_status(200)["payment"].clone();
        assert_eq!((&payment["status"], payment.get("client_secret").is_some()), (&shown.into(), shown == "open"));
    }
    payments.stripe.pay(&order);
    payments.deliver(&payments.stripe.event("evt_3", "payment_intent.succeeded", &order)).await;
    expect_money(&ana.get_order(&order).await.body, "confirmed", "captured", 998, 0);
}

#[tokio::test]
async fn an_order_of_nothing_needs_no_stripe() {
    let payments = StripeShop::start().await;
    payments.stripe.set_down(true);
    let sample = payments.shop.new_product("sample", &euros(0), 10).await;
    let ana = payments.shop.customer_with_cart(&sample, 1).await;
    let order = pay_by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
    assert_eq!((&order["status"], &order["payment"]), (&"confirmed".into(), &Value::Null));
    assert_eq!(order.states(), ["pending", "reserved", "paid", "confirmed"]);
    let cancelled = ana.cancel_order(order.id()).await.expect_status(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(payments.stock(&sample).await, UNSOLD);
}
