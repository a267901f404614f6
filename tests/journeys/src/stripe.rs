//! A fake of the part of Stripe's API that the shop uses, and of the page of a customer's bank.

mod api;
mod bank;
mod json;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use rocket::Shutdown;
use rocket::http::Status;
use serde_json::{Value, json};
use sha2::Sha256;

use self::json::{charge_refunded, intent_json, refund_json};

/// The shop's secret key.
pub const SECRET_KEY: &str = "sk_test_4eC39HqLyjWDarjtT1zdp7dc";
/// The secret of the webhook's signatures.
pub const WEBHOOK_SECRET: &str = "whsec_5WbX7FtFcXq9Xq9Xq9Xq";

/// A fake Stripe on a port of its own.
pub struct FakeStripe {
    /// Its URL, without a slash at the end.
    pub url: String,
    account: Arc<Mutex<Account>>,
    shutdown: Shutdown,
}

/// A payment intent.
#[derive(Clone)]
pub struct Intent {
    /// The amount in Stripe's minor units.
    pub amount: u64,
    /// The currency, in lower case.
    pub currency: String,
    /// The order that it pays.
    pub order: String,
    /// Stripe's status.
    pub status: &'static str,
    /// How often it was captured.
    pub captures: usize,
    /// The captured amount.
    pub received: u64,
    /// Its refunds, the oldest first.
    pub refunds: Vec<Refund>,
    next_action: Value,
    last_payment_error: Value,
}

/// A refund of a payment intent.
#[derive(Clone)]
pub struct Refund {
    /// The amount in Stripe's minor units.
    pub amount: u64,
    /// Stripe's status.
    pub status: &'static str,
    /// The shop's id of it; empty for a refund on Stripe's dashboard.
    shop_id: String,
}

impl Intent {
    fn capture(&mut self, amount: u64) {
        (self.status, self.captures, self.received) = ("succeeded", self.captures + 1, amount);
    }

    fn authenticate(&mut self, succeeds: bool) {
        self.next_action = Value::Null;
        if succeeds {
            self.capture(self.amount);
        } else {
            self.status = "requires_payment_method";
            self.last_payment_error = json!({"code": "payment_intent_authentication_failure"});
        }
    }

    /// Returns the sum of the refunds that have not failed.
    fn refunded(&self) -> u64 {
        let failed = |refund: &&Refund| matches!(refund.status, "failed" | "canceled");
        self.refunds.iter().filter(|refund| !failed(refund)).map(|refund| refund.amount).sum()
    }
}

impl FakeStripe {
    /// Starts it.
    pub async fn start() -> Self {
        let account = Arc::<Mutex<Account>>::default();
        let no_ctrlc = rocket::config::Shutdown { ctrlc: false, ..rocket::config::Shutdown::default() };
        let config = rocket::Config {
            port: 0,
            log_level: rocket::log::LogLevel::Off,
            shutdown: no_ctrlc,
            ..rocket::Config::default()
        };
        let (bound, port) = tokio::sync::oneshot::channel();
        let bound = Mutex::new(Some(bound));
        let server = rocket::custom(config)
            .manage(Arc::clone(&account))
            .mount("/", [api::routes(), bank::routes()].concat())
            .attach(rocket::fairing::AdHoc::on_liftoff("port", move |server| {
                if let Some(bound) = bound.lock().unwrap().take() {
                    bound.send(server.config().port).unwrap();
                }
                Box::pin(async {})
            }));
        let server = server.ignite().await.unwrap();
        let shutdown = server.shutdown();
        tokio::spawn(server.launch());
        Self { url: format!("http://127.0.0.1:{}", port.await.unwrap()), account, shutdown }
    }

    /// Returns the environment variables of a shop that is paid through this Stripe.
    pub fn environment(&self) -> [(&'static str, &str); 3] {
        [
            ("STRIPE_URL", self.url.as_str()),
            ("STRIPE_SECRET_KEY", SECRET_KEY),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ]
    }

    /// Returns number and state of the one intent of an order.
    pub fn intent(&self, order: &str) -> (usize, Intent) {
        let account = self.account.lock().unwrap();
        let mut found = account.intents.iter().enumerate().filter(|(_, intent)| intent.order == order);
        let (number, intent) = found.next().unwrap();
        assert!(found.next().is_none(), "an order has two payments");
        (number, intent.clone())
    }

    /// The customer pays the whole amount in Stripe's form.
    pub fn pay(&self, order: &str) {
        let (number, intent) = self.intent(order);
        self.account.lock().unwrap().intents[number].capture(intent.amount);
    }

    /// The customer authenticates a payment at the bank, or fails to.
    pub fn authenticate(&self, order: &str, succeeds: bool) {
        let (number, _) = self.intent(order);
        let intent = &mut self.account.lock().unwrap().intents[number];
        assert_eq!(intent.status, "requires_action");
        intent.authenticate(succeeds);
    }

    /// Returns the number of payment intents that the shop has created.
    pub fn intents(&self) -> usize {
        self.account.lock().unwrap().intents.len()
    }

    /// Carries out the next request of this kind and returns an error instead of its response.
    pub fn lose_response_to(&self, kind: &'static str) {
        self.account.lock().unwrap().lost_response = Some(kind);
    }

    /// Starts or stops rejecting every change with `503`.
    pub fn set_down(&self, down: bool) {
        self.account.lock().unwrap().down = down;
    }

    /// Starts or stops rejecting each look-up of a payment with `503`.
    pub fn fail_lookups(&self, fail: bool) {
        self.account.lock().unwrap().fails_lookups = fail;
    }

    /// Captures only this amount of the next payment.
    pub fn capture_only(&self, amount: u64) {
        self.account.lock().unwrap().capture_only = Some(amount);
    }

    /// Answers requests for refunds with this status, or refuses them with this error code.
    pub fn answer_refunds(&self, answer: Result<&'static str, &'static str>) {
        self.account.lock().unwrap().refund_answer = Some(answer);
    }

    /// Refuses the next payment intent with this error, about this parameter.
    pub fn refuse_next_intent(&self, code: &'static str, param: &'static str) {
        self.account.lock().unwrap().intent_refusal = Some((code, param));
    }

    /// Rejects the shop's secret key, or accepts it again.
    pub fn reject_key(&self, reject: bool) {
        self.account.lock().unwrap().rejects_key = reject;
    }

    /// Refunds on Stripe's dashboard, and returns a webhook about the charge.
    pub fn refund_by_hand(&self, order: &str, amount: u64) -> Value {
        let (number, _) = self.intent(order);
        let mut account = self.account.lock().unwrap();
        account.intents[number].refunds.push(Refund { amount, status: "succeeded", shop_id: String::new() });
        charge_refunded(number, &account.intents[number])
    }

    /// The customer's bank disputes the whole payment, or decides. Returns a webhook of this type.
    pub fn dispute(&self, order: &str, status: &str, kind: &str) -> Value {
        let (number, intent) = self.intent(order);
        let object = json!({
            "id": format!("dp_{number}"),
            "object": "dispute",
            "charge": format!("ch_{number}"),
            "payment_intent": format!("pi_{number}"),
            "amount": intent.received,
            "currency": intent.currency,
            "reason": "fraudulent",
            "status": status,
        });
        json!({"id": format!("evt_{kind}_{status}"), "object": "event", "type": kind, "data": {"object": object}})
    }

    /// Changes the status of an order's latest refund, and returns a webhook of this type about it.
    pub fn complete_refund(&self, order: &str, status: &'static str, kind: &str) -> Value {
        let (number, _) = self.intent(order);
        let mut account = self.account.lock().unwrap();
        account.intents[number].refunds.last_mut().unwrap().status = status;
        let object = refund_json(number, &account.intents[number], account.intents[number].refunds.len() - 1);
        json!({"id": format!("evt_{kind}_{status}"), "object": "event", "type": kind, "data": {"object": object}})
    }

    /// Fails one of an order's refunds, and returns a webhook about it.
    pub fn fail_refund(&self, order: &str, index: usize) -> Value {
        let (number, _) = self.intent(order);
        let intent = &mut self.account.lock().unwrap().intents[number];
        intent.refunds[index].status = "failed";
        let object = refund_json(number, intent, index);
        json!({"id": format!("evt_failed_{index}"), "object": "event", "type": "refund.failed", "data": {"object": object}})
    }

    /// Returns a webhook event about an order's intent.
    pub fn event(&self, id: &str, kind: &str, order: &str) -> Value {
        let (number, intent) = self.intent(order);
        json!({"id": id, "object": "event", "type": kind, "data": {"object": intent_json(number, &intent)}})
    }

    /// Returns the `Stripe-Signature` of a webhook's body.
    pub fn sign(body: &str, signed_at: SystemTime) -> String {
        let seconds = signed_at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
        mac.update(format!("{seconds}.{body}").as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={seconds},v1={hex}")
    }
}

impl Drop for FakeStripe {
    fn drop(&mut self) {
        self.shutdown.clone().notify();
    }
}

#[derive(Default)]
struct Account {
    intents: Vec<Intent>,
    /// The response of each idempotency key.
    responses: HashMap<String, (Status, Value)>,
    lost_response: Option<&'static str>,
    down: bool,
    fails_lookups: bool,
    rejects_key: bool,
    capture_only: Option<u64>,
    /// Code and parameter of the error that refuses the next intent.
    intent_refusal: Option<(&'static str, &'static str)>,
    refund_answer: Option<Result<&'static str, &'static str>>,
}

type SharedAccount = Arc<Mutex<Account>>;
type Reply = (Status, Value);

fn number_of(id: &str) -> usize {
    id.strip_prefix("pi_").and_then(|number| number.parse().ok()).unwrap()
}
