//! Payment by Stripe against a fake of its API: cards that pay, are declined or need a review; lost
//! responses; repeated, late and forged webhook events. The shop captures once and refunds once.

use std::time::{Duration, SystemTime};

use journeys::{Customer, Method, Product, Request, Stock, TestShop, euros};
use serde_json::json;

use crate::fake_stripe::{FakeStripe, SECRET_KEY, WEBHOOK_SECRET};

struct StripeShop {
    shop: TestShop,
    stripe: FakeStripe,
}

impl StripeShop {
    async fn start() -> Self {
        let stripe = FakeStripe::start().await;
        let environment = [
            ("PAYMENT_METHODS", "stripe,demo"),
            ("STRIPE_URL", stripe.url.as_str()),
            ("STRIPE_SECRET_KEY", SECRET_KEY),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ];
        let shop = TestShop::start_in(&["--no-demo", "--log", "debug"], &environment).await;
        Self { shop, stripe }
    }

    async fn customer_with_tea(&self) -> (Customer, Product) {
        let tea = self.shop.new_product("tea", &euros(499), 10).await;
        (self.shop.customer_with_cart(&tea, 2).await, tea)
    }

    async fn stock(&self, product: &Product) -> Stock {
        self.shop.admin().await.stock(product).await
    }

    fn captures(&self, order: &str) -> usize {
        self.stripe.intent(order).1.captures
    }

    fn webhook(&self, id: &str, kind: &str, order: &str, signed_at: SystemTime) -> Request {
        let (body, signature) = self.stripe.event(id, kind, order, signed_at);
        let request = self.shop.client().request(Method::POST, "/shopping/payment/webhook");
        request.header("Stripe-Signature", signature).body(body)
    }
}

fn pay_by_card(customer: &Customer, key: &str, card: &str) -> Request {
    customer.place_order(key).json(json!({"payment": {"method": "stripe", "token": card}}))
}

#[tokio::test]
async fn a_card_is_charged_once() {
    let payments = StripeShop::start().await;
    let (ana, tea) = payments.customer_with_tea().await;
    for _ in 0..2 {
        let order = pay_by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
        assert_eq!(order["payment"], json!({"method": "stripe", "status": "captured"}));
        let (_, intent) = payments.stripe.intent(order.id());
        assert_eq!((intent.amount, intent.currency.as_str(), intent.captures), (998, "eur", 1));
    }
    assert_eq!(payments.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn a_declined_or_unknown_card_leaves_cart_and_stock() {
    let payments = StripeShop::start().await;
    let (ana, tea) = payments.customer_with_tea().await;
    for card in ["pm_card_declined", "pm_unknown"] {
        pay_by_card(&ana, card, card).await.expect_problem(402, "payment-declined");
        assert_eq!(ana.get_cart().await.items().len(), 1);
        assert_eq!(payments.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
    }
    pay_by_card(&ana, "good", "pm_card_visa").await.expect_status(201);
}

#[tokio::test]
async fn a_webhook_confirms_an_order_that_the_client_paid() {
    let payments = StripeShop::start().await;
    let (ana, tea) = payments.customer_with_tea().await;
    // Without a payment method in the request, the shop uses the first that it offers.
    let order = ana.place_order("key").await.expect_status(202);
    assert_eq!(order["payment"]["status"], "open");
    assert!(order["payment"]["client_secret"].as_str().unwrap().contains("_secret_"));
    let id = order.id();

    let now = SystemTime::now();
    let old = now - Duration::from_mins(10);
    payments.webhook("evt_0", "payment_intent.succeeded", id, old).await.expect_problem(400, "malformed");
    let forged = payments.webhook("evt_0", "payment_intent.succeeded", id, now);
    forged.body("{}").await.expect_problem(400, "malformed");
    let unsigned = payments.shop.client().request(Method::POST, "/shopping/payment/webhook");
    unsigned.await.expect_problem(400, "malformed");
    // The client may pay with another card.
    payments.webhook("evt_1", "payment_intent.payment_failed", id, now).await.expect_status(204);
    assert_eq!(ana.get_order(id).await["status"], "reserved");

    for _ in 0..3 {
        payments.webhook("evt_2", "payment_intent.succeeded", id, now).await.expect_status(204);
    }
    let order = ana.get_order(id).await.expect_status(200);
    assert_eq!(
        (&order["status"], &order["payment"]),
        (&"confirmed".into(), &json!({"method": "stripe", "status": "captured"}))
    );
    assert_eq!(payments.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
    payments.webhook("evt_3", "customer.created", id, now).await.expect_status(204);
}

#[tokio::test]
async fn a_cancelled_order_is_refunded_once() {
    let payments = StripeShop::start().await;
    let (ana, tea) = payments.customer_with_tea().await;
    let order = pay_by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
    payments.stripe.lose_response_to("refund");
    ana.cancel_order(order.id()).await.expect_status(200);
    ana.wait_for_order(order.id(), "refunded").await;
    ana.cancel_order(order.id()).await.expect_status(200);
    assert_eq!(payments.stripe.intent(order.id()).1.refunds, 1);
    assert_eq!(payments.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
}

#[tokio::test]
async fn an_authorised_payment_is_captured_or_cancelled() {
    let payments = StripeShop::start().await;
    let admin = payments.shop.admin().await;
    let (ana, _) = payments.customer_with_tea().await;
    let order = pay_by_card(&ana, "key", "pm_card_review").await.expect_status(202);
    assert_eq!(admin.capture_payment(order.id()).await.expect_status(200)["status"], "confirmed");
    assert_eq!(payments.captures(order.id()), 1);

    let (ben, tea) = payments.customer_with_tea().await;
    let order = pay_by_card(&ben, "key", "pm_card_review").await.expect_status(202);
    ben.cancel_order(order.id()).await.expect_status(200);
    assert_eq!(payments.stripe.intent(order.id()).1.status, "canceled");
    assert_eq!(payments.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
}

#[tokio::test]
async fn a_lost_response_does_not_charge_twice() {
    let payments = StripeShop::start().await;
    let (ana, tea) = payments.customer_with_tea().await;
    // After a lost response to the creation no money has moved, and the client retries.
    payments.stripe.lose_response_to("open");
    pay_by_card(&ana, "key", "pm_card_visa").await.expect_problem(503, "unavailable");
    let order = pay_by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
    assert_eq!(payments.captures(order.id()), 1);

    // After a lost response to the confirmation the state is unknown until the shop looks it up.
    let ben = payments.shop.customer_with_cart(&tea, 1).await;
    payments.stripe.lose_response_to("confirm");
    let order = pay_by_card(&ben, "key", "pm_card_visa").await.expect_status(202);
    ben.wait_for_order(order.id(), "confirmed").await;
    assert_eq!(payments.captures(order.id()), 1);
    assert_eq!(payments.stock(&tea).await, Stock { available: 7, reserved: 0, sold: 3 });
}

#[tokio::test]
async fn an_order_can_be_retried_after_an_outage_of_stripe() {
    let payments = StripeShop::start().await;
    let (ana, tea) = payments.customer_with_tea().await;
    payments.stripe.set_down(true);
    pay_by_card(&ana, "key", "pm_card_visa").await.expect_problem(503, "unavailable");
    payments.stripe.set_down(false);
    pay_by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
    assert_eq!(payments.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn secrets_are_not_logged() {
    let payments = StripeShop::start().await;
    let (ana, _) = payments.customer_with_tea().await;
    let order = ana.place_order("key").await.expect_status(202);
    let client_secret = order["payment"]["client_secret"].as_str().unwrap().to_owned();
    let now = SystemTime::now();
    payments.webhook("evt_1", "payment_intent.succeeded", order.id(), now).await.expect_status(204);
    let (ben, _) = payments.customer_with_tea().await;
    pay_by_card(&ben, "key", "pm_card_declined").await.expect_problem(402, "payment-declined");
    let log = payments.shop.log();
    assert!(log.contains("/payment/webhook"), "the log has no requests: {log}");
    for secret in [SECRET_KEY, WEBHOOK_SECRET, &client_secret, "pm_card_declined"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
