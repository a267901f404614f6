//! Payment by Stripe against a fake of its API: cards that pay, are declined or need a review; lost
//! responses; repeated, late and forged webhook events. The shop captures once and refunds once.

use std::time::{Duration, SystemTime};

use journeys::stripe::{FakeStripe, SECRET_KEY, WEBHOOK_SECRET};
use journeys::{Customer, Method, Product, Request, Stock, TestShop, euros};
use serde_json::{Value, json};

pub(crate) struct StripeShop {
    pub(crate) shop: TestShop,
    pub(crate) stripe: FakeStripe,
}

impl StripeShop {
    pub(crate) async fn start() -> Self {
        let stripe = FakeStripe::start().await;
        let environment = stripe.environment();
        let shop = TestShop::start_in(&["--no-demo", "--log", "debug"], &environment).await;
        Self { shop, stripe }
    }

    pub(crate) async fn customer_with_tea(&self) -> (Customer, Product) {
        let tea = self.shop.new_product("tea", &euros(499), 10).await;
        (self.shop.customer_with_cart(&tea, 2).await, tea)
    }

    /// Returns a customer with one piece of a product of this price in the cart, in a shop that
    /// sells in its currency.
    async fn customer_with(&self, amount: u64, currency: &str) -> (Customer, Product) {
        let (admin, path) = (self.shop.admin().await, "/shopping/admin/settings");
        let mut settings = admin.get(path).await.expect_status(200).body;
        settings["currency"] = currency.into();
        admin.request(Method::PUT, path).header("If-Match", "*").json(settings).await.expect_status(200);
        let product = self.shop.new_product("gift", &json!({"amount": amount, "currency": currency}), 10).await;
        (self.shop.customer_with_cart(&product, 1).await, product)
    }

    pub(crate) async fn stock(&self, product: &Product) -> Stock {
        self.shop.admin().await.stock(product).await
    }

    fn captures(&self, order: &str) -> usize {
        self.stripe.intent(order).1.captures
    }

    pub(crate) fn webhook(&self, id: &str, kind: &str, order: &str, signed_at: SystemTime) -> Request {
        self.signed(&self.stripe.event(id, kind, order).to_string(), signed_at)
    }

    pub(crate) fn signed(&self, body: &str, signed_at: SystemTime) -> Request {
        let request = self.shop.client().request(Method::POST, "/shopping/payment/webhook");
        request.header("Stripe-Signature", FakeStripe::sign(body, signed_at)).body(body.to_owned())
    }
}

pub(crate) fn pay_by_card(customer: &Customer, key: &str, card: &str) -> Request {
    customer.place_order_with(key, json!({"payment": {"method": "stripe", "token": card}}))
}

#[tokio::test]
async fn a_card_is_charged_once() {
    let payments = StripeShop::start().await;
    let (ana, tea) = payments.customer_with_tea().await;
    for _ in 0..2 {
        let order = pay_by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
        assert_eq!((&order["payment"]["method"], &order["payment"]["status"]), (&"stripe".into(), &"captured".into()));
        assert_eq!((&order["payment"]["captured"], &order["payment"]["refunded"]), (&euros(998), &euros(0)));
        let (_, intent) = payments.stripe.intent(order.id());
        assert_eq!((intent.amount, intent.currency.as_str(), intent.captures), (998, "eur", 1));
    }
    assert_eq!(payments.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn only_the_page_of_the_payment_may_load_the_script_of_stripe() {
    let stripe = FakeStripe::start().await;
    let settings = [("STRIPE_PUBLISHABLE_KEY", "pk_test_1"), ("PAYMENT_METHODS", "stripe")];
    let shop = TestShop::start_in(&["--no-demo"], &[&stripe.environment()[..], &settings].concat()).await;
    let tea = shop.new_product("tea", &euros(499), 10).await;
    let ana = shop.customer_with_cart(&tea, 1).await;
    let order = ana.place_order_with("key", json!({"payment": {"method": "stripe"}})).await.expect_status(202);
    let visitor = shop.visitor();
    visitor.sign_in(&ana.email, &ana.password).await;
    let order = format!("/en/order/{}", order.id());
    let paying = visitor.open(&format!("{order}/pay")).await.expect_status(200);
    let policy = paying.header("Content-Security-Policy");
    let directive = |name: &str| policy.split("; ").find(|directive| directive.starts_with(name)).unwrap_or_default();
    for name in ["script-src", "frame-src", "connect-src"] {
        assert!(directive(name).contains(".stripe.com"), "{name}: {policy}");
    }
    assert!(!directive("script-src").contains("unsafe"), "{policy}");
    for path in [&order, "/en/cart", "/en/account", "/en"] {
        let page = visitor.open(path).await.expect_status(200);
        assert!(!page.header("Content-Security-Policy").contains("stripe.com"), "{page}");
    }
}

#[tokio::test]
async fn an_amount_reaches_stripe_in_its_own_minor_units() {
    let payments = StripeShop::start().await;
    for (amount, currency, expected) in
        [(500, "ISK", 50_000), (5, "UGX", 500), (500, "JPY", 500), (5_120, "KWD", 5_120), (50_000, "MGA", 500)]
    {
        let (ana, _) = payments.customer_with(amount, currency).await;
        let order = pay_by_card(&ana, "key", "pm_card_visa").await.expect_status(201);
        assert_eq!(order["total"], json!({"amount": amount, "currency": currency}));
        let (_, intent) = payments.stripe.intent(order.id());
        assert_eq!((intent.amount, intent.currency), (expected, currency.to_lowercase()), "{amount} {currency}");
    }
}

#[tokio::test]
async fn an_amount_that_stripe_does_not_take_is_refused_at_once() {
    let payments = StripeShop::start().await;
    for (amount, currency, reason) in [
        (49, "USD", "minimum of 0.50 USD"),
        (29, "GBP", "minimum of 0.30 GBP"),
        (100_000_000, "EUR", "maximum of 999999.99 EUR"),
        (1_000_000, "ISK", "maximum of 999999 ISK"),
        (500, "IRR", "no payments in IRR"),
    ] {
        let (ana, product) = payments.customer_with(amount, currency).await;
        for _ in 0..2 {
            let problem = pay_by_card(&ana, "key", "pm_card_visa").await.expect_problem(422, "payment-refused");
            assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem:?}");
        }
        assert_eq!(payments.stock(&product).await, Stock { available: 10, reserved: 0, sold: 0 });
        assert_eq!(ana.get_cart().await.items().len(), 1);
    }
    assert_eq!(payments.stripe.intents(), 0);
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
    // The client may pay with another card.
    payments.webhook("evt_1", "payment_intent.payment_failed", id, now).await.expect_status(204);
    assert_eq!(ana.get_order(id).await["status"], "reserved");

    payments.stripe.pay(id);
    for _ in 0..3 {
        payments.webhook("evt_2", "payment_intent.succeeded", id, now).await.expect_status(204);
    }
    let order = ana.get_order(id).await.expect_status(200);
    assert_eq!(
        (&order["status"], &order["payment"]["status"], &order["payment"]["client_secret"]),
        (&"confirmed".into(), &"captured".into(), &Value::Null)
    );
    assert_eq!(payments.stock(&tea).await, Stock { available: 8, reserved: 0, sold: 2 });
}

#[tokio::test]
async fn an_event_without_a_good_signature_is_refused() {
    let payments = StripeShop::start().await;
    let (ana, _) = payments.customer_with_tea().await;
    let order = ana.place_order("key").await.expect_status(202);
    let (now, minutes) = (SystemTime::now(), Duration::from_mins(10));
    let event = |signed_at| payments.webhook("evt_1", "payment_intent.succeeded", order.id(), signed_at);
    let foreign = FakeStripe::sign("{}", now);
    for (case, request, detail) in [
        ("old", event(now - minutes), "s ago"),
        ("of the future", event(now + minutes), "s in the future"),
        ("another body", event(now).body("{}"), "not valid"),
        ("two signatures", event(now).header("Stripe-Signature", foreign), "given twice"),
        (
            "no signature",
            payments.shop.client().request(Method::POST, "/shopping/payment/webhook").body("{}"),
            "Stripe-Signature is missing",
        ),
    ] {
        let problem = request.await.expect_problem(400, "malformed");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{case}: {problem:?}");
    }
    let too_large = format!("{{\"padding\": \"{}\"}}", "x".repeat(256 * 1024));
    payments.signed(&too_large, now).await.expect_problem(413, "too-large");
    assert_eq!(ana.get_order(order.id()).await["status"], "reserved");
}

#[tokio::test]
async fn a_customer_authenticates_a_card() {
    let payments = StripeShop::start().await;
    let admin = payments.shop.admin().await;
    // By webhook, and without one by the background check.
    for notified in [true, false] {
        let (ana, _) = payments.customer_with_tea().await;
        let order = pay_by_card(&ana, "key", "pm_card_3ds").await.expect_status(202);
        let id = order.id().to_owned();
        let secret = order["payment"]["client_secret"].as_str().unwrap().to_owned();
        assert!(secret.contains("_secret_") && order["payment"]["status"] == "processing", "{order:?}");
        // The owner gets it again, by id and by key.
        for again in [ana.get_order(&id).await, pay_by_card(&ana, "key", "pm_card_3ds").await] {
            assert_eq!(again["payment"]["client_secret"], secret.as_str(), "{again:?}");
        }
        let ben = payments.shop.new_customer().await;
        ben.get_order(&id).await.expect_not_found();
        for (case, shown) in [
            ("the timeline", admin.get_timeline(&id).await.expect_status(200)),
            ("the list", ana.get("/shopping/orders").await.expect_status(200)),
            ("the export", ana.get("/customer/profile/export").await.expect_status(200)),
        ] {
            assert!(!shown.to_string().contains("_secret_"), "{case}: {shown:?}");
        }
        payments.stripe.authenticate(&id, true);
        if notified {
            payments.webhook("evt_1", "payment_intent.succeeded", &id, SystemTime::now()).await.expect_status(204);
        }
        let order = ana.wait_for_order(&id, "confirmed").await;
        assert!(!order.to_string().contains("_secret_"), "{order:?}");
        assert!(!payments.shop.log().contains(&secret));
    }
}

#[tokio::test]
async fn a_failed_authentication_declines_the_order() {
    let payments = StripeShop::start().await;
    for notified in [true, false] {
        let (ana, tea) = payments.customer_with_tea().await;
        let order = pay_by_card(&ana, "key", "pm_card_3ds").await.expect_status(202);
        payments.stripe.authenticate(order.id(), false);
        if notified {
            let event = payments.webhook("evt_1", "payment_intent.payment_failed", order.id(), SystemTime::now());
            event.await.expect_status(204);
        }
        ana.wait_for_order(order.id(), "rejected").await;
        pay_by_card(&ana, "key", "pm_card_3ds").await.expect_problem(402, "payment-declined");
        assert_eq!(payments.stock(&tea).await, Stock { available: 10, reserved: 0, sold: 0 });
    }
}

#[tokio::test]
async fn the_shop_cancels_an_order_that_waits_for_the_customer() {
    let payments = StripeShop::start().await;
    let admin = payments.shop.admin().await;
    let (ana, _) = payments.customer_with_tea().await;
    let order = pay_by_card(&ana, "key", "pm_card_3ds").await.expect_status(202);
    let cancelled = admin.cancel_order(order.id()).await.expect_status(200);
    assert!(!cancelled.to_string().contains("_secret_"), "{cancelled:?}");
    assert_eq!(payments.stripe.intent(order.id()).1.status, "canceled");
}

#[tokio::test]
async fn a_bank_returns_the_customer_of_a_method_that_redirects() {
    let payments = StripeShop::start().await;
    let (ana, _) = payments.customer_with_tea().await;
    let ideal = |key, return_url: Value| {
        let mut payment = json!({"method": "stripe", "token": "pm_ideal", "return_url": return_url});
        payment.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        ana.place_order_with(key, json!({"payment": payment}))
    };
    let problem = ideal("bad", json!("http://shop.example/")).await.expect_problem(422, "validation");
    assert_eq!(problem["errors"][0]["field"], "payment.return_url");
    let problem = ideal("none", Value::Null).await.expect_problem(422, "payment-refused");
    assert!(problem["detail"].as_str().unwrap().contains("payment.return_url"), "{problem:?}");

    let order = ideal("good", json!("https://shop.example/done?x=1")).await.expect_status(202);
    let (number, _) = payments.stripe.intent(order.id());
    assert_eq!(order["payment"]["redirect_url"], format!("https://hooks.stripe.com/{number}"));
    payments.stripe.authenticate(order.id(), true);
    payments.webhook("evt_1", "payment_intent.succeeded", order.id(), SystemTime::now()).await.expect_status(204);
    let order = ana.wait_for_order(order.id(), "confirmed").await;
    assert!(order["payment"].get("redirect_url").is_none(), "{order:?}");

    // A shop may have one address for all orders.
    payments.shop.stop().await;
    payments.shop.restart_in(&[("STRIPE_RETURN_URL", "https://shop.example/")]).await;
    let (ben, _) = payments.customer_with_tea().await;
    pay_by_card(&ben, "key", "pm_ideal").await.expect_status(202);
}

/// Stripe sends every event of its account, and disables an endpoint that refuses them.
#[tokio::test]
async fn a_signed_event_about_something_else_is_accepted_and_ignored() {
    let payments = StripeShop::start().await;
    let (ana, tea) = payments.customer_with_tea().await;
    let order = ana.place_order("key").await.expect_status(202);
    let succeeded = "payment_intent.succeeded";
    let foreign = |metadata: Value| json!({"id": "pi_foreign", "object": "payment_intent", "metadata": metadata});
    let event =
        |kind: &str, object: Value| json!({"id": "evt_1", "object": "event", "type": kind, "data": {"object": object}});
    let charge = |intent: Value| json!({"id": "ch_1", "object": "charge", "refunded": true, "payment_intent": intent});
    for (case, event) in [
        ("a balance, which has no id", event("balance.available", json!({"object": "balance", "available": []}))),
        ("the order number of another system", event(succeeded, foreign(json!({"order": "1001"})))),
        ("an order number that is no text", event(succeeded, foreign(json!({"order": 1001})))),
        ("null metadata", event(succeeded, foreign(Value::Null))),
        ("other metadata", event(succeeded, foreign(json!({"basket": "x"})))),
        ("no metadata", event(succeeded, json!({"id": "pi_foreign"}))),
        ("an order of no shop", event(succeeded, foreign(json!({"order": tea.id})))),
        ("another payment of the order", event(succeeded, foreign(json!({"order": order.id()})))),
        ("a charge without an intent", event("charge.refunded", charge(Value::Null))),
        ("a charge with an expanded intent", event("charge.refunded", charge(foreign(json!({}))))),
        ("an object of another shape", event(succeeded, json!([1, 2]))),
        ("a type that the shop does not handle", payments.stripe.event("evt_1", "customer.created", order.id())),
        ("an unknown type", payments.stripe.event("evt_1", "v9.dream.fulfilled", order.id())),
        ("a connected account", {
            let mut event = event(succeeded, foreign(json!({})));
            event["account"] = json!("acct_1");
            event
        }),
        (
            "a thin event",
            json!({"id": "evt_1", "object": "v2.core.event", "type": succeeded, "related_object": {"id": "pi_0"}}),
        ),
        ("no type", json!({"id": "evt_1"})),
        ("no object", json!(["evt_1"])),
    ] {
        let response = payments.signed(&event.to_string(), SystemTime::now()).await;
        assert_eq!(response.status, 204, "{case}: {response:?}");
    }
    assert_eq!(ana.get_order(order.id()).await["status"], "reserved");
    assert!(!payments.shop.log().contains("ERROR"), "{}", payments.shop.log());
}

#[tokio::test]
async fn a_payment_is_found_whatever_its_metadata() {
    let payments = StripeShop::start().await;
    for (case, metadata) in [("other metadata", json!({"order": "1001"})), ("none", Value::Null)] {
        let (ana, _) = payments.customer_with_tea().await;
        let order = ana.place_order("key").await.expect_status(202);
        payments.stripe.pay(order.id());
        let mut event = payments.stripe.event("evt_1", "payment_intent.succeeded", order.id());
        event["data"]["object"]["metadata"] = metadata;
        payments.signed(&event.to_string(), SystemTime::now()).await.expect_status(204);
        assert_eq!(ana.get_order(order.id()).await["status"], "confirmed", "{case}");
    }
}

/// Stripe repeats an event that gets a 5xx, so that it is not lost while the shop is mended.
#[tokio::test]
async fn an_unreadable_event_about_an_order_is_logged_and_repeated() {
    let payments = StripeShop::start().await;
    let (ana, _) = payments.customer_with_tea().await;
    let order = ana.place_order("key").await.expect_status(202);
    let mut event = payments.stripe.event("evt_1", "payment_intent.succeeded", order.id());
    event["id"] = json!({"new": "evt_shape"});
    payments.signed(&event.to_string(), SystemTime::now()).await.expect_problem(500, "internal");
    let log = payments.shop.log();
    let error = log.lines().find(|line| line.contains("ERROR")).expect("the log has no error");
    assert!(error.contains("evt_shape"), "{error}");
    assert_eq!(ana.get_order(order.id()).await["status"], "reserved");
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
    assert_eq!(payments.stripe.intent(order.id()).1.refunds.len(), 1);
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
async fn demo_payments_are_off_beside_stripe_unless_they_are_named() {
    let payments = StripeShop::start().await;
    let (ana, _) = payments.customer_with_tea().await;
    let by_demo = |key| ana.place_order_paying(key, "demo_ok");
    let problem = by_demo("key").await.expect_problem(422, "validation");
    assert_eq!(problem["errors"][0]["field"], "payment.method");
    payments.shop.stop().await;
    payments.shop.restart_in(&[("PAYMENT_METHODS", "stripe,demo")]).await;
    let order = by_demo("key").await.expect_status(201);
    // A payment goes on when its method is no longer offered.
    payments.shop.stop().await;
    payments.shop.restart().await;
    assert_eq!(ana.cancel_order(order.id()).await.expect_status(200)["status"], "refunded");
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
